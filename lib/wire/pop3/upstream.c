/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/upstream.h"

#include "wire/line.h"

static const char *const state_names[] = {
	[POP3_UPSTREAM_IN_GREETING] = "greeting",
	[POP3_UPSTREAM_IN_READY] = "ready",
	[POP3_UPSTREAM_IN_LOGIN] = "login",
	[POP3_UPSTREAM_IN_EXCHANGE] = "exchange",
	[POP3_UPSTREAM_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == POP3_UPSTREAM_STATE_COUNT,
	"a name for each state");

const char *pop3_upstream_state_name(enum pop3_upstream_state s)
{
	return (unsigned)s < POP3_UPSTREAM_STATE_COUNT ? state_names[s] : "unknown";
}

void pop3_upstream_init(struct pop3_upstream *u)
{
	*u = (struct pop3_upstream){ .state = POP3_UPSTREAM_IN_GREETING };
}

int pop3_upstream_login(struct pop3_upstream *u, const struct wire_login *login,
	bool exchange, struct buf *to_server)
{
	u->login = login;
	u->step = 1;
	u->state = exchange ? POP3_UPSTREAM_IN_EXCHANGE : POP3_UPSTREAM_IN_LOGIN;
	return buf_append(to_server, login->steps[0]);
}

static enum upstream_event closed(struct pop3_upstream *u, enum upstream_event event)
{
	u->state = POP3_UPSTREAM_CLOSED;
	return event;
}

static enum upstream_event answered(struct pop3_upstream *u, enum upstream_event event)
{
	u->login = NULL;
	u->state = POP3_UPSTREAM_IN_READY;
	return event;
}

/* "+" asked for more than the client said: "*" ends it with the server's -ERR. */
static enum upstream_event next_step(struct pop3_upstream *u, struct buf *to_server)
{
	struct str step = STR("*\r\n");

	if (u->step < u->login->n_steps)
		step = u->login->steps[u->step++];
	if (buf_append(to_server, step) < 0)
		return closed(u, UPSTREAM_BROKEN);
	return UPSTREAM_AGAIN;
}

static enum upstream_event in_login(
	struct pop3_upstream *u, enum pop3_status status, struct buf *to_server)
{
	switch (status) {
	case POP3_STATUS_OK:
		/* after USER it is the turn of PASS; AUTH is over, whatever was left */
		if (str_eq(u->login->mechanism, STR_LIT("USER")) &&
			u->step < u->login->n_steps)
			return next_step(u, to_server);
		return answered(u, UPSTREAM_OK);
	case POP3_STATUS_ERR:
		return answered(u, UPSTREAM_NO);
	case POP3_STATUS_CONTINUE:
		return u->state == POP3_UPSTREAM_IN_EXCHANGE ? UPSTREAM_CONTINUE
		                                             : next_step(u, to_server);
	case POP3_STATUS_NONE:
		break;
	}
	return closed(u, UPSTREAM_BROKEN);
}

static enum upstream_event respond(
	struct pop3_upstream *u, struct str line, struct buf *to_server)
{
	enum pop3_status status = pop3_status(line);

	switch (u->state) {
	case POP3_UPSTREAM_IN_GREETING:
		if (status == POP3_STATUS_OK)
			return answered(u, UPSTREAM_GREETED);
		return closed(
			u, status == POP3_STATUS_ERR ? UPSTREAM_BYE : UPSTREAM_BROKEN);
	case POP3_UPSTREAM_IN_READY: /* nothing was asked: a time-out is told */
		return closed(
			u, status == POP3_STATUS_ERR ? UPSTREAM_BYE : UPSTREAM_BROKEN);
	case POP3_UPSTREAM_IN_LOGIN:
	case POP3_UPSTREAM_IN_EXCHANGE:
		return in_login(u, status, to_server);
	case POP3_UPSTREAM_CLOSED:
	case POP3_UPSTREAM_STATE_COUNT:
		break;
	}
	return UPSTREAM_BROKEN;
}

enum upstream_event pop3_upstream_next(struct pop3_upstream *u, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server)
{
	struct str line;

	*ret_used = 0;
	*ret_response = STR_LIT("");
	switch (line_next(input, POP3_RESPONSE_MAX, &line, ret_used)) {
	case LINE_NEED_MORE:
		return UPSTREAM_NEED_MORE;
	case LINE_TOO_LONG:
		return closed(u, UPSTREAM_BROKEN);
	case LINE_COMPLETE:
		break;
	}
	*ret_response = str_take(input, *ret_used);
	return respond(u, line, to_server);
}
