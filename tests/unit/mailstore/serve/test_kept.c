/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is kept of headers changes no answer: each command is asked with nothing kept,
 * then with everything kept, of the mail that breaks parsers (the fuzzer's corpus, and
 * its lines in other orders), and both answers are compared byte by byte.
 */
#include "mailstore/serve/kept.h"

#include "mailstore/serve/nasty_mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *const commands[] = {
	"FETCH 1:* (ENVELOPE)",
	"FETCH 1:* (BODYSTRUCTURE)",
	"FETCH 1:* (BODY)",
	"FETCH 1:* ALL",
	"FETCH 1:* FULL",
	"UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE ENVELOPE BODYSTRUCTURE)",
	"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])",
	"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (from content-type references Cc)]<3.40>)",
	"FETCH 1:* (ENVELOPE BODY.PEEK[HEADER.FIELDS (Subject X-Unknown)])",
	"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Received Subject)])",
	"FETCH 1:* (BODY.PEEK[HEADER.FIELDS.NOT (From Subject)])",
	"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Date)] BODY.PEEK[1.HEADER.FIELDS (Date)])",
	"FETCH 7,3,5:9,2 (ENVELOPE BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.9>)",
	"SORT (DATE) UTF-8 ALL",
	"SORT (REVERSE SUBJECT DATE) UTF-8 ALL",
	"SORT (FROM TO CC SIZE) UTF-8 ALL",
	"SORT (DISPLAYFROM DISPLAYTO ARRIVAL) UTF-8 ALL",
	"THREAD REFERENCES UTF-8 ALL",
	"THREAD REFS UTF-8 ALL",
	"THREAD ORDEREDSUBJECT UTF-8 ALL",
	"SEARCH SUBJECT e",
	"SEARCH OR FROM a NOT TO b",
	"SEARCH HEADER References \"\"",
	"SEARCH HEADER Content-Type text NOT HEADER Received \"\"",
	"SEARCH HEADER \"\" b",
	"SEARCH SENTBEFORE 1-Jan-2010",
	"SEARCH OR SENTSINCE 1-Jan-2010 BODY e",
	"SEARCH TEXT e SUBJECT a",
	"SEARCH CC e BCC a",
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct nasty_mail));
	assert_non_null(*state);
	return nasty_mail_open(*state);
}

static int teardown(void **state)
{
	nasty_mail_close(*state);
	free(*state);
	return 0;
}

/* ── asking ────────────────────────────────────────────────────────────────────────── */

static void build(struct nasty_mail *f)
{
	struct error err = { 0 };
	bool done = false;

	for (int i = 0; i < 1000 && !done; i++)
		assert_return_code(kept_build(f->server.serve.store, 50, &done, &err), 0);
	assert_true(done);
}

static void same_answers(void **state)
{
	struct nasty_mail *f = *state;
	struct buf before[COMMANDS], after;

	buf_init(&after, 0);
	nasty_mail_ask(f, STR_LIT("EXAMINE INBOX"), &after);
	for (size_t i = 0; i < COMMANDS; i++) {
		buf_init(&before[i], 0);
		nasty_mail_ask(f, str_from(commands[i]), &before[i]);
		assert_true(buf_len(&before[i]) > 20);
	}
	build(f);
	for (size_t i = 0; i < COMMANDS; i++) {
		buf_clear(&after);
		nasty_mail_ask(f, str_from(commands[i]), &after);
		nasty_mail_same(
			str_from(commands[i]), buf_view(&before[i]), buf_view(&after));
		buf_fini(&before[i]);
	}
	buf_fini(&after);
}

/* ── what is kept ──────────────────────────────────────────────────────────────────── */

static bool says(struct str text, const char *words)
{
	return memmem(text.ptr, text.len, words, strlen(words)) != NULL;
}

static void assert_says(struct nasty_mail *f, const char *command, const char *words)
{
	struct buf answer;

	buf_init(&answer, 0);
	nasty_mail_ask(f, str_from(command), &answer);
	if (!says(buf_view(&answer), words))
		fail_msg("%s: no \"%s\" in %.*s", command, words,
			STR_ARG(buf_view(&answer)));
	buf_fini(&answer);
}

/* A mark in what is kept of UID 3 shows who is asked, and of which version. */
static void it_is_asked(void **state)
{
	struct nasty_mail *f = *state;
	struct store *s = f->server.serve.store;
	struct store_header mark = { .fields = STR("Subject: kept mark\r\n"),
		.envelope = STR("(kept mark)"),
		.structure = STR("(structure mark)") };
	struct store_rows rows;
	struct store_row row;
	uint64_t email;

	build(f);
	store_rows_begin(&rows, s, nasty_mail_inbox(s), KEPT_VERSION, 0);
	assert_int_equal(store_rows_find(&rows, 3, 3, &row, NULL), 1);
	email = row.email;
	store_rows_end(&rows);
	assert_return_code(store_begin(s, NULL), 0);
	assert_return_code(store_keep_header(s, email, KEPT_VERSION, &mark, NULL), 0);
	assert_return_code(store_commit(s, NULL), 0);
	assert_says(f, "SELECT INBOX", "t OK");
	assert_says(f, "UID FETCH 3 ENVELOPE", "ENVELOPE (kept mark)");
	assert_says(f, "UID FETCH 3 BODYSTRUCTURE", "BODYSTRUCTURE (structure mark)");
	assert_says(f, "UID FETCH 3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
		"{22}\r\nSubject: kept mark\r\n\r\n");
	assert_says(f, "UID SEARCH UID 3 SUBJECT \"kept mark\"", "* SEARCH 3\r\n");
	assert_says(f, "UID FETCH 3 BODY.PEEK[HEADER.FIELDS (SUBJECT X)]",
		"Subject: afternoon meeting");
	assert_says(f, "UID FETCH 3 BODY.PEEK[HEADER]", "Subject: afternoon meeting");
	/* another version's is not */
	assert_return_code(store_begin(s, NULL), 0);
	assert_return_code(store_keep_header(s, email, KEPT_VERSION + 1, &mark, NULL), 0);
	assert_return_code(store_commit(s, NULL), 0);
	assert_says(f, "UID FETCH 3 ENVELOPE", "afternoon meeting");
}

static bool is_kept(struct store *s, uint32_t uid)
{
	struct store_rows rows;
	struct store_row row;
	int n;

	store_rows_begin(&rows, s, nasty_mail_inbox(s), KEPT_VERSION, STORE_ENVELOPE);
	n = store_rows_find(&rows, uid, uid, &row, NULL);
	assert_true(n >= 0);
	store_rows_end(&rows);
	return n == 1 && row.header.envelope.ptr;
}

/* Another step would begin the statement anew. */
static void the_end_is_reached_once(void **state)
{
	struct nasty_mail *f = *state;
	struct store *s = f->server.serve.store;
	struct store_rows rows;
	struct store_row row = { 0 };
	uint32_t uid = 0, n = 0;

	store_rows_begin(&rows, s, nasty_mail_inbox(s), KEPT_VERSION, 0);
	while (!rows.is_over) /* some are missing */
		n += store_rows_find(&rows, ++uid, UINT32_MAX, &row, NULL) == 1;
	assert_true(n > 20);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			store_rows_find(&rows, ++uid, UINT32_MAX, &row, NULL), 0);
		assert_int_equal(rows.row.uid, row.uid);
	}
	/* the last one's strings went with the statement */
	uid = row.uid;
	assert_int_equal(store_rows_find(&rows, uid, UINT32_MAX, &row, NULL), 1);
	assert_int_equal(row.uid, uid);
	assert_false(rows.is_over);
	store_rows_end(&rows);
}

/* New mail is read next time; copies have it at once; it goes with the last of them
   (store_verify() would find what is left over). */
static void it_comes_and_goes(void **state)
{
	struct nasty_mail *f = *state;
	struct store *s = f->server.serve.store;

	build(f);
	assert_true(is_kept(s, 3));
	assert_says(f, "SELECT INBOX", "t OK");
	assert_says(f, "APPEND INBOX {13+}\r\nSubject: a\r\n\r\n", "APPENDUID");
	assert_says(f, "UID FETCH * ENVELOPE", "(NIL \"a\" NIL");
	assert_false(is_kept(s, 20 + (uint32_t)f->n_files + NASTY_MIXED));
	build(f);
	assert_true(is_kept(s, 20 + (uint32_t)f->n_files + NASTY_MIXED));
	assert_says(f, "UID COPY 3 INBOX", "COPYUID");
	assert_true(is_kept(s, 21 + (uint32_t)f->n_files + NASTY_MIXED));
	assert_says(f, "UID STORE 3 +FLAGS.SILENT \\Deleted", "t OK");
	assert_says(f, "UID EXPUNGE 3", "EXPUNGE");
	assert_true(is_kept(s, 21 + (uint32_t)f->n_files + NASTY_MIXED));
	assert_says(f, "STORE 1:* +FLAGS.SILENT \\Deleted", "t OK");
	assert_says(f, "EXPUNGE", "t OK");
	assert_return_code(store_verify(s, NULL), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(same_answers),
		TEST(it_is_asked),
		TEST(the_end_is_reached_once),
		TEST(it_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
