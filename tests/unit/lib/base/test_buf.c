/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/buf.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_holds(const struct buf *b, const char *want)
{
	struct str view = buf_view(b);

	if (!str_eq(view, str_from(want)))
		fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(view), want);
}

static void test_queue(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_holds(&b, "");
	assert_int_equal(buf_append_c(&b, "ab"), 0);
	assert_int_equal(buf_byte(&b, 'c'), 0);
	assert_int_equal(buf_printf(&b, "%d-%s", 42, "x"), 0);
	assert_holds(&b, "abc42-x");
	buf_consume(&b, 3);
	assert_holds(&b, "42-x");
	buf_consume(&b, 4);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_append(&b, STR_LIT("")), 0);
	assert_int_equal(buf_append_c(&b, "again"), 0);
	assert_holds(&b, "again");
	buf_clear(&b);
	assert_holds(&b, "");
	buf_fini(&b);
	buf_fini(&b);
}

/* Bytes come out as they went in, however unevenly both ends move. */
static void test_uneven(void **state)
{
	struct buf b;
	unsigned in = 0, out = 0, seed = 1;

	(void)state;
	buf_init(&b, 0);
	for (int turn = 0; turn < 3000; turn++) {
		size_t add, take;

		seed = seed * 1103515245 + 12345;
		add = seed >> 16 & 0x3ff;
		take = seed >> 6 & 0x3ff;
		for (size_t i = 0; i < add; i++)
			assert_int_equal(buf_byte(&b, (char)(in++ % 251)), 0);
		if (take > buf_len(&b))
			take = buf_len(&b);
		for (size_t i = 0; i < take; i++)
			assert_int_equal((unsigned char)buf_view(&b).ptr[i], out++ % 251);
		buf_consume(&b, take);
	}
	assert_int_equal(in - out, buf_len(&b));
	assert_true(b.cap < 8 * (buf_len(&b) + 2048));
	buf_fini(&b);
}

static void test_limit(void **state)
{
	struct buf b;
	char *space;

	(void)state;
	buf_init(&b, 4);
	assert_int_equal(buf_append_c(&b, "abcd"), 0);
	assert_int_equal(buf_byte(&b, 'e'), -ENOBUFS);
	assert_int_equal(buf_reserve(&b, 1, &space), -ENOBUFS);
	assert_holds(&b, "abcd");
	buf_consume(&b, 1);
	assert_int_equal(buf_byte(&b, 'e'), 0);
	assert_holds(&b, "bcde");
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &space), -ENOMEM);
	buf_fini(&b);
}

static void test_wipe(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(buf_append_c(&b, "secret"), 0);
	buf_consume(&b, 6);
	assert_memory_equal(b.data, "secret", 6);
	buf_wipe(&b);
	for (size_t i = 0; i < b.cap; i++)
		assert_int_equal(b.data[i], 0);
	assert_holds(&b, "");
	buf_fini(&b);
}

static void test_descriptors(void **state)
{
	struct buf b;
	int ends[2];

	(void)state;
	buf_init(&b, 8);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(buf_read(&b, ends[0], 4), -EAGAIN);
	assert_int_equal(write(ends[1], "abcdefghij", 10), 10);
	assert_int_equal(buf_read(&b, ends[0], 4), 4);
	assert_int_equal(buf_read(&b, ends[0], 4), 4);
	assert_int_equal(buf_read(&b, ends[0], 4), -ENOBUFS);
	assert_holds(&b, "abcdefgh");
	assert_int_equal(buf_write(&b, ends[1]), 8);
	assert_int_equal(buf_len(&b), 0);
	fd_closep(&ends[1]);
	assert_int_equal(buf_read(&b, ends[0], 8), 8);
	assert_holds(&b, "ijabcdef");
	buf_clear(&b);
	assert_int_equal(buf_read(&b, ends[0], 8), 2);
	assert_int_equal(buf_read(&b, ends[0], 4), 0);
	fd_closep(&ends[0]);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_uneven),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
