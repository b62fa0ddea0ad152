/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Trigrams of a text: all of them, each once, in order; and no text takes longer than
   others. */
#include "wire/mime/grams.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define TEXT ((size_t)1 << 20)
#define CHARACTERS 65536 /* of four bytes: U+20000 to U+2FFFF */
#define CHOSEN 3000      /* of them, whose trigrams meet */
#define PLACES 16384     /* of a table that has so many */

static void test_list(void **state)
{
	static const struct {
		const char *text, *list;
	} rows[] = {
		{ "", "" },
		{ "ab", "" },
		{ "abc", "abc" },
		{ "hello", "ellhelllo" },
		{ "aaaaaa", "aaa" },
		{ "zyx\xff\x80\x81zyx", "x\xff\x80yx\xffzyx\x80\x81z\x81zy\xff\x80\x81" },
	};

	struct mime_grams again;

	(void)state;
	assert_int_equal(mime_grams_init(&again), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_grams g;
		struct buf list;

		buf_init(&list, 0);
		assert_int_equal(mime_grams_init(&g), 0);
		assert_int_equal(mime_grams_add(&g, str_from(rows[i].text)), 0);
		assert_int_equal(mime_grams_put(&g, &list), 0);
		assert_true(str_eq(buf_view(&list), str_from(rows[i].list)));
		mime_grams_fini(&g);
		/* nothing of a text is left for the next */
		buf_clear(&list);
		mime_grams_clear(&again);
		assert_int_equal(mime_grams_add(&again, str_from(rows[i].text)), 0);
		assert_int_equal(mime_grams_put(&again, &list), 0);
		assert_true(str_eq(buf_view(&list), str_from(rows[i].list)));
		buf_fini(&list);
	}
	mime_grams_fini(&again);
}

/* What a pause parts is no trigram. */
static void test_pause(void **state)
{
	struct mime_grams g;

	(void)state;
	assert_int_equal(mime_grams_init(&g), 0);
	assert_int_equal(g.listener.hear(&g.listener, STR_LIT("ab")), 0);
	g.listener.pause(&g.listener);
	assert_int_equal(g.listener.hear(&g.listener, STR_LIT("cd")), 0);
	assert_int_equal(g.count, 0);
	assert_int_equal(g.listener.hear(&g.listener, STR_LIT("e")), 0);
	assert_int_equal(g.count, 1);
	mime_grams_fini(&g);
}

/* More than the index takes. */
static void test_too_many(void **state)
{
	unsigned seed = 1;
	struct mime_grams g;
	char bytes[4096];
	int r = 0;

	(void)state;
	assert_int_equal(mime_grams_init(&g), 0);
	for (int i = 0; i < 100 && r == 0; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (char)rand_r(&seed);
		r = mime_grams_add(&g, str_of(bytes, sizeof(bytes)));
	}
	assert_int_equal(r, -EFBIG);
	mime_grams_fini(&g);
}

struct character {
	uint32_t place;
	char bytes[4];
};

static int by_place(const void *a, const void *b)
{
	const struct character *x = a, *y = b;

	return (x->place > y->place) - (x->place < y->place);
}

/* The characters in the order of the places that their last three bytes have in a table
   by Knuth's multiplication. */
static void sort_characters(struct character *all)
{
	for (uint32_t i = 0; i < CHARACTERS; i++) {
		uint32_t c = 0x20000 + i;
		uint32_t gram = (0x80 | (c >> 12 & 63)) << 16 |
		                (0x80 | (c >> 6 & 63)) << 8 | 0x80 | (c & 63);

		all[i] = (struct character){ .place = (gram * UINT32_C(2654435761) >> 8) %
			                              PLACES,
			.bytes = { '\xf0', (char)(gram >> 16), (char)(gram >> 8),
				(char)gram } };
	}
	qsort(all, CHARACTERS, sizeof(all[0]), by_place);
}

/* Of a text of every step-th character, the last of them again and again. */
static clock_t time_of(const struct character *all, size_t step)
{
	clock_t begin = clock();
	struct mime_grams g;

	assert_int_equal(mime_grams_init(&g), 0);
	for (size_t i = 0; i < TEXT / 4; i++) {
		size_t n = i < CHOSEN ? i : CHOSEN - 1 - i % (CHOSEN / 4);

		assert_int_equal(mime_grams_add(&g, str_of(all[n * step].bytes, 4)), 0);
	}
	mime_grams_fini(&g);
	return clock() - begin;
}

static void test_chosen_text_takes_no_longer(void **state)
{
	struct character *all = calloc(CHARACTERS, sizeof(*all));
	clock_t spread, chosen;

	(void)state;
	assert_non_null(all);
	sort_characters(all);
	spread = time_of(all, CHARACTERS / CHOSEN);
	chosen = time_of(all, 1);
	free(all);
	if (chosen > 10 * spread + CLOCKS_PER_SEC / 20)
		fail_msg("%ld us, others %ld", (long)chosen, (long)spread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_chosen_text_takes_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
