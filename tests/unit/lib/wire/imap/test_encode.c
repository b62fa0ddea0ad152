/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strings, flags and dates as IMAP writes them, and read back. */
#include "wire/imap/cursor.h"
#include "wire/imap/date.h"
#include "wire/imap/encode.h"
#include "wire/imap/flags.h"

#include "lib/wire/wire_test.h"

#include <unistd.h>

static void test_strings(void **state)
{
	static const struct {
		const char *name;
		struct str s, nstring, astring;
	} rows[] = {
		{ "atom", STR("INBOX"), STR("\"INBOX\""), STR("INBOX") },
		{ "empty", STR(""), STR("\"\""), STR("\"\"") },
		{ "space", STR("a b"), STR("\"a b\""), STR("\"a b\"") },
		{ "escapes", STR("a\"\\b"), STR("\"a\\\"\\\\b\""),
			STR("\"a\\\"\\\\b\"") },
		{ "NIL is a word", STR("nil"), STR("\"nil\""), STR("\"nil\"") },
		{ "wildcard", STR("a*"), STR("\"a*\""), STR("\"a*\"") },
		{ "bracket", STR("[G]"), STR("\"[G]\""), STR("\"[G]\"") },
		{ "parenthesis", STR("a("), STR("\"a(\""), STR("\"a(\"") },
		{ "line end", STR("a\r\nb"), STR("{4}\r\na\r\nb"), STR("{4}\r\na\r\nb") },
		{ "LF", STR("\n"), STR("{1}\r\n\n"), STR("{1}\r\n\n") },
		{ "NUL", STR("\0"), STR("{1}\r\n\0"), STR("{1}\r\n\0") },
		{ "8 bit", STR("\xc3\xa4"), STR("{2}\r\n\xc3\xa4"),
			STR("{2}\r\n\xc3\xa4") },
		{ "tab", STR("a\tb"), STR("\"a\tb\""), STR("\"a\tb\"") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf n, a;

		buf_init(&n, 0);
		buf_init(&a, 0);
		assert_int_equal(imap_put_nstring(&n, rows[i].s), 0);
		assert_int_equal(imap_put_astring(&a, rows[i].s), 0);
		SAME(rows[i].name, buf_view(&n), rows[i].nstring);
		SAME(rows[i].name, buf_view(&a), rows[i].astring);
		buf_fini(&n);
		buf_fini(&a);
	}
}

/* Every byte, alone and in company, comes back through the cursor. */
static void test_strings_round_trip(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		char bytes[3] = { 'a', (char)byte, 'b' };

		for (size_t from = 0; from < 2; from++) {
			struct str s = str_of(bytes + from, 2), back;
			struct imap_cursor c;
			struct arena arena;
			struct buf out;

			buf_init(&out, 0);
			arena_init(&arena);
			assert_int_equal(imap_put_astring(&out, s), 0);
			c = imap_cursor(buf_view(&out));
			if (!imap_astring(&c, &arena, &back) || c.rest.len)
				fail_msg("byte %02x is not read back", byte);
			SAME("round trip", back, s);
			arena_fini(&arena);
			buf_fini(&out);
		}
	}
}

static void test_nil_and_long(void **state)
{
	char bytes[1001];
	struct buf out;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_true(imap_is_quotable(str_of(bytes, 1000)));
	assert_false(imap_is_quotable(str_of(bytes, 1001)));
	assert_false(imap_is_atom(str_of(bytes, 1001)));
	buf_init(&out, 0);
	assert_int_equal(imap_put_nstring(&out, (struct str){ 0 }), 0);
	assert_int_equal(imap_put_literal(&out, STR_LIT("ab"), true), 0);
	SAME("NIL", buf_view(&out), STR_LIT("NIL{2+}\r\nab"));
	buf_fini(&out);
}

static void test_flags(void **state)
{
	static const struct {
		const char *name;
		struct str input, keywords, left;
		unsigned bits;
		bool ok;
	} rows[] = {
		{ "none", STR("() x"), STR(""), STR(" x"), 0, true },
		{ "all six",
			STR("(\\Seen \\answered \\FLAGGED \\Deleted \\Draft \\Recent)"),
			STR(""), STR(""), 0x3f, true },
		{ "keywords are sorted", STR("($b \\Seen $a $B)"), STR("$B $a $b"),
			STR(""), IMAP_FLAG_SEEN, true },
		{ "doubles", STR("(x y x \\Seen \\Seen)"), STR("x y"), STR(""),
			IMAP_FLAG_SEEN, true },
		{ "unknown system flags", STR("(\\Forwarded $x)"), STR("$x \\Forwarded"),
			STR(""), 0, true },
		{ "permanent", STR("(\\Seen \\*)"), STR(""), STR(""), IMAP_FLAG_SEEN,
			true },
		{ "the star alone", STR("(\\*)"), STR(""), STR(""), 0, true },
		{ "8 bit", STR("(\xc3\xa4)"), STR("\xc3\xa4"), STR(""), 0, true },
		{ "almost", STR("(\\Seenn)"), STR("\\Seenn"), STR(""), 0, true },
		{ "open", STR("(\\Seen"), STR(""), STR("(\\Seen"), 0, false },
		{ "a string", STR("(\"x\")"), STR(""), STR("(\"x\")"), 0, false },
		{ "nested", STR("((x))"), STR(""), STR("((x))"), 0, false },
		{ "backslash alone", STR("(\\)"), STR(""), STR("(\\)"), 0, false },
		{ "nothing", STR(""), STR(""), STR(""), 0, false },
		{ "bare", STR("\\Seen"), STR(""), STR("\\Seen"), 0, false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str input = exact_copy(rows[i].input);
		struct imap_cursor c = imap_cursor(input);
		unsigned bits = 0;
		struct str keywords = STR("");
		struct arena arena;

		arena_init(&arena);
		if (imap_flags(&c, &arena, &bits, &keywords) != rows[i].ok)
			fail_msg("%s", rows[i].name);
		SAME(rows[i].name, c.rest, rows[i].left);
		SAME(rows[i].name, keywords, rows[i].keywords);
		assert_int_equal(bits, rows[i].bits);
		arena_fini(&arena);
		exact_free(input);
	}
}

static void test_bare_flags(void **state)
{
	struct imap_cursor c = imap_cursor(STR_LIT("\\Seen $x \\Draft\r\n"));
	struct arena arena;
	unsigned bits;
	struct str keywords;
	struct buf out;

	(void)state;
	arena_init(&arena);
	buf_init(&out, 0);
	assert_true(imap_bare_flags(&c, &arena, &bits, &keywords));
	assert_true(imap_end(&c));
	assert_int_equal(imap_put_flags(&out, bits, keywords), 0);
	SAME("put", buf_view(&out), STR_LIT("\\Seen \\Draft $x"));
	buf_clear(&out);
	assert_int_equal(imap_put_flags(&out, 0, STR_LIT("")), 0);
	SAME("none", buf_view(&out), STR_LIT(""));
	buf_clear(&out);
	assert_int_equal(imap_put_flags(&out, 0, STR_LIT("a b")), 0);
	SAME("words", buf_view(&out), STR_LIT("a b"));
	buf_fini(&out);
	arena_fini(&arena);
}

static void test_too_many_keywords(void **state)
{
	struct arena arena;
	unsigned bits;
	struct str keywords;
	struct buf list;
	struct imap_cursor c;

	(void)state;
	arena_init(&arena);
	buf_init(&list, 0);
	buf_byte(&list, '(');
	for (unsigned i = 0; i < IMAP_KEYWORDS_MAX; i++)
		buf_printf(&list, "%sk%u", i ? " " : "", i);
	c = imap_cursor(buf_view(&list));
	assert_false(imap_flags(&c, &arena, &bits, &keywords)); /* not closed */
	buf_byte(&list, ')');
	c = imap_cursor(buf_view(&list));
	assert_true(imap_flags(&c, &arena, &bits, &keywords));
	assert_null(imap_keywords_add(&arena, keywords, STR_LIT("more")).ptr);
	assert_true(str_eq(imap_keywords_add(&arena, keywords, STR_LIT("k7")), keywords));
	buf_fini(&list);
	arena_fini(&arena);
}

/* A STORE for many messages with as many words as there may be. */
static void test_many_keywords(void **state)
{
	struct arena arena;
	struct buf list;

	(void)state;
	buf_init(&list, 0);
	for (unsigned i = 0; i < IMAP_KEYWORDS_MAX; i++)
		buf_printf(&list, "%sk%04u", i ? " " : "", i);
	(void)alarm(60); /* a second at most; an hour when each is compared with each */
	for (unsigned i = 0; i < 300; i++) {
		arena_init(&arena);
		SAME("add", imap_keywords_add(&arena, buf_view(&list), buf_view(&list)),
			buf_view(&list));
		SAME("remove",
			imap_keywords_remove(&arena, buf_view(&list), buf_view(&list)),
			STR_LIT(""));
		arena_fini(&arena);
	}
	(void)alarm(0);
	buf_fini(&list);
}

static void test_keyword_sets(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena);
	SAME("add", imap_keywords_add(&arena, STR_LIT("b d"), STR_LIT("c a d")),
		STR_LIT("a b c d"));
	SAME("add to none", imap_keywords_add(&arena, STR_LIT(""), STR_LIT("x")),
		STR_LIT("x"));
	SAME("add none", imap_keywords_add(&arena, STR_LIT("x"), STR_LIT("")),
		STR_LIT("x"));
	SAME("remove", imap_keywords_remove(&arena, STR_LIT("a b c"), STR_LIT("b x")),
		STR_LIT("a c"));
	SAME("remove all", imap_keywords_remove(&arena, STR_LIT("a"), STR_LIT("a")),
		STR_LIT(""));
	assert_true(imap_keywords_has(STR_LIT("a bc d"), STR_LIT("bc")));
	assert_false(imap_keywords_has(STR_LIT("a bc d"), STR_LIT("b")));
	assert_false(imap_keywords_has(STR_LIT(""), STR_LIT("")));
	arena_fini(&arena);
}

static void test_dates(void **state)
{
	static const struct {
		const char *name;
		struct str text;
		int64_t seconds;
		int16_t zone;
		struct str put;
	} rows[] = {
		{ "RFC 3501", STR("17-Jul-1996 02:44:25 -0700"), 837596665, -420,
			STR("\"17-Jul-1996 02:44:25 -0700\"") },
		{ "epoch", STR("01-Jan-1970 00:00:00 +0000"), 0, 0,
			STR("\"01-Jan-1970 00:00:00 +0000\"") },
		{ "space", STR(" 1-jan-1970 01:00:00 +0100"), 0, 60,
			STR("\"01-Jan-1970 01:00:00 +0100\"") },
		{ "one digit", STR("1-Jan-1970 00:00:00 +0000"), 0, 0,
			STR("\"01-Jan-1970 00:00:00 +0000\"") },
		{ "before 1970", STR("31-Dec-1969 23:59:59 +0000"), -1, 0,
			STR("\"31-Dec-1969 23:59:59 +0000\"") },
		{ "leap day", STR("29-Feb-2024 12:00:00 +0545"), 1709187300, 345,
			STR("\"29-Feb-2024 12:00:00 +0545\"") },
		{ "after 2038", STR("01-Jan-2100 00:00:00 -1130"), 4102486200, -690,
			STR("\"01-Jan-2100 00:00:00 -1130\"") },
		{ "the last", STR("31-Dec-9999 23:59:59 +0000"), 253402300799, 0,
			STR("\"31-Dec-9999 23:59:59 +0000\"") },
		{ "the first", STR("01-Jan-0000 00:00:00 +0000"), -62167219200, 0,
			STR("\"01-Jan-0000 00:00:00 +0000\"") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct imap_date d;
		struct buf out;

		buf_init(&out, 0);
		if (!imap_date_time(rows[i].text, &d) || d.seconds != rows[i].seconds ||
			d.zone != rows[i].zone)
			fail_msg("%s: %lld zone %d", rows[i].name, (long long)d.seconds,
				d.zone);
		assert_int_equal(imap_put_date_time(&out, d), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].put);
		buf_fini(&out);
	}
}

static void test_no_dates(void **state)
{
	static const struct str rows[] = { STR(""), STR(" "), STR("17-Jul-1996 02:44:25"),
		STR("17-Jul-1996 02:44:25 -700"), STR("17-Jul-1996 02:44:25 0700"),
		STR("17-Jul-1996 02:44:25 -07:00"), STR("17-Jul-1996 02:44:25 -2400"),
		STR("17-Jul-1996 02:44:25 -0060"), STR("17-Jul-1996 24:00:00 -0700"),
		STR("17-Jul-1996 02:60:00 -0700"), STR("17-Jul-1996 02:44:61 -0700"),
		STR("17-Jul-1996 2:44:25 -0700"), STR("17-Jul-1996 02:44 -0700"),
		STR("17-Jul-1996  02:44:25 -0700"), STR("32-Jul-1996 02:44:25 -0700"),
		STR("00-Jul-1996 02:44:25 -0700"), STR("0-Jul-1996 02:44:25 -0700"),
		STR("017-Jul-1996 02:44:25 -0700"), STR("17-Jux-1996 02:44:25 -0700"),
		STR("17-July-1996 02:44:25 -0700"), STR("17-Jul-96 02:44:25 -0700"),
		STR("17-Jul-19960 02:44:25 -0700"), STR("17 Jul 1996 02:44:25 -0700"),
		STR("17-Jul-1996 02:44:25 -0700 "), STR("  7-Jul-1996 02:44:25 -0700"),
		STR("-1-Jul-1996 02:44:25 -0700"),
		STR("17-Jul-1996 02:44:25 \xe2\x88\x92"),
		STR("17-Jul-1996 02:44:25 GMT  ") };

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str text = exact_copy(rows[i]);
		struct imap_date d;

		if (imap_date_time(text, &d))
			fail_msg("\"%.*s\" is taken", STR_ARG(text));
		exact_free(text);
	}
}

/* A day that a month does not have would come out as another one. */
static void test_days_of_months(void **state)
{
	static const struct {
		struct str day;
		bool ok;
	} rows[] = {
		{ STR("31-Jan-2023"), true },
		{ STR("29-Feb-2023"), false },
		{ STR("29-Feb-2024"), true },
		{ STR("29-Feb-1900"), false },
		{ STR("29-Feb-2000"), true },
		{ STR("30-Feb-2024"), false },
		{ STR("31-Apr-2024"), false },
		{ STR("30-Apr-2024"), true },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		int64_t seconds;

		if (imap_day(rows[i].day, &seconds) != rows[i].ok)
			fail_msg("%.*s", STR_ARG(rows[i].day));
	}
}

static void test_day(void **state)
{
	int64_t seconds;

	(void)state;
	assert_true(imap_day(STR_LIT("1-Feb-1994"), &seconds));
	assert_int_equal(seconds, 760060800);
	assert_true(imap_day(STR_LIT("01-feb-1994"), &seconds));
	assert_int_equal(seconds, 760060800);
	assert_false(imap_day(STR_LIT(" 1-Feb-1994"), &seconds));
	assert_false(imap_day(STR_LIT("1-Feb-1994 "), &seconds));
	assert_false(imap_day(STR_LIT("1-Feb"), &seconds));
}

/* Days and zones of every kind: out as they went in. */
static void test_dates_round_trip(void **state)
{
	(void)state;
	for (int64_t seconds = -62000000000; seconds < 253000000000;
		seconds += 987654321) {
		struct imap_date in = { .seconds = seconds,
			.zone = (int16_t)(seconds % 1439) };
		struct imap_date out;
		struct buf text;

		buf_init(&text, 0);
		assert_int_equal(imap_put_date_time(&text, in), 0);
		assert_int_equal(buf_len(&text), 28);
		assert_true(imap_date_time(str_of(text.data + 1, 26), &out));
		assert_true(out.seconds == in.seconds && out.zone == in.zone);
		buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_strings_round_trip),
		cmocka_unit_test(test_nil_and_long),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_bare_flags),
		cmocka_unit_test(test_too_many_keywords),
		cmocka_unit_test(test_many_keywords),
		cmocka_unit_test(test_keyword_sets),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_no_dates),
		cmocka_unit_test(test_days_of_months),
		cmocka_unit_test(test_day),
		cmocka_unit_test(test_dates_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
