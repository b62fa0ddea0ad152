/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Since when, as a person writes it. */
#include "control/terminal/since.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define NOW UINT64_C(1764115200000) /* 2025-11-26 00:00 UTC */
#define HOUR UINT64_C(3600000)

static const struct row {
	const char *text;
	uint64_t wanted; /* 0: refused */
} rows[] = {
	{ "90s", NOW - 90000 },
	{ "15m", NOW - 900000 },
	{ "1h", NOW - HOUR },
	{ "3d", NOW - 72 * HOUR },
	{ "2w", NOW - 336 * HOUR },
	{ "2025-11-25", NOW - 24 * HOUR },
	{ "2025-11-25 14:30", NOW - 10 * HOUR + HOUR / 2 },
	{ "2025-11-25T14:30", NOW - 10 * HOUR + HOUR / 2 },
	{ "2025-11-25 23:59:59", NOW - 1000 },
	{ "2025-11-25T00:00:01", NOW - 24 * HOUR + 1000 },
	{ "2025-11-27", 0 }, /* to come */
	{ "", 0 },
	{ "h", 0 },
	{ "1", 0 },
	{ "1y", 0 },
	{ "-1h", 0 },
	{ "1h ", 0 },
	{ "yesterday", 0 },
	{ "2025-13-01", 0 },
	{ "2025-11-25x", 0 },
	{ "99999999999999999999h", 0 },
	{ "18446744073709551615w", 0 },
};

static void test_rows(void **state)
{
	(void)state;
	(void)setenv("TZ", "UTC", 1);
	tzset();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err;
		uint64_t at = 0;
		int code = since_read(rows[i].text, NOW, &at, &err);

		if (code != (rows[i].wanted ? 0 : -EINVAL) || at != rows[i].wanted)
			fail_msg("\"%s\": %d, %llu", rows[i].text, code,
				(unsigned long long)at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
