/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions that were at the source so far: what their clients know, and what they are
   told of the difference, and when. INBOX (UIDVALIDITY 1000) has 3, 5, 8, 13. */
#include "mailstore/serve/memory_session.h"
#include "wire/imap/resumption.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* As in resumption.h, `|` for NUL. */
#define INBOX "select|1000||INBOX|3,5,8,13"
#define UIDS(set) "select|1000||INBOX|" set
#define MOVED "* BYE Your mailbox has moved; please log in again.\r\n"
#define ALL_FLAGS                                                                        \
	"* 1 FETCH (FLAGS (\\Seen))\r\n"                                                 \
	"* 2 FETCH (FLAGS (\\Flagged $Forwarded work))\r\n"                              \
	"* 3 FETCH (FLAGS ())\r\n"                                                       \
	"* 4 FETCH (FLAGS (\\Deleted \\Recent))\r\n"

static const struct row {
	const char *name, *idle, *known;
	bool all_untold; /* nothing says up to when the source has told it */
	const char *says, *hears;
} rows[] = {
	{ "all is as it knows it", "", INBOX, false, "a NOOP\r\n",
		"a OK NOOP completed.\r\n" },
	{ "nothing is said before a command", "", UIDS("3:5,8,13"), false, "", "" },
	{ "one is gone", "", UIDS("3:5,8,13"), false, "a NOOP\r\n",
		"* 2 EXPUNGE\r\na OK NOOP completed.\r\n" },
	{ "most are others", "", UIDS("1:2,5,90:92"), false, "a NOOP\r\n", MOVED },
	{ "the last is gone", "", UIDS("3,5,8,13:14"), false, "a NOOP\r\n",
		"* 5 EXPUNGE\r\na OK NOOP completed.\r\n" },
	{ "one is gone, and it asks by numbers", "", UIDS("3:5,8,13"), false,
		"a FETCH 2:3 (UID)\r\nb FETCH 2 (UID)\r\nc UID FETCH 5 (UID)\r\n",
		"* 2 FETCH (UID 4)\r\n* 3 FETCH (UID 5)\r\na OK Fetch completed.\r\n"
		"* 2 FETCH (UID 4)\r\nb OK Fetch completed.\r\n"
		"* 2 EXPUNGE\r\n* 2 FETCH (UID 5)\r\nc OK" },
	{ "new mail", "", UIDS("3,5,8"), false, "a NOOP\r\n",
		"* 4 EXISTS\r\n* 1 RECENT\r\na OK NOOP completed.\r\n" },
	{ "it knew none", "", UIDS(""), false, "a NOOP\r\n",
		"* 4 EXISTS\r\n* 1 RECENT\r\n* FLAGS" },
	{ "in IDLE", "i 1", INBOX, false, "", "" },
	{ "in IDLE, told at once", "i1", UIDS("3,4,8,13"), false, "", MOVED },
	{ "in IDLE, one is gone", "i1", UIDS("3:5,8,13"), false, "DONE\r\n",
		"* 2 EXPUNGE\r\ni1 OK Idle completed.\r\n" },
	{ "in IDLE, new mail", "i1", UIDS("3,5,8"), false, "DONE\r\n",
		"* 4 EXISTS\r\n* 1 RECENT\r\ni1 OK Idle completed.\r\n" },
	{ "flags that it may not know", "", INBOX, true, "a NOOP\r\n",
		ALL_FLAGS "a OK NOOP completed.\r\n" },
	{ "QRESYNC", "i1", "select|1000|CONDSTORE QRESYNC|INBOX|1:6,8,13", false,
		"DONE\r\n", "* VANISHED 1:2,4,6\r\ni1 OK Idle completed.\r\n" },
	{ "a word that is not known", "", "select|1000|CONDSTORE X|INBOX|3,5,8,13", false,
		"", MOVED },
	{ "EXAMINE", "", "examine|1000||INBOX|3,5,8,13", false, "a STORE 1 FLAGS ()\r\n",
		"a NO [READ-ONLY] Mailbox is read-only.\r\n" },
	{ "another mailbox of that name", "", "select|1001||INBOX|3,5,8,13", false, "",
		MOVED },
	{ "no mailbox of that name", "", "select|1000||Gone|3,5,8,13", false, "", MOVED },
	{ "one that holds none", "", "select|1000||Empty|3,5,8,13", false, "", MOVED },
	{ "a set that is none", "", UIDS("3,5,x"), false, "", MOVED },
	{ "more messages than any client is shown", "", UIDS("3,5,8,13,20:1000020"),
		false, "", MOVED },
	{ "a saved set", "", UIDS("$"), false, "", MOVED },
	{ "one in between", "", UIDS("3,8,13"), false, "", MOVED },
	{ "inbox in other letters", "", "select|1000||inBox|3,5,8,13", false,
		"a NOOP\r\n", "a OK NOOP completed.\r\n" },
	{ "without a mailbox", "", "none|0|||", false, "a CHECK\r\nb CLOSE\r\n",
		"a BAD No mailbox selected.\r\nb BAD No mailbox selected.\r\n" },
	{ "UTF-8", "", "select|1000|UTF8=ACCEPT|\xc3\x84\xe2\xba\xb7|", false, "",
		MOVED },
};

static void note(struct memory_server *m)
{
	struct store *s = m->serve.store;
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, store_modseq(s));
	assert_int_equal(store_begin(s, NULL), 0);
	assert_int_equal(
		store_set_checkpoint(s, STR_LIT(LIVE_MODSEQ), str_from(text), NULL), 0);
	assert_int_equal(store_commit(s, NULL), 0);
}

static void unfold(const char *text, struct buf *out)
{
	buf_init(out, 0);
	for (; *text; text++)
		assert_int_equal(buf_byte(out, (char)(*text == '|' ? '\0' : *text)), 0);
}

static void run_row(const struct row *row)
{
	struct memory_server m;
	struct buf known;
	struct str heard;

	assert_int_equal(memory_server_open(&m), 0);
	if (!row->all_untold)
		note(&m);
	unfold(row->known, &known);
	assert_int_equal(
		memory_session_resume(&m, 0, str_from(row->idle), buf_view(&known)), 0);
	assert_int_equal(memory_session_feed(&m, 0, str_from(row->says)), 0);
	heard = buf_view(&m.sessions[0].output);
	if (!str_starts(heard, str_from(row->hears)) || (!*row->hears && heard.len))
		fail_msg("%s: \"%.*s\", not \"%s\"", row->name, STR_ARG(heard),
			row->hears);
	buf_fini(&known);
	memory_server_close(&m);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

/* What another session does next is told as to any client. */
static void test_goes_on(void **state)
{
	struct memory_server m;
	struct buf known;

	(void)state;
	assert_int_equal(memory_server_open(&m), 0);
	note(&m);
	unfold(INBOX, &known);
	assert_int_equal(
		memory_session_resume(&m, 0, STR_LIT("i1"), buf_view(&known)), 0);
	assert_int_equal(
		memory_session_open(&m, 1,
			STR_LIT("a SELECT INBOX\r\nb STORE 1 +FLAGS (\\Deleted)\r\n"
				"c UID EXPUNGE 3\r\nd APPEND INBOX {1+}\r\nx\r\n")),
		0);
	assert_int_equal(memory_session_feed(&m, 0, STR_LIT("DONE\r\n")), 0);
	assert_true(str_eq(buf_view(&m.sessions[0].output),
		STR_LIT("* 1 EXPUNGE\r\n"
			"* 4 EXISTS\r\n* 1 RECENT\r\ni1 OK Idle completed.\r\n")));
	buf_fini(&known);
	memory_server_close(&m);
}

/* What was written is read; anything else is refused. */
static void test_form(void **state)
{
	static const char *const bad[] = { "", "select", "none", "other\0001\0\0\0",
		"select\0x\0\0\0", "select\0001\0a\0b\0c\0d" };
	static const size_t lens[] = { 0, 6, 4, 10, 11, 16 };
	struct resumption r = { .is_selected = true,
		.read_only = true,
		.uidvalidity = 1000,
		.enabled = STR("A B"),
		.mailbox = STR("INBOX"),
		.uids = STR("3,5") },
			  is;
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 0);
	assert_int_equal(resumption_encode(&r, &bytes), 0);
	assert_int_equal(resumption_decode(buf_view(&bytes), &is), 0);
	assert_true(is.is_selected && is.read_only && is.uidvalidity == 1000);
	assert_true(str_eq(is.enabled, r.enabled) && str_eq(is.mailbox, r.mailbox) &&
		    str_eq(is.uids, r.uids));
	buf_fini(&bytes);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(resumption_decode(str_of(bad[i], lens[i]), &is), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
