/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What we say on a connection of our own for a client, to servers of all kinds; each case
   at once and a byte at a time. */
#include "wire/introduction.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define EHLO "EHLO [127.0.0.1]\r\n"
#define ID4                                                                              \
	"mf0 ID (\"x-originating-ip\" \"192.0.2.1\" \"x-originating-port\" \"4242\")\r\n"
#define DOVECOT "* OK [CAPABILITY IMAP4rev1 SASL-IR ID IDLE] ready.\r\n"

static const struct row {
	const char *name;
	enum introduction_kind kind;
	const char *address;
	const char *server[3]; /* what it says, then after each of our words */
	const char *said;
	enum introduction_is is;
	const char *left; /* for the session; NULL: there is none */
} rows[] = {
	{ "XCLIENT", INTRODUCTION_XCLIENT, "192.0.2.1",
		{ "220 a ESMTP\r\n", "250-a\r\n250 XCLIENT NAME ADDR\r\n",
			"220 b ESMTP\r\n" },
		EHLO "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1\r\n", INTRODUCTION_OVER,
		"220 b ESMTP\r\n" },
	{ "XCLIENT from IPv6", INTRODUCTION_XCLIENT, "2001:db8::1",
		{ "220-a\r\n220 ESMTP\r\n", "250-a\r\n250 XCLIENT NAME ADDR\r\n",
			"220 b\r\n" },
		EHLO "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1\r\n",
		INTRODUCTION_OVER, "220 b\r\n" },
	{ "not offered", INTRODUCTION_XCLIENT, "192.0.2.1",
		{ "220 a\r\n", "250-a\r\n250 SIZE\r\n", "" }, EHLO, INTRODUCTION_FAILED,
		NULL },
	{ "refused", INTRODUCTION_XCLIENT, "192.0.2.1",
		{ "220 a\r\n", "250-a\r\n250 XCLIENT ADDR\r\n", "550 no\r\n" },
		EHLO "XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1\r\n", INTRODUCTION_FAILED,
		NULL },
	{ "no EHLO", INTRODUCTION_XCLIENT, "192.0.2.1",
		{ "220 a\r\n", "502 what\r\n", "" }, EHLO, INTRODUCTION_FAILED, NULL },
	{ "a greeting that refuses", INTRODUCTION_XCLIENT, "192.0.2.1",
		{ "554 go away\r\n", "", "" }, "", INTRODUCTION_OVER, "554 go away\r\n" },
	{ "no SMTP", INTRODUCTION_XCLIENT, "192.0.2.1", { "* OK IMAP\r\n", "", "" }, "",
		INTRODUCTION_FAILED, NULL },
	{ "ID", INTRODUCTION_ID, "192.0.2.1",
		{ DOVECOT, "* ID (\"name\" \"Dovecot\")\r\nmf0 OK done\r\n", "" }, ID4,
		INTRODUCTION_OVER, DOVECOT },
	{ "ID is refused", INTRODUCTION_ID, "192.0.2.1",
		{ DOVECOT, "mf0 BAD what\r\n", "" }, ID4, INTRODUCTION_OVER, DOVECOT },
	{ "no ID", INTRODUCTION_ID, "192.0.2.1",
		{ "* OK [CAPABILITY IMAP4rev1 IDLE] ID\r\n", "", "" }, "",
		INTRODUCTION_OVER, "* OK [CAPABILITY IMAP4rev1 IDLE] ID\r\n" },
	{ "no capabilities", INTRODUCTION_ID, "192.0.2.1", { "* OK ID\r\n", "", "" }, "",
		INTRODUCTION_OVER, "* OK ID\r\n" },
	{ "BYE", INTRODUCTION_ID, "192.0.2.1", { DOVECOT, "* BYE full\r\n", "" }, ID4,
		INTRODUCTION_FAILED, NULL },
	{ "more than an answer", INTRODUCTION_ID, "192.0.2.1",
		{ DOVECOT, "mf0 OK\r\n* OK more\r\n", "" }, ID4, INTRODUCTION_FAILED,
		NULL },
};

static void run(const struct row *row, bool split)
{
	struct introduction i;
	struct buf from, to;
	enum introduction_is is = INTRODUCTION_MORE;

	buf_init(&from, 0);
	buf_init(&to, 0);
	introduction_begin(&i, row->kind, row->address, 4242);
	for (size_t n = 0; n < 3 && is == INTRODUCTION_MORE; n++) {
		struct str bytes = str_from(row->server[n]);

		while (bytes.len && is == INTRODUCTION_MORE) {
			size_t part = split ? 1 : bytes.len;

			assert_int_equal(buf_append(&from, str_take(bytes, part)), 0);
			bytes = str_skip(bytes, part);
			is = introduction_feed(&i, &from, &to);
		}
	}
	if (is != row->is || !str_eq(buf_view(&to), str_from(row->said)))
		fail_msg("%s: %d, said \"%.*s\"", row->name, is, STR_ARG(buf_view(&to)));
	if (row->left && !str_eq(buf_view(&from), str_from(row->left)))
		fail_msg("%s: left \"%.*s\"", row->name, STR_ARG(buf_view(&from)));
	buf_fini(&from);
	buf_fini(&to);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run(&rows[i], false);
}

/* What came too early is seen only when it is there: that row is for whole packets. */
static void test_rows_split(void **state)
{
	(void)state;
	for (size_t i = 0; i + 1 < sizeof(rows) / sizeof(rows[0]); i++)
		run(&rows[i], true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_rows_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
