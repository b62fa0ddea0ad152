/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an SMTP server is asked before any client, and what is learnt of it. */
#include "wire/smtp/probe.h"

#include "lib/wire/wire_test.h"

/* What it asks of a server that says all of `input` at once, and what it learns. */
struct probe_row {
	const char *name;
	struct str domain, input, asked, greeting, ehlo, unknown_user;
	enum smtp_probe_event end;
};

static void probe_row(const struct probe_row *row, size_t step)
{
	struct str input = row->input, response;
	enum smtp_probe_event e = SMTP_PROBE_NEED_MORE;
	struct smtp_probe p;
	struct arena arena;
	struct buf asked;
	size_t used, given = 0;

	arena_init(&arena);
	buf_init(&asked, 0);
	smtp_probe_init(&p, STR_LIT("us"), row->domain, &arena);
	while (e == SMTP_PROBE_AGAIN ||
		(e == SMTP_PROBE_NEED_MORE && given < input.len)) {
		if (e == SMTP_PROBE_NEED_MORE)
			given = step < input.len - given ? given + step : input.len;
		e = smtp_probe_next(&p, str_take(input, given), &response, &used, &asked);
		input = str_skip(input, used);
		given -= used;
	}
	assert_int_equal(e, row->end);
	SAME(row->name, buf_view(&asked), row->asked);
	SAME(row->name, p.greeting, row->greeting);
	SAME(row->name, p.ehlo, row->ehlo);
	SAME(row->name, p.unknown_user, row->unknown_user);
	buf_fini(&asked);
	arena_fini(&arena);
}

#define EHLO "EHLO us\r\n"
#define MAIL "MAIL FROM:<>\r\n"
#define POSTMASTER "RCPT TO:<postmaster@x.org>\r\n"
#define NOBODY "RCPT TO:<" SMTP_PROBE_NOBODY "@x.org>\r\n"

static const struct probe_row rows[] = {
	{ "Postfix", STR(""), STR("220-mx\r\n220 hello\r\n250-mx\r\n250 SIZE\r\n"),
		STR(EHLO), STR("220-mx\r\n220 hello\r\n"), STR("250-mx\r\n250 SIZE\r\n"),
		STR(""), SMTP_PROBE_DONE },
	{ "HELO alone", STR(""), STR("220 mx\r\n502 what?\r\n250 mx\r\n"),
		STR(EHLO "HELO us\r\n"), STR("220 mx\r\n"), STR(""), STR(""),
		SMTP_PROBE_DONE },
	{ "nor that", STR("x.org"), STR("220 mx\r\n502 what?\r\n502 what?\r\n"),
		STR(EHLO "HELO us\r\n"), STR("220 mx\r\n"), STR(""), STR(""),
		SMTP_PROBE_BYE },
	{ "not us", STR("x.org"), STR("554 go away\r\n"), STR(""), STR(""), STR(""),
		STR(""), SMTP_PROBE_BYE },
	{ "not now", STR("x.org"), STR("220 mx\r\n421 busy\r\n"), STR(EHLO),
		STR("220 mx\r\n"), STR(""), STR(""), SMTP_PROBE_BYE },
	{ "no SMTP", STR(""), STR("+OK\r\n"), STR(""), STR(""), STR(""), STR(""),
		SMTP_PROBE_BROKEN },
	{ "silent", STR(""), STR("220 m"), STR(""), STR(""), STR(""), STR(""),
		SMTP_PROBE_NEED_MORE },
	{ "its words for nobody", STR("x.org"),
		STR("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n"
		    "550 No such person: <" SMTP_PROBE_NOBODY "@x.org>\r\n"),
		STR(EHLO MAIL POSTMASTER NOBODY), STR("220 mx\r\n"), STR("250 mx\r\n"),
		STR("no such person"), SMTP_PROBE_DONE },
	{ "the same, with HELO", STR("x.org"),
		STR("220 mx\r\n500 no\r\n250 mx\r\n250 ok\r\n250 ok\r\n550 "
		    "no\r\n"),
		STR(EHLO "HELO us\r\n" MAIL POSTMASTER NOBODY), STR("220 mx\r\n"),
		STR(""), STR("no"), SMTP_PROBE_DONE },
	{ "it takes everything", STR("x.org"),
		STR("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n250 ok\r\n"),
		STR(EHLO MAIL POSTMASTER NOBODY), STR("220 mx\r\n"), STR("250 mx\r\n"),
		STR(""), SMTP_PROBE_DONE },
	{ "grey-listing", STR("x.org"),
		STR("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n450 later\r\n"),
		STR(EHLO MAIL POSTMASTER NOBODY), STR("220 mx\r\n"), STR("250 mx\r\n"),
		STR(""), SMTP_PROBE_DONE },
	{ "it does not want us", STR("x.org"),
		STR("220 mx\r\n250 mx\r\n250 ok\r\n550 not you\r\n"),
		STR(EHLO MAIL POSTMASTER), STR("220 mx\r\n"), STR("250 mx\r\n"), STR(""),
		SMTP_PROBE_DONE },
	{ "nor a bounce", STR("x.org"), STR("220 mx\r\n250 mx\r\n550 no bounces\r\n"),
		STR(EHLO MAIL), STR("220 mx\r\n"), STR("250 mx\r\n"), STR(""),
		SMTP_PROBE_DONE },
};

static void test_probe(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		probe_row(&rows[i], SIZE_MAX / 2);
		probe_row(&rows[i], 1);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SMTP_PROBE_STATE_COUNT; s++)
		assert_non_null(smtp_probe_state_name((enum smtp_probe_state)s));
	assert_string_equal(smtp_probe_state_name(SMTP_PROBE_STATE_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
