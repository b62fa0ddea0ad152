/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is put before a delivered message. */
#include "wire/smtp/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define AT 1795522332 /* Tue, 24 Nov 2026 12:12:12 UTC */

static const struct row {
	const char *name;
	struct smtp_trace trace;
	const char *expected;
} rows[] = {
	{ "one recipient",
		{ .sender = STR("bob@example.org"),
			.helo = STR("mx.example.org"),
			.client = STR("192.0.2.7"),
			.by = STR("mail.example.com"),
			.id = STR("4d2-1f.3"),
			.recipient = STR("alice@example.com"),
			.esmtp = true,
			.at = AT },
		"Return-Path: <bob@example.org>\r\n"
		"Received: from mx.example.org ([192.0.2.7])\r\n"
		"\tby mail.example.com with ESMTP id 4d2-1f.3\r\n"
		"\tfor <alice@example.com>;\r\n"
		"\tTue, 24 Nov 2026 12:12:12 +0000\r\n" },
	{ "by LMTP over a UNIX socket",
		{ .sender = STR("a@b"),
			.helo = STR("mx.example.com"),
			.by = STR("mail"),
			.id = STR("1"),
			.lmtp = true,
			.at = AT },
		"Return-Path: <a@b>\r\n"
		"Received: from mx.example.com\r\n"
		"\tby mail with LMTP id 1;\r\n"
		"\tTue, 24 Nov 2026 12:12:12 +0000\r\n" },
	{ "bounce for several, IPv6, west",
		{ .helo = STR("[IPv6:2001:db8::1]"),
			.client = STR("2001:db8::1"),
			.by = STR("mail"),
			.id = STR("1"),
			.at = AT,
			.zone = -210 },
		"Return-Path: <>\r\n"
		"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"
		"\tby mail with SMTP id 1;\r\n"
		"\tTue, 24 Nov 2026 08:42:12 -0330\r\n" },
	{ "authenticated, east, next day",
		{ .sender = STR("\xc3\xa4@b"),
			.helo = STR("pc"),
			.client = STR("10.0.0.1"),
			.by = STR("m"),
			.id = STR("2"),
			.esmtp = true,
			.authenticated = true,
			.at = AT,
			.zone = 765 },
		"Return-Path: <\xc3\xa4@b>\r\n"
		"Received: from pc ([10.0.0.1])\r\n"
		"\tby m with ESMTPA id 2;\r\n"
		"\tWed, 25 Nov 2026 00:57:12 +1245\r\n" },
	{ "inside TLS",
		{ .sender = STR("a@b"),
			.helo = STR("pc"),
			.client = STR("10.0.0.1"),
			.by = STR("m"),
			.id = STR("2"),
			.esmtp = true,
			.secure = true,
			.authenticated = true,
			.at = AT },
		"Return-Path: <a@b>\r\n"
		"Received: from pc ([10.0.0.1])\r\n"
		"\tby m with ESMTPSA id 2;\r\n"
		"\tTue, 24 Nov 2026 12:12:12 +0000\r\n" },
	{ "nothing of the client's makes a line",
		{ .sender = STR("a>\r\nX: y\0<"),
			.helo = STR("h (x)\r\n\t;\\"),
			.client = STR("10.0.0.1"),
			.by = STR("m"),
			.id = STR("3"),
			.recipient = STR("b>\n") },
		"Return-Path: <a??"
		"?X: y?"
		"?>\r\n"
		"Received: from h??x?????? ([10.0.0.1])\r\n"
		"\tby m with SMTP id 3\r\n"
		"\tfor <b?"
		"?>;\r\n"
		"\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
	{ "no HELO", { .client = STR("10.0.0.1"), .by = STR("m"), .id = STR("4") },
		"Return-Path: <>\r\n"
		"Received: from unknown ([10.0.0.1])\r\n"
		"\tby m with SMTP id 4;\r\n"
		"\tThu, 1 Jan 1970 00:00:00 +0000\r\n" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(smtp_trace(&rows[i].trace, &out), 0);
		if (!str_eq(buf_view(&out), str_from(rows[i].expected)))
			print_error("%s:\n%.*s", rows[i].name, STR_ARG(buf_view(&out)));
		assert_true(str_eq(buf_view(&out), str_from(rows[i].expected)));
		buf_fini(&out);
	}
}

static void test_limit(void **state)
{
	size_t whole = str_from(rows[0].expected).len;

	(void)state;
	for (size_t limit = 1; limit < whole; limit++) {
		struct buf out;

		buf_init(&out, limit);
		assert_true(smtp_trace(&rows[0].trace, &out) < 0);
		buf_fini(&out);
	}
}

static void test_delivered_to(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(
		smtp_trace_delivered_to(STR_LIT("Return-Path: <>\r\nReceived: x\r\n"),
			STR_LIT("a\n<b>@c"), &out),
		0);
	assert_true(str_eq(buf_view(&out), STR_LIT("Return-Path: <>\r\nDelivered-To: "
						   "a??b?@c\r\nReceived: x\r\n")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_delivered_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
