/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N_ROWS(a) (sizeof(a) / sizeof((a)[0]))

static const struct row {
	const char *text;
	uint32_t first; /* character */
	size_t taken;
	const char *shown;
} rows[] = {
	{ "plain", 'p', 1, "plain" },
	{ "\x7f", 0x7f, 1, "?" },
	{ "\033[2J", 0x1b, 1, "?[2J" },
	{ "a\tb\r\n", 'a', 1, "a?b??" },
	{ "\xc3\xa9t\xc3\xa9", 0xe9, 2, "\xc3\xa9t\xc3\xa9" },
	{ "\xe2\x82\xac", 0x20ac, 3, "\xe2\x82\xac" },
	{ "\xf0\x9f\x93\xa7", 0x1f4e7, 4, "\xf0\x9f\x93\xa7" },
	/* U+009B, and the byte, are what ESC [ is */
	{ "\xc2\x9b"
	  "2J",
		0x9b, 2, "??2J" },
	{ "\x9b"
	  "2J",
		UTF8_BAD, 1, "?2J" },
	{ "\xc2\x85", 0x85, 2, "??" },
	{ "\xc2\xa0", 0xa0, 2, "\xc2\xa0" },
	/* the same, written longer than it is */
	{ "\xe0\x82\x9b", UTF8_BAD, 3, "???" },
	{ "\xc0\x9b", UTF8_BAD, 1, "??" },
	{ "\xf0\x80\x82\x9b", UTF8_BAD, 4, "????" },
	/* "exe.txt" that reads "txt.exe" */
	{ "\xe2\x80\xae"
	  "txt.exe",
		0x202e, 3, "???txt.exe" },
	{ "\xe2\x81\xa6", 0x2066, 3, "???" },
	{ "\xe2\x80\xa8", 0x2028, 3, "???" },
	{ "\xe2\x80\x93", 0x2013, 3, "\xe2\x80\x93" },
	{ "\xd8\x9c", 0x61c, 2, "??" },
	/* half of a pair, beyond Unicode, no beginning, no end */
	{ "\xed\xa0\x80", UTF8_BAD, 3, "???" },
	{ "\xf4\x90\x80\x80", UTF8_BAD, 4, "????" },
	{ "\xf5\x80", UTF8_BAD, 1, "??" },
	{ "\x80x", UTF8_BAD, 1, "?x" },
	{ "\xe2\x82", UTF8_BAD, 2, "??" },
	{ "\xe2\x82x", UTF8_BAD, 2, "??x" },
	{ "\xe2\xc3\xa9", UTF8_BAD, 1, "?\xc3\xa9" },
	{ "Jos\xe9", 'J', 1, "Jos?" },
};

static void one_character_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str s = str_from(rows[i].text);

		if (utf8_next(&s) != rows[i].first ||
			strlen(rows[i].text) - s.len != rows[i].taken)
			fail_msg("row %zu: %zu bytes", i, strlen(rows[i].text) - s.len);
	}
}

static void what_steers_is_not_shown(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		char text[32];
		size_t len = strlen(rows[i].text);

		(void)snprintf(text, sizeof(text), "%s", rows[i].text);
		utf8_make_harmless(text, len);
		if (strcmp(text, rows[i].shown) != 0)
			fail_msg("row %zu: \"%s\"", i, text);
		utf8_make_harmless(text, len);
		assert_string_equal(text, rows[i].shown);
	}
}

/* Nothing is left that anybody decodes as a control character. */
static void no_two_or_three_bytes_get_through(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 1U << 24; n += n < 1U << 16 ? 1 : 251) {
		char text[3] = { (char)(n & 255), (char)(n >> 8 & 255), (char)(n >> 16) };

		utf8_make_harmless(text, sizeof(text));
		for (size_t i = 0; i < sizeof(text); i++) {
			unsigned char c = (unsigned char)text[i];

			assert_true(c >= 0x20 && c != 0x7f);
			/* 0x80 to 0x9f stand behind the beginning of another character */
			assert_true((c & 0xe0) != 0x80 ||
				    (i && (unsigned char)text[i - 1] >= 0x80));
			assert_false(c >= 0x80 && c < 0xa0 && i &&
				     (unsigned char)text[i - 1] == 0xc2);
		}
	}
}

/* Many plain bytes are taken at once: what is among them is found wherever it stands. */
static void none_hides_among_plain_ones(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 24; at++) {
			char text[] = " ~abcdefghijklmnopqrst~ ", want[sizeof(text)];
			bool shows = c >= 0x20 && c < 0x7f;

			memcpy(want, text, sizeof(text));
			text[at] = (char)c;
			want[at] = shows ? (char)c : '?';
			utf8_make_harmless(text, sizeof(text) - 1);
			assert_string_equal(text, want);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_character_is_taken),
		cmocka_unit_test(what_steers_is_not_shown),
		cmocka_unit_test(none_hides_among_plain_ones),
		cmocka_unit_test(no_two_or_three_bytes_get_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
