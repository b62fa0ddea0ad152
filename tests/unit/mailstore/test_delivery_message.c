/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What other processes say of mail, and of bodies that are lost. */
#include "mailstore/delivery_message.h"

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
	struct delivery d;
	struct swept s;

	(void)state;
	assert_int_equal(delivery_of(&m, 7, &d), 0);
	assert_int_equal(d.what, DELIVERY_SWEEP);
	assert_int_equal(d.fd, 7);
	s = d.swept;
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
		struct delivery d;

		if (delivery_of(&m, -1, &d) != -EBADMSG || !*d.err.text)
			fail_msg("taken: \"%s\"", dates[i]);
	}
}

static void test_lost_bodies(void **state)
{
	static const struct {
		uint64_t number, number2;
		int64_t mailbox;
		uint32_t uid;
	} rows[] = {
		{ 1, 2, 1, 2 },
		{ 3, UINT32_MAX, 3, UINT32_MAX },
		{ 3, UINT64_C(1) << 32 | 5, 3, 0 },
		{ UINT64_MAX, 0, -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct message m = { .type = MESSAGE_MEND,
			.number = rows[i].number,
			.number2 = rows[i].number2,
			.payload = STR("X-Forged: yes\r\n") };
		struct delivery d;

		assert_int_equal(delivery_of(&m, 7, &d), 0);
		assert_int_equal(d.what, DELIVERY_MEND);
		assert_true(d.mailbox == rows[i].mailbox && d.uid == rows[i].uid);
		assert_int_equal(d.header.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_no_date),
		cmocka_unit_test(test_lost_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
