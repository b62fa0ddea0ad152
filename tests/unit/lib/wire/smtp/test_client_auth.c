/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our own login at a server: what is said to its answers, and what it comes to. */
#include "wire/smtp/client_auth.h"

#include "lib/wire/wire_test.h"

#define GREETING "220-mx\r\n220 welcome\r\n"
#define EHLO "EHLO [192.0.2.1]\r\n"
#define PLAIN "AUTH PLAIN AHVzZXIAcGFzcyB3b3Jk\r\n" /* \0user\0pass word */
#define LOGIN "AUTH LOGIN\r\n"
#define USER "dXNlcg==\r\n"
#define PASSWORD "cGFzcyB3b3Jk\r\n"

static const struct row {
	const char *name;
	bool is_lmtp;
	struct str heard, said;
	enum smtp_client_auth_result result;
	const char *words;
} rows[] = {
	{ "PLAIN", false,
		STR(GREETING "250-mx\r\n250 AUTH LOGIN PLAIN\r\n235 2.7.0 welcome\r\n"),
		STR(EHLO PLAIN), SMTP_CLIENT_AUTH_DONE, "235 2.7.0 welcome" },
	{ "in small letters", false,
		STR(GREETING "250-mx\r\n250 auth cram-md5 plain\r\n235\r\n"),
		STR(EHLO PLAIN), SMTP_CLIENT_AUTH_DONE, "235 " },
	{ "LOGIN", false,
		STR(GREETING "250-mx\r\n250 AUTH CRAM-MD5 LOGIN\r\n334 VXNlcm5hbWU6\r\n"
			     "334 UGFzc3dvcmQ6\r\n235 ok\r\n"),
		STR(EHLO LOGIN USER PASSWORD), SMTP_CLIENT_AUTH_DONE, "235 ok" },
	{ "by LMTP", true, STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n235 ok\r\n"),
		STR("LHLO [192.0.2.1]\r\n" PLAIN), SMTP_CLIENT_AUTH_DONE, "235 ok" },
	{ "a wrong password", false,
		STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n535 5.7.8 \"no\"\x01\xff\r\n"),
		STR(EHLO PLAIN), SMTP_CLIENT_AUTH_REFUSED, "535 5.7.8 ?no???" },
	{ "a wrong user of LOGIN", false,
		STR(GREETING "250-mx\r\n250 AUTH LOGIN\r\n334 x\r\n535 no\r\n"),
		STR(EHLO LOGIN USER), SMTP_CLIENT_AUTH_REFUSED, "535 no" },
	{ "LOGIN at once refused", false,
		STR(GREETING "250-mx\r\n250 AUTH LOGIN\r\n538 not here\r\n"),
		STR(EHLO LOGIN), SMTP_CLIENT_AUTH_REFUSED, "538 not here" },
	{ "later", false, STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n454 4.7.0 later\r\n"),
		STR(EHLO PLAIN), SMTP_CLIENT_AUTH_LATER, "454 4.7.0 later" },
	{ "a challenge that PLAIN has not", false,
		STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n334 \r\n"), STR(EHLO PLAIN),
		SMTP_CLIENT_AUTH_BROKEN, "334 " },
	{ "250 is no 235", false, STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n250 ok\r\n"),
		STR(EHLO PLAIN), SMTP_CLIENT_AUTH_BROKEN, "250 ok" },
	{ "no AUTH", false, STR(GREETING "250-mx\r\n250 SIZE\r\n"), STR(EHLO),
		SMTP_CLIENT_AUTH_NO_MECHANISM, "250 SIZE" },
	{ "no mechanism of ours", false,
		STR(GREETING "250-mx\r\n250 AUTH CRAM-MD5 XPLAIN\r\n"), STR(EHLO),
		SMTP_CLIENT_AUTH_NO_MECHANISM, "250 AUTH CRAM-MD5 XPLAIN" },
	{ "no EHLO", false, STR(GREETING "502 what\r\n"), STR(EHLO),
		SMTP_CLIENT_AUTH_LATER, "502 what" },
	{ "a greeting that refuses", false, STR("554 go away\r\n"), STR(""),
		SMTP_CLIENT_AUTH_LATER, "554 go away" },
	{ "something else", false, STR("* OK IMAP4rev1\r\n"), STR(""),
		SMTP_CLIENT_AUTH_BROKEN, "" },
	{ "not all of it", false, STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n23"),
		STR(EHLO PLAIN), SMTP_CLIENT_AUTH_NEED_MORE, "250 AUTH PLAIN" },
};

static enum smtp_client_auth_result run(
	const struct row *row, size_t step, struct smtp_client_auth *a, struct buf *out)
{
	struct buf in, greeting;
	struct str heard = row->heard;
	enum smtp_client_auth_result result = SMTP_CLIENT_AUTH_NEED_MORE;

	buf_init(&in, 0);
	buf_init(&greeting, 0);
	smtp_client_auth_init(a, row->is_lmtp, STR_LIT("[192.0.2.1]"), STR_LIT("user"),
		STR_LIT("pass word"));
	while (heard.len && result == SMTP_CLIENT_AUTH_NEED_MORE) {
		size_t used;
		struct str input;

		assert_int_equal(buf_append(&in, str_take(heard, step)), 0);
		heard = str_skip(heard, step);
		input = exact_copy(buf_view(&in));
		result = smtp_client_auth_next(a, input, &used, out, &greeting);
		assert_true(used <= input.len);
		exact_free(input);
		buf_consume(&in, used);
	}
	if (result == SMTP_CLIENT_AUTH_DONE)
		SAME(row->name, buf_view(&greeting), STR_LIT(GREETING));
	buf_fini(&in);
	buf_fini(&greeting);
	return result;
}

/* Byte by byte, and by the line, which is what a server sends. */
static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct smtp_client_auth a;
		struct buf out;
		enum smtp_client_auth_result result;

		buf_init(&out, 0);
		result = run(&rows[i], 1, &a, &out);
		SAME(rows[i].name, buf_view(&out), rows[i].said);
		if (result != rows[i].result || strcmp(a.words, rows[i].words) != 0)
			fail_msg("%s: %d in %s \"%s\"", rows[i].name, (int)result,
				smtp_client_auth_state_name(a.state), a.words);
		buf_fini(&out);
	}
}

/* What it says before it was asked is no answer: the password is not sent. */
static void test_ahead(void **state)
{
	static const struct row ahead = { .name = "ahead",
		.heard = STR(GREETING "250-mx\r\n250 AUTH PLAIN\r\n235 ok\r\n") };

	(void)state;
	for (size_t step = 2; step <= ahead.heard.len; step++) {
		struct smtp_client_auth a;
		struct buf out;
		enum smtp_client_auth_result result;
		bool is_cut; /* each reply's end is a piece's end */

		buf_init(&out, 0);
		result = run(&ahead, step, &a, &out);
		is_cut = strlen(GREETING) % step == 0 &&
		         strlen(GREETING "250-mx\r\n250 AUTH PLAIN\r\n") % step == 0;
		if (!is_cut && result == SMTP_CLIENT_AUTH_DONE)
			fail_msg("pieces of %zu: logged in", step);
		if (strlen(GREETING) % step != 0)
			SAME("nothing is said", buf_view(&out), STR_LIT(""));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
