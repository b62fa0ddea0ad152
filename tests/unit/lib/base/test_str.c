/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAME(got, want)                                                                  \
	do {                                                                             \
		struct str got_ = (got), want_ = (want);                                 \
		if (!str_eq(got_, want_))                                                \
			fail_msg("\"%.*s\", expected \"%.*s\"", STR_ARG(got_),           \
				STR_ARG(want_));                                         \
	} while (0)

static void test_compare(void **state)
{
	static const struct {
		struct str a, b;
		bool eq, ieq, starts, istarts; /* of a with b */
		int order;
	} rows[] = {
		{ STR(""), STR(""), true, true, true, true, 0 },
		{ STR("a"), STR(""), false, false, true, true, 1 },
		{ STR(""), STR("a"), false, false, false, false, -1 },
		{ STR("LOGIN x"), STR("LOGIN"), false, false, true, true, 1 },
		{ STR("LoGiN"), STR("lOgIn"), false, true, false, true, -1 },
		{ STR("a\0b"), STR("a\0c"), false, false, false, false, -1 },
		{ STR("a\0B"), STR("a\0b"), false, true, false, true, -1 },
		/* only ASCII letters fold: '[' is not '{', nor 0xc4 0xe4 */
		{ STR("["), STR("{"), false, false, false, false, -1 },
		{ STR("@"), STR("`"), false, false, false, false, -1 },
		{ STR("\xc4"), STR("\xe4"), false, false, false, false, -1 },
		{ STR("\xff"), STR("a"), false, false, false, false, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str a = rows[i].a, b = rows[i].b;
		int order = str_cmp(a, b);

		if (str_eq(a, b) != rows[i].eq || str_ieq(a, b) != rows[i].ieq ||
			str_starts(a, b) != rows[i].starts ||
			str_istarts(a, b) != rows[i].istarts ||
			(order > 0) - (order < 0) != rows[i].order)
			fail_msg("row %zu: \"%.*s\" and \"%.*s\"", i, STR_ARG(a),
				STR_ARG(b));
	}
}

static void test_cut(void **state)
{
	struct str rest = STR_LIT("a,,b");

	(void)state;
	SAME(str_skip(STR_LIT("abc"), 1), STR_LIT("bc"));
	SAME(str_skip(STR_LIT("abc"), 4), STR_LIT(""));
	SAME(str_take(STR_LIT("abc"), 2), STR_LIT("ab"));
	SAME(str_take(STR_LIT("abc"), 9), STR_LIT("abc"));
	SAME(str_trim(STR_LIT(" \t a b\r\n")), STR_LIT("a b"));
	SAME(str_trim(STR_LIT(" \r\n\t")), STR_LIT(""));
	SAME(str_from(NULL), STR_LIT(""));
	assert_int_equal(str_index(STR_LIT("a=b"), '='), 1);
	assert_int_equal(str_index(STR_LIT("ab"), '='), 2);
	assert_int_equal(str_index(STR_LIT(""), '='), 0);
	SAME(str_split(&rest, ','), STR_LIT("a"));
	SAME(str_split(&rest, ','), STR_LIT(""));
	SAME(str_split(&rest, ','), STR_LIT("b"));
	SAME(str_split(&rest, ','), STR_LIT(""));
	assert_int_equal(rest.len, 0);
}

static void test_numbers(void **state)
{
	static const struct {
		struct str text;
		bool is_u64, is_u32;
		uint64_t value;
	} rows[] = {
		{ STR("0"), true, true, 0 },
		{ STR("007"), true, true, 7 },
		{ STR("4294967295"), true, true, UINT32_MAX },
		{ STR("4294967296"), true, false, 4294967296 },
		{ STR("18446744073709551615"), true, false, UINT64_MAX },
		{ STR("18446744073709551616"), false, false, 0 },
		{ STR("99999999999999999999999"), false, false, 0 },
		{ STR(""), false, false, 0 },
		{ STR("-1"), false, false, 0 },
		{ STR("+1"), false, false, 0 },
		{ STR(" 1"), false, false, 0 },
		{ STR("1 "), false, false, 0 },
		{ STR("1\0"), false, false, 0 },
		{ STR("0x10"), false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t wide = 0;
		uint32_t narrow = 0;
		bool is_u64 = str_to_u64(rows[i].text, &wide);
		bool is_u32 = str_to_u32(rows[i].text, &narrow);

		if (is_u64 != rows[i].is_u64 || is_u32 != rows[i].is_u32 ||
			(is_u64 && wide != rows[i].value) ||
			(is_u32 && narrow != rows[i].value))
			fail_msg("\"%.*s\"", STR_ARG(rows[i].text));
	}
}

static void test_parts(void **state)
{
	static const struct {
		struct str text, part;
		bool is_word, is_there;
	} rows[] = {
		{ STR("IMAP4rev1 IDLE ID"), STR("id"), true, true },
		{ STR("IMAP4rev1 IDLE"), STR("ID"), false, true },
		{ STR("IDLE"), STR("IDLE "), false, false },
		{ STR("a b"), STR("a b"), false, true },
		{ STR("one"), STR("one"), true, true },
		{ STR("on"), STR("one"), false, false },
		{ STR("a  b"), STR(""), true, true }, /* between the blanks */
		{ STR(""), STR(""), false, true },
		{ STR(""), STR("a"), false, false },
		{ STR("mailbox is Locked"), STR(" lock"), false, true },
		{ STR("a\0b"), STR("\0B"), false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_has_word(rows[i].text, rows[i].part) != rows[i].is_word ||
			str_ihas(rows[i].text, rows[i].part) != rows[i].is_there)
			fail_msg("row %zu: \"%.*s\"", i, STR_ARG(rows[i].text));
}

static void test_dup(void **state)
{
	char *copy = str_dup_c(STR_LIT("abc"));

	(void)state;
	assert_string_equal(copy, "abc");
	free(copy);
	copy = str_dup_c(STR_LIT(""));
	assert_string_equal(copy, "");
	free(copy);
	assert_null(str_dup_c(STR_LIT("a\0b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_dup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
