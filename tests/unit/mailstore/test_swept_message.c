/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the transfer says of a message that came late. */
#include "mailstore/swept_message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_all_of_it(void **state)
{
	const struct message m = { .type = MESSAGE_SWEEP,
		.number = UINT64_C(77) << 32 | 5,
		.number2 = 3,
		.tag = STR("INBOX"),
		.text = STR("Work"),
		.client = STR("18446744073709551615 18446744073709551526") };
	struct swept s;

	(void)state;
	assert_int_equal(swept_of(&m, &s), 0);
	assert_true(str_eq(s.folder, m.tag) && str_eq(s.keywords, m.text));
	assert_int_equal(s.uidvalidity, 77);
	assert_int_equal(s.uid, 5);
	assert_int_equal(s.flags, 3);
	assert_int_equal(s.date, -1);
	assert_int_equal(s.zone, -90);
}

static void test_no_date(void **state)
{
	static const char *const dates[] = { "", "5", "5 ", " 5", "x 5", "5 x", "5 6 7",
		"5 32768", "5 18446744073709518847", "18446744073709551616 0" };

	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		const struct message m = { .type = MESSAGE_SWEEP,
			.client = str_from(dates[i]) };
		struct swept s;

		if (swept_of(&m, &s) != -EBADMSG)
			fail_msg("taken: \"%s\"", dates[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_no_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
