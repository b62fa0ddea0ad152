/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The events of a framer as text: "L12:5" a literal of 5 at offset 12 that waits, "l"
   one that does not, "C20" a command of 20 bytes, "T" too long, "B" bad. The same must
   come out whether the bytes arrive at once or one by one. */
#include "wire/imap/frame.h"

#include "lib/wire/wire_test.h"

#define LINE_MAX_HERE 40

/* Asks until more is needed or the end came. Returns whether it goes on. */
static bool ask(struct imap_framer *f, struct str input, size_t *start, struct buf *trace)
{
	for (;;) {
		struct imap_literal l = { 0 };

		switch (imap_frame_next(f, str_skip(input, *start), &l)) {
		case IMAP_FRAME_NEED_MORE:
			return true;
		case IMAP_FRAME_LITERAL:
			buf_printf(trace, "%c%zu:%llu ", l.synchronizing ? 'L' : 'l',
				l.offset, (unsigned long long)l.size);
			imap_frame_keep(f);
			break;
		case IMAP_FRAME_COMMAND:
			buf_printf(trace, "C%zu ", l.offset);
			*start += l.offset;
			imap_frame_reset(f);
			break;
		case IMAP_FRAME_TOO_LONG:
			buf_append_c(trace, "T ");
			return false;
		case IMAP_FRAME_BAD:
			buf_append_c(trace, "B ");
			return false;
		}
	}
}

static const struct frame_row {
	const char *name;
	struct str input, trace;
} rows[] = {
	{ "nothing", STR(""), STR("") },
	{ "half a line", STR("a NOOP"), STR("") },
	{ "CR alone does not end it", STR("a NOOP\r"), STR("") },
	{ "a line", STR("a NOOP\r\n"), STR("C8 ") },
	{ "bare LF", STR("a NOOP\n"), STR("C7 ") },
	{ "empty lines", STR("\r\n\n"), STR("C2 C1 ") },
	{ "pipelined", STR("a NOOP\r\nb LOGOUT\r\nc"), STR("C8 C10 ") },
	{ "CR inside", STR("a\rb\r\n"), STR("C5 ") },
	{ "literal", STR("a L {3}\r\nabc\r\n"), STR("L9:3 C14 ") },
	{ "literal, bare LF", STR("a L {3}\nabc\n"), STR("L8:3 C12 ") },
	{ "literal, unfinished", STR("a L {3}\r\nab"), STR("L9:3 ") },
	{ "LITERAL+", STR("a L {3+}\r\nabc {0+}\r\n\r\n"), STR("l10:3 l20:0 C22 ") },
	{ "two", STR("a L {1}\r\nx {2}\r\nyz\r\n"), STR("L9:1 L16:2 C20 ") },
	{ "line ends inside", STR("a L {4}\r\n\r\n\r\n\r\nb\r\n"), STR("L9:4 C15 C3 ") },
	{ "announcement inside", STR("a L {5}\r\n{9}\r\n\r\n"), STR("L9:5 C16 ") },
	{ "binary literal", STR("a L ~{1}\r\n\0\r\n"), STR("L10:1 C13 ") },
	{ "leading zeros", STR("a {0002}\r\nab\r\n"), STR("L10:2 C14 ") },
	{ "not at the end", STR("a {3} \r\n"), STR("C8 ") },
	{ "no number", STR("a {}\r\n"), STR("C6 ") },
	{ "only a plus", STR("a {+}\r\n"), STR("C7 ") },
	{ "minus is no announcement (RFC 7888)", STR("a {3-}\r\n"), STR("C8 ") },
	{ "negative", STR("a {-3}\r\n"), STR("C8 ") },
	{ "two plus", STR("a {3++}\r\n"), STR("C9 ") },
	{ "space", STR("a {3 }\r\n"), STR("C8 ") },
	{ "only a brace", STR("}\r\n"), STR("C3 ") },
	{ "no opening brace", STR("3}\r\n"), STR("C4 ") },
	{ "nothing but it", STR("{1}\r\nx\r\n"), STR("L5:1 C8 ") },
	{ "63 bits", STR("a {9223372036854775807}\r\n"),
		STR("L25:9223372036854775807 ") },
	{ "63 bits and bytes", STR("a {9223372036854775807}\r\nabc\r\n"),
		STR("L25:9223372036854775807 ") },
	{ "2^63", STR("a {9223372036854775808}\r\n"), STR("B ") },
	{ "2^64", STR("a {18446744073709551616+}\r\n"), STR("B ") },
	{ "a long number", STR("a {00000000000000000000000000000001}\r\nx\r\n"),
		STR("L38:1 C41 ") },
	{ "longest line", STR("0123456789012345678901234567890123456789\r\n"),
		STR("C42 ") },
	{ "longest line, LF", STR("0123456789012345678901234567890123456789\n"),
		STR("C41 ") },
	{ "one more", STR("01234567890123456789012345678901234567890\r\n"), STR("T ") },
	{ "one more, LF", STR("01234567890123456789012345678901234567890\n"), STR("T ") },
	{ "without an end", STR("012345678901234567890123456789012345678901"),
		STR("T ") },
	{ "CR is content", STR("0123456789012345678901234567890123456789\rx\r\n"),
		STR("T ") },
	{ "each line has its own limit",
		STR("a {20}\r\n01234567890123456789 012345678901234567890123456789 "
		    "{1}\r\nx 01234567890123456789012345678901234567\r\n"),
		STR("L8:20 L65:1 C107 ") },
	{ "NUL", STR("a\0{1}\r\n\0\r\n"), STR("L7:1 C10 ") },
};

static void check(const struct frame_row *row, size_t step)
{
	struct str input = exact_copy(row->input);
	struct imap_framer f;
	struct buf trace;
	size_t start = 0, known = 0;

	buf_init(&trace, 0);
	imap_frame_init(&f, LINE_MAX_HERE);
	do {
		known = known + step < input.len ? known + step : input.len;
	} while (ask(&f, str_take(input, known), &start, &trace) && known < input.len);
	if (!str_eq(buf_view(&trace), row->trace))
		fail_msg("%s in steps of %zu: %.*s, expected %.*s", row->name, step,
			STR_ARG(buf_view(&trace)), STR_ARG(row->trace));
	buf_fini(&trace);
	exact_free(input);
}

static void test_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		check(&rows[i], rows[i].input.len + 1);
}

static void test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		for (size_t step = 1; step < rows[i].input.len; step++)
			check(&rows[i], step);
}

/* The other way: the literal's bytes go past the framer. */
static void test_streamed(void **state)
{
	const struct str line = STR("a APPEND x {3}\r\n"), rest = STR(" {2+}\r\n");
	struct imap_framer f;
	struct imap_literal l;

	(void)state;
	imap_frame_init(&f, LINE_MAX_HERE);
	assert_int_equal(imap_frame_next(&f, line, &l), IMAP_FRAME_LITERAL);
	assert_int_equal(l.offset, line.len);
	imap_frame_reset(&f);
	assert_int_equal(imap_frame_next(&f, rest, &l), IMAP_FRAME_LITERAL);
	assert_int_equal(l.offset, rest.len);
	assert_false(l.synchronizing);
	imap_frame_reset(&f);
	assert_int_equal(imap_frame_next(&f, STR_LIT("\r\n"), &l), IMAP_FRAME_COMMAND);
	assert_int_equal(l.offset, 2);
}

static void test_announced(void **state)
{
	static const struct {
		struct str line, before;
		enum imap_frame is;
	} announced[] = {
		{ STR("BODY[] {12}"), STR("BODY[] "), IMAP_FRAME_LITERAL },
		{ STR("BODY[] ~{12}"), STR("BODY[] ~"), IMAP_FRAME_LITERAL },
		{ STR("{0}"), STR(""), IMAP_FRAME_LITERAL },
		{ STR("x {99999999999999999999}"), STR(""), IMAP_FRAME_BAD },
		{ STR("x {12} "), STR(""), IMAP_FRAME_COMMAND },
		{ STR(""), STR(""), IMAP_FRAME_COMMAND },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(announced); i++) {
		struct str before = STR("");
		struct imap_literal l;

		assert_int_equal(imap_literal_announced(announced[i].line, &l, &before),
			announced[i].is);
		SAME("before", before, announced[i].before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_streamed),
		cmocka_unit_test(test_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
