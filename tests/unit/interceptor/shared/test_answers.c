/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the source has said yes to lately. */
#include "interceptor/shared/source_answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1000000
#define TTL 3600

static int make(void **state)
{
	*state = calloc(1, sizeof(struct source_answers));
	return *state ? 0 : -1;
}

static int drop(void **state)
{
	free(*state);
	return 0;
}

static bool has(struct source_answers *a, const char *question, uint64_t now)
{
	return source_answers_has(a, str_from(question), now, TTL);
}

static void test_time(void **state)
{
	struct source_answers *a = *state;

	assert_false(has(a, "x", NOW));
	source_answers_add(a, STR_LIT("x"), NOW);
	assert_true(has(a, "x", NOW));
	assert_false(has(a, "X", NOW));
	assert_false(has(a, "", NOW));
	assert_false(source_answers_has(a, STR_LIT("x"), NOW, 0));
	/* using it does not make it younger; asking again does */
	assert_true(has(a, "x", NOW + TTL - 1));
	assert_false(has(a, "x", NOW + TTL));
	source_answers_add(a, STR_LIT("x"), NOW + TTL);
	assert_true(has(a, "x", NOW + TTL + 1));
	/* one of another worker's second, which is later */
	assert_false(has(a, "x", NOW + TTL - 1));
	source_answers_drop(a, STR_LIT("y"));
	assert_true(has(a, "x", NOW + TTL));
	source_answers_drop(a, STR_LIT("x"));
	assert_false(has(a, "x", NOW + TTL));
}

/* Under another key nothing is known. */
static void test_key(void **state)
{
	struct source_answers *a = *state;

	source_answers_add(a, STR_LIT("x"), NOW);
	a->key[0] ^= 1;
	assert_false(has(a, "x", NOW));
	a->key[0] ^= 1;
	assert_true(has(a, "x", NOW));
}

static size_t count_known(struct source_answers *a, size_t from, size_t to, uint64_t now)
{
	char question[32];
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		(void)snprintf(question, sizeof(question), "question %zu", i);
		n += has(a, question, now);
	}
	return n;
}

static void add(struct source_answers *a, size_t from, size_t to, uint64_t now)
{
	char question[32];

	for (size_t i = from; i < to; i++) {
		(void)snprintf(question, sizeof(question), "question %zu", i);
		source_answers_add(a, str_from(question), now);
	}
}

/* More than fit: the oldest go, the newest is always known, and nothing else ever is. */
static void test_full(void **state)
{
	struct source_answers *a = *state;
	const size_t places = ANSWERS_SETS * ANSWERS_WAYS;

	add(a, 0, places, NOW);
	assert_true(count_known(a, 0, places, NOW) > places * 3 / 4);
	assert_int_equal(count_known(a, places, 3 * places, NOW), 0);
	add(a, places, 3 * places, NOW + 1);
	assert_true(count_known(a, 0, places, NOW + 1) < places / 8);
	assert_true(count_known(a, places, 3 * places, NOW + 1) > places * 3 / 4);
	for (size_t i = 0; i < 1000; i++) {
		add(a, i, i + 1, NOW + 2);
		assert_int_equal(count_known(a, i, i + 1, NOW + 2), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_time, make, drop),
		cmocka_unit_test_setup_teardown(test_key, make, drop),
		cmocka_unit_test_setup_teardown(test_full, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
