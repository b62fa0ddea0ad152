/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Characters folded one by one give what libunistring makes of the whole text. */
#include "wire/mime/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include <cmocka.h>

#define TEXT_MAX 64
#define ROUNDS 20000

static void assert_same(const uint8_t *text, size_t len)
{
	size_t want_len = 0;
	uint8_t *want = u8_casefold(text, len, NULL, UNINORM_NFKD, NULL, &want_len);
	struct buf is;

	assert_non_null(want);
	buf_init(&is, 0);
	assert_int_equal(mime_fold(str_of(text, len), &is), 0);
	if (!str_eq(buf_view(&is), str_of(want, want_len))) {
		for (size_t i = 0; i < len; i++)
			print_error("%02x ", text[i]);
		fail_msg("folds to \"%.*s\", not \"%.*s\"", STR_ARG(buf_view(&is)),
			(int)want_len, want);
	}
	buf_fini(&is);
	free(want);
}

static size_t put(uint8_t *text, size_t len, ucs4_t c)
{
	int n = u8_uctomb(text + len, c, (ptrdiff_t)(TEXT_MAX - len));

	return n > 0 ? len + (size_t)n : len;
}

static void test_each_character(void **state)
{
	(void)state;
	for (ucs4_t c = 1; c < 0x30000; c++) {
		uint8_t text[TEXT_MAX];
		size_t len = put(text, 0, 'A');

		if (c >= 0xd800 && c < 0xe000)
			continue;
		len = put(text, len, c);
		assert_same(text, put(text, len, 'B'));
	}
}

/* Letters, marks of several classes, what decomposes into marks alone (U+0344, U+0F73),
   Hangul, ligatures that become long, what folds to two. */
static void test_mixtures(void **state)
{
	static const ucs4_t some[] = { 'a', 'Z', '\n', 0xe9, 0xc9, 0xdf, 0x130, 0x3a3,
		0x300, 0x301, 0x323, 0x327, 0x344, 0xf71, 0xf72, 0xf73, 0x1161, 0x11a8,
		0xac00, 0xfb01, 0xfdfa, 0xfffd, 0x1f600, 0x1d160, 0x1e9e, 0x1fb7, 0x345 };
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t text[TEXT_MAX];
		size_t len = 0;
		unsigned n = (unsigned)rand_r(&seed) % 12;

		for (unsigned i = 0; i < n; i++)
			len = put(text, len,
				some[(unsigned)rand_r(&seed) %
					(sizeof(some) / sizeof(some[0]))]);
		if (len)
			assert_same(text, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_character),
		cmocka_unit_test(test_mixtures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
