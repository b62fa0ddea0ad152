/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP front: AUTH (RFC 4954) is the source's; we look at what passes. */
#include "wire/smtp/front_parts.h"

#include "wire/line.h"
#include "wire/sasl.h"
#include "wire/sasl_user.h"

static void saw_plain(struct smtp_front *f, struct str message)
{
	struct sasl_plain plain;

	if (!sasl_plain_parse(message, &plain))
		return;
	f->login.user = sasl_plain_account(&plain);
	f->login.password = plain.password;
	if (plain.authzid.len && !str_eq(plain.authzid, plain.authcid))
		f->login.master = plain.authcid;
}

static void saw_login(struct smtp_front *f, struct str message)
{
	if (!f->login.user.ptr)
		f->login.user = message;
	else
		f->login.password = message;
}

static const struct mechanism_row {
	struct str name, mechanism;
	void (*saw)(struct smtp_front *f, struct str message);
} mechanism_rows[] = {
	{ STR("PLAIN"), STR("AUTH PLAIN"), saw_plain },
	{ STR("LOGIN"), STR("AUTH LOGIN"), saw_login },
};

static void saw(struct smtp_front *f, struct str line)
{
	struct str message, user;

	for (size_t i = 0; i < sizeof(mechanism_rows) / sizeof(mechanism_rows[0]); i++) {
		const struct mechanism_row *m = &mechanism_rows[i];

		if (!str_eq(f->login.mechanism, m->mechanism))
			continue;
		if (base64_decode(line, &f->secrets, &message))
			m->saw(f, message);
		return;
	}
	if (!f->login.user.ptr && sasl_user(f->login.mechanism, line, &f->secrets, &user))
		f->login.user = user;
}

static void forget_login(struct smtp_front *f)
{
	arena_fini(&f->secrets);
	arena_init(&f->secrets);
	f->login = (struct smtp_login){ 0 };
}

static void begin_login(struct smtp_front *f, struct str name)
{
	forget_login(f);
	f->login.mechanism = arena_str(&f->secrets, name);
	for (size_t i = 0; i < sizeof(mechanism_rows) / sizeof(mechanism_rows[0]); i++)
		if (str_ieq(name, mechanism_rows[i].name))
			f->login.mechanism = mechanism_rows[i].mechanism;
}

enum smtp_front_action front_auth_begin(
	struct smtp_front *f, struct str line, struct str args, struct smtp_front_io *io)
{
	struct str initial = args, name = str_split(&initial, ' ');

	if (f->offer->retired) {
		front_answer(f, "502 5.5.1 Login is not available here");
		return SMTP_FRONT_AGAIN;
	}
	if (f->source == SMTP_SOURCE_AWAY) {
		front_answer(f, "454 4.7.0 Login is not available now");
		return SMTP_FRONT_AGAIN;
	}
	begin_login(f, name);
	initial = str_trim(initial);
	/* "=" is an empty answer (RFC 4954, 4): with LOGIN it is none */
	if (initial.len && !str_eq(initial, STR_LIT("=")))
		saw(f, initial);
	front_relay_line(f, line, io->to_source);
	f->state = SMTP_FRONT_IN_AUTH_REPLY;
	return SMTP_FRONT_AGAIN;
}

enum smtp_front_action front_auth_line(struct smtp_front *f, struct smtp_front_io *io)
{
	struct str line;

	switch (line_next(io->client, SMTP_AUTH_LINE_MAX, &line, &io->client_used)) {
	case LINE_NEED_MORE:
		return SMTP_FRONT_NEED_MORE;
	case LINE_TOO_LONG:
		front_answer(f, "421 4.7.0 Line too long");
		front_close(f);
		return SMTP_FRONT_AGAIN;
	case LINE_COMPLETE:
		break;
	}
	if (smtp_line_is_unsafe(line))
		line = STR_LIT("*"); /* the source refuses it in its own words */
	else
		saw(f, line);
	front_relay_line(f, line, io->to_source);
	f->state = SMTP_FRONT_IN_AUTH_REPLY;
	return SMTP_FRONT_AGAIN;
}

enum smtp_front_action front_auth_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	front_say(f, io->to_client, reply->bytes);
	if (f->state == SMTP_FRONT_CLOSED)
		return SMTP_FRONT_AGAIN;
	if (reply->code == 334) {
		f->state = SMTP_FRONT_IN_AUTH_LINE;
		return SMTP_FRONT_AGAIN;
	}
	f->state = SMTP_FRONT_IN_COMMAND;
	if (reply->code == 235) {
		f->authenticated = true;
		return SMTP_FRONT_AUTHENTICATED;
	}
	forget_login(f);
	return SMTP_FRONT_AGAIN;
}
