/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/upstream.h"

#include "wire/imap/cursor.h"
#include "wire/imap/encode.h"
#include "wire/sasl_login.h"

#include <errno.h>
#include <string.h>

static const char *const state_names[] = {
	[IMAP_UPSTREAM_IN_GREETING] = "greeting",
	[IMAP_UPSTREAM_IN_READY] = "ready",
	[IMAP_UPSTREAM_IN_ASKED] = "asked",
	[IMAP_UPSTREAM_IN_PREFACE] = "preface",
	[IMAP_UPSTREAM_IN_LOGIN] = "login",
	[IMAP_UPSTREAM_IN_EXCHANGE] = "exchange",
	[IMAP_UPSTREAM_IN_CHALLENGED] = "challenged",
	[IMAP_UPSTREAM_IN_CANCELLED] = "cancelled",
	[IMAP_UPSTREAM_IN_DONE] = "done",
	[IMAP_UPSTREAM_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == IMAP_UPSTREAM_STATE_COUNT,
	"a name for each state");

const char *imap_upstream_state_name(enum imap_upstream_state s)
{
	return (unsigned)s < IMAP_UPSTREAM_STATE_COUNT ? state_names[s] : "unknown";
}

void imap_upstream_init(struct imap_upstream *u, struct str unique)
{
	*u = (struct imap_upstream){ .state = IMAP_UPSTREAM_IN_GREETING };
	u->unique_len = str_take(unique, sizeof(u->unique)).len;
	memcpy(u->unique, unique.ptr, u->unique_len);
	imap_frame_init(&u->framer, IMAP_RESPONSE_MAX);
}

static enum upstream_event closed(struct imap_upstream *u, enum upstream_event event)
{
	u->state = IMAP_UPSTREAM_CLOSED;
	u->login = NULL;
	return event;
}

/* ---- what is sent ---- */

/* Writes one step of a command: the parts before and behind it are counted and dropped.
 */
struct cut {
	struct buf *out;
	unsigned wanted, at;
	int r;
};

static void put(struct cut *c, struct str bytes)
{
	if (c->at == c->wanted && c->r == 0)
		c->r = buf_append(c->out, bytes);
}

/* The next step begins, once the server has asked for it. */
static void wait_for_plus(struct cut *c)
{
	put(c, STR_LIT("\r\n"));
	c->at++;
}

static void put_tag(struct imap_upstream *u, struct cut *c)
{
	if (c->at != c->wanted || c->r < 0)
		return;
	u->commands++;
	put(c, str_of(u->unique, u->unique_len));
	if (c->r == 0)
		c->r = buf_number(c->out, u->commands);
	put(c, STR_LIT(" "));
}

static bool needs_literal(struct str s, bool was_literal)
{
	if (!was_literal)
		return s.len > IMAP_LOGIN_QUOTED_MAX;
	return !imap_is_quotable(s) || str_index(s, '"') < s.len ||
	       str_index(s, '\\') < s.len;
}

/* A literal where the client had one and something in it might be read in another way
   between quotes; a quoted string for all else. */
static void put_string(struct cut *c, struct str s, bool was_literal)
{
	if (needs_literal(s, was_literal)) {
		if (c->at == c->wanted && c->r == 0)
			c->r = buf_printf(c->out, "{%zu}", s.len);
		wait_for_plus(c);
		put(c, s);
	} else if (c->at == c->wanted && c->r == 0) {
		c->r = imap_put_quoted(c->out, s);
	}
}

static void put_login(struct cut *c, const struct wire_login *l)
{
	put(c, STR_LIT("LOGIN "));
	put_string(c, l->user, l->user_literal);
	put(c, STR_LIT(" "));
	put_string(c, l->password, l->password_literal);
	put(c, STR_LIT("\r\n"));
}

static void put_answer(struct cut *c, const struct wire_login *l, unsigned n)
{
	if (c->at == c->wanted && c->r == 0)
		c->r = sasl_login_put(l, n, c->out);
}

static void put_sasl(struct cut *c, const struct wire_login *l)
{
	bool plain = l->kind == LOGIN_SASL_PLAIN;

	put(c, plain ? STR_LIT("AUTHENTICATE PLAIN") : STR_LIT("AUTHENTICATE LOGIN"));
	if (plain && l->has_initial) {
		put(c, STR_LIT(" "));
		put_answer(c, l, 0);
	}
	for (unsigned n = 0; n < sasl_login_answers(l); n++) {
		wait_for_plus(c);
		put_answer(c, l, n);
	}
	put(c, STR_LIT("\r\n"));
}

static void put_exchange(struct cut *c, const struct wire_login *l)
{
	put(c, STR_LIT("AUTHENTICATE "));
	put(c, l->mechanism);
	if (l->initial.ptr) {
		put(c, STR_LIT(" "));
		put(c, l->initial.len ? l->initial : STR_LIT("="));
	}
	put(c, STR_LIT("\r\n"));
}

static void put_command(struct cut *c, const struct wire_login *l)
{
	switch (l->kind) {
	case LOGIN_PASSWORD:
		put_login(c, l);
		break;
	case LOGIN_SASL_PLAIN:
	case LOGIN_SASL_LOGIN:
		put_sasl(c, l);
		break;
	case LOGIN_EXCHANGE:
		put_exchange(c, l);
		break;
	case LOGIN_STARTTLS:
		put(c, STR_LIT("STARTTLS\r\n"));
		break;
	case LOGIN_APOP:
	case LOGIN_NONE:
		c->r = -EPROTO;
		break;
	}
}

/* How many steps the login has, or writes the one wanted. */
static int put_step(
	struct imap_upstream *u, unsigned wanted, struct buf *out, unsigned *ret_steps)
{
	struct cut c = { .out = out, .wanted = wanted };

	put_tag(u, &c);
	put_command(&c, u->login);
	*ret_steps = c.at + 1;
	return c.r;
}

static int send_first(struct imap_upstream *u, struct buf *to_server)
{
	unsigned steps;

	u->step = 1;
	u->state = u->login->kind == LOGIN_EXCHANGE ? IMAP_UPSTREAM_IN_EXCHANGE
	                                            : IMAP_UPSTREAM_IN_LOGIN;
	return put_step(u, 0, to_server, &steps);
}

static int ask_in(struct imap_upstream *u, enum imap_upstream_state state,
	struct str command, struct buf *to_server)
{
	struct cut c = { .out = to_server };

	if (u->state != state)
		return -EPROTO;
	put_tag(u, &c);
	put(&c, command);
	put(&c, STR_LIT("\r\n"));
	u->asked_in = state;
	u->state = IMAP_UPSTREAM_IN_ASKED;
	return c.r;
}

int imap_upstream_ask(struct imap_upstream *u, struct str command, struct buf *to_server)
{
	return ask_in(u, IMAP_UPSTREAM_IN_READY, command, to_server);
}

int imap_upstream_ask_behind(
	struct imap_upstream *u, struct str command, struct buf *to_server)
{
	return ask_in(u, IMAP_UPSTREAM_IN_DONE, command, to_server);
}

int imap_upstream_login(
	struct imap_upstream *u, const struct wire_login *login, struct buf *to_server)
{
	struct cut c = { .out = to_server };

	if (u->state != IMAP_UPSTREAM_IN_READY)
		return -EPROTO;
	u->login = login;
	if (!login->id.len)
		return send_first(u, to_server);
	put_tag(u, &c);
	put(&c, STR_LIT("ID "));
	put(&c, login->id);
	put(&c, STR_LIT("\r\n"));
	u->state = IMAP_UPSTREAM_IN_PREFACE;
	return c.r;
}

int imap_upstream_answer(struct imap_upstream *u, struct str line, struct buf *to_server)
{
	int r;

	if (u->state != IMAP_UPSTREAM_IN_CHALLENGED)
		return -EPROTO;
	line = sasl_exchange_line(line);
	u->step++;
	u->state = str_eq(line, STR_LIT("*")) ? IMAP_UPSTREAM_IN_CANCELLED
	                                      : IMAP_UPSTREAM_IN_EXCHANGE;
	r = buf_append(to_server, line);
	return r < 0 ? r : buf_append_c(to_server, "\r\n");
}

/* ---- what comes ---- */

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

/* Nothing was asked. What a server may say at any time (RFC 3501, 7) is nobody's answer.
 */
static enum upstream_event ready(struct imap_upstream *u, struct imap_cursor *c)
{
	if (!imap_char(c, '*') || !imap_space(c))
		return closed(u, UPSTREAM_BROKEN);
	if (imap_keyword(c, STR_LIT("BYE")))
		return closed(u, UPSTREAM_BYE);
	return UPSTREAM_AGAIN;
}

/* "+" asked for more than the client said: "*" ends it with the server's BAD. That the
   initial response was not heard is no reason: it is the answer, too. */
static enum upstream_event next_step(struct imap_upstream *u, struct buf *to_server)
{
	unsigned steps;

	if (put_step(u, u->step, to_server, &steps) < 0)
		return closed(u, UPSTREAM_BROKEN);
	if (u->step++ < steps)
		return UPSTREAM_AGAIN;
	u->state = IMAP_UPSTREAM_IN_CANCELLED;
	return buf_append_c(to_server, "*\r\n") < 0 ? closed(u, UPSTREAM_BROKEN)
	                                            : UPSTREAM_AGAIN;
}

/* "+": it is for the other side to speak. is_last: nothing came behind it, which would
   have been said before the answer was heard. */
static enum upstream_event challenge(
	struct imap_upstream *u, bool is_last, struct buf *to_server)
{
	if (!is_last)
		return closed(u, UPSTREAM_BROKEN);
	if (u->state == IMAP_UPSTREAM_IN_LOGIN)
		return next_step(u, to_server);
	if (u->state != IMAP_UPSTREAM_IN_EXCHANGE)
		return closed(u, UPSTREAM_BROKEN);
	u->state = IMAP_UPSTREAM_IN_CHALLENGED;
	return UPSTREAM_CONTINUE;
}

/* Whether all was said that the login consists of: an OK to less is odd. */
static bool is_complete(struct imap_upstream *u)
{
	const struct wire_login *l = u->login;
	unsigned steps;

	if (u->state == IMAP_UPSTREAM_IN_EXCHANGE)
		return u->step > 1 || l->initial.ptr;
	if (u->state != IMAP_UPSTREAM_IN_LOGIN)
		return false;
	if (l->kind == LOGIN_SASL_PLAIN && l->has_initial)
		return true;
	return put_step(u, UINT32_MAX, NULL, &steps) == 0 && u->step == steps;
}

static bool is_our_tag(const struct imap_upstream *u, struct str tag)
{
	uint32_t number;

	return str_starts(tag, str_of(u->unique, u->unique_len)) &&
	       str_to_u32(str_skip(tag, u->unique_len), &number) && number == u->commands;
}

static enum upstream_event to_question(
	struct imap_upstream *u, bool ok, struct buf *to_server)
{
	if (u->state == IMAP_UPSTREAM_IN_ASKED) {
		u->state = u->asked_in;
		return ok ? UPSTREAM_OK : UPSTREAM_NO;
	}
	/* what it thinks of the client's ID does not matter */
	return send_first(u, to_server) < 0 ? closed(u, UPSTREAM_BROKEN) : UPSTREAM_AGAIN;
}

static enum upstream_event answer(
	struct imap_upstream *u, struct imap_cursor *c, struct buf *to_server)
{
	struct str tag;
	bool ok, complete;

	if (!imap_tag(c, &tag) || !is_our_tag(u, tag) || !imap_space(c))
		return closed(u, UPSTREAM_BROKEN);
	ok = str_istarts(c->rest, STR_LIT("OK"));
	if (!ok && !str_istarts(c->rest, STR_LIT("NO")) &&
		!str_istarts(c->rest, STR_LIT("BAD")))
		return closed(u, UPSTREAM_BROKEN);
	if (u->state == IMAP_UPSTREAM_IN_ASKED || u->state == IMAP_UPSTREAM_IN_PREFACE)
		return to_question(u, ok, to_server);
	complete = is_complete(u);
	u->login = NULL;
	if (!ok)
		return closed(u, UPSTREAM_NO);
	if (!complete)
		return closed(u, UPSTREAM_BROKEN);
	u->state = IMAP_UPSTREAM_IN_DONE;
	return UPSTREAM_OK;
}

static enum upstream_event untagged(struct imap_upstream *u)
{
	return u->state == IMAP_UPSTREAM_IN_PREFACE ? UPSTREAM_AGAIN : UPSTREAM_UNTAGGED;
}

/* The server's answer, its tag off when it is the login's. */
static enum upstream_event respond(struct imap_upstream *u, struct str *response,
	bool is_last, struct buf *to_server)
{
	struct imap_cursor c = imap_cursor(*response);
	enum upstream_event event;

	switch (u->state) {
	case IMAP_UPSTREAM_IN_GREETING:
		return greeting(u, &c);
	case IMAP_UPSTREAM_IN_READY:
		return ready(u, &c);
	case IMAP_UPSTREAM_IN_ASKED:
	case IMAP_UPSTREAM_IN_PREFACE:
	case IMAP_UPSTREAM_IN_LOGIN:
	case IMAP_UPSTREAM_IN_EXCHANGE:
	case IMAP_UPSTREAM_IN_CHALLENGED:
	case IMAP_UPSTREAM_IN_CANCELLED:
		if (imap_peek(&c) == '*')
			return untagged(u);
		if (imap_peek(&c) == '+')
			return challenge(u, is_last, to_server);
		event = answer(u, &c, to_server);
		if (event == UPSTREAM_OK || event == UPSTREAM_NO)
			*response = c.rest;
		return event;
	case IMAP_UPSTREAM_IN_DONE: /* the caller's, from here on */
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
	if (u->state == IMAP_UPSTREAM_IN_DONE)
		return UPSTREAM_NEED_MORE;
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
	return respond(u, ret_response, end.offset == input.len, to_server);
}
