/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Forms as they come: decoded in place, and what is none is refused. */
#include "dashboard/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *sent;
	bool is_form;
	const char *a, *b; /* values of those names */
} rows[] = {
	{ "", true, "", "" },
	{ "a=1&b=2", true, "1", "2" },
	{ "b=2&a=1&a=3", true, "1", "2" },
	{ "a", true, "", "" },
	{ "a=&b", true, "", "" },
	{ "&&a=1&&", true, "1", "" },
	{ "a=x+y%20z&b=%3Cb%3e", true, "x y z", "<b>" },
	{ "%61=1", true, "1", "" },
	{ "a=1=2", true, "1=2", "" },
	{ "a=%C3%A4", true, "\xc3\xa4", "" },
	{ "a=%26%3D&b=2", true, "&=", "2" },
	{ "a=%2525", true, "%25", "" },
	{ "a=%", false, NULL, NULL },
	{ "a=%4", false, NULL, NULL },
	{ "a=%4&b=1", false, NULL, NULL },
	{ "a=%4g", false, NULL, NULL },
	{ "%zz=1", false, NULL, NULL },
	{ "1&2&3&4&5&6&7&8", true, "", "" },
	{ "1&2&3&4&5&6&7&8&9", false, NULL, NULL },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char bytes[64];
		size_t len = strlen(rows[i].sent);
		struct form f;

		memcpy(bytes, rows[i].sent, len);
		if (form_read(bytes, len, &f) != rows[i].is_form)
			fail_msg("\"%s\"", rows[i].sent);
		if (rows[i].is_form &&
			(!str_eq(form_value(&f, "a"), str_from(rows[i].a)) ||
				!str_eq(form_value(&f, "b"), str_from(rows[i].b))))
			fail_msg("\"%s\": a=\"%.*s\" b=\"%.*s\"", rows[i].sent,
				STR_ARG(form_value(&f, "a")),
				STR_ARG(form_value(&f, "b")));
	}
}

static void test_nul(void **state)
{
	char bytes[] = "a=x%00y";
	struct form f;

	(void)state;
	assert_true(form_read(bytes, strlen(bytes), &f));
	assert_true(str_eq(form_value(&f, "a"), STR_LIT("x\0y")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
