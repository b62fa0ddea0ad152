/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How soon a program that ended is started again. */
#include "control/running/daemons.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_backoff(void **state)
{
	static const uint64_t delays[] = { 100, 100, 200, 400, 800, 1600, 3200, 6400,
		10000, 10000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		assert_int_equal(daemon_backoff_ms(i), delays[i]);
	assert_int_equal(daemon_backoff_ms(UINT32_MAX), 10000);
}

static void test_missing(void **state)
{
	struct error err = { 0 };
	struct daemon d;

	(void)state;
	assert_int_equal(daemon_init(&d, "no-such-program", &err), -ENOENT);
	assert_non_null(strstr(err.text, "no-such-program"));
}

static unsigned ended;
static int status;

static void on_ended(void *context, int how)
{
	(void)context;
	ended++;
	status = how;
}

/* `sh -c FILE`: FILE is the command. */
static void run(struct daemon *d, struct loop *loop, const char *command, uint64_t now,
	uint64_t until)
{
	struct error err = { 0 };
	unsigned before = ended;

	assert_int_equal(daemon_run(d, loop, command, now, on_ended, NULL, &err), 0);
	assert_int_equal(d->state, DAEMON_RUNNING);
	while (ended == before)
		loop_turn(loop);
	daemon_ended(d, status, until);
}

static void test_run(void **state)
{
	struct daemon d = { .name = "sh", .path = "/bin/sh", .ready = -1, .handed = -1 };
	struct error err = { 0 };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	run(&d, &loop, "exit 3", 1000, 1500);
	assert_int_equal(d.state, DAEMON_WAITING);
	assert_int_equal(d.failures, 1);
	assert_int_equal(d.start_at, 1600);

	assert_int_equal(daemon_run(&d, &loop, "exit 0", 1599, on_ended, NULL, &err), 0);
	assert_int_equal(d.state, DAEMON_WAITING); /* not yet */
	run(&d, &loop, "kill -9 $$", 1600, 1700);
	assert_int_equal(d.failures, 2);
	assert_int_equal(d.start_at, 1900);

	run(&d, &loop, "exit 0", 2000, 40000);
	assert_int_equal(d.failures, 1); /* it ran long enough: counting begins anew */
	assert_int_equal(loop_fini(&loop), 0);
}

static void test_stop(void **state)
{
	struct daemon d = { .name = "sh", .path = "/bin/sh", .ready = -1, .handed = -1 };
	struct error err = { 0 };
	unsigned before = ended;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	assert_int_equal(
		daemon_run(&d, &loop, "exec sleep 60", 0, on_ended, NULL, &err), 0);
	daemon_stop(&d, SIGTERM);
	while (ended == before)
		loop_turn(&loop);
	daemon_ended(&d, status, 10);
	assert_int_equal(d.state, DAEMON_STOPPED);
	assert_int_equal(
		daemon_run(&d, &loop, "exit 0", 100000, on_ended, NULL, &err), 0);
	assert_false(child_runs(&d.child));
	assert_int_equal(loop_fini(&loop), 0);
}

/* A program that went away is tried again later, not at once and for ever. */
static void test_cannot_run(void **state)
{
	struct daemon d = {
		.name = "x", .path = "/nonexistent/x", .ready = -1, .handed = -1
	};
	struct error err = { 0 };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	assert_int_equal(daemon_run(&d, &loop, "c", 5, on_ended, NULL, &err), -ENOENT);
	assert_int_equal(d.start_at, 10005);
	assert_int_equal(d.state, DAEMON_WAITING);
	assert_int_equal(loop_fini(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_missing), cmocka_unit_test(test_run),
		cmocka_unit_test(test_stop), cmocka_unit_test(test_cannot_run) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
