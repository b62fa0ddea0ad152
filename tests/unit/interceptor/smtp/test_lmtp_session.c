/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session of LMTP: who gets the mail, and what each recipient's answer is. */
#include "interceptor/session/script.h"

#include "interceptor/smtp/lmtp.h"
#include "lib/registry/registry_fixture.h"

static const struct service_handler handlers[] = {
	[SERVICE_LMTP] = { &lmtp_handler, NULL },
};

#define HELLO                                                                            \
	"c 220 mail.example.com LMTP", "source 0", "waiting 0", "C LHLO mta",            \
		"c 250-mail.example.com", "c 250-PIPELINING",                            \
		"c 250-ENHANCEDSTATUSCODES", "c 250-8BITMIME", "c 250-SMTPUTF8",         \
		"c 250-CHUNKING", "c 250 SIZE 0"
#define MAIL HELLO, "C MAIL FROM:<x@example.net>", "c 250 2.1.0 Ok"
#define CAROL "C RCPT TO:<carol@example.com>", "c 250 2.1.5 Ok"
#define BOB "C RCPT TO:<bob@example.com>", "c 250 2.1.5 Ok"
#define DATA                                                                             \
	"C DATA", "c 354 End data with <CR><LF>.<CR><LF>", "C Subject: x", "C ",         \
		"C text", "C ."

static const struct script_row deliveries[] = {
	{ "to one user", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, DATA, "told stage carol <x@example.net> at once",
			"mail is Subject: x\r\n\r\ntext", "mail delivered",
			"c 250 2.0.0 Ok", "C QUIT", "c 221 2.0.0 Bye", "state lingering",
			"client ends", "state gone" } },
	{ "to two users", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, CAROL, BOB, DATA,
			"told stage carol <x@example.net> at once, stage bob "
			"<x@example.net> at once",
			"mail delivered", "c 250 2.0.0 Ok", "c 250 2.0.0 Ok" } },
	{ "one of them has no room", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, CAROL, BOB, DATA, "first refused",
			"mail delivered", "c 452 4.2.2 Mailbox full", "c 250 2.0.0 Ok",
			"C MAIL FROM:<x@example.net>", "c 250 2.1.0 Ok" } },
	{ "the other one has no room", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, BOB, CAROL, DATA, "mail refused",
			"c 452 4.2.2 Mailbox full", "c 452 4.2.2 Mailbox full" } },
	{ "one is to be told the folder", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, CAROL, BOB, DATA, "first staged",
			"mail delivered", "told deliver carol", "mail delivered",
			"c 250 2.0.0 Ok", "c 250 2.0.0 Ok" } },
	{ "it is on the disk, and shown later", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, DATA, "mail staged", "told deliver carol", "state ending",
			"mail refused", "c 250 2.0.0 Ok" } },
	{ "it is not on the disk when the mailstore ends", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, CAROL, BOB, DATA, "mailstore ends",
			"c 451 4.3.0 The mailbox cannot be reached now, try again later",
			"c 451 4.3.0 The mailbox cannot be reached now, try again "
			"later" } },
	{ "the mailstore is away", SERVICE_LMTP, "carol",
		{ "let mailstore be away", MAIL, "C RCPT TO:<carol@example.com>",
			"c 451 4.3.0 Please try again later" } },
	{ "it goes away behind RCPT", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, "let mailstore be away", DATA,
			"c 451 4.3.0 The mailbox cannot be reached now, try again "
			"later" } },
	{ "two addresses of one user", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, "C RCPT TO:<Carol+x@example.com>", "c 250 2.1.5 Ok", DATA,
			"told stage carol <x@example.net> at once", "mail delivered",
			"c 250 2.0.0 Ok", "c 250 2.0.0 Ok" } },
};

#define LATER " please try again later"

static const struct script_row recipients[] = {
	{ "at the source", SERVICE_LMTP, "carol",
		{ MAIL, "C RCPT TO:<alice@example.com>",
			"c 450 4.2.1 This mailbox is still on the old server;" LATER,
			"C RCPT TO:<dora@example.com>",
			"c 450 4.2.1 This mailbox is still on the old server;" LATER } },
	{ "switching", SERVICE_LMTP, "bob",
		{ MAIL, "C RCPT TO:<bob@example.com>",
			"c 450 4.2.1 This mailbox is being moved; please try again in a "
			"moment" } },
	{ "the source may know it", SERVICE_LMTP, "carol",
		{ MAIL, "C RCPT TO:<nobody@example.com>",
			"c 450 4.1.1 This mailbox is not known here; it may be on the "
			"old server" } },
	{ "nobody can know it", SERVICE_LMTP, "carol",
		{ "let retired", MAIL, "C RCPT TO:<nobody@example.com>",
			"c 550 5.1.1 There is no such mailbox here",
			"C RCPT TO:<alice@example.com>",
			"c 550 5.1.1 There is no such mailbox here" } },
	{ "elsewhere", SERVICE_LMTP, "carol",
		{ MAIL, "C RCPT TO:<x@example.org>",
			"c 550 5.1.2 This domain is not served here" } },
	{ "in no known form", SERVICE_LMTP, "carol",
		{ MAIL, "C RCPT TO:<carol(@example.com>",
			"c 553 5.1.3 This form of an address is not understood; "
			"user@domain is wanted" } },
	{ "by its name alone, and at the server itself", SERVICE_LMTP, "carol",
		{ MAIL, "C RCPT TO:<carol>", "c 250 2.1.5 Ok",
			"C RCPT TO:<carol@mail.example.com>", "c 250 2.1.5 Ok", DATA,
			"told stage carol <x@example.net> at once", "mail delivered",
			"c 250 2.0.0 Ok", "c 250 2.0.0 Ok" } },
};

static const struct script_row switches[] = {
	{ "an account leaves behind RCPT", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, BOB, CAROL, "account leaves", "quiesce",
			"settled 1", DATA, "told stage carol <x@example.net> at once",
			"mail delivered",
			"c 450 4.2.1 The mailbox is being moved, try again in a moment",
			"c 250 2.0.0 Ok" } },
	{ "the only one leaves", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, BOB, "account leaves", DATA,
			"c 450 4.2.1 The mailbox is being moved, try again in a "
			"moment" } },
	{ "its mail is with the mailstore", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, BOB, CAROL, DATA, "quiesce", "settled -1",
			"mail delivered", "c 250 2.0.0 Ok", "c 250 2.0.0 Ok",
			"settled 1" } },
	{ "and the mailstore says nothing", SERVICE_LMTP, "bob",
		{ "account arrives", MAIL, BOB, DATA, "quiesce", "timeout",
			"c 421 4.2.1 A mailbox is being moved; please try again in a "
			"moment",
			"state lingering", "settled 1", "mailstore ends" } },
	{ "mail of others is with the mailstore", SERVICE_LMTP, "bob",
		{ MAIL, CAROL, DATA, "quiesce", "settled 1", "mail delivered",
			"c 250 2.0.0 Ok" } },
};

static const struct script_row ends[] = {
	{ "the client leaves in the message", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, "C DATA", "c 354 End data with <CR><LF>.<CR><LF>",
			"C text", "client ends", "state gone" } },
	{ "it breaks in the message", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, "C DATA", "c 354 End data with <CR><LF>.<CR><LF>",
			"C text", "client breaks", "state gone" } },
	{ "it leaves behind the dot: the message is delivered", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, DATA, "client breaks", "state ending", "mail delivered",
			"state gone" } },
	{ "it has said all, and hears the answer", SERVICE_LMTP, "carol",
		{ MAIL, CAROL, DATA, "client ends", "state ending", "mail delivered",
			"c 250 2.0.0 Ok", "state gone" } },
	{ "silent for too long", SERVICE_LMTP, "carol",
		{ HELLO, "timeout", "c 421 4.4.2 Too slow; closing",
			"state lingering" } },
	{ "too many connections", SERVICE_LMTP, "carol",
		{ "plain", "let there be many", "c 421 4.7.0 Too many connections",
			"state gone" } },
};

static void run(const struct script_row *rows, size_t n)
{
	const struct script_setup setup = { .greeting =
						    "220 mail.example.com ESMTP\r\n" };
	struct script *s = script_new(handlers, &setup);

	script_run_all(s, rows, n);
	script_free(s);
}

static void test_deliveries(void **state)
{
	(void)state;
	run(deliveries, ROWS(deliveries));
}

static void test_recipients(void **state)
{
	(void)state;
	run(recipients, ROWS(recipients));
}

static void test_switches(void **state)
{
	(void)state;
	run(switches, ROWS(switches));
}

static void test_ends(void **state)
{
	(void)state;
	run(ends, ROWS(ends));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deliveries),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
