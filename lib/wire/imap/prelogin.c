/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/prelogin.h"

#include "wire/imap/cursor.h"
#include "wire/sasl.h"
#include "wire/sasl_user.h"

#include <string.h>

#define BAD_MAX 20 /* who goes on after that many is no mail client */

typedef enum prelogin_action handler(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply);

static const char *const state_names[] = {
	[IMAP_PRELOGIN_IN_COMMAND] = "command",
	[IMAP_PRELOGIN_IN_RESPONSE] = "response",
	[IMAP_PRELOGIN_IN_ATTEMPT] = "attempt",
	[IMAP_PRELOGIN_IN_EXCHANGE] = "exchange",
	[IMAP_PRELOGIN_IN_STARTTLS] = "starttls",
	[IMAP_PRELOGIN_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == IMAP_PRELOGIN_STATE_COUNT,
	"a name for each state");

const char *imap_prelogin_state_name(enum imap_prelogin_state s)
{
	return (unsigned)s < IMAP_PRELOGIN_STATE_COUNT ? state_names[s] : "unknown";
}

void imap_prelogin_init(struct imap_prelogin *p, const struct imap_offer *offer,
	struct arena *arena, size_t command_max)
{
	*p = (struct imap_prelogin){
		.offer = offer, .arena = arena, .command_max = command_max
	};
	imap_frame_init(&p->framer, command_max);
}

void imap_prelogin_answered(struct imap_prelogin *p)
{
	p->login = (struct wire_login){ 0 };
	p->n_waits = 0;
	imap_frame_reset(&p->framer);
	if (p->state != IMAP_PRELOGIN_CLOSED)
		p->state = IMAP_PRELOGIN_IN_COMMAND;
}

/* A reply that does not fit its buffer means a client that sends and does not read. */
static enum prelogin_action say(struct imap_prelogin *p, struct buf *reply,
	struct str tag, const char *text, enum prelogin_action then)
{
	if (buf_printf(reply, "%.*s %s\r\n", STR_ARG(tag), text) < 0) {
		p->state = IMAP_PRELOGIN_CLOSED;
		return PRELOGIN_CLOSE;
	}
	return then;
}

static enum prelogin_action bye(
	struct imap_prelogin *p, struct buf *reply, const char *text)
{
	p->state = IMAP_PRELOGIN_CLOSED;
	return say(p, reply, STR_LIT("* BYE"), text, PRELOGIN_CLOSE);
}

static enum prelogin_action bad(
	struct imap_prelogin *p, struct buf *reply, struct str tag, const char *text)
{
	enum prelogin_action then = say(p, reply, tag, text, PRELOGIN_AGAIN);

	if (++p->bad >= BAD_MAX)
		return bye(p, reply, "Too many invalid commands.");
	return then;
}

/* Keeps bytes as a step, its line end made CRLF: what worked with a bare LF still does.
 */
static bool add_step(struct imap_prelogin *p, struct str bytes)
{
	size_t len = bytes.len;
	char *copy;

	if (p->login.n_steps == WIRE_LOGIN_STEPS_MAX)
		return false;
	if (len && bytes.ptr[len - 1] == '\n')
		len--;
	if (len && bytes.ptr[len - 1] == '\r')
		len--;
	copy = arena_alloc(p->arena, len + 2);
	if (!copy)
		return false;
	if (len)
		memcpy(copy, bytes.ptr, len);
	memcpy(copy + len, "\r\n", 2);
	p->login.steps[p->login.n_steps++] = str_of(copy, len + 2);
	return true;
}

static bool keep(struct imap_prelogin *p, struct str s, struct str *ret)
{
	*ret = arena_str(p->arena, s);
	return ret->ptr != NULL;
}

/* ---- commands ---- */

static enum prelogin_action cmd_capability(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply)
{
	(void)c;
	(void)command;
	if (buf_printf(reply, "* CAPABILITY %.*s\r\n", STR_ARG(p->offer->capability)) < 0)
		return bye(p, reply, "Out of memory.");
	return say(p, reply, p->login.tag, "OK Capability completed.", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_noop(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply)
{
	(void)c;
	(void)command;
	return say(p, reply, p->login.tag, "OK NOOP completed.", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_id(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply)
{
	(void)c;
	(void)command;
	if (buf_printf(reply, "* ID %.*s\r\n", STR_ARG(p->offer->id)) < 0)
		return bye(p, reply, "Out of memory.");
	return say(p, reply, p->login.tag, "OK ID completed.", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_logout(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply)
{
	(void)c;
	(void)command;
	p->state = IMAP_PRELOGIN_CLOSED;
	if (buf_append_c(reply, "* BYE Logging out\r\n") < 0)
		return PRELOGIN_CLOSE;
	return say(p, reply, p->login.tag, "OK Logout completed.", PRELOGIN_CLOSE);
}

static enum prelogin_action cmd_starttls(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply)
{
	(void)c;
	if (!p->offer->starttls)
		return bad(p, reply, p->login.tag, "BAD TLS is not available here.");
	if (!add_step(p, command))
		return bye(p, reply, "Out of memory.");
	p->state = IMAP_PRELOGIN_IN_STARTTLS;
	return PRELOGIN_STARTTLS;
}

static enum prelogin_action attempt(struct imap_prelogin *p)
{
	p->state = IMAP_PRELOGIN_IN_ATTEMPT;
	return PRELOGIN_LOGIN;
}

/* Cuts the command where the client waited for "+" (RFC 3501, 4.3). */
static bool add_command_steps(struct imap_prelogin *p, struct str command)
{
	size_t from = 0;

	for (size_t i = 0; i < p->n_waits; i++) {
		if (!add_step(p, str_of(command.ptr + from, p->waits[i] - from)))
			return false;
		from = p->waits[i];
	}
	return add_step(p, str_skip(command, from));
}

/* A string, or anything up to the next space: some clients send "p%ss" or "dom\user" as
   if it were an atom, and some servers take it. The server's own answer decides. */
static bool login_word(struct imap_prelogin *p, struct imap_cursor *c, struct str *ret)
{
	struct str s;

	if (imap_peek(c) == '"' || imap_peek(c) == '{')
		return imap_string(c, p->arena, &s) && keep(p, s, ret);
	return imap_word(c, &s) && keep(p, s, ret);
}

static enum prelogin_action cmd_login(struct imap_prelogin *p, struct imap_cursor *c,
	struct str command, struct buf *reply)
{
	struct wire_login *l = &p->login;

	if (!imap_space(c) || !login_word(p, c, &l->user) || !imap_space(c) ||
		!login_word(p, c, &l->password) || !imap_end(c))
		return bad(
			p, reply, l->tag, "BAD LOGIN wants a user name and a password.");
	l->mechanism = STR_LIT("LOGIN");
	if (!add_command_steps(p, command))
		return bye(p, reply, "Out of memory.");
	return attempt(p);
}

/* ---- AUTHENTICATE (RFC 3501, 6.2.2; RFC 4959 for the initial response) ---- */

static enum prelogin_action cancelled(
	struct imap_prelogin *p, struct buf *reply, const char *text)
{
	enum prelogin_action then = bad(p, reply, p->login.tag, text);

	imap_prelogin_answered(p);
	return then;
}

static enum prelogin_action plain_answer(
	struct imap_prelogin *p, struct str answer, struct buf *reply)
{
	struct wire_login *l = &p->login;
	struct sasl_plain plain;

	if (!sasl_plain_parse(answer, &plain))
		return cancelled(p, reply, "BAD Invalid PLAIN response.");
	l->user = sasl_plain_account(&plain);
	l->password = plain.password;
	if (plain.authzid.len && !str_eq(plain.authzid, plain.authcid))
		l->master = plain.authcid;
	return attempt(p);
}

static enum prelogin_action login_answer(
	struct imap_prelogin *p, struct str answer, struct buf *reply)
{
	if (p->login.user.ptr) {
		p->login.password = answer;
		return attempt(p);
	}
	p->login.user = answer;
	p->state = IMAP_PRELOGIN_IN_RESPONSE;
	return say(p, reply, STR_LIT("+"), "UGFzc3dvcmQ6", PRELOGIN_AGAIN);
}

static const struct sasl_row {
	struct str name, mechanism;
	const char *challenge; /* the first one, when no initial response came */
	enum prelogin_action (*answer)(
		struct imap_prelogin *p, struct str answer, struct buf *reply);
	bool may_be_empty; /* an initial "=" means: ask me */
} sasl_rows[] = {
	{ STR("PLAIN"), STR("AUTHENTICATE PLAIN"), "", plain_answer, false },
	{ STR("LOGIN"), STR("AUTHENTICATE LOGIN"), "VXNlcm5hbWU6", login_answer, true },
};

static const struct sasl_row *sasl_row(struct str name)
{
	for (size_t i = 0; i < sizeof(sasl_rows) / sizeof(sasl_rows[0]); i++)
		if (str_ieq(sasl_rows[i].name, name))
			return &sasl_rows[i];
	return NULL;
}

static enum prelogin_action foreign(
	struct imap_prelogin *p, struct str name, struct str initial, struct buf *reply)
{
	struct str user;

	if (!keep(p, name, &p->login.mechanism))
		return bye(p, reply, "Out of memory.");
	if (initial.len && sasl_user(name, initial, p->arena, &user))
		p->login.user = user;
	p->state = IMAP_PRELOGIN_IN_EXCHANGE;
	return PRELOGIN_EXCHANGE;
}

static enum prelogin_action initial_response(struct imap_prelogin *p,
	const struct sasl_row *row, struct str initial, struct buf *reply)
{
	struct str answer;

	if (str_eq(initial, STR_LIT("=")))
		initial.len = 0;
	if (!base64_decode(initial, p->arena, &answer))
		return cancelled(p, reply, "BAD Invalid base64.");
	if (answer.len || !row->may_be_empty)
		return row->answer(p, answer, reply);
	p->state = IMAP_PRELOGIN_IN_RESPONSE;
	return say(p, reply, STR_LIT("+"), row->challenge, PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_authenticate(struct imap_prelogin *p,
	struct imap_cursor *c, struct str command, struct buf *reply)
{
	struct str name, initial = { 0 };
	const struct sasl_row *row;

	if (!imap_space(c) || !imap_atom(c, &name) ||
		(imap_space(c) && !imap_word(c, &initial)) || !imap_end(c) || p->n_waits)
		return bad(p, reply, p->login.tag, "BAD AUTHENTICATE wants a mechanism.");
	if (!add_step(p, command))
		return bye(p, reply, "Out of memory.");
	row = sasl_row(name);
	if (!row)
		return foreign(p, name, initial, reply);
	p->login.mechanism = row->mechanism;
	if (initial.ptr)
		return initial_response(p, row, initial, reply);
	p->state = IMAP_PRELOGIN_IN_RESPONSE;
	return say(p, reply, STR_LIT("+"), row->challenge, PRELOGIN_AGAIN);
}

static const struct command_row {
	struct str name;
	handler *handle;
} command_rows[] = {
	{ STR("AUTHENTICATE"), cmd_authenticate },
	{ STR("CAPABILITY"), cmd_capability },
	{ STR("ID"), cmd_id },
	{ STR("LOGIN"), cmd_login },
	{ STR("LOGOUT"), cmd_logout },
	{ STR("NOOP"), cmd_noop },
	{ STR("STARTTLS"), cmd_starttls },
};

/* ---- framing ---- */

static enum prelogin_action run_command(
	struct imap_prelogin *p, struct str command, struct buf *reply)
{
	struct imap_cursor c = imap_cursor(command);
	struct str tag, name;

	if (str_index(command, '\0') < command.len)
		return bad(p, reply, STR_LIT("*"), "BAD NUL is not allowed in IMAP.");
	if (!imap_tag(&c, &tag) || !imap_space(&c) || !imap_atom(&c, &name))
		return bad(p, reply, STR_LIT("*"), "BAD Invalid command.");
	if (!keep(p, tag, &p->login.tag))
		return bye(p, reply, "Out of memory.");
	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++)
		if (str_ieq(command_rows[i].name, name))
			return command_rows[i].handle(p, &c, command, reply);
	return bad(p, reply, tag, "BAD Unknown command, or not before login.");
}

/* True: the literal stays in the input as part of the command. */
static bool accept_literal(
	struct imap_prelogin *p, const struct imap_literal *literal, struct buf *reply)
{
	if (literal->size > p->command_max ||
		literal->offset > p->command_max - literal->size)
		return false;
	if (literal->synchronizing) {
		if (p->n_waits == WIRE_LOGIN_STEPS_MAX - 1)
			return false;
		if (buf_append_c(reply, "+ OK\r\n") < 0)
			return false;
		p->waits[p->n_waits++] = literal->offset;
	}
	imap_frame_keep(&p->framer);
	return true;
}

/* An attempt keeps `login` until it is answered; everything else begins anew. */
static void after_command(struct imap_prelogin *p)
{
	if (p->state == IMAP_PRELOGIN_IN_COMMAND)
		p->login = (struct wire_login){ 0 };
	p->n_waits = 0;
	imap_frame_reset(&p->framer);
}

/* However the bytes come in pieces, the same command is too long. */
static enum prelogin_action too_long(struct imap_prelogin *p, struct buf *reply)
{
	return bye(p, reply, "Command too long.");
}

static enum prelogin_action whole_command(
	struct imap_prelogin *p, struct str command, struct buf *reply)
{
	enum prelogin_action action;

	if (command.len > p->command_max)
		return too_long(p, reply);
	action = run_command(p, command, reply);
	after_command(p);
	return action;
}

static enum prelogin_action next_command(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct imap_literal literal;

	switch (imap_frame_next(&p->framer, input, &literal)) {
	case IMAP_FRAME_NEED_MORE:
		return input.len > p->command_max ? too_long(p, reply)
		                                  : PRELOGIN_NEED_MORE;
	case IMAP_FRAME_LITERAL:
		/* no way to go on when refused: it may be on its way already */
		return accept_literal(p, &literal, reply)
		               ? PRELOGIN_AGAIN
		               : bye(p, reply, "Literal too large.");
	case IMAP_FRAME_COMMAND:
		*ret_used = literal.offset;
		return whole_command(p, str_take(input, literal.offset), reply);
	case IMAP_FRAME_TOO_LONG:
		return too_long(p, reply);
	case IMAP_FRAME_BAD:
		break;
	}
	return bye(p, reply, "Invalid literal size.");
}

/* A whole line, its end included. AGAIN: *ret_line is it. */
static enum prelogin_action take_line(struct imap_prelogin *p, struct str input,
	struct str *ret_line, struct buf *reply)
{
	size_t newline = str_index(input, '\n');

	if (newline >= p->command_max)
		return too_long(p, reply);
	if (newline == input.len)
		return PRELOGIN_NEED_MORE;
	*ret_line = str_take(input, newline + 1);
	return PRELOGIN_AGAIN;
}

static enum prelogin_action next_response(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct str line, answer;
	const struct sasl_row *row =
		sasl_row(str_skip(p->login.mechanism, sizeof("AUTHENTICATE ") - 1));
	enum prelogin_action action = take_line(p, input, &line, reply);

	if (action != PRELOGIN_AGAIN)
		return action;
	*ret_used = line.len;
	if (str_eq(str_trim(line), STR_LIT("*")))
		return cancelled(p, reply, "BAD Authentication cancelled.");
	if (!row || !base64_decode(str_trim(line), p->arena, &answer))
		return cancelled(p, reply, "BAD Invalid base64.");
	if (!add_step(p, line))
		return bye(p, reply, "Out of memory.");
	return row->answer(p, answer, reply);
}

static enum prelogin_action next_exchange_line(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct str user;
	enum prelogin_action action = take_line(p, input, &p->line, reply);

	if (action != PRELOGIN_AGAIN)
		return action;
	*ret_used = p->line.len;
	if (!p->login.user.ptr &&
		sasl_user(p->login.mechanism, str_trim(p->line), p->arena, &user))
		p->login.user = user;
	return PRELOGIN_EXCHANGE_LINE;
}

enum prelogin_action imap_prelogin_next(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	*ret_used = 0;
	switch (p->state) {
	case IMAP_PRELOGIN_IN_COMMAND:
		return next_command(p, input, ret_used, reply);
	case IMAP_PRELOGIN_IN_RESPONSE:
		return next_response(p, input, ret_used, reply);
	case IMAP_PRELOGIN_IN_EXCHANGE:
		return next_exchange_line(p, input, ret_used, reply);
	case IMAP_PRELOGIN_IN_ATTEMPT:
	case IMAP_PRELOGIN_IN_STARTTLS:
		return PRELOGIN_NEED_MORE;
	case IMAP_PRELOGIN_CLOSED:
	case IMAP_PRELOGIN_STATE_COUNT:
		break;
	}
	return PRELOGIN_CLOSE;
}
