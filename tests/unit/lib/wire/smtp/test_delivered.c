/* SPDX-License-Identifier: GPL-3.0-or-later */
/* By which address a message came, out of what real servers write, and what senders write
   to look like it. */
#include "wire/smtp/delivered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BY " by mx.example.com (Postfix)\r\n\twith ESMTP id 4XyZ "
#define RECEIVED(address)                                                                \
	"Received: from c.example.org (c [192.0.2.1])\r\n\t" BY "for <" address          \
	">; Fri, 1 Jan 2026 10:00:00 +0000 (UTC)\r\n"
#define LMTP(address)                                                                    \
	"Received: from mx.example.com\r\n\tby mx.example.com with LMTP id aGVs\r\n"     \
	"\t(envelope-from <a@example.org>)\r\n\tfor <" address ">; Fri, 1 Jan\r\n"
#define FORGED "X-Original-To: carol@example.com\r\nDelivered-To: carol@example.com\r\n"

static const struct {
	const char *name, *head, *to; /* with single spaces between */
} rows[] = {
	{ "Postfix, local",
		"Return-Path: <a@example.org>\r\nX-Original-To: info@example.com\r\n"
		"Delivered-To: alice@example.com\r\n" RECEIVED("info@example.com"),
		"info@example.com alice@example.com" },
	{ "Postfix and Dovecot by LMTP",
		"Return-Path: <a@example.org>\r\nDelivered-To: <alice@example.com>\r\n" LMTP(
			"alice@example.com") RECEIVED("info@example.com"),
		"alice@example.com info@example.com" },
	{ "Exim",
		"Return-path: <a@example.org>\nEnvelope-to: info@example.com\n"
		"Delivery-date: Fri, 1 Jan\nReceived: from [192.0.2.1] (helo=c)\n"
		"\tby mx.example.com with esmtp (Exim 4.96)\n"
		"\t(envelope-from <a@example.org>)\n\tid 1abc\n"
		"\tfor info@example.com;\n\tFri, 1 Jan\n",
		"info@example.com" },
	{ "Sendmail",
		"Return-Path: <a@example.org>\r\nReceived: from c (c [192.0.2.1])\r\n"
		"\tby mx.example.com (8.17.1.9/8.17.1) with ESMTP id 5AB\r\n"
		"\tfor <info@example.com>; Fri, 1 Jan\r\n",
		"info@example.com" },
	{ "in capitals, once",
		"DELIVERED-TO: Info@Example.COM\r\n" RECEIVED("info@example.com"),
		"Info@Example.COM" },
	{ "a spam filter's lines", "X-Spam: no\r\n" RECEIVED("info@example.com"),
		"info@example.com" },
	{ "several recipients: nothing is said of them",
		"Received: from c (c [192.0.2.1])" BY "; Fri, 1 Jan\r\n", "" },
	{ "the sender's own lines", RECEIVED("info@example.com") FORGED,
		"info@example.com" },
	{ "the sender's own Received",
		RECEIVED("info@example.com") RECEIVED("carol@example.com"),
		"info@example.com" },
	{ "behind LMTP, too",
		LMTP("alice@example.com") RECEIVED("info@example.com")
			RECEIVED("carol@example.com"),
		"alice@example.com info@example.com" },
	{ "behind LMTP with another line between",
		LMTP("alice@example.com") "X: y\r\n" RECEIVED("carol@example.com"),
		"alice@example.com" },
	{ "a name in HELO",
		"Received: from for <carol@example.com> (c [192.0.2.1])" BY
		"; Fri, 1 Jan\r\n",
		"" },
	{ "a clause in HELO",
		"Received: from x by y with LMTP id z for <carol@example.com>; (c)" BY
		"for <info@example.com>; Fri, 1 Jan\r\n" RECEIVED("carol@example.com"),
		"" },
	{ "a first line that goes on",
		RECEIVED(
			"info@example.com") " by y with LMTP for <carol@example.com>;\r\n",
		"" },
	{ "the same without a server",
		RECEIVED("info@example.com") "\tfor <carol@example.com>;\r\n",
		"info@example.com" },
	{ "in quotes",
		"Received: from c (c)" BY
		"for <\"x by y for <carol@example.com> \"@a>;\r\n",
		"" },
	{ "behind the date",
		"Received: from c (c)" BY "; Fri, 1 Jan for <carol@example.com>\r\n",
		"" },
	{ "no Received: it may be the sender's", FORGED "Subject: x\r\n\r\n", "" },
	{ "in the body", "Subject: x\r\n\r\n" RECEIVED("carol@example.com"), "" },
	{ "a list of addresses",
		"Envelope-To: a@example.com, carol@example.com\r\n" RECEIVED(
			"info@example.com"),
		"info@example.com" },
	{ "no address", "Delivered-To: alice\r\nReceived: from c" BY "for <>; x\r\n",
		"" },
	{ "half a Received", "Received: from c by", "" },
	{ "nothing", "", "" },
};

static void join(const struct smtp_delivered *d, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < d->n; i++) {
		size_t at = strlen(text);

		assert_true(at + d->to[i].len + 2 < size);
		if (at)
			text[at++] = ' ';
		memcpy(text + at, d->to[i].ptr, d->to[i].len);
		text[at + d->to[i].len] = '\0';
	}
}

/* In memory of exactly that length, so that a read past the end is seen. */
static void look(
	const char *head, size_t len, struct smtp_delivered *ret, char **ret_copy)
{
	*ret_copy = malloc(len ? len : 1);
	assert_non_null(*ret_copy);
	memcpy(*ret_copy, head, len);
	smtp_delivered_to(str_of(*ret_copy, len), ret);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_delivered d;
		char text[512], *copy, whole[2048];
		int len = snprintf(whole, sizeof(whole), "%s\r\n", rows[i].head);

		look(whole, (size_t)len, &d, &copy);
		join(&d, text, sizeof(text));
		if (strcmp(text, rows[i].to) != 0)
			fail_msg("%s: \"%s\"", rows[i].name, text);
		free(copy);
	}
}

/* Cut off anywhere it never says carol. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t len = 0; len < strlen(rows[i].head); len++) {
			struct smtp_delivered d;
			char text[512], *copy;

			look(rows[i].head, len, &d, &copy);
			join(&d, text, sizeof(text));
			if (strstr(text, "carol"))
				fail_msg(
					"%s, %zu bytes: \"%s\"", rows[i].name, len, text);
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
