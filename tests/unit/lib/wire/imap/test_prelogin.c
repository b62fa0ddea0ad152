/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's side before login. Each row runs in one piece and split at every byte; the
 * replies and what the machine understood must be the same.
 *
 *   [LOGIN user/password mechanism step|step]   an attempt; it is answered "tag NO no"
 *   [EXCHANGE user mechanism step]              then each line as [LINE user: line],
 *                                               ended by the test after the first
 *   [STARTTLS tag] [CLOSE]
 */
#include "wire/imap/prelogin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COMMAND_MAX 200

static const struct imap_offer offer = {
	.greeting = STR("* OK hello"),
	.capability = STR("IMAP4rev1 SASL-IR"),
	.id = STR("NIL"),
	.starttls = true,
};

#define CAPABILITY "* CAPABILITY IMAP4rev1 SASL-IR\r\na OK Capability completed.\r\n"

static const struct row {
	const char *name;
	struct str input;
	const char *expected;
} rows[] = {
	{ "capability", STR("a CAPABILITY\r\n"), CAPABILITY },
	{ "case, bare LF", STR("a capability\n"), CAPABILITY },
	{ "noop and id", STR("a NOOP\r\nb ID (\"name\" \"x\")\r\n"),
		"a OK NOOP completed.\r\n* ID NIL\r\nb OK ID completed.\r\n" },
	{ "logout", STR("a LOGOUT\r\nb NOOP\r\n"),
		"* BYE Logging out\r\na OK Logout completed.\r\n[CLOSE]" },
	{ "atoms", STR("a LOGIN alice secret\r\n"),
		"[LOGIN alice/secret LOGIN a LOGIN alice secret\r\n]a NO no\r\n" },
	{ "bare LF becomes CRLF", STR("a LOGIN alice secret\n"),
		"[LOGIN alice/secret LOGIN a LOGIN alice secret\r\n]a NO no\r\n" },
	{ "quoted", STR("a LOGIN \"al ice\" \"p\\\"q\\\\r\"\r\n"),
		"[LOGIN al ice/p\"q\\r LOGIN a LOGIN \"al ice\" "
		"\"p\\\"q\\\\r\"\r\n]a NO no\r\n" },
	{ "empty password", STR("a LOGIN alice \"\"\r\n"),
		"[LOGIN alice/ LOGIN a LOGIN alice \"\"\r\n]a NO no\r\n" },
	{ "8-bit", STR("a LOGIN \"alice\" \"p\xc3\xa4ss\"\r\n"),
		"[LOGIN alice/p\xc3\xa4ss LOGIN a LOGIN \"alice\" "
		"\"p\xc3\xa4ss\"\r\n]a NO no\r\n" },
	{ "no atom, sent as one", STR("a LOGIN dom\\alice p%s*s\"]\r\n"),
		"[LOGIN dom\\alice/p%s*s\"] LOGIN a LOGIN dom\\alice "
		"p%s*s\"]\r\n]a NO no\r\n" },
	{ "literals", STR("a LOGIN {5}\r\nalice {6}\r\nsecret\r\n"),
		"+ OK\r\n+ OK\r\n[LOGIN alice/secret LOGIN a LOGIN {5}\r\n|alice "
		"{6}\r\n|secret\r\n]a NO no\r\n" },
	{ "literal with CRLF and braces", STR("a LOGIN alice {6}\r\na\r\n{3}\r\n"),
		"+ OK\r\n[LOGIN alice/a\r\n{3} LOGIN a LOGIN alice "
		"{6}\r\n|a\r\n{3}\r\n]a NO no\r\n" },
	{ "LITERAL+", STR("a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n"),
		"[LOGIN alice/secret LOGIN a LOGIN {5+}\r\nalice "
		"{6+}\r\nsecret\r\n]a NO no\r\n" },
	{ "LITERAL+, then quoted", STR("a LOGIN {5+}\r\nalice \"x\"\r\n"),
		"[LOGIN alice/x LOGIN a LOGIN {5+}\r\nalice \"x\"\r\n]a NO no\r\n" },
	{ "empty literal", STR("a LOGIN alice {0}\r\n\r\n"),
		"+ OK\r\n[LOGIN alice/ LOGIN a LOGIN alice "
		"{0}\r\n|\r\n]a NO no\r\n" },
	{ "several tries, pipelined", STR("a LOGIN x y\r\nb LOGIN x z\r\nc NOOP\r\n"),
		"[LOGIN x/y LOGIN a LOGIN x y\r\n]a NO no\r\n"
		"[LOGIN x/z LOGIN b LOGIN x z\r\n]b NO no\r\nc OK NOOP "
		"completed.\r\n" },
	{ "too few arguments", STR("a LOGIN alice\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },
	{ "too many", STR("a LOGIN alice b c\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },
	{ "open quote", STR("a LOGIN \"alice b\r\n"),
		"a BAD LOGIN wants a user name and a password.\r\n" },

	/* \0alice\0secret */
	{ "PLAIN", STR("a AUTHENTICATE PLAIN\r\nAGFsaWNlAHNlY3JldA==\r\n"),
		"+ \r\n[LOGIN alice/secret AUTHENTICATE PLAIN a AUTHENTICATE "
		"PLAIN\r\n|AGFsaWNlAHNlY3JldA==\r\n]a NO no\r\n" },
	{ "PLAIN, initial response", STR("a authenticate plain AGFsaWNlAHNlY3JldA==\r\n"),
		"[LOGIN alice/secret AUTHENTICATE PLAIN a authenticate plain "
		"AGFsaWNlAHNlY3JldA==\r\n]a NO no\r\n" },
	{ "PLAIN, same authzid", STR("a AUTHENTICATE PLAIN YQBhAGI=\r\n"),
		"[LOGIN a/b AUTHENTICATE PLAIN a AUTHENTICATE PLAIN "
		"YQBhAGI=\r\n]a NO no\r\n" },
	{ "PLAIN, for another", STR("a AUTHENTICATE PLAIN YQBtAGI=\r\n"),
		"[LOGIN a/b by m AUTHENTICATE PLAIN a AUTHENTICATE PLAIN "
		"YQBtAGI=\r\n]a NO no\r\n" },
	{ "PLAIN, empty initial", STR("a AUTHENTICATE PLAIN =\r\n"),
		"a BAD Invalid PLAIN response.\r\n" },
	{ "PLAIN, cancelled", STR("a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n"),
		"+ \r\na BAD Authentication cancelled.\r\nb OK NOOP completed.\r\n" },
	{ "PLAIN, no base64", STR("a AUTHENTICATE PLAIN\r\n?\r\nb NOOP\r\n"),
		"+ \r\na BAD Invalid base64.\r\nb OK NOOP completed.\r\n" },
	{ "LOGIN mechanism", STR("a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\neA==\r\n"),
		"+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n[LOGIN alice/x AUTHENTICATE LOGIN "
		"a AUTHENTICATE LOGIN\r\n|YWxpY2U=\r\n|eA==\r\n]a NO no\r\n" },
	{ "LOGIN mechanism, initial", STR("a AUTHENTICATE LOGIN YWxpY2U=\r\neA==\r\n"),
		"+ UGFzc3dvcmQ6\r\n[LOGIN alice/x AUTHENTICATE LOGIN a AUTHENTICATE "
		"LOGIN YWxpY2U=\r\n|eA==\r\n]a NO no\r\n" },
	{ "LOGIN mechanism, empty password", STR("a AUTHENTICATE LOGIN YWxpY2U=\r\n\r\n"),
		"+ UGFzc3dvcmQ6\r\n[LOGIN alice/ AUTHENTICATE LOGIN a AUTHENTICATE "
		"LOGIN YWxpY2U=\r\n|\r\n]a NO no\r\n" },
	/* "alice 00" */
	{ "CRAM-MD5", STR("a AUTHENTICATE CRAM-MD5\r\nYWxpY2UgMDA=\r\nb NOOP\r\n"),
		"[EXCHANGE - CRAM-MD5 a AUTHENTICATE CRAM-MD5\r\n][LINE alice: "
		"YWxpY2UgMDA=\r\n]b OK NOOP completed.\r\n" },
	{ "XOAUTH2, initial",
		STR("a AUTHENTICATE XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n"),
		"[EXCHANGE alice XOAUTH2 a AUTHENTICATE XOAUTH2 "
		"dXNlcj1hbGljZQFhdXRoPUJlYXJlciB4AQE=\r\n]" },
	{ "no mechanism", STR("a AUTHENTICATE\r\n"),
		"a BAD AUTHENTICATE wants a mechanism.\r\n" },

	{ "starttls", STR("a STARTTLS\r\n"), "[STARTTLS a a STARTTLS\r\n]a NO no\r\n" },
	{ "not before login", STR("a SELECT INBOX\r\n"),
		"a BAD Unknown command, or not before login.\r\n" },
	{ "no tag", STR("LOGIN\r\n"), "* BAD Invalid command.\r\n" },
	{ "empty line", STR("\r\n"), "* BAD Invalid command.\r\n" },
	{ "plus as tag", STR("+ NOOP\r\n"), "* BAD Invalid command.\r\n" },
	{ "NUL", STR("a LOGIN al\0ce x\r\n"), "* BAD NUL is not allowed in IMAP.\r\n" },
	{ "NUL in a literal", STR("a LOGIN a {1+}\r\n\0\r\n"),
		"* BAD NUL is not allowed in IMAP.\r\n" },
	{ "literal of 2^63", STR("a LOGIN {9223372036854775808}\r\n"),
		"* BYE Invalid literal size.\r\n[CLOSE]" },
	{ "literal of 2^63 - 1", STR("a LOGIN {9223372036854775807+}\r\n"),
		"* BYE Literal too large.\r\n[CLOSE]" },
	{ "literal larger than a command", STR("a LOGIN {201}\r\n"),
		"* BYE Literal too large.\r\n[CLOSE]" },
	{ "three literals", STR("a ID {1}\r\nx{1}\r\nx{1}\r\n"),
		"+ OK\r\n+ OK\r\n* BYE Literal too large.\r\n[CLOSE]" },
};

struct talk {
	struct imap_prelogin machine;
	struct arena arena;
	struct buf input, out;
};

static void put_attempt(struct talk *t)
{
	const struct wire_login *l = &t->machine.login;

	assert_int_equal(buf_printf(&t->out, "[LOGIN %.*s/%.*s", STR_ARG(l->user),
				 STR_ARG(l->password)),
		0);
	if (l->master.len)
		assert_int_equal(buf_printf(&t->out, " by %.*s", STR_ARG(l->master)), 0);
	assert_int_equal(buf_printf(&t->out, " %.*s ", STR_ARG(l->mechanism)), 0);
	for (size_t i = 0; i < l->n_steps; i++)
		assert_int_equal(
			buf_printf(&t->out, "%s%.*s", i ? "|" : "", STR_ARG(l->steps[i])),
			0);
	assert_int_equal(buf_printf(&t->out, "]%.*s NO no\r\n", STR_ARG(l->tag)), 0);
	imap_prelogin_answered(&t->machine);
}

static void put_action(struct talk *t, enum prelogin_action action)
{
	const struct wire_login *l = &t->machine.login;
	struct str user = l->user.ptr ? l->user : STR_LIT("-");

	switch (action) {
	case PRELOGIN_LOGIN:
		put_attempt(t);
		break;
	case PRELOGIN_EXCHANGE:
		(void)buf_printf(&t->out, "[EXCHANGE %.*s %.*s %.*s]", STR_ARG(user),
			STR_ARG(l->mechanism), STR_ARG(l->steps[0]));
		break;
	case PRELOGIN_EXCHANGE_LINE:
		(void)buf_printf(&t->out, "[LINE %.*s: %.*s]", STR_ARG(user),
			STR_ARG(t->machine.line));
		imap_prelogin_answered(&t->machine);
		break;
	case PRELOGIN_STARTTLS:
		(void)buf_printf(&t->out, "[STARTTLS %.*s %.*s]%.*s NO no\r\n",
			STR_ARG(l->tag), STR_ARG(l->steps[0]), STR_ARG(l->tag));
		imap_prelogin_answered(&t->machine);
		break;
	case PRELOGIN_CLOSE:
		(void)buf_append_c(&t->out, "[CLOSE]");
		break;
	case PRELOGIN_AGAIN:
	case PRELOGIN_NEED_MORE:
		break;
	}
}

/* false: closed. */
static bool feed(struct talk *t, struct str bytes)
{
	enum prelogin_action action;
	size_t used;

	assert_int_equal(buf_append(&t->input, bytes), 0);
	do {
		action = imap_prelogin_next(
			&t->machine, buf_view(&t->input), &used, &t->out);
		put_action(t, action);
		buf_consume(&t->input, used);
		if (action == PRELOGIN_CLOSE)
			return false;
	} while (action != PRELOGIN_NEED_MORE);
	return true;
}

static void run(const struct row *row, size_t piece)
{
	struct talk t = { 0 };
	struct str rest = row->input, got;

	arena_init(&t.arena);
	buf_init(&t.input, 0);
	buf_init(&t.out, 0);
	imap_prelogin_init(&t.machine, &offer, &t.arena, COMMAND_MAX);
	while (rest.len) {
		if (!feed(&t, str_take(rest, piece)))
			break;
		rest = str_skip(rest, piece);
	}
	got = buf_view(&t.out);
	if (!str_eq(got, str_from(row->expected)))
		fail_msg("%s, %zu bytes at a time\n got: %.*s\nwant: %s", row->name,
			piece, STR_ARG(got), row->expected);
	buf_fini(&t.input);
	buf_fini(&t.out);
	arena_fini(&t.arena);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run(&rows[i], SIZE_MAX / 2);
		for (size_t piece = 1; piece < 12; piece++)
			run(&rows[i], piece);
	}
}

/* Two pieces, cut at each place. */
static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t at = 1; at < rows[i].input.len; at++)
			run(&rows[i], at);
}

static void test_line_without_end(void **state)
{
	char *line = test_malloc(COMMAND_MAX * 3);
	struct row row = { "no newline", { line, COMMAND_MAX * 3 },
		"* BYE Command too long.\r\n[CLOSE]" };

	(void)state;
	memset(line, 'x', COMMAND_MAX * 3);
	run(&row, COMMAND_MAX * 3);
	run(&row, 7);
	test_free(line);
}

static void test_many_bad_commands(void **state)
{
	struct talk t = { 0 };
	int answered = 0;

	(void)state;
	arena_init(&t.arena);
	imap_prelogin_init(&t.machine, &offer, &t.arena, COMMAND_MAX);
	while (answered < 100 && feed(&t, STR_LIT("?\r\n")))
		answered++;
	assert_int_equal(answered, 19);
	assert_int_equal(t.machine.state, IMAP_PRELOGIN_CLOSED);
	buf_fini(&t.input);
	buf_fini(&t.out);
	arena_fini(&t.arena);
}

static void test_starttls_not_offered(void **state)
{
	struct imap_offer plain = offer;
	struct talk t = { 0 };

	(void)state;
	plain.starttls = false;
	arena_init(&t.arena);
	imap_prelogin_init(&t.machine, &plain, &t.arena, COMMAND_MAX);
	assert_true(feed(&t, STR_LIT("a STARTTLS\r\n")));
	assert_true(str_eq(
		buf_view(&t.out), STR_LIT("a BAD TLS is not available here.\r\n")));
	buf_fini(&t.input);
	buf_fini(&t.out);
	arena_fini(&t.arena);
}

static const struct filter_row {
	const char *name, *greeting, *expected;
	bool starttls;
} filter_rows[] = {
	{ "dovecot",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE "
		"LITERAL+ "
		"STARTTLS AUTH=PLAIN] Dovecot ready.",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS "
		"AUTH=PLAIN] Dovecot ready.",
		true },
	{ "no TLS", "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] x",
		"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x", false },
	{ "no list", "* OK [ALERT] STARTTLS soon", "* OK [ALERT] STARTTLS soon", false },
	{ "cyrus",
		"* OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE AUTH=CRAM-MD5 X-NETSCAPE] y",
		"* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-MD5] y", false },
	{ "a substring is no capability", "* OK [CAPABILITY XSASL-IR SASL-IRX IMAP4] z",
		"* OK [CAPABILITY IMAP4] z", true },
};

static void test_filter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(filter_rows) / sizeof(filter_rows[0]); i++) {
		const struct filter_row *row = &filter_rows[i];
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(imap_greeting_filter(
					 str_from(row->greeting), row->starttls, &out),
			0);
		if (!str_eq(buf_view(&out), str_from(row->expected)))
			fail_msg("%s: %.*s", row->name, STR_ARG(buf_view(&out)));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_line_without_end),
		cmocka_unit_test(test_many_bad_commands),
		cmocka_unit_test(test_starttls_not_offered),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
