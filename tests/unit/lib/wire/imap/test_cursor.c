/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table: a reader, its input, what it takes and what it leaves. What it refuses, it
   leaves as it was. */
#include "wire/imap/cursor.h"

#include "lib/wire/wire_test.h"

enum kind { ATOM, TAG, WORD, QUOTED, LITERAL, STRING, ASTRING, PATTERN, NSTRING, SKIP };

static bool read_one(
	enum kind kind, struct imap_cursor *c, struct arena *arena, struct str *ret)
{
	switch (kind) {
	case ATOM:
		return imap_atom(c, ret);
	case TAG:
		return imap_tag(c, ret);
	case WORD:
		return imap_word(c, ret);
	case QUOTED:
		return imap_quoted(c, arena, ret);
	case LITERAL:
		return imap_literal_bytes(c, ret);
	case STRING:
		return imap_string(c, arena, ret);
	case ASTRING:
		return imap_astring(c, arena, ret);
	case PATTERN:
		return imap_list_mailbox(c, arena, ret);
	case NSTRING:
		return imap_nstring(c, arena, ret);
	case SKIP:
		*ret = STR_LIT("");
		return imap_skip_value(c);
	}
	return false;
}

#define DEEP_16 "(((((((((((((((("
#define END_16 "))))))))))))))))"

static const struct row {
	const char *name;
	enum kind kind;
	struct str input, taken, left;
	bool refused;
} rows[] = {
	{ "atom", ATOM, STR("NOOP"), STR("NOOP"), STR(""), false },
	{ "atom and space", ATOM, STR("a b"), STR("a"), STR(" b"), false },
	{ "atom and list", ATOM, STR("BODY(x"), STR("BODY"), STR("(x"), false },
	{ "atom and code", ATOM, STR("TRYCREATE] x"), STR("TRYCREATE"), STR("] x"),
		false },
	{ "atom and NUL", ATOM, STR("a\0b"), STR("a"), STR("\0b"), false },
	{ "atom, 8 bit", ATOM, STR("\xc3\xa4 "), STR("\xc3\xa4"), STR(" "), false },
	{ "atom, DEL", ATOM, STR("a\x7f"), STR("a"), STR("\x7f"), false },
	{ "no atom: wildcard", ATOM, STR("*"), STR(""), STR("*"), true },
	{ "no atom: nothing", ATOM, STR(""), STR(""), STR(""), true },
	{ "no atom: quote", ATOM, STR("\"a\""), STR(""), STR("\"a\""), true },
	{ "no atom: CR", ATOM, STR("\r\n"), STR(""), STR("\r\n"), true },
	{ "tag", TAG, STR("a.1]- x"), STR("a.1]-"), STR(" x"), false },
	{ "tag ends at plus", TAG, STR("a+1"), STR("a"), STR("+1"), false },
	{ "no tag", TAG, STR("+ OK"), STR(""), STR("+ OK"), true },
	{ "no tag: untagged", TAG, STR("* OK"), STR(""), STR("* OK"), true },
	{ "word", WORD, STR("AGEAYg==\r\n"), STR("AGEAYg=="), STR("\r\n"), false },
	{ "word takes all", WORD, STR("p%s\"(s b"), STR("p%s\"(s"), STR(" b"), false },
	{ "no word", WORD, STR(" x"), STR(""), STR(" x"), true },
	{ "quoted", QUOTED, STR("\"a b\" c"), STR("a b"), STR(" c"), false },
	{ "quoted, empty", QUOTED, STR("\"\""), STR(""), STR(""), false },
	{ "quoted, escapes", QUOTED, STR("\"a\\\"\\\\b\"x"), STR("a\"\\b"), STR("x"),
		false },
	{ "quoted, escaped letter", QUOTED, STR("\"\\a\""), STR("a"), STR(""), false },
	{ "quoted, 8 bit", QUOTED, STR("\"\xff\""), STR("\xff"), STR(""), false },
	{ "quoted, tab", QUOTED, STR("\"\t\""), STR("\t"), STR(""), false },
	{ "unfinished", QUOTED, STR("\"abc"), STR(""), STR("\"abc"), true },
	{ "ends in an escape", QUOTED, STR("\"abc\\"), STR(""), STR("\"abc\\"), true },
	{ "escaped quote last", QUOTED, STR("\"abc\\\""), STR(""), STR("\"abc\\\""),
		true },
	{ "only a quote", QUOTED, STR("\""), STR(""), STR("\""), true },
	{ "NUL inside", QUOTED, STR("\"a\0\""), STR(""), STR("\"a\0\""), true },
	{ "CR inside", QUOTED, STR("\"a\r\""), STR(""), STR("\"a\r\""), true },
	{ "LF inside", QUOTED, STR("\"a\n\""), STR(""), STR("\"a\n\""), true },
	{ "escaped NUL", QUOTED, STR("\"a\\\0\""), STR(""), STR("\"a\\\0\""), true },
	{ "escaped CR", QUOTED, STR("\"a\\\r\""), STR(""), STR("\"a\\\r\""), true },
	{ "escaped LF", QUOTED, STR("\"a\\\n\""), STR(""), STR("\"a\\\n\""), true },
	{ "literal", LITERAL, STR("{3}\r\na\r\n b"), STR("a\r\n"), STR(" b"), false },
	{ "literal, LF", LITERAL, STR("{1}\nab"), STR("a"), STR("b"), false },
	{ "literal, plus", LITERAL, STR("{1+}\r\na"), STR("a"), STR(""), false },
	{ "literal, binary", LITERAL, STR("~{2}\r\n\0\n"), STR("\0\n"), STR(""), false },
	{ "literal, empty", LITERAL, STR("{0}\r\n"), STR(""), STR(""), false },
	{ "literal cut", LITERAL, STR("{3}\r\nab"), STR(""), STR("{3}\r\nab"), true },
	{ "literal, huge", LITERAL, STR("{9223372036854775807}\r\nab"), STR(""),
		STR("{9223372036854775807}\r\nab"), true },
	{ "literal, too huge", LITERAL, STR("{99999999999999999999}\r\nab"), STR(""),
		STR("{99999999999999999999}\r\nab"), true },
	{ "literal without line", LITERAL, STR("{3}"), STR(""), STR("{3}"), true },
	{ "literal later", LITERAL, STR("a {1}\r\nb"), STR(""), STR("a {1}\r\nb"), true },
	{ "two braces", LITERAL, STR("{{1}\r\nb"), STR(""), STR("{{1}\r\nb"), true },
	{ "string: quoted", STRING, STR("\"a\""), STR("a"), STR(""), false },
	{ "string: literal", STRING, STR("{1}\r\na"), STR("a"), STR(""), false },
	{ "string: no atom", STRING, STR("a"), STR(""), STR("a"), true },
	{ "astring: atom", ASTRING, STR("[Gmail]/x y"), STR("[Gmail]/x"), STR(" y"),
		false },
	{ "astring: quoted", ASTRING, STR("\"*\""), STR("*"), STR(""), false },
	{ "astring: no wildcard", ASTRING, STR("%"), STR(""), STR("%"), true },
	{ "pattern", PATTERN, STR("a/%*] b"), STR("a/%*]"), STR(" b"), false },
	{ "pattern: quoted", PATTERN, STR("\"\""), STR(""), STR(""), false },
	{ "NIL", NSTRING, STR("NIL b"), STR(""), STR(" b"), false },
	{ "nil", NSTRING, STR("nil"), STR(""), STR(""), false },
	{ "NIL quoted", NSTRING, STR("\"NIL\""), STR("NIL"), STR(""), false },
	{ "more than NIL", NSTRING, STR("NILS"), STR(""), STR("NILS"), true },
	{ "skip atom", SKIP, STR("NIL x"), STR(""), STR(" x"), false },
	{ "skip number", SKIP, STR("12)"), STR(""), STR(")"), false },
	{ "skip flag", SKIP, STR("\\Seen x"), STR(""), STR(" x"), false },
	{ "skip quoted", SKIP, STR("\"a)\\\"\" x"), STR(""), STR(" x"), false },
	{ "skip literal", SKIP, STR("{2}\r\n)( x"), STR(""), STR(" x"), false },
	{ "skip list", SKIP, STR("(a \"b)\" (NIL ()) {1}\r\n() x"), STR(""), STR(" x"),
		false },
	{ "skip empty list", SKIP, STR("()"), STR(""), STR(""), false },
	{ "skip 64 deep", SKIP,
		STR(DEEP_16 DEEP_16 DEEP_16 DEEP_16 END_16 END_16 END_16 END_16), STR(""),
		STR(""), false },
	{ "skip 65 deep", SKIP, STR("(" DEEP_16 DEEP_16 DEEP_16 DEEP_16), STR(""),
		STR("(" DEEP_16 DEEP_16 DEEP_16 DEEP_16), true },
	{ "skip open list", SKIP, STR("(a (b)"), STR(""), STR("(a (b)"), true },
	{ "skip nothing", SKIP, STR(""), STR(""), STR(""), true },
	{ "skip a closing one", SKIP, STR(")"), STR(""), STR(")"), true },
	{ "skip broken quote", SKIP, STR("(\"a)"), STR(""), STR("(\"a)"), true },
	{ "skip cut literal", SKIP, STR("({5}\r\nab)"), STR(""), STR("({5}\r\nab)"),
		true },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		const struct row *row = &rows[i];
		struct str input = exact_copy(row->input), taken = STR("");
		struct imap_cursor c = imap_cursor(input);
		struct arena arena;
		bool ok;

		arena_init(&arena);
		ok = read_one(row->kind, &c, &arena, &taken);
		if (ok == row->refused)
			fail_msg("%s: %s", row->name, ok ? "taken" : "refused");
		SAME(row->name, c.rest, row->left);
		if (ok)
			SAME(row->name, taken, row->taken);
		arena_fini(&arena);
		exact_free(input);
	}
}

/* No reader may look past the end, wherever the end is. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		for (size_t len = 0; len < rows[i].input.len; len++) {
			struct str input = exact_copy(str_take(rows[i].input, len));
			struct imap_cursor c = imap_cursor(input);
			struct arena arena;
			struct str taken;

			arena_init(&arena);
			if (!read_one(rows[i].kind, &c, &arena, &taken))
				assert_int_equal(c.rest.len, len);
			arena_fini(&arena);
			exact_free(input);
		}
	}
}

static void test_nil_is_not_empty(void **state)
{
	struct imap_cursor nil = imap_cursor(STR_LIT("NIL"));
	struct imap_cursor empty = imap_cursor(STR_LIT("\"\""));
	struct str s;

	(void)state;
	assert_true(imap_nstring(&nil, NULL, &s));
	assert_null(s.ptr);
	assert_true(imap_nstring(&empty, NULL, &s));
	assert_non_null(s.ptr);
}

static void test_numbers(void **state)
{
	static const struct {
		struct str input;
		uint64_t value;
		bool ok32, ok64;
	} numbers[] = {
		{ STR("0"), 0, true, true },
		{ STR("007)"), 7, true, true },
		{ STR("4294967295 "), UINT32_MAX, true, true },
		{ STR("4294967296"), 4294967296, false, true },
		{ STR("18446744073709551615"), UINT64_MAX, false, true },
		{ STR("18446744073709551616"), 0, false, false },
		{ STR("-1"), 0, false, false },
		{ STR("+1"), 0, false, false },
		{ STR(" 1"), 0, false, false },
		{ STR(""), 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(numbers); i++) {
		struct imap_cursor c = imap_cursor(numbers[i].input), d = c;
		uint32_t narrow = 0;
		uint64_t wide = 0;

		assert_int_equal(imap_number(&c, &narrow), numbers[i].ok32);
		assert_int_equal(imap_number64(&d, &wide), numbers[i].ok64);
		if (!numbers[i].ok32)
			SAME("number left", c.rest, numbers[i].input);
		else
			assert_int_equal(narrow, numbers[i].value);
		if (numbers[i].ok64)
			assert_true(wide == numbers[i].value);
	}
}

static void test_small_ones(void **state)
{
	struct imap_cursor c = imap_cursor(STR_LIT("FETCH (x\r\n"));

	(void)state;
	assert_false(imap_keyword(&c, STR_LIT("FETC")));
	assert_false(imap_keyword(&c, STR_LIT("FETCHED")));
	assert_true(imap_keyword(&c, STR_LIT("fetch")));
	assert_false(imap_char(&c, '('));
	assert_true(imap_space(&c));
	assert_false(imap_space(&c));
	assert_int_equal(imap_peek(&c), '(');
	assert_true(imap_char(&c, '('));
	assert_false(imap_end(&c));
	assert_true(imap_char(&c, 'x'));
	assert_true(imap_end(&c));
	c = imap_cursor(STR_LIT("\n"));
	assert_true(imap_end(&c));
	c = imap_cursor(STR_LIT("\r"));
	assert_false(imap_end(&c));
	c = imap_cursor(STR_LIT("\r\nx"));
	assert_false(imap_end(&c));
	c = imap_cursor(STR_LIT(""));
	assert_true(imap_end(&c));
	assert_int_equal(imap_peek(&c), '\0');
}

/* Taken with its parentheses, or nothing is; what has no end is refused. */
static void test_optional_list(void **state)
{
	static const struct {
		const char *text, *list, *rest; /* list NULL: refused */
	} lists[] = {
		{ " (UID FLAGS) X", "(UID FLAGS)", " X" },
		{ " (UID (a b))", "(UID (a b))", "" },
		{ " ()", "()", "" },
		{ "", "before", "" },
		{ " UID", "before", " UID" },
		{ "(UID)", "before", "(UID)" },
		{ " (UID", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct imap_cursor c = imap_cursor(str_from(lists[i].text));
		struct str list = STR_LIT("before");

		if (imap_optional_list(&c, &list) != (lists[i].list != NULL))
			fail_msg("row %zu", i);
		if (lists[i].list && (!str_eq(list, str_from(lists[i].list)) ||
					     !str_eq(c.rest, str_from(lists[i].rest))))
			fail_msg("row %zu: \"%.*s\" and \"%.*s\"", i, STR_ARG(list),
				STR_ARG(c.rest));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nil_is_not_empty),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_small_ones),
		cmocka_unit_test(test_optional_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
