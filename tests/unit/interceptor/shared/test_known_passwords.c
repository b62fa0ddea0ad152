/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which row holds a password, as far as the workers know. */
#include "interceptor/shared/known_passwords.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int make(void **state)
{
	*state = calloc(1, sizeof(struct known_passwords));
	return *state ? 0 : -1;
}

static int drop(void **state)
{
	free(*state);
	return 0;
}

static void add(struct known_passwords *k, int64_t account, int64_t row, const char *text)
{
	known_passwords_add(
		k, account, row, known_passwords_print(k, account, str_from(text)));
}

static int64_t row_of(const struct known_passwords *k, int64_t account, const char *text)
{
	return known_passwords_row(
		k, account, known_passwords_print(k, account, str_from(text)));
}

static void test_rows(void **state)
{
	struct known_passwords *k = *state;

	k->key[0] = 1;
	assert_int_equal(row_of(k, 1, "secret"), 0);
	add(k, 1, 10, "secret");
	add(k, 1, 11, "");
	add(k, 2, 12, "secret");
	assert_int_equal(row_of(k, 1, "secret"), 10);
	assert_int_equal(row_of(k, 1, ""), 11);
	assert_int_equal(row_of(k, 2, "secret"), 12);
	assert_int_equal(row_of(k, 1, "secreT"), 0);
	assert_int_equal(row_of(k, 1 + KNOWN_SETS, "secret"), 0);
	/* another password in that row, as the vault says */
	add(k, 1, 10, "changed");
	assert_int_equal(row_of(k, 1, "changed"), 10);
	assert_int_equal(row_of(k, 1, "secret"), 0);
	/* under another key nothing is known */
	k->key[0] = 2;
	assert_int_equal(row_of(k, 1, "changed"), 0);
}

/* Four fit; what comes later takes one place, and the newest is always known. */
static void test_full(void **state)
{
	static const char *const texts[] = { "a", "b", "c", "d", "e", "f", "g", "h",
		"i" };
	struct known_passwords *k = *state;

	for (int i = 0; i < 9; i++) {
		int known = 0;

		add(k, 7, 100 + i, texts[i]);
		assert_int_equal(row_of(k, 7, texts[i]), 100 + i);
		for (int j = 0; j <= i; j++)
			known += row_of(k, 7, texts[j]) == 100 + j;
		assert_int_equal(known, i < KNOWN_WAYS ? i + 1 : KNOWN_WAYS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, make, drop),
		cmocka_unit_test_setup_teardown(test_full, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
