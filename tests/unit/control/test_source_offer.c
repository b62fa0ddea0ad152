/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Greetings and capability answers of real servers: which logins can be captured. */
#include "control/check/source_offer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINES_MAX 12
#define LONG_WORD "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *name;
	enum service_id service;
	const char *lines[LINES_MAX];
	enum offer_step step;
	const char *capturable, *not_capturable;
	bool starttls, disabled;
	const char *vanishing; /* NULL: nothing */
} rows[] = {
	{ "Dovecot IMAP", SERVICE_IMAP,
		{ "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Dovecot ready.",
			"* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE STARTTLS "
			"AUTH=PLAIN AUTH=LOGIN",
			"mailferry1 OK Pre-login capabilities listed." },
		OFFER_OVER, "PLAIN LOGIN the LOGIN command", "", true, false, NULL },
	{ "IMAP that can more", SERVICE_IMAP,
		{ "* OK ready",
			"* CAPABILITY IMAP4 IMAP4rev1 LITERAL- URLAUTH RIGHTS=tekx SORT "
			"APPENDLIMIT=5 ANNOTATE-EXPERIMENT-1",
			"mailferry1 OK done" },
		OFFER_OVER, "the LOGIN command", "", false, false,
		"URLAUTH ANNOTATE-EXPERIMENT-1" },
	{ "IMAP, TLS first", SERVICE_IMAP,
		{ "* OK ready", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED",
			"mailferry1 OK done" },
		OFFER_OVER, "", "", true, true, NULL },
	{ "IMAP, challenges", SERVICE_IMAP,
		{ "* ok hi", "* capability imap4rev1 auth=cram-md5 auth=gssapi",
			"MAILFERRY1 OK done" },
		OFFER_OVER, "the LOGIN command", "cram-md5 gssapi", false, false, NULL },
	{ "IMAP, not done yet", SERVICE_IMAP, { "* OK hi", "* CAPABILITY IMAP4rev1" },
		OFFER_ANSWER, "", "", false, false, NULL },
	{ "IMAP, says BYE", SERVICE_IMAP, { "* BYE too many connections" }, OFFER_FOREIGN,
		"", "", false, false, NULL },
	{ "SMTP where IMAP should be", SERVICE_IMAP, { "220 mx ESMTP" }, OFFER_FOREIGN,
		"", "", false, false, NULL },
	{ "Dovecot POP3", SERVICE_POP3,
		{ "+OK Dovecot ready.", "+OK", "CAPA", "TOP", "UIDL", "STLS", "USER",
			"SASL PLAIN LOGIN", "." },
		OFFER_OVER, "USER PLAIN LOGIN", "", true, false, NULL },
	{ "POP3 with APOP", SERVICE_POP3,
		{ "+OK POP3 <1896.697170952@dbc.example>", "-ERR unknown command" },
		OFFER_OVER, "USER", "APOP", false, false, NULL },
	{ "POP3, TLS first", SERVICE_POP3, { "+OK hi", "+OK", "STLS", "UIDL", "." },
		OFFER_OVER, "", "", true, true, NULL },
	{ "Postfix", SERVICE_SMTP,
		{ "220 mx.example.com ESMTP Postfix", "250-mx.example.com",
			"250-PIPELINING", "250-STARTTLS", "250-AUTH PLAIN LOGIN CRAM-MD5",
			"250 CHUNKING" },
		OFFER_OVER, "PLAIN LOGIN", "CRAM-MD5", true, false, NULL },
	{ "Postfix, all of it", SERVICE_SMTP,
		{ "220 mx.example.com ESMTP Postfix", "250-dsn.example.com",
			"250-PIPELINING", "250-SIZE 10240000", "250-VRFY", "250-etrn",
			"250-ENHANCEDSTATUSCODES", "250-8BITMIME", "250-DSN",
			"250-SMTPUTF8", "250 CHUNKING" },
		OFFER_OVER, "", "", false, false,
		"etrn (it asks the old server to send its queue), DSN (there is no "
		"`smart_host` to send reports by; the sender's own server says "
		"\"relayed\")" },
	{ "SMTP, what nobody knows", SERVICE_SMTP,
		{ "220 mx", "250-X-NAME is no extension", "250-X-NEW 1", "250-",
			"250-" LONG_WORD, "250 AUTH=LOGIN" },
		OFFER_OVER, "", "", false, false,
		"X-NEW (not known here, so it is never shown), "
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx (not known here, so it is never "
		"shown)" },
	{ "SMTP, DSN refused", SERVICE_SMTP, { "220 mx", "550-mx", "550 DSN" },
		OFFER_OVER, "", "", false, false, NULL },
	{ "SMTP, greeting of two lines", SERVICE_SUBMISSION,
		{ "220-mx.example.com", "220 no spam", "250 mx.example.com" }, OFFER_OVER,
		"", "", false, false, NULL },
	{ "SMTP without EHLO", SERVICE_SMTP, { "220 mx", "500 what?" }, OFFER_OVER, "",
		"", false, false, NULL },
};

static void feed(struct offer *o, const char *const *lines)
{
	for (size_t i = 0; i < LINES_MAX && lines[i]; i++) {
		offer_line(o, str_from(lines[i]));
		if (o->step == OFFER_ASK)
			o->step = OFFER_ANSWER;
	}
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct offer o;

		assert_int_equal(offer_init(&o, rows[i].service), 0);
		feed(&o, rows[i].lines);
		if (o.step != rows[i].step || o.starttls != rows[i].starttls ||
			o.login_disabled != rows[i].disabled ||
			!str_eq(buf_view(&o.vanishing), str_from(rows[i].vanishing)) ||
			!str_eq(buf_view(&o.capturable), str_from(rows[i].capturable)) ||
			!str_eq(buf_view(&o.not_capturable),
				str_from(rows[i].not_capturable)))
			fail_msg("%s: step %d, \"%.*s\", not \"%.*s\"", rows[i].name,
				(int)o.step, STR_ARG(buf_view(&o.capturable)),
				STR_ARG(buf_view(&o.not_capturable)));
		offer_fini(&o);
	}
}

static void test_reports(void **state)
{
	static const char *const lines[LINES_MAX] = { "220 mx", "250-mx", "250-DSN",
		"250 ETRN" };
	struct offer o;

	(void)state;
	assert_int_equal(offer_init(&o, SERVICE_SMTP), 0);
	o.reports = true;
	feed(&o, lines);
	assert_true(str_eq(buf_view(&o.vanishing),
		STR_LIT("ETRN (it asks the old server to send its queue)")));
	offer_fini(&o);
}

static void test_unknown_service(void **state)
{
	struct offer o;

	(void)state;
	assert_int_equal(offer_init(&o, SERVICE_IMAPS), -ENOENT);
}

/* A source that never ends its greeting costs no more than the limit. */
static void test_endless(void **state)
{
	struct offer o;

	(void)state;
	assert_int_equal(offer_init(&o, SERVICE_SMTP), 0);
	for (int i = 0; i < 10000; i++)
		offer_line(&o, STR_LIT("220-still greeting"));
	assert_int_equal(o.step, OFFER_GREETING);
	assert_true(buf_len(&o.greeting) <= OFFER_TEXT_MAX);
	offer_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test(test_reports), cmocka_unit_test(test_unknown_service),
		cmocka_unit_test(test_endless) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
