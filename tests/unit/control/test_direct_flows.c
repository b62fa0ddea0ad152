/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the registry is told of connections past us, when it could not be told at once. The
   kernel is asked in a network of the test's own, where there are none. */
#include "lib/registry/registry_fixture.h"

#include "base/clock.h"
#include "control/running/direct_flows.h"
#include "registry/unseen.h"

#include <sched.h>
#include <sqlite3.h>

#define MINUTE_MS UINT64_C(60000)

static void run_sql(const struct test *t, const char *text)
{
	sqlite3 *base;

	assert_int_equal(sqlite3_open(t->path, &base), SQLITE_OK);
	assert_int_equal(sqlite3_exec(base, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(base), SQLITE_OK);
}

static int add_open(void *context, const struct unseen *u)
{
	uint64_t *n = context;

	*n += u->open;
	return 0;
}

static uint64_t open_rows(struct test *t)
{
	uint64_t n = 0;

	NO_ERROR(registry_each_unseen(t->r, 0, add_open, &n, &t->err));
	return n;
}

/* One before us has left a row, and what it told of has ended since. It is told to be over
   at the first look that the registry takes, whether others failed before it or not. */
static void test_write_that_failed(void **state)
{
	struct test *t = *state;
	const struct ruleset rules = { .n_services = 1, .services[0].name = "imap" };
	struct direct_flows d = { .registry = t->r, .stays_open = false };
	uint64_t at = clock_wall_ms(), now = clock_monotonic_ms();
	const struct unseen left = { .client = STR_LIT(UNSEEN_DIRECT),
		.service = STR_LIT("imap"),
		.why = STR_LIT(UNSEEN_DIRECT_OPEN),
		.first_at = at,
		.last_at = at,
		.count = 3,
		.open = 3 };

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip();
	NO_ERROR(registry_write_unseen(t->r, UNSEEN_DIRECT_WORKER, &left, 1, &t->err));
	run_sql(t, "CREATE TRIGGER full BEFORE INSERT ON unseen"
		   " BEGIN SELECT raise(ABORT, 'no room'); END");
	direct_flows_tick(&d, &rules, now);
	direct_flows_tick(&d, &rules, now + MINUTE_MS);
	assert_int_equal(open_rows(t), 3);
	run_sql(t, "DROP TRIGGER full");
	direct_flows_tick(&d, &rules, now + 2 * MINUTE_MS);
	assert_int_equal(open_rows(t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_write_that_failed, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
