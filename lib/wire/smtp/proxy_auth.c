/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: AUTH (RFC 4954). What shows a password is asked for by us and judged by
   the caller; the rest is the source's, and we look at what passes. */
#include "wire/smtp/proxy_parts.h"

#include "wire/line.h"
#include "wire/sasl.h"
#include "wire/sasl_user.h"

static void saw_plain(struct smtp_proxy *p, struct str message)
{
	struct sasl_plain plain;

	if (!sasl_plain_parse(message, &plain))
		return;
	p->login.user = sasl_plain_account(&plain);
	p->login.password = plain.password;
	if (plain.authzid.len && !str_ieq(plain.authzid, plain.authcid))
		p->login.master = plain.authcid;
}

static void saw_login(struct smtp_proxy *p, struct str message)
{
	if (!p->login.user.ptr)
		p->login.user = message;
	else
		p->login.password = message;
}

#define LATER_TEXT "454 4.7.0 Login is not possible now, try again later"
#define RESPONSES_MAX 2

static const struct mechanism_row {
	struct str name, mechanism;
	void (*saw)(struct smtp_proxy *p, struct str message);
	unsigned responses;
	const char *requests[RESPONSES_MAX]; /* what we ask with */
} mechanism_rows[] = {
	{ STR("PLAIN"), STR("AUTH PLAIN"), saw_plain, 1, { "334 " } },
	{ STR("LOGIN"), STR("AUTH LOGIN"), saw_login, 2,
		{ "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6" } },
};

/* NULL: it is between client and source. */
static const struct mechanism_row *row_of(const struct smtp_login *l)
{
	for (size_t i = 0; i < sizeof(mechanism_rows) / sizeof(mechanism_rows[0]); i++)
		if (str_eq(l->mechanism, mechanism_rows[i].mechanism))
			return &mechanism_rows[i];
	return NULL;
}

static void saw_name(struct smtp_proxy *p, struct str line)
{
	struct smtp_login *l = &p->login;
	struct sasl_names n = { l->user, l->master, l->has_answered };

	sasl_names_add(&n, l->mechanism, line, &p->secrets);
	l->user = n.user;
	l->master = n.prover;
	l->has_answered = n.has_answered;
}

/* What is no base64 proves nothing and names nobody. */
static void saw(struct smtp_proxy *p, struct str line)
{
	struct smtp_login *l = &p->login;
	const struct mechanism_row *row = row_of(l);
	struct str message;

	if (!row) {
		saw_name(p, line);
		return;
	}
	l->responses++;
	if (!l->is_odd && base64_decode(line, &p->secrets, &message))
		row->saw(p, message);
	else
		l->is_odd = true;
}

void proxy_forget_login(struct smtp_proxy *p)
{
	arena_fini(&p->secrets);
	arena_init(&p->secrets);
	p->login = (struct smtp_login){ 0 };
}

static void begin_login(struct smtp_proxy *p, struct str name)
{
	proxy_forget_login(p);
	p->login.mechanism = arena_str(&p->secrets, name);
	for (size_t i = 0; i < sizeof(mechanism_rows) / sizeof(mechanism_rows[0]); i++)
		if (str_ieq(name, mechanism_rows[i].name))
			p->login.mechanism = mechanism_rows[i].mechanism;
}

/* Why there can be no login now; NULL: there can. */
static const char *no_login(const struct smtp_proxy *p)
{
	if (p->client.must_greet)
		return "503 5.5.1 Send EHLO first";
	if (p->offer->source_is_secure && proxy_tls(p) == SMTP_TLS_HERE)
		return "530 5.7.0 Send STARTTLS first";
	if (p->client.authenticated)
		return "503 5.5.1 You have logged in already"; /* RFC 4954, 4 */
	if (proxy_has_sender(&p->transaction))
		return "503 5.5.1 AUTH comes before MAIL";
	if (p->offer->retired && !p->offer->relay)
		return "502 5.5.1 Login is not available here";
	return NULL;
}

static enum smtp_proxy_action let_in(struct smtp_proxy *p, enum smtp_proxy_action action)
{
	p->client.authenticated = true;
	p->state = SMTP_PROXY_COMMAND;
	return action;
}

/* By the caller's word alone. */
static void let_in_here(struct smtp_proxy *p)
{
	proxy_answer(p, "235 2.7.0 Authentication successful");
	(void)let_in(p, SMTP_PROXY_AGAIN);
	proxy_wants_relay(p);
}

static void refuse_login(struct smtp_proxy *p, const char *text)
{
	proxy_answer(p, text);
	proxy_forget_login(p);
	p->state = SMTP_PROXY_COMMAND;
}

/* ---- the source's word ---- */

/* A line behind one that may be two to it: the next answer may be to the second. */
static void tell_source(struct smtp_proxy *p, struct str line)
{
	struct smtp_login *l = &p->login;

	p->source_was_told = p->source_was_told || l->is_long;
	l->is_long = line.len > SMTP_WHOLE_LINE_MAX;
	l->is_given_up = l->is_given_up || str_eq(line, STR_LIT("*"));
	proxy_tell_source(p, line);
}

/* The next of the lines that it is to get; "*" when it wants more than there are. */
static void tell_next_line(struct smtp_proxy *p)
{
	struct smtp_login *l = &p->login;

	tell_source(
		p, l->next_line < l->n_lines ? l->lines[l->next_line++] : STR_LIT("*"));
	if (p->state != SMTP_PROXY_CLOSED)
		p->state = SMTP_PROXY_AUTH_REPLY;
}

static void ask_source(struct smtp_proxy *p)
{
	if (proxy_has_source(p))
		tell_next_line(p);
	else
		refuse_login(p, "454 4.7.0 Login is not available now");
}

/* ---- what the client has said ---- */

static enum smtp_proxy_action go_on(struct smtp_proxy *p)
{
	const struct mechanism_row *row = row_of(&p->login);

	if (row && p->login.responses < row->responses) {
		proxy_answer(p, row->requests[p->login.responses]);
		p->state = SMTP_PROXY_AUTH_LINE;
		return SMTP_PROXY_AGAIN;
	}
	if (p->login.is_odd || !p->login.user.ptr || !p->login.password.ptr) {
		if (p->offer->nobody_here)
			ask_source(p); /* it says best what is wrong with it */
		else /* it might take it, from somebody who lives here */
			refuse_login(p, "501 5.5.2 This login is not understood");
		return SMTP_PROXY_AGAIN;
	}
	p->state = SMTP_PROXY_AUTH_CHECK;
	return SMTP_PROXY_CHECK;
}

/* ---- the source's answer ---- */

/* Of somebody who is let in all the same. The source is left then. */
static bool is_refusal_hidden(struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (!p->login.is_right_here || reply->code == 235)
		return false;
	p->last_reply = SMTP_LAST_REPLY_GOOD;
	proxy_drop_source(p);
	let_in_here(p);
	return true;
}

/* Not a login that was given up, that came in clear or by an unknown mechanism, or that
   nobody could look at: of RFC 4954, 4 and 6, and what servers say beside it. */
static bool finds_wrong(const struct smtp_reply *reply)
{
	return reply->code == 535 || reply->code == 525 || reply->code / 10 == 55;
}

/* The source takes what it does not show. It was asked for the mechanism alone, and asks
   for a name now that may be of somebody here: it waits for our word, as with all
   others. */
static enum smtp_proxy_action begin_anew(struct smtp_proxy *p)
{
	proxy_tell_source_hidden(p, STR_LIT("*"));
	p->source_has_auth = true;
	p->login.is_asked_here = true;
	return p->state == SMTP_PROXY_CLOSED ? SMTP_PROXY_AGAIN : go_on(p);
}

/* It has not got all of it yet, or nothing, or it takes the "*" for a part of it. */
static bool is_half_asked(const struct smtp_login *l)
{
	return l->is_given_up ||
	       (row_of(l) && (!l->is_asked_here || l->next_line < l->n_lines));
}

/* The OK may belong to another line: a source that has broken an earlier one in two, or
   waits for more of an exchange, answers late. The client is let in by it, and nobody
   learns whose login it was. */
static void forget_unproven(struct smtp_proxy *p)
{
	if (!p->source_was_told)
		return;
	p->login.user = p->login.password = (struct str){ NULL, 0 };
}

enum smtp_proxy_action proxy_auth_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (reply->code == 235 && is_half_asked(&p->login))
		return proxy_give_up_source(p); /* it proves nothing of anybody */
	if (p->login.is_asked_here && reply->code == 334) {
		tell_next_line(p);
		return SMTP_PROXY_AGAIN;
	}
	if (row_of(&p->login) && reply->code == 334)
		return begin_anew(p);
	if (is_refusal_hidden(p, reply))
		return SMTP_PROXY_AGAIN;
	proxy_say(p, reply->bytes);
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	if (reply->code == 334) {
		p->state = SMTP_PROXY_AUTH_LINE;
		return SMTP_PROXY_AGAIN;
	}
	if (reply->code == 235) {
		forget_unproven(p);
		return let_in(p, SMTP_PROXY_AUTHENTICATED);
	}
	p->state = SMTP_PROXY_COMMAND;
	p->login.is_refused = p->source_was_told = true;
	return finds_wrong(reply) ? SMTP_PROXY_LOGIN_REFUSED : SMTP_PROXY_AGAIN;
}

void proxy_login_lost(struct smtp_proxy *p)
{
	if (p->login.is_right_here)
		let_in_here(p);
	else
		refuse_login(p, "454 4.7.0 The mail server was lost");
}

/* The client's next line is for us, or for nobody any more. */
void proxy_line_lost(struct smtp_proxy *p)
{
	if (!p->login.is_asked_here)
		proxy_login_lost(p);
}

/* ---- the caller's word ---- */

void smtp_proxy_checked(struct smtp_proxy *p, enum smtp_check check)
{
	if (p->state != SMTP_PROXY_AUTH_CHECK)
		return;
	switch (check) {
	case SMTP_CHECK_RIGHT:
		p->login.is_right_here = true;
		if (proxy_has_source(p))
			ask_source(p);
		else
			let_in_here(p);
		return;
	case SMTP_CHECK_WRONG:
		refuse_login(p, "535 5.7.8 Authentication failed");
		return;
	case SMTP_CHECK_LATER:
		refuse_login(p, LATER_TEXT);
		return;
	case SMTP_CHECK_SOURCE:
	case SMTP_CHECK_COUNT:
		break;
	}
	ask_source(p);
}

/* ---- the client's ---- */

static bool keep_line(struct smtp_proxy *p, struct str line)
{
	struct smtp_login *l = &p->login;

	if (l->n_lines == SMTP_AUTH_LINES_MAX)
		return false;
	l->lines[l->n_lines] = arena_str(&p->secrets, line);
	return l->lines[l->n_lines++].ptr != NULL;
}

/* A source that shows no AUTH refuses it before anybody says a password; to HELO none
   shows it. */
static bool asks_here(const struct smtp_proxy *p)
{
	return row_of(&p->login) && (p->source_has_auth || !proxy_has_source(p));
}

/* As we write it ourselves: blanks could move the rest of it to where a source begins a
   line of its own. */
static struct str auth_line(struct smtp_proxy *p, struct str name, struct str initial)
{
	struct str copy = { NULL, 0 };
	struct buf line;

	buf_init(&line, SMTP_AUTH_LINE_MAX + 1);
	if (buf_printf(&line, "AUTH%s%.*s%s%.*s", name.len ? " " : "", STR_ARG(name),
		    initial.len ? " " : "", STR_ARG(initial)) == 0)
		copy = arena_str(&p->secrets, buf_view(&line));
	buf_wipe(&line);
	buf_fini(&line);
	return copy;
}

/* Up to the first blank, a tab being one to Postfix; *ret_rest: what follows. */
static struct str mechanism_name(struct str args, struct str *ret_rest)
{
	struct str name = str_take(args, str_index(args, ' '));

	name = str_take(name, str_index(name, '\t'));
	*ret_rest = str_skip(args, name.len);
	return name;
}

enum smtp_proxy_action proxy_auth_begin(struct smtp_proxy *p, struct str args)
{
	struct str initial, name = mechanism_name(args, &initial), line;
	const char *refusal = no_login(p);

	if (refusal) {
		proxy_answer(p, refusal);
		return SMTP_PROXY_AGAIN;
	}
	begin_login(p, name);
	initial = str_trim(initial);
	/* "=" is an empty answer (RFC 4954, 4): with LOGIN it is none */
	if (str_eq(initial, STR_LIT("=")) && str_ieq(name, STR_LIT("LOGIN")))
		initial = STR_LIT("");
	if (initial.len)
		saw(p, initial);
	line = auth_line(p, name, initial);
	p->login.is_asked_here = asks_here(p);
	if (!line.ptr || (row_of(&p->login) && !keep_line(p, line))) {
		refuse_login(p, LATER_TEXT);
	} else if (p->login.is_asked_here) {
		return go_on(p);
	} else if (!proxy_has_source(p)) {
		refuse_login(p, "454 4.7.0 Login is not available now");
	} else {
		tell_source(p, row_of(&p->login) ? p->login.mechanism : line);
		p->state = SMTP_PROXY_AUTH_REPLY;
	}
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action take_line(struct smtp_proxy *p, struct str line)
{
	bool given_up = smtp_line_is_unsafe(line) || str_eq(line, STR_LIT("*"));

	if (given_up && p->login.is_asked_here) {
		refuse_login(p, "501 5.7.0 Login was given up");
		return SMTP_PROXY_AGAIN;
	}
	if (given_up)
		line = STR_LIT("*"); /* the source refuses it in its own words */
	else
		saw(p, line);
	if (!p->login.is_asked_here) {
		tell_source(p, line);
		p->state = SMTP_PROXY_AUTH_REPLY;
		return SMTP_PROXY_AGAIN;
	}
	if (keep_line(p, line))
		return go_on(p);
	refuse_login(p, LATER_TEXT);
	return SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_auth_line(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct str line;

	switch (line_next(io->client, SMTP_AUTH_LINE_MAX, &line, &io->client_used)) {
	case LINE_NEED_MORE:
		return SMTP_PROXY_NEED_MORE;
	case LINE_TOO_LONG:
		proxy_answer(p, "421 4.7.0 Line too long");
		proxy_close(p);
		return SMTP_PROXY_AGAIN;
	case LINE_COMPLETE:
		break;
	}
	return take_line(p, line);
}
