/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/pop3/prelogin.h"

#include "wire/line.h"
#include "wire/pop3/command.h"
#include "wire/sasl_login.h"

#define BAD_MAX 20 /* who goes on after that many is no mail client */

/* args: of the command, as they came. */
typedef enum prelogin_action handler(
	struct pop3_prelogin *p, struct str args, struct buf *reply);

static const char *const state_names[] = {
	[POP3_PRELOGIN_IN_COMMAND] = "command",
	[POP3_PRELOGIN_IN_RESPONSE] = "response",
	[POP3_PRELOGIN_IN_ATTEMPT] = "attempt",
	[POP3_PRELOGIN_IN_EXCHANGE] = "exchange",
	[POP3_PRELOGIN_IN_CHALLENGED] = "challenged",
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
	wire_login_forget(&p->login);
	if (p->state != POP3_PRELOGIN_CLOSED)
		p->state = POP3_PRELOGIN_IN_COMMAND;
}

void pop3_prelogin_challenged(struct pop3_prelogin *p)
{
	if (p->state == POP3_PRELOGIN_IN_EXCHANGE)
		p->state = POP3_PRELOGIN_IN_CHALLENGED;
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

/* What is no command at all changes nothing: old servers still know the name then. */
static enum prelogin_action unknown(
	struct pop3_prelogin *p, struct buf *reply, const char *text)
{
	if (++p->bad >= BAD_MAX)
		return bye(p, reply, "-ERR Too many invalid commands.");
	return say(p, reply, text, PRELOGIN_AGAIN);
}

static enum prelogin_action no_memory(struct pop3_prelogin *p, struct buf *reply)
{
	return bye(p, reply, "-ERR [SYS/TEMP] Out of memory.");
}

static enum prelogin_action attempt(struct pop3_prelogin *p)
{
	p->state = POP3_PRELOGIN_IN_ATTEMPT;
	return PRELOGIN_LOGIN;
}

static bool keep(struct pop3_prelogin *p, struct str s, struct str *ret)
{
	*ret = arena_str(p->arena, s);
	return ret->ptr != NULL;
}

/* ---- commands ---- */

static enum prelogin_action cmd_user(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	struct str name = str_trim(args);

	pop3_prelogin_answered(p); /* a second USER replaces the first */
	if (p->offer->tls_first &&
		!pop3_capability_has(p->offer->capability, STR_LIT("USER")))
		return bad(p, reply, "-ERR [AUTH] Begin TLS first.");
	if (!name.len)
		return bad(p, reply, "-ERR USER wants a name.");
	if (name.len > POP3_NAME_MAX)
		return bad(p, reply, "-ERR This name is too long.");
	p->login.kind = LOGIN_PASSWORD;
	p->login.mechanism = STR_LIT("USER");
	if (!keep(p, name, &p->login.user))
		return no_memory(p, reply);
	return say(p, reply, "+OK", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_pass(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	if (!p->login.user.ptr)
		return bad(p, reply, "-ERR USER first.");
	if (args.len > POP3_PASSWORD_MAX)
		return bad(p, reply, "-ERR This password is too long.");
	if (!keep(p, args, &p->login.password))
		return no_memory(p, reply);
	return attempt(p);
}

static enum prelogin_action cmd_apop(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	struct str name, digest = str_trim(args), timestamp;

	name = str_split(&digest, ' ');
	digest = str_trim(digest);
	pop3_prelogin_answered(p);
	if (!pop3_greeting_timestamp(p->offer->greeting, &timestamp))
		return bad(p, reply, "-ERR APOP is not available here.");
	if (!name.len || !digest.len || name.len > POP3_NAME_MAX ||
		digest.len > POP3_DIGEST_MAX)
		return bad(p, reply, "-ERR APOP wants a name and a digest.");
	p->login.kind = LOGIN_APOP;
	p->login.mechanism = STR_LIT("APOP");
	p->login.proof = (struct challenge_proof){ .kind = CHALLENGE_APOP,
		.challenge = timestamp };
	if (!keep(p, name, &p->login.user) || !keep(p, digest, &p->login.proof.digest))
		return no_memory(p, reply);
	return attempt(p);
}

static enum prelogin_action cmd_capa(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	(void)args;
	if (!p->offer->capability.len)
		return bad(p, reply, "-ERR Unknown command.");
	if (buf_append_c(reply, "+OK\r\n") < 0 ||
		buf_append(reply, p->offer->capability) < 0)
		return no_memory(p, reply);
	return say(p, reply, ".", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_quit(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	(void)args;
	return bye(p, reply, "+OK Logging out");
}

static enum prelogin_action cmd_stls(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	(void)args;
	pop3_prelogin_answered(p);
	if (!p->offer->starttls)
		return bad(p, reply, "-ERR TLS is not available here.");
	p->login.kind = LOGIN_STARTTLS;
	p->login.mechanism = STR_LIT("STLS");
	p->state = POP3_PRELOGIN_IN_STARTTLS;
	return PRELOGIN_STARTTLS;
}

/* ---- AUTH (RFC 5034) ---- */

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

static enum prelogin_action ask_client(struct pop3_prelogin *p, struct buf *reply)
{
	p->state = POP3_PRELOGIN_IN_RESPONSE;
	if (buf_append_c(reply, "+ ") < 0)
		return no_memory(p, reply);
	return say(p, reply, sasl_login_challenge(&p->login), PRELOGIN_AGAIN);
}

static enum prelogin_action exchange(struct pop3_prelogin *p)
{
	p->state = POP3_PRELOGIN_IN_EXCHANGE;
	return PRELOGIN_EXCHANGE;
}

static enum prelogin_action after_answer(
	struct pop3_prelogin *p, enum sasl_login_step step, struct buf *reply)
{
	switch (step) {
	case SASL_LOGIN_COMPLETE:
		return p->login.kind == LOGIN_EXCHANGE ? exchange(p) : attempt(p);
	case SASL_LOGIN_MORE:
		return ask_client(p, reply);
	case SASL_LOGIN_INVALID:
		break;
	}
	return bad(p, reply, "-ERR Invalid SASL response.");
}

/* Whether the server offers it, and how it spells it. PLAIN and LOGIN, which are ours to
   speak, it may have without saying so, or without CAPA. */
static bool find_mechanism(
	const struct pop3_prelogin *p, struct str name, struct str *ret_spelt)
{
	struct str offered;

	*ret_spelt = name;
	if (sasl_login_kind(name) != LOGIN_EXCHANGE && !p->offer->tls_first)
		return true;
	return pop3_capability_args(p->offer->capability, STR_LIT("SASL"), &offered) &&
	       sasl_offered(offered, STR_LIT(""), name, ret_spelt);
}

/* Into login. false: no memory. */
static bool take_mechanism(struct pop3_prelogin *p, struct str name)
{
	static const struct str own[] = {
		[LOGIN_SASL_PLAIN] = STR("AUTH PLAIN"),
		[LOGIN_SASL_LOGIN] = STR("AUTH LOGIN"),
	};
	struct wire_login *l = &p->login;

	l->kind = sasl_login_kind(name);
	if (l->kind == LOGIN_EXCHANGE)
		return keep(p, name, &l->mechanism);
	l->mechanism = own[l->kind];
	return true;
}

static enum prelogin_action cmd_auth(
	struct pop3_prelogin *p, struct str args, struct buf *reply)
{
	struct str initial = str_trim(args), name = str_split(&initial, ' '), spelt;

	initial = str_trim(initial);
	pop3_prelogin_answered(p);
	if (!name.len)
		return list_mechanisms(p, reply);
	if (!find_mechanism(p, name, &spelt))
		return bad(p, reply, "-ERR Unsupported authentication mechanism.");
	if (!take_mechanism(p, spelt))
		return no_memory(p, reply);
	if (initial.len)
		return after_answer(
			p, sasl_login_initial(&p->login, initial, p->arena), reply);
	return p->login.kind == LOGIN_EXCHANGE ? exchange(p) : ask_client(p, reply);
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

/* Nor a CR within a line: some servers would take it for the line's end. */
static bool has_forbidden(struct str line)
{
	return str_index(line, '\0') < line.len || str_index(line, '\r') < line.len;
}

/* White space before the keyword, and a tab behind it: mailutils takes them. */
static struct pop3_command lenient_command(struct str line)
{
	struct pop3_command c;
	size_t tab;

	while (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
		line = str_skip(line, 1);
	c = pop3_command(line);
	tab = str_index(c.name, '\t');
	if (tab < c.name.len) {
		c.name = str_take(line, tab);
		c.args = str_skip(line, tab + 1);
	}
	return c;
}

static enum prelogin_action run_command(
	struct pop3_prelogin *p, struct str line, struct buf *reply)
{
	struct pop3_command c = lenient_command(line);

	if (has_forbidden(line))
		return bad(p, reply, "-ERR NUL and CR are not allowed in POP3.");
	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++)
		if (str_ieq(command_rows[i].name, c.name))
			return command_rows[i].handle(p, c.args, reply);
	return unknown(p, reply, "-ERR Unknown command, or not before login.");
}

static enum prelogin_action run_response(
	struct pop3_prelogin *p, struct str line, struct buf *reply)
{
	line = str_trim(line);
	if (str_eq(line, STR_LIT("*")))
		return bad(p, reply, "-ERR Authentication cancelled.");
	return after_answer(p, sasl_login_answer(&p->login, line, p->arena), reply);
}

static enum prelogin_action run_exchange(struct pop3_prelogin *p, struct str line)
{
	p->line = sasl_exchange_line(line);
	sasl_exchange_learn(&p->login, p->line, p->arena);
	p->state = POP3_PRELOGIN_IN_EXCHANGE;
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
	case POP3_PRELOGIN_IN_CHALLENGED:
		return run_exchange(p, line);
	case POP3_PRELOGIN_IN_EXCHANGE:
	case POP3_PRELOGIN_IN_ATTEMPT:
	case POP3_PRELOGIN_IN_STARTTLS:
	case POP3_PRELOGIN_CLOSED:
	case POP3_PRELOGIN_STATE_COUNT:
		break;
	}
	return PRELOGIN_CLOSE;
}

static bool reads_client(enum pop3_prelogin_state s)
{
	return s == POP3_PRELOGIN_IN_COMMAND || s == POP3_PRELOGIN_IN_RESPONSE ||
	       s == POP3_PRELOGIN_IN_CHALLENGED;
}

enum prelogin_action pop3_prelogin_next(
	struct pop3_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct str line;

	*ret_used = 0;
	if (p->state == POP3_PRELOGIN_CLOSED)
		return PRELOGIN_CLOSE;
	if (!reads_client(p->state))
		return PRELOGIN_NEED_MORE;
	switch (line_next(input, p->command_max, &line, ret_used)) {
	case LINE_NEED_MORE:
		return PRELOGIN_NEED_MORE;
	case LINE_TOO_LONG:
		return bye(p, reply, "-ERR Line too long.");
	case LINE_COMPLETE:
		break;
	}
	return run_line(p, line, reply);
}
