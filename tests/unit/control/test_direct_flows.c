/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the registry is told of connections past us, when it could not be told at once.
   The kernel is asked in a network of the test's own, where there are none. */
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

static void leave(struct test *t, const char *service)
{
	uint64_t at = clock_wall_ms();
	const struct unseen left = { .client = STR_LIT(UNSEEN_DIRECT),
		.service = str_from(service),
		.why = STR_LIT(UNSEEN_DIRECT_OPEN),
		.first_at = at,
		.last_at = at,
		.count = 3,
		.open = 3 };

	NO_ERROR(registry_write_unseen(t->r, UNSEEN_DIRECT_WORKER, &left, 1, &t->err));
}

/* One before us has left a row, and what it told of has ended since. It is told to be
   over at the first look that the registry takes, whether others failed or not. */
static void test_left_rows(void **state)
{
	static const struct row {
		const char *name, *service;
		unsigned failures; /* looks, before one that is written */
	} rows[] = {
		{ "at once", "imap", 0 },
		{ "after failures", "imap", 2 },
		{ "of a service that is not diverted any more", "pop3", 0 },
		{ "likewise, after failures", "pop3", 2 },
	};
	const struct ruleset rules = { .n_services = 1, .services[0].name = "imap" };
	struct test *t = *state;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip();
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct direct_flows d = { .registry = t->r };
		uint64_t at = clock_monotonic_ms();

		leave(t, rows[i].service);
		run_sql(t, "CREATE TRIGGER full BEFORE INSERT ON unseen"
			   " BEGIN SELECT raise(ABORT, 'no room'); END");
		for (unsigned k = 0; k < rows[i].failures; k++, at += MINUTE_MS)
			direct_flows_tick(&d, &rules, at);
		if (open_rows(t) != 3)
			fail_msg("%s: not what was left", rows[i].name);
		run_sql(t, "DROP TRIGGER full");
		direct_flows_tick(&d, &rules, at);
		if (open_rows(t))
			fail_msg("%s: it is open", rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_left_rows, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
