/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was found right is remembered, and nothing else. */
#include "mailstore/store/compared.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* As bodies lie: their offsets, some of them far apart, one pack after the other. */
static uint64_t number_of(uint64_t n)
{
	return (n / 20000 + 1) << 32 ^ (n % 20000 * 37000 + 1);
}

static size_t count_known(const struct compared *c, uint64_t from, uint64_t to)
{
	size_t known = 0;

	for (uint64_t n = from; n < to; n++)
		known += compared_has(c, number_of(n));
	return known;
}

static void what_was_added_is_known(void **state)
{
	static const uint64_t counts[] = { 0, 1, 100, 500, 20000, 60000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct compared c = { 0 };

		for (uint64_t n = 0; n < counts[i]; n++)
			compared_add(&c, number_of(n));
		/* a few may have lost their places to others */
		assert_true(count_known(&c, 0, counts[i]) >= counts[i] * 98 / 100);
		assert_int_equal(count_known(&c, counts[i], counts[i] + 30000), 0);
		compared_free(&c);
		assert_int_equal(count_known(&c, 0, counts[i]), 0);
	}
}

static void it_takes_no_more_than_its_limit(void **state)
{
	struct compared c = { 0 };

	(void)state;
	for (uint64_t n = 0; n < 1000000; n++) {
		compared_add(&c, number_of(n));
		assert_true(compared_has(&c, number_of(n)));
		compared_add(&c, number_of(n));
	}
	assert_int_equal(c.size, COMPARED_MAX);
	assert_true(c.count <= c.size);
	assert_int_equal(count_known(&c, 1000000, 1100000), 0);
	compared_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_known),
		cmocka_unit_test(it_takes_no_more_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
