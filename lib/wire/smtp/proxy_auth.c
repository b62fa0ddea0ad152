/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: AUTH (RFC 4954) is the source's; we look at what passes. */
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
	if (plain.authzid.len && !str_eq(plain.authzid, plain.authcid))
		p->login.master = plain.authcid;
}

static void saw_login(struct smtp_proxy *p, struct str message)
{
	if (!p->login.user.ptr)
		p->login.user = message;
	else
		p->login.password = message;
}

static const struct mechanism_row {
	struct str name, mechanism;
	void (*saw)(struct smtp_proxy *p, struct str message);
} mechanism_rows[] = {
	{ STR("PLAIN"), STR("AUTH PLAIN"), saw_plain },
	{ STR("LOGIN"), STR("AUTH LOGIN"), saw_login },
};

static void saw(struct smtp_proxy *p, struct str line)
{
	struct str message, user;

	for (size_t i = 0; i < sizeof(mechanism_rows) / sizeof(mechanism_rows[0]); i++) {
		const struct mechanism_row *m = &mechanism_rows[i];

		if (!str_eq(p->login.mechanism, m->mechanism))
			continue;
		if (base64_decode(line, &p->secrets, &message))
			m->saw(p, message);
		return;
	}
	if (!p->login.user.ptr && sasl_user(p->login.mechanism, line, &p->secrets, &user))
		p->login.user = user;
}

static void forget_login(struct smtp_proxy *p)
{
	arena_fini(&p->secrets);
	arena_init(&p->secrets);
	p->login = (struct smtp_login){ 0 };
}

static void begin_login(struct smtp_proxy *p, struct str name)
{
	forget_login(p);
	p->login.mechanism = arena_str(&p->secrets, name);
	for (size_t i = 0; i < sizeof(mechanism_rows) / sizeof(mechanism_rows[0]); i++)
		if (str_ieq(name, mechanism_rows[i].name))
			p->login.mechanism = mechanism_rows[i].mechanism;
}

enum smtp_proxy_action proxy_auth_begin(
	struct smtp_proxy *p, struct str line, struct str args)
{
	struct str initial = args, name = str_split(&initial, ' ');

	if (p->client.must_greet) {
		proxy_answer(p, "503 5.5.1 Send EHLO first");
		return SMTP_PROXY_AGAIN;
	}
	if (p->offer->source_is_secure && proxy_tls(p) == SMTP_TLS_HERE) {
		proxy_answer(p, "530 5.7.0 Send STARTTLS first");
		return SMTP_PROXY_AGAIN;
	}
	if (p->offer->retired) {
		proxy_answer(p, "502 5.5.1 Login is not available here");
		return SMTP_PROXY_AGAIN;
	}
	if (!proxy_has_source(p)) {
		proxy_answer(p, "454 4.7.0 Login is not available now");
		return SMTP_PROXY_AGAIN;
	}
	begin_login(p, name);
	initial = str_trim(initial);
	/* "=" is an empty answer (RFC 4954, 4): with LOGIN it is none */
	if (initial.len && !str_eq(initial, STR_LIT("=")))
		saw(p, initial);
	proxy_tell_source(p, line);
	p->state = SMTP_PROXY_AUTH_REPLY;
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
	if (smtp_line_is_unsafe(line))
		line = STR_LIT("*"); /* the source refuses it in its own words */
	else
		saw(p, line);
	proxy_tell_source(p, line);
	p->state = SMTP_PROXY_AUTH_REPLY;
	return SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_auth_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	proxy_say(p, reply->bytes);
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	if (reply->code == 334) {
		p->state = SMTP_PROXY_AUTH_LINE;
		return SMTP_PROXY_AGAIN;
	}
	p->state = SMTP_PROXY_COMMAND;
	if (reply->code == 235) {
		p->client.authenticated = true;
		return SMTP_PROXY_AUTHENTICATED;
	}
	forget_login(p);
	return SMTP_PROXY_AGAIN;
}

void proxy_login_lost(struct smtp_proxy *p)
{
	proxy_answer(p, "454 4.7.0 The mail server was lost");
	p->state = SMTP_PROXY_COMMAND;
}
