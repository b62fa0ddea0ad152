/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message of any length comes out as it went in, however it was cut. */
#include "transfer/read/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#define FOLDER "/tmp"

struct check {
	uint64_t at;
	unsigned seed;
};

static char byte_at(uint64_t at, unsigned seed)
{
	return (char)(at * 31 + at / 4096 + seed);
}

static void put(struct spool *s, uint64_t len, size_t piece, unsigned seed)
{
	char bytes[70000];
	struct error err;

	assert_true(piece <= sizeof(bytes));
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < piece ? (size_t)(len - at) : piece;

		for (size_t i = 0; i < n; i++)
			bytes[i] = byte_at(at + i, seed);
		assert_int_equal(spool_put(s, str_of(bytes, n), &err), 0);
		at += n;
	}
}

static int compare(void *context, struct str bytes)
{
	struct check *c = context;

	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.ptr[i] != byte_at(c->at++, c->seed))
			return -EILSEQ;
	return 0;
}

static void test_lengths(void **state)
{
	static const struct {
		uint64_t len;
		size_t piece;
	} rows[] = { { 0, 1 }, { 1, 1 }, { 5000, 7 }, { SPOOL_MEMORY, 65536 },
		{ SPOOL_MEMORY + 1, 65536 }, { 3 * SPOOL_MEMORY + 5, 69999 }, { 3, 3 },
		{ 2 * SPOOL_MEMORY, 50000 }, { SPOOL_MEMORY - 1, 65535 } };
	struct spool s;
	struct error err;

	(void)state;
	spool_init(&s, FOLDER);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check check = { .seed = i };

		assert_int_equal(spool_clear(&s, &err), 0);
		put(&s, rows[i].len, rows[i].piece, i);
		assert_int_equal(s.len, rows[i].len);
		assert_int_equal(spool_each(&s, compare, &check, &err), 0);
		assert_int_equal(check.at, rows[i].len);
		assert_int_equal(spool_head(&s).len,
			rows[i].len < SPOOL_MEMORY ? rows[i].len : SPOOL_MEMORY);
	}
	spool_fini(&s);
}

static int stop(void *context, struct str bytes)
{
	(void)context;
	(void)bytes;
	return -ECANCELED;
}

static void test_ends(void **state)
{
	struct spool s;
	struct error err = { 0 };

	(void)state;
	spool_init(&s, "/nonexistent");
	put(&s, 10, 10, 0);
	assert_int_equal(spool_each(&s, stop, NULL, &err), -ECANCELED);
	put(&s, SPOOL_MEMORY - 10, 65536, 0);
	assert_int_equal(spool_put(&s, STR_LIT("x"), &err), -ENOENT);
	assert_true(err.text[0] != '\0');
	spool_fini(&s);
	spool_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
