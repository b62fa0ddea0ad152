/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void test_wall(void **state)
{
	uint64_t before = (uint64_t)time(NULL) * 1000, now = clock_wall_ms();

	(void)state;
	/* time(2) may be read from a clock that is a tick behind */
	assert_true(now + 1000 >= before && now < before + 60000);
}

static void test_monotonic(void **state)
{
	uint64_t first = clock_monotonic_ms(), last = first;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_monotonic_ms();

		assert_true(now >= last);
		last = now;
	}
	usleep(30000);
	last = clock_monotonic_ms();
	assert_true(last - first >= 29 && last - first < 60000);
}

static void test_over(void **state)
{
	(void)state;
	assert_true(clock_is_over(0, 0, 10) && clock_is_over(999, 1000, 10));
	assert_false(clock_is_over(1001, 1000, 10) || clock_is_over(1020, 1000, 10));
	assert_true(clock_is_over(1021, 1000, 10) && clock_is_over(UINT64_MAX, 0, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_wall),
		cmocka_unit_test(test_over), cmocka_unit_test(test_monotonic) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
