/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A list of names says when there are more than it holds. */
#include "control/check/certificate_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	size_t size;
	const char *names[4], *wanted;
} rows[] = {
	{ 64, { "a.example", "b.example" }, "a.example, b.example" },
	{ 26, { "a.example", "b.example" }, "a.example, b.example" },
	{ 25, { "a.example", "b.example" }, "a.example, …" },
	{ 25, { "a.example", "b.example", "c" }, "a.example, …" },
	{ 16, { "a.example", "b.example" }, "…" },
	{ 64, { "" }, "" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64] = "";

		for (size_t n = 0; n < 4 && rows[i].names[n]; n++)
			certificate_view_add(text, rows[i].size, rows[i].names[n],
				strlen(rows[i].names[n]));
		assert_string_equal(text, rows[i].wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
