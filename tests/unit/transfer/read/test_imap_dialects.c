/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The IMAP reader and the copy against a server that answers as a table says: what the
 * grammar forbids and servers send. INBOX has the UIDs 1 and 2; a row replaces an answer,
 * and says what has come after a pass, and what is named.
 */
#include "base/clock.h"
#include "transfer/copy/sync.h"
#include "transfer/read/imap_source.h"
#include "transfer/read/script_server.h"
#include "transfer/write/memory_destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TRIES 5     /* one of them is not disturbed by others on the machine */
#define LONG_MS 150 /* the reader's tick is 200 */
#define DATE "INTERNALDATE \"01-Feb-2003 04:05:06 +0100\""
#define ROW(n) "* " #n " FETCH (UID " #n " FLAGS (\\Seen) " DATE " RFC822.SIZE 4)\r\n"
#define BODY(n)                                                                          \
	"* " #n " FETCH (UID " #n " FLAGS (\\Seen) " DATE                                \
	" RFC822.SIZE 4 BODY[] {4}\r\nhi\r\n)\r\n"
#define END "@ OK done\r\n"

struct dialect_row {
	const char *name;
	struct script_row answers[3]; /* instead of the usual ones */
	unsigned seen;                /* UIDs of INBOX that have come, as bits */
	const char *named;            /* what is said of the others; NULL: nothing is */
	const char *fails;            /* the pass as a whole */
};

static const struct script_row usual[] = {
	{ "CAPABILITY", "* CAPABILITY IMAP4rev1\r\n" END },
	{ "LOGIN", "@ OK in\r\n" },
	{ "LIST", "* LIST () \"/\" INBOX\r\n" END },
	{ "LSUB", END },
	{ "STATUS", "@ NO no such mailbox\r\n" },
	{ "EXAMINE",
		"* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n@ OK [READ-ONLY] done\r\n" },
	{ "UID FETCH 1:* (UID FLAGS", ROW(1) ROW(2) END },
	{ "UID FETCH 1:2", BODY(1) BODY(2) END },
	{ "UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)", ROW(1) END },
	{ "UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE)", ROW(2) END },
	{ "FETCH 2 ", ROW(2) END },
	{ "UID FETCH 1 ", BODY(1) END },
	{ "UID FETCH 2 ", BODY(2) END },
	{ NULL, NULL },
};
#define LISTING "UID FETCH 1:* (UID FLAGS"
#define BODIES "UID FETCH 1:2"
#define ONE_BODY "UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY"
#define ONE_ROW "UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE)"

static const struct dialect_row rows[] = {
	{ "usual", { { NULL, NULL } }, 6, NULL, NULL },
	{ "blank lines",
		{ { LISTING, "\r\n" ROW(1) "\r\n \r\n" ROW(2) "\r\n" END },
			{ BODIES, "\r\n" BODY(1) "\r\n" BODY(2) "\r\n" END } },
		6, NULL, NULL },
	{ "an empty line behind the literal",
		{ { BODIES,
			"* 1 FETCH (UID 1 FLAGS (\\Seen) " DATE
			" RFC822.SIZE 4 BODY[] {4}\r\nhi\r\n\r\n)\r\n" BODY(2) END } },
		6, NULL, NULL },
	{ "not closed",
		{ { LISTING, "* 1 FETCH (UID 1 FLAGS (\\Seen) " DATE
			     " RFC822.SIZE 4\r\n" ROW(2) END },
			{ BODIES,
				BODY(1) "* 2 FETCH (UID 2 FLAGS (\\Seen) " DATE
					" RFC822.SIZE 4 BODY[] {4}\r\nhi\r\n\r\n" END } },
		6, NULL, NULL },
	{ "rows in two responses",
		{ { LISTING,
			"* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (UID 2 FLAGS ())\r\n"
			"* 1 FETCH (UID 1 " DATE " RFC822.SIZE 4)\r\n* 2 FETCH (" DATE
			" RFC822.SIZE 4)\r\n" END } },
		6, NULL, NULL },
	{ "bodies in two responses",
		{ { BODIES, "* 1 FETCH (UID 1 FLAGS ())\r\n"
			    "* 1 FETCH (UID 1 " DATE " BODY[] {4}\r\nhi\r\n)\r\n"
			    "* 2 FETCH (UID 2 BODY[] {4}\r\nhi\r\n)\r\n"
			    "* 2 FETCH (FLAGS () " DATE " RFC822.SIZE 4)\r\n" END } },
		6, NULL, NULL },
	{ "no sizes",
		{ { LISTING,
			  "* 1 FETCH (UID 1 FLAGS () " DATE ")\r\n"
			  "* 2 FETCH (UID 2 FLAGS () " DATE " RFC822.SIZE NIL)\r\n" END },
			{ BODIES, "* 1 FETCH (UID 1 FLAGS () " DATE " BODY[] \"hi\")\r\n"
				  "* 2 FETCH (UID 2 FLAGS () " DATE
				  " RFC822.SIZE -1 BODY[] \"hi\")\r\n" END } },
		6, NULL, NULL },
	{ "late news of a message",
		{ { LISTING, ROW(1) "* 1 FETCH (FLAGS ())\r\n" ROW(
				     2) "* 2 FETCH (UID 2 FLAGS "
					"(\\Deleted))\r\n" END } },
		6, NULL, NULL },
	{ "a row that makes sense alone",
		{ { LISTING, ROW(1) "* 2 FETCH (UID 2 FLAGS (\\Seen\r\n" END } }, 6, NULL,
		NULL },
	{ "a row without UID that makes sense alone",
		{ { LISTING, ROW(1) "* 2 FETCH (UID two FLAGS () " DATE
				    " RFC822.SIZE 4)\r\n" END } },
		6, NULL, NULL },
	{ "a row that never does",
		{ { LISTING, ROW(1) "* 2 FETCH (UID 2 " DATE " RFC822.SIZE 4)\r\n" END },
			{ ONE_ROW, "* 2 FETCH (UID 2 " DATE " RFC822.SIZE 4)\r\n" END } },
		2, "no FLAGS in \"* 2 FETCH (UID 2 INTERNALDATE", NULL },
	{ "a row that is refused alone",
		{ { LISTING, ROW(1) "* 2 FETCH (UID 2 FLAGS ((\r\n" END },
			{ ONE_ROW, "@ NO [SERVERBUG] it is broken\r\n" } },
		2, "message 2: no FLAGS in", NULL },
	{ "a body that makes sense alone",
		{ { BODIES, BODY(1) "* 2 FETCH (UID 2 BODY[] NIL)\r\n" END } }, 6, NULL,
		NULL },
	{ "a body of NIL",
		{ { BODIES, BODY(1) "* 2 FETCH (UID 2 FLAGS () " DATE
				    " RFC822.SIZE 4 BODY[] NIL)\r\n" END },
			{ ONE_BODY, "* 2 FETCH (UID 2 FLAGS () " DATE
				    " RFC822.SIZE 4 BODY[] NIL)\r\n" END } },
		2, "no body in \"* 2 FETCH", NULL },
	{ "an empty body",
		{ { BODIES, BODY(1) "* 2 FETCH (UID 2 FLAGS () " DATE
				    " RFC822.SIZE 4 BODY[] \"\")\r\n" END },
			{ ONE_BODY, "* 2 FETCH (UID 2 FLAGS () " DATE
				    " RFC822.SIZE 4 BODY[] {0}\r\n)\r\n" END } },
		2, "its body is empty, and the source says it has a size", NULL },
	{ "an empty body, and no size",
		{ { BODIES, BODY(1) "* 2 FETCH (UID 2 FLAGS () " DATE
				    " BODY[] \"\")\r\n" END },
			{ ONE_BODY, "* 2 FETCH (UID 2 FLAGS () " DATE
				    " BODY[] \"\")\r\n" END } },
		2, "its body is empty", NULL },
	{ "nothing", { { BODIES, BODY(1) END }, { ONE_BODY, END } }, 2,
		"the source gives nothing", NULL },
	{ "fewer rows than messages", { { LISTING, ROW(1) END } }, 0,
		"only 1 of 2 messages are listed", NULL },
	{ "two messages of one UID", { { LISTING, ROW(1) ROW(1) END } }, 0,
		"only 1 of 2 messages are listed", NULL },
	{ "rows that come again, in any order",
		{ { LISTING, ROW(2) ROW(1) ROW(2) END },
			{ BODIES, BODY(2) BODY(1) END } },
		6, NULL, NULL },
	{ "a UIDVALIDITY of 36 bits",
		{ { "EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 68719476736] x\r\n"
			       "@ OK done\r\n" } },
		0, "its UIDVALIDITY \"68719476736\" is not a number", NULL },
	{ "no UIDVALIDITY", { { "EXAMINE", "* 2 EXISTS\r\n@ OK done\r\n" } }, 0,
		"it has no UIDVALIDITY", NULL },
	{ "a UIDNEXT below its UIDs",
		{ { "EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n"
			       "* OK [UIDNEXT 1] x\r\n@ OK done\r\n" } },
		6, NULL, NULL },
	{ "a date with a zone that is none",
		{ { LISTING, "* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"01-Feb-2003 "
			     "04:05:06 +9999\" RFC822.SIZE 4)\r\n" ROW(2) END } },
		6, NULL, NULL },
	{ "INBOX is in no list",
		{ { "LIST", "* LIST () \"/\" Sent\r\n" END },
			{ "STATUS", "* STATUS INBOX (MESSAGES 2)\r\n" END } },
		6, NULL, NULL },
	{ "INBOX is in its own list",
		{ { "LIST \"\" \"*\"", "* LIST () \"/\" Sent\r\n" END } }, 6, NULL,
		NULL },
	{ "opened by SELECT alone",
		{ { "EXAMINE", "@ NO not read-only\r\n" },
			{ "SELECT", "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n@ OK "
				    "done\r\n" } },
		6, NULL, NULL },
	{ "opened by nothing",
		{ { "EXAMINE", "@ NO not read-only\r\n" },
			{ "SELECT", "@ NO never\r\n" } },
		0, "never", NULL },
	{ "a line that is none", { { LISTING, ROW(1) "(* 2 FETCH\r\n" ROW(2) END } }, 0,
		NULL, "a line that makes no sense in \"INBOX\": \"(* 2 FETCH\"" },
	{ "a literal with a blank behind it",
		{ { BODIES, "* 1 FETCH (UID 1 BODY[] {5000} \r\n* 2 EXPUNGE\r\n" } }, 0,
		NULL, "a literal that makes no sense in \"INBOX\"" },
	{ "a small literal with a blank behind it",
		{ { BODIES, "* 1 FETCH (UID 1 BODY[] {20} \r\n* 2 EXPUNGE\r\n" } }, 0,
		NULL, "a literal that makes no sense in \"INBOX\"" },
	{ "a literal of a TiB",
		{ { LISTING, ROW(1) "* 2 FETCH (UID 2 X {1099511627776}\r\nzzz" } }, 0,
		NULL, "has not answered" },
	{ "a literal beyond all numbers",
		{ { LISTING, ROW(1) "* 2 FETCH (UID 2 X {99999999999999999999}\r\n" } },
		0, NULL, "a line of a length that makes no sense" },
};

static void open_source(struct script *s, struct source *ret)
{
	struct imap_source_options o = script_imap(s);
	struct error err = { 0 };

	o.allow_select = true;
	assert_int_equal(imap_source_new(&o, ret, &err), 0);
	ret->ops->patience(ret->self, 300);
}

static unsigned uids_of(const struct memory_destination *to)
{
	unsigned seen = 0;

	for (size_t i = 0; i < to->durable.n_folders; i++) {
		const struct memory_kept_folder *f = &to->durable.folders[i];

		if (!str_eq(f->is.is.name, STR_LIT("INBOX")))
			continue;
		for (size_t k = 0; k < f->count; k++) {
			assert_true(str_starts(f->mail[k].body, STR_LIT("hi")));
			assert_int_equal(f->mail[k].is.size, f->mail[k].body.len);
			seen |= 1u << f->mail[k].is.uid;
		}
	}
	return seen;
}

static const char *unreadable_in_inbox(const struct sync *s)
{
	for (size_t i = 0; i < s->n_unreadable; i++)
		if (str_eq(folder_name(&s->folders.at[s->unreadable[i].folder]),
			    STR_LIT("INBOX")))
			return s->unreadable[i].text;
	return NULL;
}

static void judge(const struct dialect_row *row, const struct sync *s, int code,
	const struct error *err, const struct memory_destination *to)
{
	const char *named = unreadable_in_inbox(s);

	if (row->fails) {
		if (code >= 0 || !strstr(err->text, row->fails))
			fail_msg("%s: %d \"%s\"", row->name, code, err->text);
		return;
	}
	if (code < 0)
		fail_msg("%s: %s", row->name, err->text);
	if (uids_of(to) != row->seen)
		fail_msg("%s: %x has come, not %x", row->name, uids_of(to), row->seen);
	if (!named != !row->named || (named && !strstr(named, row->named)))
		fail_msg("%s: named \"%s\"", row->name, named ? named : "(nothing)");
	if (named)
		assert_true(sync_is_equal_but_unreadable(s) || s->differences > 1);
}

/* Returns how long the pass took. */
static uint64_t one_dialect(const struct dialect_row *row)
{
	uint64_t began;
	struct script_row table[3 + sizeof(usual) / sizeof(usual[0])];
	struct script script = { .greeting = "* OK hello\r\n",
		.rows = table,
		.has_tags = true,
		.stream = -1 };
	struct memory_destination *memory;
	struct destination to;
	struct source source;
	struct error err = { 0 };
	struct sync sync;
	size_t n = 0;
	int code;

	while (n < 3 && row->answers[n].command) {
		table[n] = row->answers[n];
		n++;
	}
	memcpy(&table[n], usual, sizeof(usual));
	memory = memory_destination_new(&to);
	open_source(&script, &source);
	sync_init(&sync, &source, &to, NULL, NULL);
	assert_int_equal(source.ops->connect(source.self, &err), 0);
	began = clock_monotonic_ms();
	code = sync_pass(&sync, &err);
	began = clock_monotonic_ms() - began;
	judge(row, &sync, code, &err, memory);
	sync_fini(&sync);
	source.ops->free(source.self);
	to.ops->free(to.self);
	assert_true(script_end(&script));
	return began;
}

static void dialects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		(void)one_dialect(&rows[i]);
}

/* A reader that waits although nothing was asked waits for its tick, in each pass. */
static void waits_for_answers_only(void **state)
{
	uint64_t least = UINT64_MAX;

	(void)state;
	for (int i = 0; i < TRIES; i++) {
		uint64_t ms = one_dialect(&rows[0]);

		least = ms < least ? ms : least;
	}
	assert_true(least < LONG_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(dialects),
		cmocka_unit_test(waits_for_answers_only) };

	return cmocka_run_group_tests_name("imap_dialects", tests, NULL, NULL);
}
