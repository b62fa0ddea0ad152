/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/numbers.h"

#include "lib/wire/wire_test.h"

#include <stdio.h>
#include <stdlib.h>

/* "=2:5" message 2 has UID 5, "-2" message 2 is expunged, "~3:9" UIDs 3 to 9 vanish, "."
   all is forgotten. `refused`: the last step was no good. */
static const struct row {
	const char *steps[12], *known;
	bool are_all, refused;
} rows[] = {
	{ { NULL }, "", true, false },
	{ { "=1:3", "=2:5" }, "3 5", true, false },
	{ { "=2:5" }, "0 5", false, false },
	{ { "=2:5", "=1:3" }, "3 5", true, false },
	{ { "=1:5", "=2:3" }, "5 3", false, false },
	{ { "=1:5", "=2:5" }, "5 5", false, false },
	{ { "=1:5", "=1:5" }, "5", true, false },
	{ { "=1:5", "=1:6" }, "5", true, true },
	{ { "=0:5" }, "", true, true },
	{ { "=1:0" }, "", true, true },
	{ { "=1000001:5" }, "", true, true },
	{ { "=1:3", "=2:5", "=3:9", "-1" }, "5 9", true, false },
	{ { "=1:3", "=2:5", "=3:9", "-2" }, "3 9", true, false },
	{ { "=1:3", "=2:5", "=3:9", "-3" }, "3 5", true, false },
	{ { "=1:3", "-2", "-0", "-4294967295" }, "3", true, false },
	{ { "=1:3", "-1", "-1" }, "", true, false },
	{ { "=1:3", "=2:5", "=3:9", "~5:5" }, "3 9", true, false },
	{ { "=1:3", "=2:5", "=3:9", "~4:4294967295" }, "3", true, false },
	{ { "=1:3", "=2:5", "=3:9", "~1:2" }, "3 5 9", true, false },
	{ { "=1:3", "=2:5", "=3:9", "~6:8" }, "3 5 9", true, false },
	{ { "=1:3", "=2:5", "=3:9", "~1:9" }, "", true, false },
	{ { "=1:3", "=2:4294967295", "~4294967295:4294967295" }, "3", true, false },
	{ { "=1:3", ".", "=1:7" }, "7", true, false },
};

static bool step(struct imap_numbers *t, const char *what)
{
	char *colon;
	uint32_t a = (uint32_t)strtoul(what + 1, &colon, 10);
	uint32_t b = *colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;

	if (*what == '=')
		return imap_numbers_set(t, a, b);
	if (*what == '-')
		imap_numbers_expunge(t, a);
	else if (*what == '~')
		imap_numbers_vanish(t, a, b);
	else
		imap_numbers_clear(t);
	return true;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_numbers t = { 0 };
		char known[200] = "";
		size_t used = 0;
		bool ok = true;

		for (size_t k = 0; rows[i].steps[k]; k++)
			ok = step(&t, rows[i].steps[k]);
		for (uint32_t k = 0; k < t.n; k++)
			used += (size_t)snprintf(known + used, sizeof(known) - used,
				"%s%u", k ? " " : "", t.uids[k]);
		if (strcmp(known, rows[i].known) != 0 || ok == rows[i].refused ||
			imap_numbers_are_all(&t) != rows[i].are_all)
			fail_msg("row %zu: \"%s\"", i, known);
		imap_numbers_clear(&t);
	}
}

/* Who expunges a large mailbox one by one from its beginning costs no more than listing
   it again. */
static void test_work_is_bounded(void **state)
{
	struct imap_numbers t = { 0 };
	unsigned gone = 0;

	(void)state;
	for (uint32_t n = 1; n <= 200000; n++)
		assert_true(imap_numbers_set(&t, n, n));
	for (; t.n; gone++)
		imap_numbers_expunge(&t, 1);
	assert_true(gone > 500 && gone < 600);
	assert_null(t.uids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
