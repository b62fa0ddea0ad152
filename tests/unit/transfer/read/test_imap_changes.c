/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A second pass over a server that says what has changed (RFC 7162, RFC 4731): which
 * answers are enough, and which ones mean that INBOX, which has the UIDs 1 and 2, is
 * listed as a whole once more. A row replaces answers of the usual ones.
 */
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

#define DATE "INTERNALDATE \"01-Feb-2003 04:05:06 +0100\""
#define ROW(n) "* " #n " FETCH (UID " #n " FLAGS (\\Seen) " DATE " RFC822.SIZE 4)\r\n"
#define BODY(n)                                                                          \
	"* " #n " FETCH (UID " #n " FLAGS (\\Seen) " DATE                                \
	" RFC822.SIZE 4 BODY[] {4}\r\nhi\r\n)\r\n"
#define END "@ OK done\r\n"
#define SINCE "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE) (CHANGEDSINCE 5)"
#define UIDS "UID SEARCH RETURN (ALL) ALL"
/* INBOX is open since the first pass: it is not opened again. */
#define LOOKS "STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"

static const struct script_row usual[] = {
	{ "CAPABILITY", "* CAPABILITY IMAP4rev1 NAMESPACE CONDSTORE ESEARCH\r\n" END },
	{ "LOGIN", "@ OK in\r\n" },
	{ "NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" END },
	{ "LIST", "* LIST () \"/\" INBOX\r\n" END },
	{ "LSUB", END },
	{ "EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT 3] x\r\n"
		     "* OK [HIGHESTMODSEQ 5] x\r\n@ OK [READ-ONLY] done\r\n" },
	{ "NOOP", END },
	{ LOOKS,
		"* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 9 HIGHESTMODSEQ 5)\r\n" END },
	{ SINCE, END },
	{ UIDS, "* ESEARCH (TAG \"@\") UID ALL 1:2\r\n" END },
	{ "UID FETCH 1:* (UID FLAGS", ROW(1) ROW(2) END },
	{ "UID FETCH 1:2", BODY(1) BODY(2) END },
	{ NULL, NULL },
};

static const struct change_row {
	const char *name;
	struct script_row answers[2];
	bool is_enough;
	uint64_t differences; /* of the second pass */
} rows[] = {
	{ "usual", { { NULL, NULL } }, true, 0 },
	{ "no tag", { { UIDS, "* ESEARCH UID ALL 1:2\r\n" END } }, true, 0 },
	{ "one by one", { { UIDS, "* ESEARCH (TAG \"@\") UID ALL 2,1\r\n" END } }, true,
		0 },
	{ "the wrong way round", { { UIDS, "* ESEARCH (TAG @) UID ALL 2:1\r\n" END } },
		true, 0 },
	{ "more than was asked for",
		{ { UIDS, "* ESEARCH (TAG \"@\") UID COUNT 2 ALL 1:2\r\n" END } }, true,
		0 },
	{ "other flags",
		{ { SINCE, "* 2 FETCH (UID 2 MODSEQ (6) FLAGS (x) " DATE
			   " RFC822.SIZE 4)\r\n" END } },
		true, 1 },
	{ "CHANGEDSINCE is ignored", { { SINCE, ROW(1) ROW(2) END } }, true, 0 },
	{ "news that NOOP tells without a UID",
		{ { "NOOP",
			  "* 2 FETCH (FLAGS (x))\r\n* FLAGS (x)\r\n* 2 EXISTS\r\n" END },
			{ SINCE, "* 2 FETCH (UID 2 MODSEQ (6) FLAGS (x) " DATE
				 " RFC822.SIZE 4)\r\n" END } },
		true, 1 },
	{ "STATUS that says less",
		{ { LOOKS,
			"* STATUS INBOX (UIDNEXT 3 UIDVALIDITY 9 HIGHESTMODSEQ 5)\r\n" END } },
		true, 0 },
	{ "NOOP is refused, and it is opened again", { { "NOOP", "@ NO never\r\n" } },
		true, 0 },
	{ "one that is gone",
		{ { UIDS, "* 2 EXPUNGE\r\n* ESEARCH (TAG \"@\") UID ALL 1\r\n" END } },
		true, 1 },

	{ "no CONDSTORE",
		{ { "CAPABILITY", "* CAPABILITY IMAP4rev1 NAMESPACE ESEARCH\r\n" END } },
		false, 0 },
	{ "no ESEARCH",
		{ { "CAPABILITY",
			"* CAPABILITY IMAP4rev1 NAMESPACE CONDSTORE\r\n" END } },
		false, 0 },
	{ "no NAMESPACE",
		{ { "CAPABILITY", "* CAPABILITY IMAP4rev1 CONDSTORE ESEARCH\r\n" END } },
		false, 0 },
	{ "NOMODSEQ",
		{ { "EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n"
			       "* OK [HIGHESTMODSEQ 5] x\r\n* OK [NOMODSEQ] x\r\n"
			       "@ OK done\r\n" } },
		false, 0 },
	{ "EXAMINE with CONDSTORE is refused",
		{ { "EXAMINE \"INBOX\" (CONDSTORE)", "@ NO what?\r\n" },
			{ "EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n"
				     "* OK [HIGHESTMODSEQ 5] x\r\n@ OK done\r\n" } },
		true, 0 },
	{ "no HIGHESTMODSEQ",
		{ { "EXAMINE",
			"* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n@ OK done\r\n" } },
		false, 0 },
	{ "STATUS is NO", { { LOOKS, "@ NO never\r\n" } }, false, 0 },
	{ "STATUS is BAD", { { LOOKS, "@ BAD what?\r\n" } }, false, 0 },
	{ "STATUS says nothing", { { LOOKS, END } }, false, 0 },
	{ "STATUS of another UIDVALIDITY",
		{ { LOOKS, "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 8 "
			   "HIGHESTMODSEQ 5)\r\n" END } },
		false, 0 },
	{ "STATUS without HIGHESTMODSEQ",
		{ { LOOKS,
			"* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 9)\r\n" END } },
		false, 0 },
	{ "STATUS of more messages",
		{ { LOOKS, "* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 9 "
			   "HIGHESTMODSEQ 6)\r\n" END } },
		false, 0 },
	{ "CHANGEDSINCE is BAD", { { SINCE, "@ BAD what?\r\n" } }, false, 0 },
	{ "CHANGEDSINCE is NO", { { SINCE, "@ NO never\r\n" } }, false, 0 },
	{ "a changed row that is none",
		{ { SINCE, "* 2 FETCH (UID 2 FLAGS ((\r\n" END } }, false, 0 },
	{ "a changed row without its flags",
		{ { SINCE, "* 2 FETCH (UID 2 MODSEQ (6))\r\n" END } }, false, 0 },
	{ "RETURN is BAD", { { UIDS, "@ BAD what?\r\n" } }, false, 0 },
	{ "RETURN is ignored", { { UIDS, "* SEARCH 1 2\r\n" END } }, false, 0 },
	{ "nothing", { { UIDS, END } }, false, 0 },
	{ "of another command",
		{ { UIDS, "* ESEARCH (TAG \"m1\") UID ALL 1:2\r\n" END } }, false, 0 },
	{ "none of them", { { UIDS, "* ESEARCH (TAG \"@\") UID\r\n" END } }, false, 0 },
	{ "too few", { { UIDS, "* ESEARCH (TAG \"@\") UID ALL 2\r\n" END } }, false, 0 },
	{ "a new one that is no change",
		{ { UIDS, "* ESEARCH (TAG \"@\") UID ALL 1:3\r\n" END } }, false, 0 },
	{ "up to *", { { UIDS, "* ESEARCH (TAG \"@\") UID ALL 1:*\r\n" END } }, false,
		0 },
	{ "no set", { { UIDS, "* ESEARCH (TAG \"@\") UID ALL 1:two\r\n" END } }, false,
		0 },
	{ "a set of zero", { { UIDS, "* ESEARCH (TAG \"@\") UID ALL 0:2\r\n" END } },
		false, 0 },
	{ "twice",
		{ { UIDS, "* ESEARCH (TAG \"@\") UID ALL 1\r\n"
			  "* ESEARCH (TAG \"@\") UID ALL 2\r\n" END } },
		false, 0 },
};

static void open_source(struct script *s, struct source *ret)
{
	struct imap_source_options o = script_imap(s);
	struct error err = { 0 };

	assert_int_equal(imap_source_new(&o, ret, &err), 0);
	ret->ops->patience(ret->self, 2000);
}

static void judge(const struct change_row *row, const struct sync *s, int code,
	const struct error *err)
{
	const struct folder *f = &s->folders.at[0];

	if (code < 0)
		fail_msg("%s: %s", row->name, err->text);
	if (s->differences != row->differences || s->n_unreadable)
		fail_msg("%s: %llu differences: %s", row->name,
			(unsigned long long)s->differences, s->first);
	if (f->since != (row->is_enough ? 5 : 0) || !f->listed_at)
		fail_msg(
			"%s: proved since %llu", row->name, (unsigned long long)f->since);
	assert_int_equal(f->copied, f->messages);
}

static void run_row(const struct change_row *row)
{
	struct script_row table[2 + sizeof(usual) / sizeof(usual[0])];
	struct script script = { .greeting = "* OK hello\r\n",
		.rows = table,
		.has_tags = true,
		.stream = SCRIPT_PLAIN };
	struct destination to;
	struct source source;
	struct error err = { 0 };
	struct sync sync;
	size_t n = 0;
	int code;

	while (n < 2 && row->answers[n].command) {
		table[n] = row->answers[n];
		n++;
	}
	memcpy(&table[n], usual, sizeof(usual));
	(void)memory_destination_new(&to);
	open_source(&script, &source);
	sync_init(&sync, &source, &to, NULL, NULL);
	assert_int_equal(source.ops->connect(source.self, &err), 0);
	code = sync_pass(&sync, &err);
	if (code < 0 || sync.n_unreadable)
		fail_msg("%s, first pass: %s", row->name, err.text);
	code = sync_prepare(&sync, &err);
	if (code == 0)
		code = sync_pass(&sync, &err);
	judge(row, &sync, code, &err);
	sync_fini(&sync);
	source.ops->free(source.self);
	to.ops->free(to.self);
	assert_true(script_end(&script));
}

static void changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(changes) };

	return cmocka_run_group_tests_name("imap_changes", tests, NULL, NULL);
}
