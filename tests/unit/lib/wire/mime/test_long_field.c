/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Header fields that are longer than a piece, as SEARCH reads them. */
#include "wire/mime/charset.h"
#include "wire/mime/search.h"

#include "lib/wire/wire_test.h"

/* Longer than a piece: the same wherever the piece ends. */
static void test_long_words(void **state)
{
	(void)state;
	for (size_t len = 16370; len < 16400; len++) {
		struct buf value, wanted, out;

		buf_init(&value, 0);
		buf_init(&wanted, 0);
		buf_init(&out, 0);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(
				buf_append_c(&value, len % 2 ? "a" : "\xc3\xa4"), 0);
		assert_int_equal(buf_append(&wanted, buf_view(&value)), 0);
		assert_int_equal(buf_append_c(&value, "  \r\n  b =?utf-8?q?c?="), 0);
		assert_int_equal(buf_append_c(&wanted, " b c"), 0);
		assert_int_equal(mime_decode_words(buf_view(&value), &out), 0);
		assert_true(str_eq(buf_view(&out), buf_view(&wanted)));
		buf_fini(&value);
		buf_fini(&wanted);
		buf_fini(&out);
	}
}

struct widest {
	struct mime_listener listener;
	size_t piece, all;
};

static int hear_width(struct mime_listener *l, struct str utf8)
{
	struct widest *w = (struct widest *)l;

	w->all += utf8.len;
	if (utf8.len > w->piece)
		w->piece = utf8.len;
	return 0;
}

static void hear_pause(struct mime_listener *l)
{
	(void)l;
}

/* A field of any length is read in pieces: no more of it is in memory. */
static void test_long_field(void **state)
{
	static const struct {
		const char *before, *again, *after;
	} rows[] = {
		{ "Subject: ", "\xef\xb7\xba", "" },
		{ "Subject: ", " ", "x" },
		{ "Subject: ", "\r\n x", "" },
		{ "Subject: ", "=?utf-8?q?a?= ", "" },
		{ "Subject: =?utf-8?q?", "a", "?=" }, /* no word is so long */
		{ "", "a", ": b" },
		{ "", "a", "" },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct widest w = { .listener = {
					    .hear = hear_width, .pause = hear_pause } };
		struct buf message;

		buf_init(&message, 0);
		assert_int_equal(buf_append_c(&message, rows[i].before), 0);
		while (buf_len(&message) < 1000000)
			assert_int_equal(buf_append_c(&message, rows[i].again), 0);
		assert_int_equal(buf_append_c(&message, rows[i].after), 0);
		assert_int_equal(buf_append_c(&message, "\r\n\r\n"), 0);
		assert_int_equal(mime_read_message(buf_view(&message), &w.listener), 0);
		if (w.piece > 65536 || !w.all)
			fail_msg("row %zu: a piece of %zu bytes", i, w.piece);
		buf_fini(&message);
	}
}

/* What begins in one piece and ends in the next is found. */
static void test_find_across_pieces(void **state)
{
	(void)state;
	for (size_t before = 16300; before < 16400; before++) {
		struct buf header;
		bool found;

		buf_init(&header, 0);
		assert_int_equal(buf_append_c(&header, "Subject: "), 0);
		for (size_t i = 0; i < before; i++)
			assert_int_equal(buf_append_c(&header, i % 10 ? "a" : " "), 0);
		assert_int_equal(
			buf_append_c(&header, " Needle in\r\n a hay\r\n\r\n"), 0);
		assert_int_equal(mime_search_header(buf_view(&header), STR_LIT("Subject"),
					 STR_LIT("needle in a hay"), &found),
			0);
		assert_true(found);
		buf_fini(&header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_long_field),
		cmocka_unit_test(test_find_across_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
