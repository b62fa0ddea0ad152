/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/upstream.h"

#include "wire/imap/cursor.h"

static const char *const state_names[] = {
	[IMAP_UPSTREAM_IN_GREETING] = "greeting",
	[IMAP_UPSTREAM_IN_READY] = "ready",
	[IMAP_UPSTREAM_IN_LOGIN] = "login",
	[IMAP_UPSTREAM_IN_EXCHANGE] = "exchange",
	[IMAP_UPSTREAM_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == IMAP_UPSTREAM_STATE_COUNT,
	"a name for each state");

const char *imap_upstream_state_name(enum imap_upstream_state s)
{
	return (unsigned)s < IMAP_UPSTREAM_STATE_COUNT ? state_names[s] : "unknown";
}

void imap_upstream_init(struct imap_upstream *u)
{
	*u = (struct imap_upstream){ .state = IMAP_UPSTREAM_IN_GREETING };
	imap_frame_init(&u->framer, IMAP_RESPONSE_MAX);
}

int imap_upstream_login(struct imap_upstream *u, const struct wire_login *login,
	bool exchange, struct buf *to_server)
{
	u->login = login;
	u->step = 1;
	u->state = exchange ? IMAP_UPSTREAM_IN_EXCHANGE : IMAP_UPSTREAM_IN_LOGIN;
	return buf_append(to_server, login->steps[0]);
}

static enum upstream_event closed(struct imap_upstream *u, enum upstream_event event)
{
	u->state = IMAP_UPSTREAM_CLOSED;
	return event;
}

static enum upstream_event greeting(struct imap_upstream *u, struct imap_cursor *c)
{
	if (!imap_char(c, '*') || !imap_space(c))
		return closed(u, UPSTREAM_BROKEN);
	if (imap_keyword(c, STR_LIT("BYE")))
		return closed(u, UPSTREAM_BYE);
	/* PREAUTH would serve somebody without a password: not ours to use */
	if (!imap_keyword(c, STR_LIT("OK")))
		return closed(u, UPSTREAM_BROKEN);
	u->state = IMAP_UPSTREAM_IN_READY;
	return UPSTREAM_GREETED;
}

static enum upstream_event ready(struct imap_upstream *u, struct imap_cursor *c)
{
	if (!imap_char(c, '*') || !imap_space(c))
		return closed(u, UPSTREAM_BROKEN);
	if (imap_keyword(c, STR_LIT("BYE")))
		return closed(u, UPSTREAM_BYE);
	return UPSTREAM_UNTAGGED;
}

/* "+" asked for more than the client said: a server that ignored the initial response,
   or a mechanism with one round more than ours. "*" ends it with the server's BAD. */
static enum upstream_event next_step(struct imap_upstream *u, struct buf *to_server)
{
	struct str step = STR("*\r\n");

	if (u->step < u->login->n_steps)
		step = u->login->steps[u->step++];
	if (buf_append(to_server, step) < 0)
		return closed(u, UPSTREAM_BROKEN);
	return UPSTREAM_AGAIN;
}

static enum upstream_event answer(struct imap_upstream *u, struct imap_cursor *c)
{
	struct str tag;

	if (!imap_tag(c, &tag) || !str_eq(tag, u->login->tag) || !imap_space(c))
		return closed(u, UPSTREAM_BROKEN);
	u->login = NULL;
	u->state = IMAP_UPSTREAM_IN_READY;
	if (imap_keyword(c, STR_LIT("OK")))
		return UPSTREAM_OK;
	if (imap_keyword(c, STR_LIT("NO")) || imap_keyword(c, STR_LIT("BAD")))
		return UPSTREAM_NO;
	return closed(u, UPSTREAM_BROKEN);
}

static enum upstream_event respond(
	struct imap_upstream *u, struct str response, struct buf *to_server)
{
	struct imap_cursor c = imap_cursor(response);

	switch (u->state) {
	case IMAP_UPSTREAM_IN_GREETING:
		return greeting(u, &c);
	case IMAP_UPSTREAM_IN_READY:
		return ready(u, &c);
	case IMAP_UPSTREAM_IN_LOGIN:
	case IMAP_UPSTREAM_IN_EXCHANGE:
		if (imap_peek(&c) == '*')
			return UPSTREAM_UNTAGGED;
		if (imap_peek(&c) != '+')
			return answer(u, &c);
		return u->state == IMAP_UPSTREAM_IN_EXCHANGE ? UPSTREAM_CONTINUE
		                                             : next_step(u, to_server);
	case IMAP_UPSTREAM_CLOSED:
	case IMAP_UPSTREAM_STATE_COUNT:
		break;
	}
	return UPSTREAM_BROKEN;
}

/* The length of the first complete response; 0: more is needed. */
static enum imap_frame frame(
	struct imap_upstream *u, struct str input, struct imap_literal *ret)
{
	enum imap_frame is;

	while ((is = imap_frame_next(&u->framer, input, ret)) == IMAP_FRAME_LITERAL) {
		if (ret->size > IMAP_RESPONSE_MAX)
			return IMAP_FRAME_TOO_LONG;
		imap_frame_keep(&u->framer);
	}
	if (is == IMAP_FRAME_NEED_MORE && input.len > IMAP_RESPONSE_MAX)
		return IMAP_FRAME_TOO_LONG;
	return is;
}

enum upstream_event imap_upstream_next(struct imap_upstream *u, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server)
{
	struct imap_literal end;

	*ret_used = 0;
	*ret_response = STR_LIT("");
	switch (frame(u, input, &end)) {
	case IMAP_FRAME_COMMAND:
		break;
	case IMAP_FRAME_NEED_MORE:
		return UPSTREAM_NEED_MORE;
	case IMAP_FRAME_LITERAL:
	case IMAP_FRAME_TOO_LONG:
	case IMAP_FRAME_BAD:
		return closed(u, UPSTREAM_BROKEN);
	}
	imap_frame_reset(&u->framer);
	*ret_used = end.offset;
	*ret_response = str_take(input, end.offset);
	return respond(u, *ret_response, to_server);
}
