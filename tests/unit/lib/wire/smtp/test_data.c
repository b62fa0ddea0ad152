/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a message ends, for us and for everybody who reads what we relay. */
#include "wire/smtp/data.h"

#include "lib/wire/wire_test.h"

#include <errno.h>

static const struct row {
	const char *name;
	struct str input;
	enum smtp_data_is is;
	struct str raw, text, rest;
} rows[] = {
	{ "empty", STR(".\r\nQUIT"), SMTP_DATA_END, STR(""), STR(""), STR("QUIT") },
	{ "a line", STR("a\r\n.\r\n"), SMTP_DATA_END, STR("a\r\n"), STR("a\r\n"),
		STR("") },
	{ "dots", STR("..\r\n..a\r\n.b\r\n.\r\n"), SMTP_DATA_END,
		STR("..\r\n..a\r\n.b\r\n"), STR(".\r\n.a\r\nb\r\n"), STR("") },
	{ "bare LF", STR("a\nb\n\r\n.\r\n"), SMTP_DATA_END, STR("a\nb\n\r\n"),
		STR("a\nb\n\r\n"), STR("") },
	{ "bare CR", STR("a\rb\r\r\n.\r\n"), SMTP_DATA_END, STR("a\rb\r\r\n"),
		STR("a\rb\r\r\n"), STR("") },
	{ "NULs", STR("a\0b\0\r\n.\r\n"), SMTP_DATA_END, STR("a\0b\0\r\n"),
		STR("a\0b\0\r\n"), STR("") },
	{ "8 bit", STR("\xff\r\n.\r\n"), SMTP_DATA_END, STR("\xff\r\n"), STR("\xff\r\n"),
		STR("") },
	{ "bare LF, dot and text", STR("a\n.b\r\n.\r\n"), SMTP_DATA_END, STR("a\n.b\r\n"),
		STR("a\n.b\r\n"), STR("") },
	{ "bare CR, dot and text", STR("a\r.b\r\n.\r\n"), SMTP_DATA_END, STR("a\r.b\r\n"),
		STR("a\r.b\r\n"), STR("") },
	{ "bare LF, two dots", STR("a\n..\r\n.\r\n"), SMTP_DATA_END, STR("a\n..\r\n"),
		STR("a\n..\r\n"), STR("") },
	{ "LF . LF", STR("a\n.\nb"), SMTP_DATA_SUSPECT, STR("a\n"), STR("a\n"),
		STR("\nb") },
	{ "LF . CRLF", STR("a\n.\r\nb"), SMTP_DATA_SUSPECT, STR("a\n"), STR("a\n"),
		STR("\r\nb") },
	{ "CR . CR", STR("a\r.\rb"), SMTP_DATA_SUSPECT, STR("a\r"), STR("a\r"),
		STR("\rb") },
	{ "CR . CRLF", STR("a\r.\r\nb"), SMTP_DATA_SUSPECT, STR("a\r"), STR("a\r"),
		STR("\r\nb") },
	{ "CRLF . LF", STR("a\r\n.\nb"), SMTP_DATA_SUSPECT, STR("a\r\n"), STR("a\r\n"),
		STR("\nb") },
	{ "CRLF . CR", STR("a\r\n.\rb"), SMTP_DATA_SUSPECT, STR("a\r\n"), STR("a\r\n"),
		STR("b") },
	{ "CRLF . CR CRLF", STR("a\r\n.\r\r\n"), SMTP_DATA_SUSPECT, STR("a\r\n"),
		STR("a\r\n"), STR("\r\n") },
	{ "CRLF NUL . CRLF", STR("a\r\n\0.\r\nb"), SMTP_DATA_SUSPECT, STR("a\r\n\0"),
		STR("a\r\n\0"), STR("\r\nb") },
	{ "CRLF . NUL CRLF", STR("a\r\n.\0\r\nb"), SMTP_DATA_SUSPECT, STR("a\r\n"),
		STR("a\r\n"), STR("\0\r\nb") },
	{ "CR NUL LF . CRLF", STR("a\r\0\n.\r\nb"), SMTP_DATA_SUSPECT, STR("a\r\0\n"),
		STR("a\r\0\n"), STR("\r\nb") },
	{ "LF at the very beginning", STR("\n.\r\n"), SMTP_DATA_SUSPECT, STR("\n"),
		STR("\n"), STR("\r\n") },
	{ "dot LF at the very beginning", STR(".\n"), SMTP_DATA_SUSPECT, STR(""), STR(""),
		STR("\n") },
	{ "unfinished", STR("a\r\n."), SMTP_DATA_NEED_MORE, STR("a\r\n"), STR("a\r\n"),
		STR("") },
	{ "unfinished CR", STR("a\r\n.\r"), SMTP_DATA_NEED_MORE, STR("a\r\n"),
		STR("a\r\n"), STR("") },
};

static void check(const struct row *row, size_t step)
{
	struct str input = exact_copy(row->input), a, b;
	size_t start = 0, known = 0, used;
	enum smtp_data_is is;
	struct smtp_data d;
	struct buf raw, text;

	smtp_data_init(&d);
	buf_init(&raw, 0);
	buf_init(&text, 0);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			is = smtp_data_next(&d, str_skip(str_take(input, known), start),
				&a, &b, &used);
			start += used;
			if (is == SMTP_DATA_BYTES) {
				buf_append(&raw, a);
				buf_append(&text, b);
			}
		} while (is == SMTP_DATA_BYTES);
	} while (is == SMTP_DATA_NEED_MORE && known < input.len);
	if (is != row->is)
		fail_msg("%s in steps of %zu: %s", row->name, step,
			smtp_data_state_name(d.state));
	SAME(row->name, buf_view(&raw), row->raw);
	SAME(row->name, buf_view(&text), row->text);
	SAME(row->name, str_skip(input, start), row->rest);
	if (is != SMTP_DATA_NEED_MORE) /* it stays so */
		assert_int_equal(
			smtp_data_next(&d, STR_LIT("x"), &a, &b, &used), row->is);
	buf_fini(&raw);
	buf_fini(&text);
	exact_free(input);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		for (size_t step = 1; step <= rows[i].input.len; step++)
			check(&rows[i], step);
}

/* Somebody who takes CR, LF and CRLF for line ends and does not see NULs: a line "." */
static bool lenient_end(struct str s)
{
	size_t column = 0;
	bool dot = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '\0')
			continue;
		if (c == '\r' || c == '\n') {
			if (dot && column == 1)
				return true;
			column = 0;
			dot = false;
			continue;
		}
		dot = column == 0 && c == '.';
		column++;
	}
	return false;
}

/* Every message of 8 bytes out of those that matter: what is relayed has no end in it for
   anybody. The source's own end comes behind it. */
static void test_all_short_messages(void **state)
{
	static const char alphabet[] = { '\r', '\n', '.', '\0', 'a' };
	enum { LENGTH = 8, COUNT = 390625 };

	(void)state;
	for (unsigned long n = 0; n < COUNT; n++) {
		char bytes[LENGTH], relayed[LENGTH];
		struct str rest = str_of(bytes, LENGTH), raw, text;
		size_t len = 0, used;
		enum smtp_data_is is;
		struct smtp_data d;
		unsigned long digits = n;

		for (size_t i = 0; i < LENGTH; i++, digits /= sizeof(alphabet))
			bytes[i] = alphabet[digits % sizeof(alphabet)];
		smtp_data_init(&d);
		while ((is = smtp_data_next(&d, rest, &raw, &text, &used)) ==
			SMTP_DATA_BYTES) {
			memcpy(relayed + len, raw.ptr, raw.len);
			len += raw.len;
			rest = str_skip(rest, used);
		}
		if (lenient_end(str_of(relayed, len)))
			fail_msg("message %lu", n);
	}
}

/* ---- the other way round ---- */

static const struct put_row {
	const char *name;
	struct str text, wire;
	bool is_refused;
} put_rows[] = {
	{ "nothing", STR(""), STR(".\r\n"), false },
	{ "a line", STR("a\r\n"), STR("a\r\n.\r\n"), false },
	{ "no line end", STR("a"), STR("a\r\n.\r\n"), false },
	{ "dots", STR(".\r\n..a\r\nb.\r\n.c"), STR("..\r\n...a\r\nb.\r\n..c\r\n.\r\n"),
		false },
	{ "an end", STR("a\r\n.\r\nQUIT"), STR("a\r\n..\r\nQUIT\r\n.\r\n"), false },
	{ "bare LF, dot and text", STR("a\n.b"), STR("a\n.b\r\n.\r\n"), false },
	{ "CR at the end", STR("a\r"), STR("a\r\r\n.\r\n"), false },
	{ "LF . LF", STR("a\n.\nb"), STR("a\n."), true },
	{ "LF . CRLF", STR("a\n.\r\nb"), STR("a\n."), true },
	{ "CR . CR", STR("a\r.\rb"), STR("a\r."), true },
	{ "NUL . CRLF", STR("a\r\n\0.\r\n"), STR("a\r\n\0."), true },
	{ "LF . at the end", STR("a\n."), STR("a\n."), true },
};

static int put(struct str text, size_t step, struct buf *wire)
{
	struct smtp_data d;
	int r = 0;

	smtp_data_init(&d);
	for (size_t at = 0; at < text.len && r == 0; at += step)
		r = smtp_data_put(&d, str_take(str_skip(text, at), step), wire);
	if (r < 0) /* it stays so */
		assert_int_equal(smtp_data_put(&d, STR_LIT("x"), wire), -EILSEQ);
	return r < 0 ? r : smtp_data_put_end(&d, wire);
}

static void test_put(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(put_rows); i++)
		for (size_t step = 1; step <= put_rows[i].text.len + 1; step++) {
			struct buf wire;

			buf_init(&wire, 0);
			if (put(put_rows[i].text, step, &wire) !=
				(put_rows[i].is_refused ? -EILSEQ : 0))
				fail_msg("%s in steps of %zu", put_rows[i].name, step);
			SAME(put_rows[i].name, buf_view(&wire), put_rows[i].wire);
			buf_fini(&wire);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_all_short_messages),
		cmocka_unit_test(test_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
