/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/prelogin.h"

#include "wire/imap/cursor.h"
#include "wire/imap/encode.h"
#include "wire/sasl_login.h"

#define BAD_MAX 20   /* who goes on after that many is no mail client */
#define WAITS_MAX 16 /* literals in one command; LOGIN has two, ID may have more */
#define ID_MAX 1024  /* bytes; RFC 2971, 3.3 allows 30 pairs, clients have five */

typedef enum prelogin_action handler(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply);

static const char *const state_names[] = {
	[IMAP_PRELOGIN_IN_COMMAND] = "command",
	[IMAP_PRELOGIN_IN_RESPONSE] = "response",
	[IMAP_PRELOGIN_IN_ATTEMPT] = "attempt",
	[IMAP_PRELOGIN_IN_EXCHANGE] = "exchange",
	[IMAP_PRELOGIN_IN_CHALLENGED] = "challenged",
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
	wire_login_forget(&p->login);
	p->waits = 0;
	imap_frame_reset(&p->framer);
	if (p->state != IMAP_PRELOGIN_CLOSED)
		p->state = IMAP_PRELOGIN_IN_COMMAND;
}

void imap_prelogin_challenged(struct imap_prelogin *p)
{
	if (p->state == IMAP_PRELOGIN_IN_EXCHANGE)
		p->state = IMAP_PRELOGIN_IN_CHALLENGED;
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

static bool keep(struct imap_prelogin *p, struct str s, struct str *ret)
{
	*ret = arena_str(p->arena, s);
	return ret->ptr != NULL;
}

/* RFC 3501 wants one space; Dovecot takes any number, mailutils tabs, and so do we. */
static bool spaces(struct imap_cursor *c)
{
	bool any = false;

	while (imap_space(c) || imap_char(c, '\t'))
		any = true;
	return any;
}

/* Up to white space, whatever it holds. */
static bool any_word(struct imap_cursor *c, struct str *ret)
{
	struct str word;

	if (!imap_word(c, &word))
		return false;
	*ret = str_take(word, str_index(word, '\t'));
	c->rest = str_of(ret->ptr + ret->len,
		(size_t)(c->rest.ptr + c->rest.len - ret->ptr) - ret->len);
	return ret->len > 0;
}

/* A tag as mailutils takes it: '+' may be in it, if it cannot be taken for a "+ ...". */
static bool client_tag(struct imap_cursor *c, struct str *ret)
{
	const struct str forbidden = STR("(){%*\"\\");

	if (imap_peek(c) == '+' || !any_word(c, ret))
		return false;
	for (size_t i = 0; i < ret->len; i++)
		if (str_index(forbidden, ret->ptr[i]) < forbidden.len ||
			(unsigned char)ret->ptr[i] <= 0x20 || ret->ptr[i] == 0x7f)
			return false;
	return true;
}

static bool ends(struct imap_cursor *c)
{
	(void)spaces(c);
	return imap_end(c);
}

/* ---- commands ---- */

static enum prelogin_action cmd_capability(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	(void)c;
	if (buf_printf(reply, "* CAPABILITY %.*s\r\n", STR_ARG(p->offer->capability)) < 0)
		return bye(p, reply, "Out of memory.");
	return say(p, reply, p->login.tag, "OK Capability completed.", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_noop(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	(void)c;
	return say(p, reply, p->login.tag, "OK NOOP completed.", PRELOGIN_AGAIN);
}

/* One value of ID, written anew: what is no short string becomes NIL. */
static bool put_id_value(struct buf *out, struct str value)
{
	if (!value.ptr || !imap_is_quotable(value))
		return buf_append_c(out, "NIL") == 0;
	return imap_put_quoted(out, value) == 0;
}

/* "x-originating-ip" and its likes are a proxy's to say. */
static bool is_withheld(const struct imap_prelogin *p, struct str name)
{
	return p->offer->from_us && str_istarts(name, STR_LIT("x-"));
}

/* "(" string SP nstring ... ")" (RFC 2971, 3.1). */
static bool id_list(struct imap_prelogin *p, struct imap_cursor *c, struct buf *out)
{
	bool first = true, is_name = true, withheld = false;
	struct str value;

	if (!imap_char(c, '(') || buf_byte(out, '(') < 0)
		return false;
	(void)spaces(c);
	for (; !imap_char(c, ')'); is_name = !is_name) {
		if (!imap_nstring(c, p->arena, &value))
			return false;
		(void)spaces(c);
		if (is_name)
			withheld = is_withheld(p, value);
		if (withheld)
			continue;
		if ((!first && buf_byte(out, ' ') < 0) || !put_id_value(out, value))
			return false;
		first = false;
	}
	return buf_byte(out, ')') == 0 && ends(c);
}

/* What the client says of itself goes to the server before its login: some servers let
   nobody in without. */
static void keep_id(struct imap_prelogin *p, struct imap_cursor *c)
{
	struct buf list;

	if (!str_has_word(p->offer->capability, STR_LIT("ID")))
		return;
	buf_init(&list, ID_MAX);
	if (spaces(c) && id_list(p, c, &list) && !keep(p, buf_view(&list), &p->id))
		p->id = STR_LIT("");
	buf_fini(&list);
}

static enum prelogin_action cmd_id(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	keep_id(p, c);
	if (buf_printf(reply, "* ID %.*s\r\n", STR_ARG(p->offer->id)) < 0)
		return bye(p, reply, "Out of memory.");
	return say(p, reply, p->login.tag, "OK ID completed.", PRELOGIN_AGAIN);
}

static enum prelogin_action cmd_logout(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	(void)c;
	p->state = IMAP_PRELOGIN_CLOSED;
	if (buf_append_c(reply, "* BYE Logging out\r\n") < 0)
		return PRELOGIN_CLOSE;
	return say(p, reply, p->login.tag, "OK Logout completed.", PRELOGIN_CLOSE);
}

static enum prelogin_action cmd_starttls(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	(void)c;
	if (!p->offer->starttls)
		return bad(p, reply, p->login.tag, "BAD TLS is not available here.");
	p->login.kind = LOGIN_STARTTLS;
	p->state = IMAP_PRELOGIN_IN_STARTTLS;
	return PRELOGIN_STARTTLS;
}

static enum prelogin_action attempt(struct imap_prelogin *p)
{
	p->login.id = p->id;
	p->state = IMAP_PRELOGIN_IN_ATTEMPT;
	return PRELOGIN_LOGIN;
}

static bool is_within(struct str part, struct str whole)
{
	return part.ptr >= whole.ptr && part.ptr <= whole.ptr + whole.len;
}

/* A string, or anything up to the next space: some clients send "p%ss" or "dom\user" as
   if it were an atom, and some servers take it. The server's own answer decides. */
static bool login_word(struct imap_prelogin *p, struct imap_cursor *c, struct str *ret,
	bool *ret_literal)
{
	struct str whole = c->rest, s;

	*ret_literal = imap_peek(c) == '{';
	if (imap_peek(c) == '"' || imap_peek(c) == '{') {
		if (!imap_string(c, p->arena, &s))
			return false;
		*ret = s; /* in our memory, when there was a backslash in it */
		return !is_within(s, whole) || keep(p, s, ret);
	}
	return any_word(c, &s) && keep(p, s, ret);
}

static enum prelogin_action cmd_login(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	struct wire_login *l = &p->login;

	if (p->offer->tls_first &&
		str_has_word(p->offer->capability, STR_LIT("LOGINDISABLED")))
		return bad(p, reply, l->tag, "NO [PRIVACYREQUIRED] Begin TLS first.");
	if (!spaces(c) || !login_word(p, c, &l->user, &l->user_literal) ||
		(!spaces(c) && imap_peek(c) != '"') ||
		!login_word(p, c, &l->password, &l->password_literal) || !ends(c))
		return bad(
			p, reply, l->tag, "BAD LOGIN wants a user name and a password.");
	l->kind = LOGIN_PASSWORD;
	l->mechanism = STR_LIT("LOGIN");
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

static enum prelogin_action ask_client(struct imap_prelogin *p, struct buf *reply)
{
	p->state = IMAP_PRELOGIN_IN_RESPONSE;
	return say(
		p, reply, STR_LIT("+"), sasl_login_challenge(&p->login), PRELOGIN_AGAIN);
}

static enum prelogin_action exchange(struct imap_prelogin *p)
{
	p->login.id = p->id;
	p->state = IMAP_PRELOGIN_IN_EXCHANGE;
	return PRELOGIN_EXCHANGE;
}

static enum prelogin_action after_answer(
	struct imap_prelogin *p, enum sasl_login_step step, struct buf *reply)
{
	switch (step) {
	case SASL_LOGIN_COMPLETE:
		return p->login.kind == LOGIN_EXCHANGE ? exchange(p) : attempt(p);
	case SASL_LOGIN_MORE:
		return ask_client(p, reply);
	case SASL_LOGIN_INVALID:
		break;
	}
	return cancelled(p, reply, "BAD Invalid SASL response.");
}

/* Into login: the mechanism, as the server spells it. false: it does not offer it. PLAIN
   and LOGIN, which are ours to speak, it may have without saying so (Courier). */
static bool take_mechanism(struct imap_prelogin *p, struct str name)
{
	static const struct str own[] = {
		[LOGIN_SASL_PLAIN] = STR("AUTHENTICATE PLAIN"),
		[LOGIN_SASL_LOGIN] = STR("AUTHENTICATE LOGIN"),
	};
	struct wire_login *l = &p->login;
	struct str spelt;

	l->kind = sasl_login_kind(name);
	if ((l->kind == LOGIN_EXCHANGE || p->offer->tls_first) &&
		!sasl_offered(p->offer->capability, STR_LIT("AUTH="), name, &spelt))
		return false;
	if (l->kind != LOGIN_EXCHANGE)
		l->mechanism = own[l->kind];
	else if (!keep(p, spelt, &l->mechanism))
		return false;
	return true;
}

static enum prelogin_action cmd_authenticate(
	struct imap_prelogin *p, struct imap_cursor *c, struct buf *reply)
{
	struct str name, initial = { 0 };

	if (!spaces(c) ||
		!(imap_peek(c) == '"' ? imap_quoted(c, p->arena, &name)
				      : imap_atom(c, &name)) ||
		(spaces(c) && any_word(c, &initial) && !ends(c)) || !imap_end(c) ||
		p->waits)
		return bad(p, reply, p->login.tag, "BAD AUTHENTICATE wants a mechanism.");
	if (!take_mechanism(p, name))
		return bad(p, reply, p->login.tag,
			"NO Unsupported authentication mechanism.");
	if (initial.ptr)
		return after_answer(
			p, sasl_login_initial(&p->login, initial, p->arena), reply);
	return p->login.kind == LOGIN_EXCHANGE ? exchange(p) : ask_client(p, reply);
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
	(void)spaces(&c);
	if (!client_tag(&c, &tag) || !spaces(&c) || !imap_atom(&c, &name))
		return bad(p, reply, STR_LIT("*"), "BAD Invalid command.");
	if (!keep(p, tag, &p->login.tag))
		return bye(p, reply, "Out of memory.");
	for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++)
		if (str_ieq(command_rows[i].name, name))
			return command_rows[i].handle(p, &c, reply);
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
		if (p->waits == WAITS_MAX || buf_append_c(reply, "+ OK\r\n") < 0)
			return false;
		p->waits++;
	}
	imap_frame_keep(&p->framer);
	return true;
}

/* An attempt keeps `login` until it is answered; everything else begins anew. */
static void after_command(struct imap_prelogin *p)
{
	if (p->state == IMAP_PRELOGIN_IN_COMMAND)
		wire_login_forget(&p->login);
	p->waits = 0;
	imap_frame_reset(&p->framer);
}

static enum prelogin_action too_long(struct imap_prelogin *p, struct buf *reply)
{
	return bye(p, reply, "Command too long.");
}

static enum prelogin_action whole_command(
	struct imap_prelogin *p, struct str command, struct buf *reply)
{
	enum prelogin_action action = run_command(p, command, reply);

	after_command(p);
	return action;
}

/* However the bytes come in pieces, the same command is too long, and that is said before
   all else. */
static enum imap_frame next_frame(
	struct imap_prelogin *p, struct str input, struct imap_literal *ret)
{
	enum imap_frame is = imap_frame_next(&p->framer, input, ret);
	size_t len = is == IMAP_FRAME_NEED_MORE || is == IMAP_FRAME_TOO_LONG
	                     ? input.len
	                     : ret->offset;

	return len > p->command_max ? IMAP_FRAME_TOO_LONG : is;
}

static enum prelogin_action next_command(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct imap_literal literal;

	switch (next_frame(p, input, &literal)) {
	case IMAP_FRAME_NEED_MORE:
		return PRELOGIN_NEED_MORE;
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
	struct str line;
	enum prelogin_action action = take_line(p, input, &line, reply);

	if (action != PRELOGIN_AGAIN)
		return action;
	*ret_used = line.len;
	line = str_trim(line);
	if (str_eq(line, STR_LIT("*")))
		return cancelled(p, reply, "BAD Authentication cancelled.");
	return after_answer(p, sasl_login_answer(&p->login, line, p->arena), reply);
}

static enum prelogin_action next_exchange_line(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply)
{
	struct str line;
	enum prelogin_action action = take_line(p, input, &line, reply);

	if (action != PRELOGIN_AGAIN)
		return action;
	*ret_used = line.len;
	p->line = sasl_exchange_line(line);
	sasl_exchange_learn(&p->login, p->line, p->arena);
	p->state = IMAP_PRELOGIN_IN_EXCHANGE;
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
	case IMAP_PRELOGIN_IN_CHALLENGED:
		return next_exchange_line(p, input, ret_used, reply);
	case IMAP_PRELOGIN_IN_EXCHANGE:
	case IMAP_PRELOGIN_IN_ATTEMPT:
	case IMAP_PRELOGIN_IN_STARTTLS:
		return PRELOGIN_NEED_MORE;
	case IMAP_PRELOGIN_CLOSED:
	case IMAP_PRELOGIN_STATE_COUNT:
		break;
	}
	return PRELOGIN_CLOSE;
}
