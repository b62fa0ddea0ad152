/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole table, written down a second time as what is allowed; all else is refused. */
#include "registry/transition.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *from, *event, *to;
} allowed[] = {
	{ "source/idle", "due", "source/due" },
	{ "source/failed", "due", "source/due" },
	{ "source/due", "copy", "source/copying" },
	{ "source/failed", "copy", "source/copying" },
	{ "source/copying", "copy", "source/copying" },
	{ "source/catching-up", "copy", "source/copying" },
	{ "source/copying", "catch-up", "source/catching-up" },
	{ "source/catching-up", "switch", "busy/switching" },
	{ "busy/switching", "switch-back", "source/catching-up" },
	{ "busy/switching", "arrive", "local/done" },
	{ "source/due", "fail", "source/failed" },
	{ "source/copying", "fail", "source/failed" },
	{ "source/catching-up", "fail", "source/failed" },
	{ "busy/switching", "fail", "source/failed" },
	{ "local/done", "leave", "busy/done" },
	{ "busy/done", "stay", "local/done" },
	{ "busy/done", "return", "source/idle" },
	{ "source/due", "cancel", "source/idle" },
	{ "source/copying", "cancel", "source/idle" },
	{ "source/catching-up", "cancel", "source/idle" },
	{ "source/failed", "cancel", "source/idle" },
	{ "busy/switching", "cancel", "source/idle" },
};

static const char *text(struct account_state s, char out[static 64])
{
	(void)snprintf(out, 64, "%s/%s", route_name(s.route), stage_name(s.stage));
	return out;
}

static const char *expected(const char *from, const char *event)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (!strcmp(allowed[i].from, from) && !strcmp(allowed[i].event, event))
			return allowed[i].to;
	return "refused";
}

static void check(struct account_state now, enum account_event event)
{
	struct account_state next;
	char from[64], to[64];
	const char *got = transition_next(now, event, &next) ? text(next, to) : "refused";
	const char *want = expected(text(now, from), account_event_name(event));

	if (strcmp(got, want) != 0)
		fail_msg("%s + %s: %s, expected %s", from, account_event_name(event), got,
			want);
}

static void test_table(void **state)
{
	(void)state;
	for (int r = 0; r < ROUTE_COUNT; r++)
		for (int s = 0; s < STAGE_COUNT; s++)
			for (int e = 0; e < EVENT_COUNT; e++)
				check((struct account_state){ (enum route)r,
					      (enum stage)s },
					(enum account_event)e);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
