/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/dots.h"

#include "lib/wire/wire_test.h"

static const struct read_row {
	const char *name;
	struct str input, text, rest;
	bool ended;
} read_rows[] = {
	{ "empty", STR(".\r\nx"), STR(""), STR("x"), true },
	{ "one line", STR("a\r\n.\r\n"), STR("a\r\n"), STR(""), true },
	{ "an empty line", STR("\r\n.\r\n"), STR("\r\n"), STR(""), true },
	{ "doubled", STR("..a\r\n...\r\n.\r\n"), STR(".a\r\n..\r\n"), STR(""), true },
	{ "a doubled dot alone", STR("..\r\n.\r\n"), STR(".\r\n"), STR(""), true },
	{ "a dot that is not doubled", STR(".a\r\n.\r\n"), STR("a\r\n"), STR(""), true },
	{ "dot and CR", STR(".\ra\r\n.\r\n"), STR("\ra\r\n"), STR(""), true },
	{ "dot, CR, CR, LF", STR(".\r\r\n.\r\n"), STR("\r\r\n"), STR(""), true },
	{ "dot and LF", STR(".\na\r\n.\r\n"), STR("\na\r\n"), STR(""), true },
	{ "bare LF before", STR("a\n.\r\nb\r\n.\r\n"), STR("a\n.\r\nb\r\n"), STR(""),
		true },
	{ "bare CR before", STR("a\r.\r\nb\r\n.\r\n"), STR("a\r.\r\nb\r\n"), STR(""),
		true },
	{ "bare LF behind", STR("a\r\n.\nb\r\n.\r\n"), STR("a\r\n\nb\r\n"), STR(""),
		true },
	{ "NULs", STR("\0\r\n\0.\r\n.\r\n"), STR("\0\r\n\0.\r\n"), STR(""), true },
	{ "what follows", STR("a\r\n.\r\n.\r\n"), STR("a\r\n"), STR(".\r\n"), true },
	{ "unfinished", STR("a\r\n."), STR("a\r\n"), STR(""), false },
	{ "unfinished CR", STR("a\r\n.\r"), STR("a\r\n"), STR(""), false },
	{ "no line end", STR("a"), STR("a"), STR(""), false },
	{ "many", STR("\r\n\r\n..\r\n\r\n.\r\n"), STR("\r\n\r\n.\r\n\r\n"), STR(""),
		true },
};

static void check_read(const struct read_row *row, size_t step)
{
	struct str input = exact_copy(row->input), piece;
	size_t start = 0, known = 0, used;
	enum undot_is is = UNDOT_NEED_MORE;
	struct undot u;
	struct buf text;

	undot_init(&u);
	buf_init(&text, 0);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			is = undot_next(&u, str_skip(str_take(input, known), start),
				&piece, &used);
			start += used;
			if (is == UNDOT_BYTES) {
				assert_true(piece.len > 0);
				buf_append(&text, piece);
			}
		} while (is == UNDOT_BYTES);
	} while (is != UNDOT_END && known < input.len);
	SAME(row->name, buf_view(&text), row->text);
	assert_int_equal(is == UNDOT_END, row->ended);
	if (row->ended)
		SAME(row->name, str_skip(input, start), row->rest);
	if (row->ended) /* it stays at its end */
		assert_int_equal(undot_next(&u, STR_LIT("x"), &piece, &used), UNDOT_END);
	buf_fini(&text);
	exact_free(input);
}

static void test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(read_rows); i++)
		for (size_t step = 1; step <= read_rows[i].input.len; step++)
			check_read(&read_rows[i], step);
}

static const struct write_row {
	const char *name;
	struct str text, output;
} write_rows[] = {
	{ "empty", STR(""), STR(".\r\n") },
	{ "one line", STR("a\r\n"), STR("a\r\n.\r\n") },
	{ "no line end", STR("a"), STR("a\r\n.\r\n") },
	{ "bare LF at the end", STR("a\n"), STR("a\n\r\n.\r\n") },
	{ "bare CR at the end", STR("a\r"), STR("a\r\r\n.\r\n") },
	{ "dots", STR(".\r\n..\r\na.b\r\n"), STR("..\r\n...\r\na.b\r\n.\r\n") },
	{ "dot behind a bare LF", STR("a\n.b\r\n"), STR("a\n..b\r\n.\r\n") },
	{ "dot behind a bare CR", STR("a\r.b\r\n"), STR("a\r.b\r\n.\r\n") },
	{ "dot alone", STR("."), STR("..\r\n.\r\n") },
	{ "dot, then the end", STR("a\r\n."), STR("a\r\n..\r\n.\r\n") },
	{ "empty lines", STR("\r\n\r\n"), STR("\r\n\r\n.\r\n") },
};

static void test_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(write_rows); i++) {
		for (size_t step = 1; step <= write_rows[i].text.len + 1; step++) {
			struct str rest = write_rows[i].text;
			struct dots d;
			struct buf out;

			dots_init(&d);
			buf_init(&out, 0);
			for (; rest.len; rest = str_skip(rest, step)) {
				struct str piece = exact_copy(str_take(rest, step));

				assert_int_equal(dots_put(&d, piece, &out), 0);
				exact_free(piece);
			}
			assert_int_equal(dots_end(&d, &out), 0);
			SAME(write_rows[i].name, buf_view(&out), write_rows[i].output);
			buf_fini(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
