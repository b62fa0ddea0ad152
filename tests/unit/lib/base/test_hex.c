/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/hash.h"
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_digits(void **state)
{
	(void)state;
	for (int c = -128; c < 256; c++) {
		const char *lower = c > 0 && c < 128 ? strchr(HEX_LOWER, c) : NULL;
		const char *upper = c > 0 && c < 128 ? strchr(HEX_UPPER, c) : NULL;
		int l = lower ? (int)(lower - HEX_LOWER) : -1;
		int u = upper ? (int)(upper - HEX_UPPER) : -1;

		assert_int_equal(hex_digit_of(HEX_LOWER, (char)c), l);
		assert_int_equal(hex_digit_of(HEX_UPPER, (char)c), u);
		assert_int_equal(hex_digit((char)c), l >= 0 ? l : u);
	}
}

static void test_byte(void **state)
{
	(void)state;
	assert_int_equal(hex_byte(STR_LIT("fF")), 255);
	assert_int_equal(hex_byte(STR_LIT("0a and more")), 10);
	assert_int_equal(hex_byte(STR_LIT("0")), -1);
	assert_int_equal(hex_byte(STR_LIT("")), -1);
	assert_int_equal(hex_byte(STR_LIT("0g")), -1);
	assert_int_equal(hex_byte(STR_LIT("g0")), -1);
	assert_int_equal(hex_byte_of(HEX_UPPER, STR_LIT("FA")), 250);
	assert_int_equal(hex_byte_of(HEX_UPPER, STR_LIT("Fa")), -1);
	assert_int_equal(hex_byte_of(HEX_UPPER, STR_LIT("fA")), -1);
	assert_int_equal(hex_byte_of(HEX_LOWER, STR_LIT("fa and more")), 250);
	assert_int_equal(hex_byte_of(HEX_LOWER, STR_LIT("f")), -1);
	assert_int_equal(hex_byte_of(HEX_LOWER, STR_LIT("")), -1);
}

static void test_number(void **state)
{
	static const struct {
		struct str text;
		bool is_one;
		uint64_t value;
	} rows[] = {
		{ STR("0"), true, 0 },
		{ STR("1f"), true, 31 },
		{ STR("ffffffffffffffff"), true, UINT64_MAX },
		{ STR("0ffffffffffffffff"), false, 0 },
		{ STR(""), false, 0 },
		{ STR("1F"), false, 0 },
		{ STR("1g"), false, 0 },
		{ STR("-1"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;
		bool is_one = hex_to_u64(rows[i].text, &value);

		if (is_one != rows[i].is_one || (is_one && value != rows[i].value))
			fail_msg("\"%.*s\"", STR_ARG(rows[i].text));
	}
}

static void test_bytes(void **state)
{
	static const unsigned char bytes[] = { 0x00, 0x7f, 0xa5, 0xff };
	unsigned char back[sizeof(bytes)];
	char text[2 * sizeof(bytes) + 1];

	(void)state;
	hex_write(bytes, sizeof(bytes), text);
	assert_string_equal(text, "007fa5ff");
	assert_true(hex_read(str_from(text), back, sizeof(back)));
	assert_memory_equal(back, bytes, sizeof(bytes));
	assert_false(hex_read(STR_LIT("007fa5f"), back, sizeof(back)));
	assert_false(hex_read(STR_LIT("007fa5ff0"), back, sizeof(back)));
	assert_false(hex_read(STR_LIT("007FA5FF"), back, sizeof(back)));
	assert_true(hex_read(STR_LIT(""), back, 0));
}

/* Published values of FNV-1a, 64 bits: some are kept in files. */
static void test_hash(void **state)
{
	(void)state;
	assert_true(hash_bytes(HASH_FIRST, STR_LIT("")) == UINT64_C(0xcbf29ce484222325));
	assert_true(hash_bytes(HASH_FIRST, STR_LIT("a")) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(hash_bytes(HASH_FIRST, STR_LIT("foobar")) ==
		    UINT64_C(0x85944171f73967e8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digits),
		cmocka_unit_test(test_byte),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
