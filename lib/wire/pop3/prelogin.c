/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/prelogin.h"

#include "wire/line.h"
#include "wire/pop3/command.h"
#include "wire/sasl.h"
#include "wire/sasl_user.h"

#include <string.h>

#define BAD_MAX 20 /* who goes on after that many is no mail client */

typedef enum prelogin_action handler(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply);

static const char *const state_names[] = {
	[POP3_PRELOGIN_IN_COMMAND] = "command",
	[POP3_PRELOGIN_IN_RESPONSE] = "response",
	[POP3_PRELOGIN_IN_ATTEMPT] = "attempt",
	[POP3_PRELOGIN_IN_EXCHANGE] = "exchange",
	[POP3_PRELOGIN_IN_STARTTLS] = "starttls",
	[POP3_PRELOGIN_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == POP3_PRELOGIN_STATE_COUNT,
	"a name for each state");

const char *pop3_prelogin_state_name(enum pop3_prelogin_state s)
{
	return (unsigned)s < POP3_PRELOGIN_STATE_COUNT ? state_names[s] : "unknown";
}

void pop3_prelogin_init(struct pop3_prelogin *p, const struct pop3_offer *offer,
	struct arena *arena, size_t command_max)
{
	*p = (struct pop3_prelogin){
		.offer = offer, .arena = arena, .command_max = command_max
	};
}

void pop3_prelogin_answered(struct pop3_prelogin *p)
{
	p->login = (struct wire_login){ 0 };
	if (p->state != POP3_PRELOGIN_CLOSED)
		p->state = POP3_PRELOGIN_IN_COMMAND;
}

/* A reply that does not fit its buffer means a client that sends and does not read. */
static enum prelogin_action say(struct pop3_prelogin *p, struct buf *reply,
	const char *text, enum prelogin_action then)
{
	if (buf_printf(reply, "%s\r\n", text) < 0) {
		p->state = POP3_PRELOGIN_CLOSED;
		return PRELOGIN_CLOSE;
	}
	return then;
}

static enum prelogin_action bye(
	struct pop3_prelogin *p, struct buf *reply, const char *text)
{
	p->state = POP3_PRELOGIN_CLOSED;
	return say(p, reply, text, PRELOGIN_CLOSE);
}

/* What a user began to say is forgotten with it (RFC 1939, 7: PASS comes right behind
   USER). */
static enum prelogin_action bad(
	struct pop3_prelogin *p, struct buf *reply, const char *text)
{
	pop3_prelogin_answered(p);
	if (++p->bad >= BAD_MAX)
		return bye(p, reply, "-ERR Too many invalid commands.");
	return say(p, reply, text, PRELOGIN_AGAIN);
}

static enum prelogin_action no_memory(struct pop3_prelogin *p, struct buf *reply)
{
	return bye(p, reply, "-ERR [SYS/TEMP] Out of memory.");
}

static bool add_step(struct pop3_prelogin *p, struct str line)
{
	char *copy;

	if (p->login.n_steps == WIRE_LOGIN_STEPS_MAX)
		return false;
	copy = arena_alloc(p->arena, line.len + 2);
	if (!copy)
		return false;
	if (line.len)
		memcpy(copy, line.ptr, line.len);
	copy[line.len] = '\r';
	copy[line.len + 1] = '\n';
	p->login.steps[p->login.n_steps++] = str_of(copy, line.len + 2);
	return true;
}

static enum prelogin_action attempt(struct pop3_prelogin *p)
{
	p->state = POP3_PRELOGIN_IN_ATTEMPT;
	return PRELOGIN_LOGIN;
}

/* ---- commands ---- */

static enum prelogin_action cmd_user(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	pop3_prelogin_answered(p); /* a second USER replaces the first */
	if (!str_trim(c->args).len)
		return bad(p, reply, "-ERR USER wants a name.");
	p->login.mechanism = STR_LIT("USER");
	p->login.user = arena_str(p->arena, str_trim(c->args));
	if (!p->login.user.ptr || !add_step(p, line))
		return no_memory(p, reply);
	return say(p, reply, "+OK", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_pass(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	if (!p->login.user.ptr)
		return bad(p, reply, "-ERR USER first.");
	p->login.password = arena_str(p->arena, c->args);
	if (!p->login.password.ptr || !add_step(p, line))
		return no_memory(p, reply);
	return attempt(p);
}

static enum prelogin_action cmd_apop(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	size_t space = str_index(c->args, ' ');
	struct str timestamp;

	pop3_prelogin_answered(p);
	if (!pop3_greeting_timestamp(p->offer->greeting, &timestamp))
		return bad(p, reply, "-ERR APOP is not available here.");
	if (space == 0 || space + 1 >= c->args.len)
		return bad(p, reply, "-ERR APOP wants a name and a digest.");
	p->login.mechanism = STR_LIT("APOP");
	p->login.user = arena_str(p->arena, str_take(c->args, space));
	p->login.proof = (struct challenge_proof){ .kind = CHALLENGE_APOP,
		.challenge = timestamp,
		.digest = arena_str(p->arena, str_trim(str_skip(c->args, space))) };
	if (!p->login.user.ptr || !p->login.proof.digest.ptr || !add_step(p, line))
		return no_memory(p, reply);
	return attempt(p);
}

static enum prelogin_action cmd_capa(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	(void)c;
	(void)line;
	if (!p->offer->capability.len)
		return bad(p, reply, "-ERR Unknown command.");
	if (buf_append_c(reply, "+OK\r\n") < 0 ||
		buf_append(reply, p->offer->capability) < 0)
		return no_memory(p, reply);
	return say(p, reply, ".", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_quit(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	(void)c;
	(void)line;
	return bye(p, reply, "+OK Logging out");
}

static enum prelogin_action cmd_stls(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	(void)c;
	pop3_prelogin_answered(p);
	if (!p->offer->starttls)
		return bad(p, reply, "-ERR TLS is not available here.");
	if (!add_step(p, line))
		return no_memory(p, reply);
	p->login.mechanism = STR_LIT("STLS");
	p->state = POP3_PRELOGIN_IN_STARTTLS;
	return PRELOGIN_STARTTLS;
}

/* ---- AUTH (RFC 5034) ---- */

static enum prelogin_action plain_answer(
	struct pop3_prelogin *p, struct str answer, struct buf *reply)
{
	struct wire_login *l = &p->login;
	struct sasl_plain plain;

	if (!sasl_plain_parse(answer, &plain))
		return bad(p, reply, "-ERR Invalid PLAIN response.");
	l->user = sasl_plain_account(&plain);
	l->password = plain.password;
	if (plain.authzid.len && !str_eq(plain.authzid, plain.authcid))
		l->master = plain.authcid;
	return attempt(p);
}

static enum prelogin_action login_answer(
	struct pop3_prelogin *p, struct str answer, struct buf *reply)
{
	if (p->login.user.ptr) {
		p->login.password = answer;
		return attempt(p);
	}
	p->login.user = answer;
	p->state = POP3_PRELOGIN_IN_RESPONSE;
	return say(p, reply, "+ UGFzc3dvcmQ6", PRELOGIN_AGAIN);
}

static const struct sasl_row {
	struct str name, mechanism;
	const char *challenge; /* the first one, when no initial response came */
	enum prelogin_action (*answer)(
		struct pop3_prelogin *p, struct str answer, struct buf *reply);
	bool may_be_empty; /* an initial "=" means: ask me */
} sasl_rows[] = {
	{ STR("PLAIN"), STR("AUTH PLAIN"), "+ ", plain_answer, false },
	{ STR("LOGIN"), STR("AUTH LOGIN"), "+ VXNlcm5hbWU6", login_answer, true },
};

static const struct sasl_row *sasl_row(struct str name)
{
	for (size_t i = 0; i < sizeof(sasl_rows) / sizeof(sasl_rows[0]); i++)
		if (str_ieq(sasl_rows[i].name, name))
			return &sasl_rows[i];
	return NULL;
}

/* AUTH alone: the list of mechanisms, as some clients ask for it. */
static enum prelogin_action list_mechanisms(struct pop3_prelogin *p, struct buf *reply)
{
	struct str names;
	int r;

	if (!pop3_capability_args(p->offer->capability, STR_LIT("SASL"), &names))
		return bad(p, reply, "-ERR AUTH wants a mechanism.");
	r = buf_append_c(reply, "+OK\r\n");
	while (names.len && r == 0) {
		struct str name = str_split(&names, ' ');

		if (name.len)
			r = buf_printf(reply, "%.*s\r\n", STR_ARG(name));
	}
	if (r < 0)
		return no_memory(p, reply);
	return say(p, reply, ".", PRELOGIN_AGAIN);
}

static enum prelogin_action foreign(
	struct pop3_prelogin *p, struct str name, struct str initial, struct buf *reply)
{
	struct str user;

	p->login.mechanism = arena_str(p->arena, name);
	if (!p->login.mechanism.ptr)
		return no_memory(p, reply);
	if (initial.len && sasl_user(name, initial, p->arena, &user))
		p->login.user = user;
	p->state = POP3_PRELOGIN_IN_EXCHANGE;
	return PRELOGIN_EXCHANGE;
}

static enum prelogin_action challenge(
	struct pop3_prelogin *p, const struct sasl_row *row, struct buf *reply)
{
	p->state = POP3_PRELOGIN_IN_RESPONSE;
	return say(p, reply, row->challenge, PRELOGIN_AGAIN);
}

static enum prelogin_action initial_response(struct pop3_prelogin *p,
	const struct sasl_row *row, struct str initial, struct buf *reply)
{
	struct str answer;

	if (str_eq(initial, STR_LIT("=")))
		initial.len = 0;
	if (!base64_decode(initial, p->arena, &answer))
		return bad(p, reply, "-ERR Invalid base64.");
	if (answer.len || !row->may_be_empty)
		return row->answer(p, answer, reply);
	return challenge(p, row, reply);
}

static enum prelogin_action cmd_auth(struct pop3_prelogin *p,
	const struct pop3_command *c, struct str line, struct buf *reply)
{
	struct str initial = str_trim(c->args), name = str_split(&initial, ' ');
	const struct sasl_row *row = sasl_row(name);

	pop3_prelogin_answered(p);
	if (!name.len)
		return list_mechanisms(p, reply);
	if (!add_step(p, line))
		return no_memory(p, reply);
	if (!row)
		return foreign(p, name, initial, reply);
	p->login.mechanism = row->mechanism;
	if (initial.len)
		return initial_response(p, row, initial, reply);
	return challenge(p, row, reply);
}

static const struct command_row {
	struct str name;
	handler *handle;
} command_rows[] = {
	{ STR("APOP"), cmd_apop },
	{ STR("AUTH"), cmd_auth },
	{ STR("CAPA"), cmd_capa },
	{ STR("PASS"), cmd_pass },
	{ STR("QUIT"), cmd_quit },
	{ STR("STLS"), cmd_stls },
	{ STR("USER"), cmd_user },
};

/* ---- lines ---- */

static enum prelogin_action run_command(
	struct pop3_prelogin *p, struct str line, struct buf *reply)
{
	struct pop3_command c = pop3_command(line);

	if (str_index(line, '\0') < line.len)
		return bad(p, reply, "-ERR NUL is not allowed in POP3.");
	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++)
		if (str_ieq(command_rows[i].name, c.name))
			return command_rows[i].handle(p, &c, line, reply);
	return bad(p, reply, "-ERR Unknown command, or not before login.");
}

static enum prelogin_action run_response(
	struct pop3_prelogin *p, struct str line, struct buf *reply)
{
	const struct sasl_row *row =
		sasl_row(str_skip(p->login.mechanism, sizeof("AUTH ") - 1));
	struct str answer;

	if (str_eq(str_trim(line), STR_LIT("*")))
		return bad(p, reply, "-ERR Authentication cancelled.");
	if (!row || !base64_decode(str_trim(line), p->arena, &answer))
		return bad(p, reply, "-ERR Invalid base64.");
	if (!add_step(p, line))
		return no_memory(p, reply);
	return row->answer(p, answer, reply);
}

static enum prelogin_action run_exchange(struct pop3_prelogin *p, struct str line)
{
	struct str user;

	if (!p->login.user.ptr &&
		sasl_user(p->login.mechanism, str_trim(line), p->arena, &user))
		p->login.user = user;
	return PRELOGIN_EXCHANGE_LINE;
}

static enum prelogin_action run_line(
	struct pop3_prelogin *p, struct str line, struct buf *reply)
{
	switch (p->state) {
	case POP3_PRELOGIN_IN_COMMAND:
		return run_command(p, line, reply);
	case POP3_PRELOGIN_IN_RESPONSE:
		return run_response(p, line, reply);
	case POP3_PRELOGIN_IN_EXCHANGE:
		return run_exchange(p, line);
	case POP3_PRELOGIN_IN_ATTEMPT:
	case POP3_PRELOGIN_IN_STARTTLS:
	case POP3_PRELOGIN_CLOSED:
	case POP3_PRELOGIN_STATE_COUNT:
		break;
	}
	return PRELOGIN_CLOSE;
}

enum prelogin_action pop3_prelogin_next(
	struct pop3_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct str line;

	*ret_used = 0;
	if (p->state == POP3_PRELOGIN_CLOSED)
		return PRELOGIN_CLOSE;
	if (p->state == POP3_PRELOGIN_IN_ATTEMPT || p->state == POP3_PRELOGIN_IN_STARTTLS)
		return PRELOGIN_NEED_MORE;
	switch (line_next(input, p->command_max, &line, ret_used)) {
	case LINE_NEED_MORE:
		return PRELOGIN_NEED_MORE;
	case LINE_TOO_LONG:
		return bye(p, reply, "-ERR Line too long.");
	case LINE_COMPLETE:
		break;
	}
	p->line = str_take(input, *ret_used);
	return run_line(p, line, reply);
}
