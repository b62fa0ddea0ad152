/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What senders ask to be told (RFC 3461), and what they are told (RFC 3464). */
#include "wire/smtp/dsn.h"
#include "wire/smtp/dsn_report.h"

#include "lib/wire/wire_test.h"

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct mail_row {
	struct str params;
	bool is_good;
	struct str envid; /* as a report has it */
} mail_rows[] = {
	{ STR(""), true, STR("") },
	{ STR("SIZE=10 BODY=8BITMIME"), true, STR("") },
	{ STR("RET=HDRS"), true, STR("") },
	{ STR("ret=full envid=QQ314159"), true, STR("QQ314159") },
	{ STR("RET"), false, STR("") },
	{ STR("RET="), false, STR("") },
	{ STR("RET=HALF"), false, STR("") },
	{ STR("RET=FULL RET=FULL"), false, STR("") },
	{ STR("ENVID=a+2Bb+3Dc+20d+2b"), true, STR("a+b=c d+") },
	{ STR("ENVID=a=b"), true, STR("a=b") },
	{ STR("ENVID="), false, STR("") },
	{ STR("ENVID"), false, STR("") },
	{ STR("ENVID=a ENVID=b"), false, STR("") },
	{ STR("ENVID=a+"), false, STR("") },
	{ STR("ENVID=a+2"), false, STR("") },
	{ STR("ENVID=a+2G"), false, STR("") },
	{ STR("ENVID=a+0Db"), false, STR("") }, /* a line end */
	{ STR("ENVID=a+0A"), false, STR("") },
	{ STR("ENVID=a+00"), false, STR("") },
	{ STR("ENVID=a+E4"), false, STR("") },
	{ STR("ENVID=\xc3\xa4"), false, STR("") },
	{ STR("ENVID=" HUNDRED), true, STR(HUNDRED) },
	{ STR("ENVID=" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED "x"), true,
		STR(HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED) },
};

static void test_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(mail_rows); i++) {
		const struct mail_row *row = &mail_rows[i];
		struct str params = exact_copy(row->params), envid;
		struct buf text;

		buf_init(&text, 0);
		if (dsn_mail_parse(params, &envid) != row->is_good)
			fail_msg("%.*s", STR_ARG(row->params));
		if (row->is_good) {
			assert_int_equal(dsn_xtext_put(envid, &text), 0);
			SAME(row->params.ptr, buf_view(&text), row->envid);
		}
		buf_fini(&text);
		exact_free(params);
	}
}

#define SUCCESS DSN_NOTIFY_SUCCESS
#define FAILURE DSN_NOTIFY_FAILURE
#define DELAY DSN_NOTIFY_DELAY

static const struct rcpt_row {
	struct str params;
	bool is_good;
	unsigned notify;
	struct str type, original;
} rcpt_rows[] = {
	{ STR(""), true, 0, STR(""), STR("") },
	{ STR("NOTIFY=NEVER"), true, DSN_NOTIFY_NEVER, STR(""), STR("") },
	{ STR("notify=success"), true, SUCCESS, STR(""), STR("") },
	{ STR("NOTIFY=SUCCESS,FAILURE,DELAY"), true, SUCCESS | FAILURE | DELAY, STR(""),
		STR("") },
	{ STR("NOTIFY=DELAY,SUCCESS,SUCCESS"), true, SUCCESS | DELAY, STR(""), STR("") },
	{ STR("NOTIFY"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY="), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=,"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=SUCCESS,"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=,SUCCESS"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=SUCCESS,,DELAY"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=NEVER,SUCCESS"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=SUCCESS,NEVER"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=OFTEN"), false, 0, STR(""), STR("") },
	{ STR("NOTIFY=DELAY NOTIFY=SUCCESS"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=rfc822;Bob+2BX@example.com NOTIFY=DELAY"), true, DELAY,
		STR("rfc822"), STR("Bob+2BX@example.com") },
	{ STR("ORCPT=utf-8;\xc3\xa4\\x{F6}@example.com"), true, 0, STR("utf-8"),
		STR("\xc3\xa4\\x{F6}@example.com") },
	{ STR("ORCPT=rfc822;a;b"), true, 0, STR("rfc822"), STR("a;b") },
	{ STR("ORCPT=bob@example.com"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=;bob"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=rfc822;"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=rfc\x7f;a"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=" HUNDRED "x;a"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=rfc822;a+0D+0AX:"), true, 0, STR("rfc822"), STR("a+0D+0AX:") },
	{ STR("ORCPT=rfc822;\xc3\xa4"), true, 0, STR("rfc822"), STR("\xc3\xa4") },
	{ STR("ORCPT=utf-8;a\x7f"), true, 0, STR("utf-8"), STR("a\x7f") },
	{ STR("ORCPT=rfc822;a+4"), false, 0, STR(""), STR("") },
	{ STR("ORCPT=rfc822;a ORCPT=rfc822;b"), false, 0, STR(""), STR("") },
};

static void test_rcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rcpt_rows); i++) {
		const struct rcpt_row *row = &rcpt_rows[i];
		struct str params = exact_copy(row->params);
		struct dsn_rcpt asked;

		if (dsn_rcpt_parse(params, &asked) != row->is_good)
			fail_msg("%.*s", STR_ARG(row->params));
		if (row->is_good) {
			assert_int_equal(asked.notify, row->notify);
			SAME(row->params.ptr, asked.type, row->type);
			SAME(row->params.ptr, asked.original, row->original);
		}
		exact_free(params);
	}
}

/* ---- the report ---- */

#define HEAD(subject)                                                                    \
	"From: Mail Delivery System <MAILER-DAEMON@mail.example.com>\r\n"                \
	"To: <x@example.net>\r\n"                                                        \
	"Date: Tue, 24 Nov 2026 14:12:12 +0200\r\n"                                      \
	"Message-ID: <1f.2@mail.example.com>\r\n"                                        \
	"Subject: " subject "\r\n"                                                       \
	"Auto-Submitted: auto-replied\r\n"                                               \
	"MIME-Version: 1.0\r\n"                                                          \
	"Content-Type: multipart/report; report-type=delivery-status;\r\n"               \
	"\tboundary=\"=_1f.2\"\r\n\r\n"                                                  \
	"--=_1f.2\r\n"                                                                   \
	"Content-Type: text/plain; charset=us-ascii\r\n\r\n"                             \
	"This is the mail server mail.example.com.\r\n\r\n"                              \
	"You have asked to be told: your message was "
#define TOP HEAD("Delivered: your message has arrived") "delivered to\r\n\r\n"
#define NOT_READ "\r\nThat does not say that it was read.\r\n"
#define SILENT                                                                           \
	"\r\nto a mail server that does not report deliveries: no further report will "  \
	"come\r\nunless it fails.\r\n"
#define BEHIND NOT_READ STATUS
#define STATUS                                                                           \
	"--=_1f.2\r\n"                                                                   \
	"Content-Type: message/delivery-status\r\n\r\n"                                  \
	"Reporting-MTA: dns;mail.example.com\r\n"
#define ARRIVED "Arrival-Date: Tue, 24 Nov 2026 14:12:12 +0200\r\n"
#define DELIVERED "Action: delivered\r\nStatus: 2.0.0\r\n"
#define RELAYED "Action: relayed\r\nStatus: 2.0.0\r\n"
#define RETURNED "--=_1f.2\r\nContent-Type: text/rfc822-headers\r\n"
#define QUOTED "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
#define END "--=_1f.2--\r\n"

static const struct report_row {
	const char *name;
	struct str params;
	struct {
		struct str address, params;
		bool is_relayed;
	} recipients[3];
	struct str message, want;
} report_rows[] = {
	{ "one", STR("RET=FULL ENVID=a+2Bb"),
		{ { STR("bob@example.com"), STR("NOTIFY=SUCCESS"), false } },
		STR("Subject: x\r\nFrom: y\r\n\r\nthe text is not returned\r\n"),
		STR(TOP "    <bob@example.com>\r\n" BEHIND
			"Original-Envelope-Id: a+b\r\n" ARRIVED
			"\r\nFinal-Recipient: rfc822;bob@example.com\r\n" DELIVERED
				RETURNED "\r\nSubject: x\r\nFrom: y\r\n" END) },
	{ "several, with what they were before", STR(""),
		{ { STR("bob@example.com"), STR("ORCPT=rfc822;Bob+2BX@example.org"),
			  false },
			{ STR("\xc3\xa4+@example.com"),
				STR("ORCPT=utf-8;\xf0\x9f\x98\x80\\x{E4}@example.org"),
				false } },
		STR("Subject: x"),
		STR(TOP "    <bob@example.com>\r\n    <\?\?+@example.com>\r\n" BEHIND
				ARRIVED
			"\r\nOriginal-Recipient: rfc822;Bob+X@example.org\r\n"
			"Final-Recipient: rfc822;bob@example.com\r\n" DELIVERED
			"\r\nOriginal-Recipient: utf-8;\\x{1F600}\\x{E4}@example.org\r\n"
			"Final-Recipient: utf-8;\\x{E4}\\x{2B}@example.com\r\n" DELIVERED
				RETURNED "\r\nSubject: x\r\n" END) },
	{ "a header that is not ASCII, and is cut off", STR(""),
		{ { STR("b\rob"), STR("ORCPT=rfc822;a+0D+0A\xc3\xa4"), false },
			{ STR("\xff\x80\xe2\x82"), STR("ORCPT=utf-8;\x7f"), false } },
		STR("Subject: \xe4=\t \nX: 1\r\nno blank line"),
		STR(TOP "    <b?ob>\r\n    <\?\?\?\?>\r\n" BEHIND ARRIVED
			"\r\nOriginal-Recipient: rfc822;a\?\?\?\?\r\n"
			"Final-Recipient: rfc822;b?ob\r\n" DELIVERED
			"\r\nOriginal-Recipient: utf-8;\\x{7F}\r\n"
			"Final-Recipient: utf-8;\\x{FFFD}\\x{FFFD}\\x{FFFD}\r\n" DELIVERED
				RETURNED QUOTED
			"Subject: =E4=3D\t=20\r\nX: 1\r\nno blank line\r\n" END) },
	{ "relayed, and the message is gone", STR(""),
		{ { STR("a@example.org"), STR(""), true },
			{ STR("b@example.org"), STR(""), true } },
		STR(""),
		STR(HEAD(
			"Relayed: your message is on its way") "relayed for\r\n\r\n"
							       "    <a@example.org>\r\n    <b@example.org>\r\n" SILENT
								       STATUS ARRIVED
							       "\r\nFinal-Recipient: rfc822;a@example.org\r\n" RELAYED
							       "\r\nFinal-Recipient: rfc822;b@example.org\r\n" RELAYED
								       END) },
	{ "some delivered, some relayed", STR(""),
		{ { STR("a@example.org"), STR(""), true },
			{ STR("bob@example.com"), STR(""), false } },
		STR("Subject: x\r\n"),
		STR(TOP "    <bob@example.com>\r\n" NOT_READ
			"\r\nAnd your message was relayed for\r\n\r\n"
			"    <a@example.org>\r\n" SILENT STATUS ARRIVED
			"\r\nFinal-Recipient: rfc822;a@example.org\r\n" RELAYED
			"\r\nFinal-Recipient: rfc822;bob@example.com\r\n" DELIVERED
				RETURNED "\r\nSubject: x\r\n" END) },
	{ "no header", STR("ENVID=+"), { { STR("a"), STR("ORCPT=rfc822"), false } },
		STR("\r\ntext\r\n"),
		STR(TOP "    <a>\r\n" BEHIND ARRIVED
			"\r\nFinal-Recipient: rfc822;a\r\n" DELIVERED RETURNED
			"\r\n" END) },
};

static void run_report(const struct report_row *row, struct buf *out)
{
	struct smtp_recipient recipients[3] = { 0 };
	struct dsn_report_recipient list[3];
	struct str message = exact_copy(row->message);
	struct dsn_report report = { .by = STR("mail.example.com"),
		.to = STR("x@example.net"),
		.id = STR("1f.2"),
		.params = row->params,
		.recipients = list,
		.message = message,
		.at = 1795522332,
		.zone = 120 };

	for (; report.n < 3 && row->recipients[report.n].address.len; report.n++) {
		recipients[report.n].address = row->recipients[report.n].address;
		recipients[report.n].params = row->recipients[report.n].params;
		list[report.n] = (struct dsn_report_recipient){ &recipients[report.n],
			row->recipients[report.n].is_relayed };
	}
	assert_int_equal(dsn_report(&report, out), 0);
	exact_free(message);
}

static void test_reports(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(report_rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		run_report(&report_rows[i], &out);
		SAME(report_rows[i].name, buf_view(&out), report_rows[i].want);
		buf_fini(&out);
	}
}

/* Long lines are wrapped, whole ones left out where it becomes too much. */
static void test_long_header(void **state)
{
	static char message[DSN_RETURNED_MAX * 2];
	static const struct report_row row = { .recipients = {
						       { STR("a"), STR(""), false } } };
	struct report_row with = row;
	struct buf out;
	struct str rest;

	(void)state;
	buf_init(&out, 0);
	memset(message, 'x', sizeof(message));
	memcpy(message, "A: b\r\n", 6);
	for (size_t at = 3000; at + 2 < sizeof(message); at += 3000)
		memcpy(message + at, "\r\n", 2);
	with.message = str_of(message, sizeof(message));
	run_report(&with, &out);
	assert_true(buf_len(&out) > DSN_RETURNED_MAX - 3000);
	assert_true(buf_len(&out) < DSN_RETURNED_MAX + DSN_RETURNED_MAX / 10 + 2000);
	rest = buf_view(&out);
	while (rest.len)
		assert_true(str_split(&rest, '\n').len <= 78);
	buf_fini(&out);
}

/* It takes what there is room for, or says so. */
static void test_no_room(void **state)
{
	(void)state;
	for (size_t limit = 1; limit < 900; limit++) {
		static const struct smtp_recipient to = { .address = STR("\xc3\xa4@b"),
			.params = STR("ORCPT=rfc822;a") };
		const struct dsn_report_recipient list[] = { { &to, false } };
		const struct dsn_report report = { .by = STR("mx"),
			.to = STR("x"),
			.id = STR("1"),
			.params = STR("ENVID=x"),
			.recipients = list,
			.n = 1,
			.message = STR("A: \xe4\r\n") };
		struct buf out;

		buf_init(&out, limit);
		if (dsn_report(&report, &out) == 0) {
			assert_true(buf_len(&out) <= limit);
			assert_true(limit > 600);
		}
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_rcpt),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_long_header),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
