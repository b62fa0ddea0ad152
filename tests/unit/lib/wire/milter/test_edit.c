/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Headers as filters change them. */
#include "wire/milter/edit.h"

#include "lib/wire/wire_test.h"

#include <errno.h>

#define ADD(n, v)                                                                        \
	{                                                                                \
		MILTER_ADD_HEADER, 0, STR(n), STR(v), false                              \
	}
#define INSERT(i, n, v)                                                                  \
	{                                                                                \
		MILTER_INSERT_HEADER, i, STR(n), STR(v), false                           \
	}
#define CHANGE(i, n, v)                                                                  \
	{                                                                                \
		MILTER_CHANGE_HEADER, i, STR(n), STR(v), false                           \
	}

static const struct row {
	const char *name;
	struct str message;
	struct milter_change changes[4];
	size_t n;
	struct str header, body;
} rows[] = {
	{ "nothing", STR("A: 1\r\n\r\nb\r\n"), { { 0 } }, 0, STR("A: 1\r\n\r\n"),
		STR("b\r\n") },
	{ "at the end", STR("A: 1\r\n\r\nb"), { ADD("X", "2") }, 1,
		STR("A: 1\r\nX: 2\r\n\r\n"), STR("b") },
	{ "at the top", STR("A: 1\r\nB: 1\r\n\r\nb"), { INSERT(0, "X", "2") }, 1,
		STR("X: 2\r\nA: 1\r\nB: 1\r\n\r\n"), STR("b") },
	{ "behind our Received", STR("A: 1\r\nB: 1\r\n\r\nb"), { INSERT(1, "X", "2") }, 1,
		STR("X: 2\r\nA: 1\r\nB: 1\r\n\r\n"), STR("b") },
	{ "between", STR("A: 1\r\nB: 1\r\n\r\nb"), { INSERT(2, "X", "2") }, 1,
		STR("A: 1\r\nX: 2\r\nB: 1\r\n\r\n"), STR("b") },
	{ "far behind", STR("A: 1\r\n\r\nb"), { INSERT(99, "X", "2") }, 1,
		STR("A: 1\r\nX: 2\r\n\r\n"), STR("b") },
	{ "changed, folded", STR("Subject: a\r\n b\r\nSUBJECT: c\r\n\r\n"),
		{ CHANGE(2, "subject", "d\n e") }, 1,
		STR("Subject: a\r\n b\r\nsubject: d\r\n e\r\n\r\n"), STR("") },
	{ "deleted, and still counted", STR("R: 1\r\nR: 2\r\nR: 3\r\n\r\n"),
		{ CHANGE(1, "R", ""), CHANGE(2, "R", "") }, 2, STR("R: 3\r\n\r\n"),
		STR("") },
	{ "one that there is not", STR("A: 1\r\n\r\n"),
		{ CHANGE(1, "X", ""), CHANGE(3, "Y", "2") }, 2,
		STR("A: 1\r\nY: 2\r\n\r\n"), STR("") },
	{ "in place of a deleted one", STR("A: 1\r\nB: 2\r\n\r\n"),
		{ CHANGE(1, "A", ""), INSERT(1, "X", "1") }, 2,
		STR("X: 1\r\nB: 2\r\n\r\n"), STR("") },
	{ "no value ends the header", STR("A: 1\r\n\r\n"),
		{ ADD("X", "1\r\n\r\nY: 2\n"), ADD("Z", "\rq") }, 2,
		STR("A: 1\r\nX: 1\r\n\tY: 2\r\nZ: q\r\n\r\n"), STR("") },
	{ "no header", STR("hello\r\nA: b\r\n"), { ADD("X", "1") }, 1,
		STR("X: 1\r\n\r\n"), STR("hello\r\nA: b\r\n") },
	{ "a line that is no field", STR("A: 1\r\nhello\r\n\r\nb"), { ADD("X", "1") }, 1,
		STR("A: 1\r\nX: 1\r\n\r\n"), STR("hello\r\n\r\nb") },
	{ "bare line ends", STR("A: 1\nB: 2\n\nb"), { ADD("X", "1") }, 1,
		STR("A: 1\nB: 2\nX: 1\r\n\r\n"), STR("b") },
	{ "no line end", STR("A: 1"), { ADD("X", "1") }, 1, STR("A: 1\r\nX: 1\r\n\r\n"),
		STR("") },
	{ "empty", STR(""), { ADD("X", "1") }, 1, STR("X: 1\r\n\r\n"), STR("") },
};

static int put(void *context, struct str piece)
{
	return buf_append(context, piece);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str message = exact_copy(rows[i].message);
		struct milter_edit e;
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(milter_edit_init(&e, message), 0);
		for (size_t n = 0; n < rows[i].n; n++)
			assert_int_equal(milter_edit_apply(&e, &rows[i].changes[n]), 0);
		assert_int_equal(milter_edit_each(&e, put, &out), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].header);
		SAME(rows[i].name, e.body, rows[i].body);
		milter_edit_fini(&e);
		buf_fini(&out);
		exact_free(message);
	}
}

static void test_refused(void **state)
{
	static const struct milter_change bad[] = { ADD("", "1"), ADD("X Y", "1"),
		ADD("X:", "1"), ADD("X\n", "1"), CHANGE(9, "\xc3\xa4", "1"),
		{ MILTER_REPLACE_BODY, 0, STR("X"), STR("1"), false } };
	char large[70000];
	struct milter_change c = { MILTER_ADD_HEADER, 0, STR("X"),
		{ large, sizeof(large) }, false };
	struct milter_edit e;
	int r = 0, n = 0;

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(milter_edit_init(&e, STR_LIT("A: 1\r\n\r\n")), 0);
	for (size_t i = 0; i < N_ROWS(bad); i++)
		assert_int_equal(milter_edit_apply(&e, &bad[i]), -EINVAL);
	for (; n < 100 && r == 0; n++)
		r = milter_edit_apply(&e, &c);
	assert_int_equal(r, -ENOBUFS);
	assert_true(n > 10);
	milter_edit_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
