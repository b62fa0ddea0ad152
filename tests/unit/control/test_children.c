/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How soon a program that ended is started again. */
#include "control/children.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_backoff(void **state)
{
	static const uint64_t delays[] = { 100, 100, 200, 400, 800, 1600, 3200, 6400,
		10000, 10000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		assert_int_equal(child_backoff_ms(i), delays[i]);
	assert_int_equal(child_backoff_ms(UINT32_MAX), 10000);
}

static void test_missing(void **state)
{
	struct error err = { 0 };
	struct child c;

	(void)state;
	assert_int_equal(child_init(&c, "no-such-program", &err), -ENOENT);
	assert_non_null(strstr(err.text, "no-such-program"));
}

static void reap(struct child *c, uint64_t now)
{
	for (int i = 0; i < 500; i++) {
		if (child_reap(c, now))
			return;
		(void)usleep(10000);
	}
	fail_msg("it did not end");
}

/* `sh -c FILE`: FILE is the command. */
static void test_run(void **state)
{
	struct child c = { .name = "sh", .path = "/bin/sh", .pid = -1 };
	struct error err = { 0 };
	char how[64];

	(void)state;
	assert_int_equal(child_run(&c, "exit 3", 1000, &err), 0);
	assert_int_equal(c.state, CHILD_RUNNING);
	reap(&c, 1500);
	child_end_text(&c, how, sizeof(how));
	assert_string_equal(how, "exit code 3");
	assert_int_equal(c.state, CHILD_WAITING);
	assert_int_equal(c.failures, 1);
	assert_int_equal(c.start_at, 1600);

	assert_int_equal(child_run(&c, "exit 0", 1599, &err), 0); /* not yet */
	assert_int_equal(c.state, CHILD_WAITING);
	assert_int_equal(child_run(&c, "kill -9 $$", 1600, &err), 0);
	reap(&c, 1700);
	child_end_text(&c, how, sizeof(how));
	assert_string_equal(how, "signal 9 (Killed)");
	assert_int_equal(c.failures, 2);
	assert_int_equal(c.start_at, 1900);

	assert_int_equal(child_run(&c, "exit 0", 2000, &err), 0);
	reap(&c, 40000); /* it ran long enough: counting begins anew */
	assert_int_equal(c.failures, 1);
}

static void test_stop(void **state)
{
	struct child c = { .name = "sh", .path = "/bin/sh", .pid = -1 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(child_run(&c, "exec sleep 60", 0, &err), 0);
	child_stop(&c, SIGTERM);
	reap(&c, 10);
	assert_int_equal(c.state, CHILD_STOPPED);
	assert_int_equal(child_run(&c, "exit 0", 100000, &err), 0);
	assert_int_equal(c.pid, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_missing), cmocka_unit_test(test_run),
		cmocka_unit_test(test_stop) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
