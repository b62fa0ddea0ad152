/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_pieces(void **state)
{
	static const size_t sizes[] = { 1, 7, 16, 100, 4096, 5000, 0, 3, 70000 };
	struct arena a;
	char *pieces[sizeof(sizes) / sizeof(sizes[0])];

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pieces[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(pieces[i][j], 0);
		memset(pieces[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(pieces[i][j], (char)(i + 1));
	assert_true(a.used >= 79000);
	arena_fini(&a);
	assert_int_equal(a.used, 0);
	arena_fini(&a);
}

static void test_strings(void **state)
{
	struct arena a;
	struct str copy;

	(void)state;
	arena_init(&a);
	copy = arena_str(&a, STR_LIT("a\0b"));
	assert_true(str_eq(copy, STR_LIT("a\0b")));
	assert_int_equal(copy.ptr[3], 0);
	copy = arena_str(&a, (struct str){ 0 });
	assert_non_null(copy.ptr);
	assert_int_equal(copy.len, 0);
	arena_fini(&a);
}

static void test_too_much(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 8));
	assert_null(arena_str(&a, str_of("x", SIZE_MAX)).ptr);
	assert_non_null(arena_alloc(&a, 8));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
