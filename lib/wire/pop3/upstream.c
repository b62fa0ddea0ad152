/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/upstream.h"

#include "wire/line.h"
#include "wire/sasl_login.h"

#include <errno.h>

static const char *const state_names[] = {
	[POP3_UPSTREAM_IN_GREETING] = "greeting",
	[POP3_UPSTREAM_IN_READY] = "ready",
	[POP3_UPSTREAM_IN_LOGIN] = "login",
	[POP3_UPSTREAM_IN_EXCHANGE] = "exchange",
	[POP3_UPSTREAM_IN_CHALLENGED] = "challenged",
	[POP3_UPSTREAM_IN_CANCELLED] = "cancelled",
	[POP3_UPSTREAM_IN_DONE] = "done",
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

static enum upstream_event closed(struct pop3_upstream *u, enum upstream_event event)
{
	u->state = POP3_UPSTREAM_CLOSED;
	u->login = NULL;
	return event;
}

/* ---- what is sent ---- */

static int put_line(struct buf *out, const char *command, struct str argument)
{
	int r = buf_append_c(out, command);

	r = r < 0 ? r : buf_append(out, argument);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static int put_password(const struct wire_login *l, unsigned step, struct buf *out)
{
	return step == 0 ? put_line(out, "USER ", l->user)
	                 : put_line(out, "PASS ", l->password);
}

static int put_apop(const struct wire_login *l, unsigned step, struct buf *out)
{
	int r = buf_append_c(out, "APOP ");

	(void)step;
	r = r < 0 ? r : buf_append(out, l->user);
	return r < 0 ? r : put_line(out, " ", l->proof.digest);
}

static int put_sasl(const struct wire_login *l, unsigned step, struct buf *out)
{
	bool plain = l->kind == LOGIN_SASL_PLAIN;
	int r = 0;

	if (step == 0)
		r = buf_append_c(out, plain ? "AUTH PLAIN" : "AUTH LOGIN");
	if (step == 0 && !(plain && l->has_initial))
		return r < 0 ? r : buf_append_c(out, "\r\n");
	if (step == 0)
		r = r < 0 ? r : buf_byte(out, ' ');
	r = r < 0 ? r : sasl_login_put(l, step ? step - 1 : 0, out);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static int put_exchange(const struct wire_login *l, unsigned step, struct buf *out)
{
	int r = buf_append_c(out, "AUTH ");

	(void)step;
	r = r < 0 ? r : buf_append(out, l->mechanism);
	if (l->initial.ptr) {
		r = r < 0 ? r : buf_byte(out, ' ');
		r = r < 0 ? r
		          : buf_append(out, l->initial.len ? l->initial : STR_LIT("="));
	}
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static int put_stls(const struct wire_login *l, unsigned step, struct buf *out)
{
	(void)l;
	(void)step;
	return buf_append_c(out, "STLS\r\n");
}

/* steps: as many lines as the login may need; all but an initial response must have been
   said before an answer can be its answer. */
static const struct dialogue {
	int (*put)(const struct wire_login *l, unsigned step, struct buf *out);
	unsigned steps;
} dialogues[] = {
	[LOGIN_NONE] = { NULL, 0 },
	[LOGIN_PASSWORD] = { put_password, 2 },
	[LOGIN_APOP] = { put_apop, 1 },
	[LOGIN_SASL_PLAIN] = { put_sasl, 2 },
	[LOGIN_SASL_LOGIN] = { put_sasl, 3 },
	[LOGIN_EXCHANGE] = { put_exchange, 1 },
	[LOGIN_STARTTLS] = { put_stls, 1 },
};

int pop3_upstream_login(
	struct pop3_upstream *u, const struct wire_login *login, struct buf *to_server)
{
	if (u->state != POP3_UPSTREAM_IN_READY || !dialogues[login->kind].put)
		return -EPROTO;
	u->login = login;
	u->step = 1;
	u->state = login->kind == LOGIN_EXCHANGE ? POP3_UPSTREAM_IN_EXCHANGE
	                                         : POP3_UPSTREAM_IN_LOGIN;
	return dialogues[login->kind].put(login, 0, to_server);
}

int pop3_upstream_answer(struct pop3_upstream *u, struct str line, struct buf *to_server)
{
	if (u->state != POP3_UPSTREAM_IN_CHALLENGED)
		return -EPROTO;
	line = sasl_exchange_line(line);
	u->step++;
	u->state = str_eq(line, STR_LIT("*")) ? POP3_UPSTREAM_IN_CANCELLED
	                                      : POP3_UPSTREAM_IN_EXCHANGE;
	return put_line(to_server, "", line);
}

/* ---- what comes ---- */

/* The server asked for more than the client said: "*" ends it with the server's -ERR. */
static enum upstream_event next_step(struct pop3_upstream *u, struct buf *to_server)
{
	const struct dialogue *d = &dialogues[u->login->kind];
	int r;

	if (u->step < d->steps) {
		r = d->put(u->login, u->step++, to_server);
	} else {
		u->state = POP3_UPSTREAM_IN_CANCELLED;
		r = buf_append_c(to_server, "*\r\n");
	}
	return r < 0 ? closed(u, UPSTREAM_BROKEN) : UPSTREAM_AGAIN;
}

static bool is_complete(const struct pop3_upstream *u)
{
	const struct wire_login *l = u->login;

	if (u->state == POP3_UPSTREAM_IN_EXCHANGE)
		return u->step > 1 || l->initial.ptr;
	if (u->state != POP3_UPSTREAM_IN_LOGIN)
		return false;
	return u->step == dialogues[l->kind].steps ||
	       (l->kind == LOGIN_SASL_PLAIN && l->has_initial);
}

static enum upstream_event accepted(struct pop3_upstream *u, struct buf *to_server)
{
	/* after USER it is the turn of PASS */
	if (u->state == POP3_UPSTREAM_IN_LOGIN && u->login->kind == LOGIN_PASSWORD &&
		u->step == 1)
		return next_step(u, to_server);
	if (!is_complete(u))
		return closed(u, UPSTREAM_BROKEN);
	u->state = POP3_UPSTREAM_IN_DONE;
	u->login = NULL;
	return UPSTREAM_OK;
}

static enum upstream_event challenged(struct pop3_upstream *u, struct buf *to_server)
{
	if (u->state == POP3_UPSTREAM_IN_EXCHANGE) {
		u->state = POP3_UPSTREAM_IN_CHALLENGED;
		return UPSTREAM_CONTINUE;
	}
	if (u->state != POP3_UPSTREAM_IN_LOGIN || u->login->kind == LOGIN_PASSWORD ||
		u->login->kind == LOGIN_APOP)
		return closed(u, UPSTREAM_BROKEN);
	return next_step(u, to_server);
}

static enum upstream_event in_login(
	struct pop3_upstream *u, enum pop3_status status, struct buf *to_server)
{
	switch (status) {
	case POP3_STATUS_OK:
		return accepted(u, to_server);
	case POP3_STATUS_ERR:
		return closed(u, UPSTREAM_NO);
	case POP3_STATUS_CONTINUE:
		return challenged(u, to_server);
	case POP3_STATUS_NONE:
		break;
	}
	return closed(u, UPSTREAM_BROKEN);
}

static enum upstream_event greeting(struct pop3_upstream *u, enum pop3_status status)
{
	if (status != POP3_STATUS_OK)
		return closed(
			u, status == POP3_STATUS_ERR ? UPSTREAM_BYE : UPSTREAM_BROKEN);
	u->state = POP3_UPSTREAM_IN_READY;
	return UPSTREAM_GREETED;
}

static enum upstream_event respond(
	struct pop3_upstream *u, struct str line, struct buf *to_server)
{
	enum pop3_status status = pop3_status(line);

	switch (u->state) {
	case POP3_UPSTREAM_IN_GREETING:
		return greeting(u, status);
	case POP3_UPSTREAM_IN_READY: /* nothing was asked: a time-out is told */
		return closed(
			u, status == POP3_STATUS_ERR ? UPSTREAM_BYE : UPSTREAM_BROKEN);
	case POP3_UPSTREAM_IN_LOGIN:
	case POP3_UPSTREAM_IN_EXCHANGE:
	case POP3_UPSTREAM_IN_CHALLENGED:
	case POP3_UPSTREAM_IN_CANCELLED:
		return in_login(u, status, to_server);
	case POP3_UPSTREAM_IN_DONE: /* the caller's, from here on */
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
	if (u->state == POP3_UPSTREAM_IN_DONE)
		return UPSTREAM_NEED_MORE;
	switch (line_next(input, POP3_RESPONSE_MAX, &line, ret_used)) {
	case LINE_NEED_MORE:
		return UPSTREAM_NEED_MORE;
	case LINE_TOO_LONG:
		return closed(u, UPSTREAM_BROKEN);
	case LINE_COMPLETE:
		break;
	}
	*ret_response = str_take(input, *ret_used);
	/* a second line is the answer to nothing; -ERR ends it in any case */
	if (*ret_used < input.len && pop3_status(line) != POP3_STATUS_ERR)
		return closed(u, UPSTREAM_BROKEN);
	return respond(u, line, to_server);
}
