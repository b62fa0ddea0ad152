/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_sentences(void **state)
{
	struct error e = { 0 };

	(void)state;
	assert_int_equal(error_set(&e, -EINVAL, "%s is %d", "it", 7), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.text, "it is 7");
	assert_int_equal(error_context(&e, "file %s", "f"), -EINVAL);
	assert_string_equal(e.text, "file f: it is 7");
	assert_int_equal(error_errno(&e, -ENOENT, "cannot open %s", "f"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.text, "cannot open f: No such file or directory");
	/* the old sentence as a part of the new one */
	error_set(&e, -EIO, "line 7");
	error_set(&e, -EIO, "nothing was changed: %s", e.text);
	assert_string_equal(e.text, "nothing was changed: line 7");
	error_errno(&e, -EIO, "again: %s", e.text);
	assert_string_equal(
		e.text, "again: nothing was changed: line 7: Input/output error");
}

static void test_without_one(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(error_errno(NULL, -EIO, "x"), -EIO);
	assert_int_equal(error_context(NULL, "x"), 0);
}

static void expect_cut(const struct error *e)
{
	assert_int_equal(strlen(e->text), ERROR_TEXT_MAX - 1);
	assert_string_equal(e->text + ERROR_TEXT_MAX - 5, "x...");
}

/* Too long a sentence is cut and says so, not written past its end. */
static void test_long(void **state)
{
	char longer[2 * ERROR_TEXT_MAX];
	struct error e = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(error_set(&e, -EIO, "%s", longer), -EIO);
	expect_cut(&e);
	assert_int_equal(error_context(&e, "y%s", longer), -EIO);
	expect_cut(&e);
	assert_int_equal(error_errno(&e, -EIO, "%s", longer), -EIO);
	expect_cut(&e);
	assert_int_equal(e.text[0], 'x');
	/* one that fits just so is whole, and so is a character before the cut */
	longer[ERROR_TEXT_MAX - 1] = '\0';
	error_set(&e, -EIO, "%s", longer);
	assert_string_equal(e.text, longer);
	error_set(&e, -EIO, "%.*s\u00e9xxxx", ERROR_TEXT_MAX - 5, longer);
	assert_string_equal(e.text + ERROR_TEXT_MAX - 7, "xx...");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_without_one), cmocka_unit_test(test_long) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
