/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When a delivery is reported to a sender who has asked for it: when it is done, and not
   before; of nothing else. Sessions as scripts (script.h); alice lives at the source,
   carol here. */
#include "interceptor/session/script_parts.h"
#include "interceptor/smtp/smtp.h"
#include "source/reports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct service_handler handlers[SERVICE_COUNT] = {
	[SERVICE_SMTP] = { &smtp_handler, NULL },
};

#define HELLO                                                                            \
	"S 220 old", "c 220 old", "C EHLO client", "s EHLO client", "S 250-old",         \
		"S 250 DSN", "c 250-old", "c 250 DSN"
#define ASK(line) "C " line, "s " line, "S 250 Ok", "c 250 Ok"
#define MAIL HELLO, ASK("MAIL FROM:<x@example.net> ENVID=e")
#define ALICE ASK("RCPT TO:<alice@example.com> NOTIFY=SUCCESS")
#define TO_CAROL(words)                                                                  \
	"C RCPT TO:<carol@example.com>" words, "s RCPT TO:<carol@example.com>" words,    \
		"S 550 5.1.1 gone", "c 250 2.1.5 Ok"
#define CAROL TO_CAROL(" NOTIFY=SUCCESS,DELAY")
#define LOCAL_DATA "C DATA", "s RSET", "S 250 Ok", "c 354 End data with <CR><LF>.<CR><LF>"
#define DATA "C DATA", "s DATA", "S 354 go", "c 354 go"
#define GO "C Subject: x", "C ", "C text", "C ."
#define HEARD "s Subject: x", "s ", "s text"

static const struct {
	unsigned reports;
	struct script_row row;
} rows[] = {
	{ 1, { "delivered", SERVICE_SMTP, "carol",
		     { MAIL, CAROL, LOCAL_DATA, GO, "mail delivered",
			     "c 250 2.0.0 Ok" } } },
	{ 1, { "delivered, and the client has left", SERVICE_SMTP, "carol",
		     { MAIL, CAROL, LOCAL_DATA, GO, "client breaks",
			     "mail delivered" } } },
	{ 0, { "refused", SERVICE_SMTP, "carol",
		     { MAIL, CAROL, LOCAL_DATA, GO, "mail refused",
			     "c 452 4.2.2 Mailbox full" } } },
	{ 0, { "no mailstore", SERVICE_SMTP, "carol",
		     { MAIL, CAROL, LOCAL_DATA, GO, "mailstore ends",
			     "c 451 4.3.0 The mailbox cannot be reached now, try again "
			     "later" } } },
	{ 1, { "on both sides: delivered", SERVICE_SMTP, "carol",
		     { MAIL, ALICE, CAROL, DATA, GO, HEARD, "mail staged", "s .",
			     "S 250 queued", "mail delivered", "c 250 queued" } } },
	{ 0, { "on both sides: the source is lost", SERVICE_SMTP, "carol",
		     { MAIL, ALICE, CAROL, DATA, GO, HEARD, "mail staged", "s .",
			     "source breaks",
			     "c 451 4.4.2 The mail server was lost; please send it again later" } } },
	{ 0, { "on both sides: the source refuses it", SERVICE_SMTP, "carol",
		     { MAIL, ALICE, CAROL, DATA, GO, HEARD, "mail staged", "s .",
			     "S 554 no", "c 554 no" } } },
	{ 0, { "at the source alone", SERVICE_SMTP, "alice",
		     { MAIL, ALICE, DATA, GO, HEARD, "s .", "S 250 queued",
			     "c 250 queued" } } },
	{ 0, { "not asked for", SERVICE_SMTP, "carol",
		     { MAIL, TO_CAROL(" NOTIFY=DELAY"), LOCAL_DATA, GO, "mail delivered",
			     "c 250 2.0.0 Ok" } } },
	{ 0, { "from nobody", SERVICE_SMTP, "carol",
		     { HELLO, ASK("MAIL FROM:<>"), CAROL, LOCAL_DATA, GO,
			     "mail delivered", "c 250 2.0.0 Ok" } } },
	{ 1, { "the second message alone", SERVICE_SMTP, "carol",
		     { MAIL, CAROL, LOCAL_DATA, GO, "mail refused",
			     "c 452 4.2.2 Mailbox full",
			     ASK("MAIL FROM:<x@example.net> ENVID=e"), CAROL, LOCAL_DATA,
			     GO, "mail delivered", "c 250 2.0.0 Ok" } } },
};

static bool has(struct str text, struct str part)
{
	return memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static void look_into(const struct settings *s, const struct report_name *name)
{
	struct str to, message;
	struct buf file;

	buf_init(&file, 0);
	assert_int_equal(reports_read(s, name, &file, &to, &message), 0);
	assert_true(str_eq(to, STR_LIT("x@example.net")));
	assert_true(has(message, STR_LIT("\r\nOriginal-Envelope-Id: e\r\n")));
	assert_true(has(message, STR_LIT("\r\nSubject: x\r\n")));
	buf_fini(&file);
	assert_int_equal(reports_remove(s, name), 0);
}

static void run(struct script *s, enum oddity oddity)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct report_name *names;
		int n;

		script_run(s, &rows[i].row, (struct script_way){ oddity, 0 });
		n = reports_list(&s->settings, &names);
		if (n != (int)rows[i].reports)
			fail_msg("%s: %d reports", rows[i].row.name, n);
		for (int k = 0; k < n; k++)
			look_into(&s->settings, &names[k]);
		free(names);
	}
}

static void test_reported(void **state)
{
	static char folder[] = "/tmp/mailferry-reported-XXXXXX", host[] = "127.0.0.1";
	const struct script_setup setup = { .greeting =
						    "220 mail.example.com ESMTP\r\n" };
	struct script *s = script_new(handlers, &setup);
	char reports[96];

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(reports, sizeof(reports), "%s/%s", folder, REPORTS_DIRECTORY);
	assert_int_equal(mkdir(reports, 0700), 0);
	s->settings.state_dir = folder;
	s->settings.smart_host = host;
	for (int oddity = 0; oddity < ODD_COUNT; oddity++)
		run(s, (enum oddity)oddity);
	script_free(s);
	assert_int_equal(rmdir(reports), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
