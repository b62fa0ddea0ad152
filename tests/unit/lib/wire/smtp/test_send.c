/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One message to a server: what is said to its answers, and what becomes of it. */
#include "wire/smtp/send.h"

#include "lib/wire/wire_test.h"

#define HELLO "220 mx\r\n250-mx\r\n250 SMTPUTF8\r\n"
#define SAID "EHLO [192.0.2.1]\r\nMAIL FROM:<>\r\n"
#define RCPT "RCPT TO:<x@example.net>\r\n"
#define TEXT "A: b\r\n\r\n..\r\n..dot\r\n.\r\n"

static const struct row {
	const char *name;
	bool is_lmtp;
	struct str recipient, message, heard, said;
	enum smtp_send_state state;
	enum smtp_sent sent;
	bool is_of_host;
} rows[] = {
	{ "taken", false, STR("x@example.net"), STR("A: b\r\n\r\n.\r\n.dot\r\n"),
		STR(HELLO
			"250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 queued\r\n221 bye\r\n"),
		STR(SAID RCPT "DATA\r\n" TEXT "QUIT\r\n"), SMTP_SEND_OVER,
		SMTP_SENT_TAKEN, false },
	{ "lines that end otherwise", false, STR("x@example.net"),
		STR("A: b\n\n.\r.\r.x\n.dot"),
		STR(HELLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"),
		STR(SAID RCPT "DATA\r\nA: b\r\n\r\n.. . .x\r\n..dot\r\n.\r\nQUIT\r\n"),
		SMTP_SEND_OVER, SMTP_SENT_TAKEN, false },
	{ "by LMTP", true, STR("x@example.net"), STR("A: b\r\n"),
		STR("220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"),
		STR("LHLO [192.0.2.1]\r\nMAIL FROM:<>\r\n" RCPT
		    "DATA\r\nA: b\r\n.\r\nQUIT\r\n"),
		SMTP_SEND_OVER, SMTP_SENT_TAKEN, false },
	{ "no EHLO", false, STR("x@example.net"), STR("A: b\r\n"),
		STR("220 mx\r\n500 what\r\n250 mx\r\n250 ok\r\n"),
		STR("EHLO [192.0.2.1]\r\nHELO [192.0.2.1]\r\nMAIL FROM:<>\r\n" RCPT),
		SMTP_SEND_RCPT, SMTP_SENT_LATER, false },
	{ "no LHLO", true, STR("x@example.net"), STR("A: b\r\n"),
		STR("220 mx\r\n500 what\r\n"), STR("LHLO [192.0.2.1]\r\n"),
		SMTP_SEND_OVER, SMTP_SENT_LATER, true },
	{ "an address of RFC 6531", false, STR("\xc3\xa4@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n"),
		STR("EHLO [192.0.2.1]\r\nMAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\n"
		    "RCPT TO:<\xc3\xa4@example.net>\r\n"),
		SMTP_SEND_RCPT, SMTP_SENT_LATER, false },
	{ "which it does not know", false, STR("\xc3\xa4@example.net"), STR("A: b\r\n"),
		STR("220 mx\r\n250 mx\r\n"), STR("EHLO [192.0.2.1]\r\n"), SMTP_SEND_OVER,
		SMTP_SENT_REFUSED, false },
	{ "a greeting that refuses", false, STR("x@example.net"), STR("A: b\r\n"),
		STR("554 no\r\n"), STR(""), SMTP_SEND_OVER, SMTP_SENT_LATER, true },
	{ "busy", false, STR("x@example.net"), STR("A: b\r\n"),
		STR("220 mx\r\n421 busy\r\n"), STR("EHLO [192.0.2.1]\r\n"),
		SMTP_SEND_OVER, SMTP_SENT_LATER, true },
	{ "MAIL refused", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "530 5.7.0 log in\r\n"), STR(SAID "QUIT\r\n"), SMTP_SEND_OVER,
		SMTP_SENT_REFUSED, false },
	{ "RCPT put off", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n450 later\r\n"), STR(SAID RCPT "QUIT\r\n"),
		SMTP_SEND_OVER, SMTP_SENT_LATER, false },
	{ "RCPT refused", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n550 no\r\n"), STR(SAID RCPT "QUIT\r\n"),
		SMTP_SEND_OVER, SMTP_SENT_REFUSED, false },
	{ "DATA answered by 250", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n250 ok\r\n250 what\r\n"),
		STR(SAID RCPT "DATA\r\nQUIT\r\n"), SMTP_SEND_OVER, SMTP_SENT_LATER,
		false },
	{ "refused at its end", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n250 ok\r\n354 go\r\n554 spam\r\n"),
		STR(SAID RCPT "DATA\r\nA: b\r\n.\r\nQUIT\r\n"), SMTP_SEND_OVER,
		SMTP_SENT_REFUSED, false },
	{ "put off at its end", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n250 ok\r\n354 go\r\n452 full\r\n"),
		STR(SAID RCPT "DATA\r\nA: b\r\n.\r\nQUIT\r\n"), SMTP_SEND_OVER,
		SMTP_SENT_LATER, false },
	{ "no answer at its end", false, STR("x@example.net"), STR("A: b\r\n"),
		STR(HELLO "250 ok\r\n250 ok\r\n354 go\r\n25"),
		STR(SAID RCPT "DATA\r\nA: b\r\n.\r\n"), SMTP_SEND_FINAL, SMTP_SENT_LATER,
		false },
	{ "something else", false, STR("x@example.net"), STR("A: b\r\n"),
		STR("* OK IMAP4rev1\r\n"), STR(""), SMTP_SEND_OVER, SMTP_SENT_LATER,
		true },
	{ "an address that is two lines", false, STR("x>\r\nDATA"), STR("A: b\r\n"),
		STR("220 mx\r\n"), STR(""), SMTP_SEND_OVER, SMTP_SENT_REFUSED, true },
	{ "no address", false, STR(""), STR("A: b\r\n"), STR("220 mx\r\n"), STR(""),
		SMTP_SEND_OVER, SMTP_SENT_REFUSED, true },
};

static void turn(struct smtp_send *s, struct buf *in, struct buf *out)
{
	enum smtp_send_action action;

	do {
		struct str input = exact_copy(buf_view(in));
		size_t used;

		action = smtp_send_next(s, input, &used, out);
		assert_true(used <= input.len);
		exact_free(input);
		buf_consume(in, used);
	} while (action == SMTP_SEND_AGAIN);
	assert_true((action == SMTP_SEND_DONE) == (s->state == SMTP_SEND_OVER));
}

static void run(const struct row *row, size_t step)
{
	struct smtp_send s;
	struct buf in, out;
	struct str heard = row->heard;

	buf_init(&in, 0);
	buf_init(&out, 0);
	smtp_send_init(
		&s, row->is_lmtp, STR_LIT("[192.0.2.1]"), row->recipient, row->message);
	turn(&s, &in, &out);
	while (heard.len) {
		assert_int_equal(buf_append(&in, str_take(heard, step)), 0);
		heard = str_skip(heard, step);
		turn(&s, &in, &out);
	}
	SAME(row->name, buf_view(&out), row->said);
	if (s.state != row->state || s.sent != row->sent ||
		s.is_of_host != row->is_of_host)
		fail_msg("%s: %s %d %d \"%s\"", row->name, smtp_send_state_name(s.state),
			(int)s.sent, (int)s.is_of_host, s.words);
	buf_fini(&in);
	buf_fini(&out);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		run(&rows[i], SIZE_MAX / 2);
		run(&rows[i], 1);
		run(&rows[i], 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
