/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/unique.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 100 /* more than are asked of the kernel at a time */

static void test_none_comes_twice(void **state)
{
	static char all[MANY][UNIQUE_LEN + 1];

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		assert_true(unique_make(all[i]));
		assert_int_equal(strlen(all[i]), UNIQUE_LEN);
		assert_int_equal(strspn(all[i], "0123456789abcdef"), UNIQUE_LEN);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(all[i], all[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_none_comes_twice) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
