/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text index changes no answer: searches for pieces of the mail that breaks parsers,
 * as it is decoded and as its bytes are, are asked without an index, with half of one,
 * with all of it and after mail came and went, and the answers are compared.
 */
#include "mailstore/serve/nasty_mail.h"
#include "mailstore/serve/text_index.h"
#include "wire/imap/encode.h"
#include "wire/mime/grams.h"
#include "wire/mime/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUESTIONS 60
#define NEEDLE_MAX 24
#define TEXT_SUM UINT64_C(0xaa8c794df9c3c4a8) /* of the corpus, read by version 3 */

struct questions {
	struct nasty_mail mail;
	struct buf heard; /* texts as they are decoded, a NUL between them */
	struct buf of[QUESTIONS], without[QUESTIONS];
};

/* ── asking ────────────────────────────────────────────────────────────────────────── */

struct recorder {
	struct mime_listener listener;
	struct buf *out;
};

static int record(struct mime_listener *l, struct str utf8)
{
	return buf_append(((struct recorder *)l)->out, utf8);
}

static void separate(struct mime_listener *l)
{
	assert_return_code(buf_byte(((struct recorder *)l)->out, '\0'), 0);
}

static void hear_all(struct questions *q)
{
	struct recorder r = { { .hear = record, .pause = separate }, &q->heard };

	for (size_t i = 0; i < q->mail.n_files; i++)
		assert_return_code(mime_read_message(q->mail.bodies[i], &r.listener), 0);
}

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* A piece of what was heard, between characters; or bytes of a line as they are. */
static struct str some_text(struct questions *q)
{
	struct str from =
		nasty_mail_random(&q->mail, 3)
			? buf_view(&q->heard)
			: q->mail.lines[nasty_mail_random(&q->mail, q->mail.n_lines)];
	size_t begin = nasty_mail_random(&q->mail, from.len + 1), len = 0;
	size_t want = 1 + nasty_mail_random(&q->mail, NEEDLE_MAX);

	while (begin < from.len && is_inside(from.ptr[begin]))
		begin++;
	while (begin + len < from.len && from.ptr[begin + len] &&
		(len < want || is_inside(from.ptr[begin + len])))
		len++;
	return str_take(str_skip(from, begin), len);
}

static void put_key(struct questions *q, struct buf *out)
{
	static const char *const keys[] = { "TEXT", "TEXT", "BODY", "BODY", "SUBJECT",
		"FROM", "TO", "CC", "HEADER Content-Type", "HEADER Received",
		"HEADER X-Unknown" };
	struct str text = some_text(q);

	if (nasty_mail_random(&q->mail, 4) == 0)
		assert_return_code(buf_append_c(out, "NOT "), 0);
	assert_return_code(
		buf_printf(out, "%s {%zu+}\r\n",
			keys[nasty_mail_random(&q->mail, sizeof(keys) / sizeof(keys[0]))],
			text.len),
		0);
	assert_return_code(buf_append(out, text), 0);
}

static void put_question(struct questions *q, struct buf *out)
{
	assert_return_code(buf_append_c(out, "UID SEARCH CHARSET UTF-8 "), 0);
	switch (nasty_mail_random(&q->mail, 6)) {
	case 0:
		assert_return_code(buf_append_c(out, "OR "), 0);
		put_key(q, out);
		assert_return_code(buf_byte(out, ' '), 0);
		break;
	case 1:
		assert_return_code(buf_append_c(out, "NOT ("), 0);
		put_key(q, out);
		assert_return_code(buf_append_c(out, ") SMALLER 4000 "), 0);
		break;
	default:
		break;
	}
	put_key(q, out);
}

static void ask_all(struct questions *q, struct buf *answers)
{
	for (size_t i = 0; i < QUESTIONS; i++) {
		buf_clear(&answers[i]);
		nasty_mail_ask(&q->mail, buf_view(&q->of[i]), &answers[i]);
	}
}

static void compare_all(struct questions *q)
{
	struct buf answer;

	buf_init(&answer, 0);
	for (size_t i = 0; i < QUESTIONS; i++) {
		buf_clear(&answer);
		nasty_mail_ask(&q->mail, buf_view(&q->of[i]), &answer);
		nasty_mail_same(
			buf_view(&q->of[i]), buf_view(&q->without[i]), buf_view(&answer));
	}
	buf_fini(&answer);
}

/* What is answered without an index. */
static void ask_first(struct questions *q)
{
	unsigned found = 0;

	q->mail.server.serve.text_version = 0;
	ask_all(q, q->without);
	for (size_t i = 0; i < QUESTIONS; i++) {
		struct str answer = buf_view(&q->without[i]);

		assert_non_null(memmem(answer.ptr, answer.len, "t OK", 4));
		found += str_starts(answer, STR_LIT("* SEARCH ")) != 0;
	}
	assert_in_range(found, QUESTIONS / 4, QUESTIONS - QUESTIONS / 10);
	text_index_allow(&q->mail.server.serve);
}

static int setup(void **state)
{
	struct questions *q = calloc(1, sizeof(*q));
	struct buf greeting;

	assert_non_null(q);
	*state = q;
	assert_return_code(nasty_mail_open(&q->mail), 0);
	buf_init(&q->heard, 0);
	hear_all(q);
	buf_init(&greeting, 0);
	nasty_mail_ask(&q->mail, STR_LIT("SELECT INBOX"), &greeting);
	buf_fini(&greeting);
	for (size_t i = 0; i < QUESTIONS; i++) {
		buf_init(&q->of[i], 0);
		buf_init(&q->without[i], 0);
		put_question(q, &q->of[i]);
	}
	text_index_allow(&q->mail.server.serve);
	return 0;
}

static int teardown(void **state)
{
	struct questions *q = *state;

	nasty_mail_close(&q->mail);
	buf_fini(&q->heard);
	for (size_t i = 0; i < QUESTIONS; i++) {
		buf_fini(&q->of[i]);
		buf_fini(&q->without[i]);
	}
	free(q);
	return 0;
}

static void build(struct questions *q)
{
	struct error err = { 0 };
	bool done = false;

	for (int i = 0; i < 10000 && !done; i++)
		assert_return_code(
			text_index_build(&q->mail.server.serve, 20, &done, &err), 0);
	assert_true(done);
}

/* ── tests ─────────────────────────────────────────────────────────────────────────── */

static void same_answers(void **state)
{
	struct questions *q = *state;
	struct error err = { 0 };
	bool done = false;

	ask_first(q);
	assert_return_code(text_index_build(&q->mail.server.serve, 10, &done, &err), 0);
	compare_all(q);
	build(q);
	compare_all(q);
}

static void after_mail_came_and_went(void **state)
{
	struct questions *q = *state;
	struct store *s = q->mail.server.serve.store;
	struct buf answer;

	build(q);
	assert_return_code(store_begin(s, NULL), 0);
	for (int i = 0; i < 100; i++)
		nasty_mail_add(&q->mail);
	assert_return_code(store_commit(s, NULL), 0);
	buf_init(&answer, 0);
	nasty_mail_ask(&q->mail, STR_LIT("UID COPY 100:140 INBOX"), &answer);
	nasty_mail_ask(
		&q->mail, STR_LIT("UID STORE 50:300 +FLAGS.SILENT (\\Deleted)"), &answer);
	nasty_mail_ask(&q->mail, STR_LIT("EXPUNGE"), &answer);
	buf_fini(&answer);
	ask_first(q);
	compare_all(q);
	build(q);
	compare_all(q);
	assert_return_code(store_verify(s, NULL), 0);
}

/* Of another program or another libunistring: as if it were not there. */
static void of_another_version(void **state)
{
	struct questions *q = *state;
	struct serve *serve = &q->mail.server.serve;

	ask_first(q);
	build(q);
	serve->text_version++;
	compare_all(q);
	build(q);
	compare_all(q);
	serve->text_version = 0;
	compare_all(q);
	build(q);
	compare_all(q);
}

/* A list of nothing in place of UID 3's shows that it is asked, and of what. */
static void it_is_asked(void **state)
{
	struct questions *q = *state;
	struct store *s = q->mail.server.serve.store;
	struct store_rows rows;
	struct store_row row;
	struct buf answer;

	buf_init(&answer, 0);
	nasty_mail_ask(
		&q->mail, STR_LIT("UID SEARCH UID 3 TEXT \"afternoon m\""), &answer);
	assert_true(str_starts(buf_view(&answer), STR_LIT("* SEARCH 3\r\n")));
	assert_return_code(store_begin(s, NULL), 0);
	while (store_tidy_grams(s, q->mail.server.serve.text_version, NULL) == 1)
		;
	store_rows_begin(&rows, s, nasty_mail_inbox(s), 0, 0);
	assert_int_equal(store_rows_find(&rows, 3, 3, &row, NULL), 1);
	assert_return_code(store_keep_grams(s, row.email, STR_LIT(""), NULL), 0);
	store_rows_end(&rows);
	assert_return_code(store_commit(s, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		static const char *const shown[] = {
			"UID SEARCH UID 3 TEXT \"afternoon m\"",
			"UID SEARCH UID 3 SUBJECT \"afternoon m\"",
		};

		buf_clear(&answer);
		nasty_mail_ask(&q->mail, str_from(shown[i]), &answer);
		assert_true(str_starts(buf_view(&answer), STR_LIT("* SEARCH\r\n")));
	}
	/* what is shorter than a trigram is looked for everywhere */
	buf_clear(&answer);
	nasty_mail_ask(&q->mail, STR_LIT("UID SEARCH UID 3 TEXT af"), &answer);
	assert_true(str_starts(buf_view(&answer), STR_LIT("* SEARCH 3\r\n")));
	buf_fini(&answer);
}

/* How messages are read has changed? Then MIME_TEXT_VERSION has to, and this sum. */
static void version_is_of_what_is_read(void **state)
{
	struct questions *q = *state;
	struct buf folded;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	buf_init(&folded, 0);
	assert_return_code(mime_fold(buf_view(&q->heard), &folded), 0);
	for (size_t i = 0; i < buf_len(&folded); i++)
		sum = (sum ^ (uint8_t)buf_view(&folded).ptr[i]) * UINT64_C(0x100000001b3);
	buf_fini(&folded);
	if (sum != TEXT_SUM)
		fail_msg("version %d reads other texts than it did: %#llx",
			MIME_TEXT_VERSION, (unsigned long long)sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(
			after_mail_came_and_went, setup, teardown),
		cmocka_unit_test_setup_teardown(of_another_version, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			version_is_of_what_is_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
