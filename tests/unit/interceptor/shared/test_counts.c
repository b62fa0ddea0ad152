/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is connected and who is live: counted by each worker, added up by those who ask. */
#include "interceptor/master/live_sessions.h"
#include "interceptor/shared/connection_limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 3u

static void begin(struct connection_limits *l)
{
	assert_int_equal(connection_limits_init(l, WORKERS, 0), 0);
}

static void end(struct connection_limits *l)
{
	close(l->fd); /* the memory goes with the process */
}

static void test_connections(void **state)
{
	struct connection_limits l;

	(void)state;
	begin(&l);
	connection_limits_add_connection(&l, 0, 1);
	connection_limits_add_connection(&l, 2, 1);
	connection_limits_add_connection(&l, 2, 1);
	assert_int_equal(connections_counted(&l), 3);
	connection_limits_add_connection(&l, 2, -1);
	assert_int_equal(connections_counted(&l), 2);
	connection_limits_clear_row(&l, 2); /* that worker has died */
	assert_int_equal(connections_counted(&l), 1);
	end(&l);
}

/* A worker attaches itself to the master's memory, and to nothing else. */
static void test_attach(void **state)
{
	struct connection_limits l, worker;
	int null;

	(void)state;
	begin(&l);
	assert_int_equal(connection_limits_attach(&worker, l.fd), 0);
	assert_int_equal(worker.n_rows, WORKERS + 1);
	assert_int_equal(worker.key, l.key);
	connection_limits_add_connection(&worker, 1, 1);
	assert_int_equal(connections_counted(&l), 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(connection_limits_attach(&worker, null), -EBADMSG);
	close(null);
	end(&l);
}

/* Another process counts in memory that all see. */
static void test_shared(void **state)
{
	struct connection_limits l;
	int status;
	pid_t pid;

	(void)state;
	begin(&l);
	pid = fork();
	if (pid == 0) {
		connection_limits_add_connection(&l, 1, 1);
		connection_limits_remember_slow(&l, 1, 77);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(connections_counted(&l), 1);
	assert_true(connection_limits_is_slow(&l, 77));
	end(&l);
}

static void test_slow(void **state)
{
	struct connection_limits l;

	(void)state;
	begin(&l);
	assert_false(connection_limits_is_slow(&l, 1));
	for (int64_t account = 1; account <= LIMITS_SLOW; account++)
		connection_limits_remember_slow(&l, 0, account);
	connection_limits_remember_slow(&l, 1, 1); /* known: takes no place again */
	assert_true(connection_limits_is_slow(&l, 1));
	connection_limits_remember_slow(&l, 0, LIMITS_SLOW + 1);
	assert_false(connection_limits_is_slow(&l, 1));
	assert_true(connection_limits_is_slow(&l, 2));
	assert_true(connection_limits_is_slow(&l, LIMITS_SLOW + 1));
	end(&l);
}

#define ALICE STR_LIT("alice")
#define BOB STR_LIT("bob")

struct told {
	unsigned calls;
	uint64_t sum, alice_at_source;
};

static void tell(void *context, struct str account, enum route route, uint64_t count)
{
	struct told *told = context;

	told->calls++;
	told->sum += count;
	if (str_eq(account, ALICE) && route == ROUTE_SOURCE)
		told->alice_at_source = count;
}

/* As the next master hears of them. */
static void test_each_live(void **state)
{
	struct live_sessions l = { 0 };
	struct told told = { 0 };

	(void)state;
	live_sessions_each(&l, tell, &told);
	assert_int_equal(told.calls, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, 1), 0);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_LOCAL, 1), 0);
	assert_int_equal(live_sessions_change(&l, BOB, ROUTE_LOCAL, 1), 0);
	live_sessions_each(&l, tell, &told);
	assert_int_equal(told.calls, 3);
	assert_int_equal(told.sum, 5);
	assert_int_equal(told.alice_at_source, 3);
	live_sessions_clear(&l);
}

static void test_live(void **state)
{
	struct live_sessions l = { 0 };

	(void)state;
	assert_int_equal(live_sessions_count(&l, ALICE, ROUTE_SOURCE), 0);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, 1), 0);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, 1), 0);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_LOCAL, 1), 0);
	assert_int_equal(live_sessions_change(&l, BOB, ROUTE_SOURCE, 1), 0);
	assert_int_equal(live_sessions_count(&l, ALICE, ROUTE_SOURCE), 2);
	assert_int_equal(live_sessions_count(&l, ALICE, ROUTE_LOCAL), 1);
	assert_int_equal(l.sessions, 4);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, -1), 0);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, -1), 0);
	assert_int_equal(live_sessions_count(&l, ALICE, ROUTE_SOURCE), 0);
	assert_int_equal(live_sessions_count(&l, ALICE, ROUTE_LOCAL), 1);
	live_sessions_clear(&l);
	assert_int_equal(live_sessions_count(&l, ALICE, ROUTE_LOCAL), 0);
}

/* An end without a beginning is told, and changes nothing. */
static void test_live_wrong(void **state)
{
	struct live_sessions l = { 0 };

	(void)state;
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, -1), -ENOENT);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_LOCAL, 1), 0);
	assert_int_equal(live_sessions_change(&l, ALICE, ROUTE_SOURCE, -1), -ENOENT);
	assert_int_equal(l.sessions, 1);
	live_sessions_clear(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_each_live),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_live_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
