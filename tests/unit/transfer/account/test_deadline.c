/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When devices that never leave get BYE. Times in hours of one day, in UTC. */
#include "transfer/account/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define DAY_MS ((uint64_t)86400000)
#define DAY_0 ((uint64_t)20000 * DAY_MS)
#define AT(hours, minutes) (DAY_0 + (uint64_t)(hours)*3600000 + (uint64_t)(minutes)*60000)

static const struct row {
	const char *name;
	uint32_t deadline_s;
	char window[16];
	uint64_t since, now, next;
} rows[] = {
	{ "none", 0, "", AT(1, 0), AT(9, 0), 0 },
	{ "to come", 7200, "", AT(1, 0), AT(2, 0), AT(3, 0) },
	{ "over", 7200, "", AT(1, 0), AT(9, 0), AT(9, 0) },
	{ "set back by less", 7200, "", AT(10, 0), AT(9, 0), AT(12, 0) },
	{ "set back by more", 7200, "", AT(20, 0), AT(9, 0), AT(9, 0) },
	{ "window is open", 60, "08:00-10:00", AT(1, 0), AT(9, 30), AT(9, 30) },
	{ "its first minute", 60, "08:00-10:00", AT(1, 0), AT(8, 0), AT(8, 0) },
	{ "its end is outside", 60, "08:00-10:00", AT(1, 0), AT(10, 0), AT(32, 0) },
	{ "window comes", 60, "22:00-23:30", AT(1, 0), AT(9, 30), AT(22, 0) },
	{ "window was", 60, "08:00-10:00", AT(1, 0), AT(12, 0), AT(32, 0) },
	{ "over midnight, before", 60, "22:00-05:00", AT(1, 0), AT(12, 0), AT(22, 0) },
	{ "over midnight, late", 60, "22:00-05:00", AT(1, 0), AT(23, 0), AT(23, 0) },
	{ "over midnight, early", 60, "22:00-05:00", AT(1, 0), AT(4, 59), AT(4, 59) },
	{ "deadline ends outside", 7200, "22:00-23:00", AT(22, 0), AT(22, 1), AT(46, 0) },
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char window[16];
		struct settings s = { .deadline_s = rows[i].deadline_s,
			.window = window };
		uint64_t next;

		for (size_t c = 0; c < sizeof(window); c++)
			window[c] = rows[i].window[c];
		next = deadline_next(&s, rows[i].since, rows[i].now);
		if (next != rows[i].next)
			fail_msg("%s: %lld minutes off", rows[i].name,
				((long long)next - (long long)rows[i].next) / 60000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

	if (setenv("TZ", "UTC", 1) < 0)
		return 1;
	tzset();
	return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
