/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What workers count in memory that they share, each attached by its descriptor. */
#include "interceptor/shared/connection_limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_shared(void **state)
{
	struct connection_limits master, a, b;

	(void)state;
	assert_int_equal(connection_limits_init(&master, 2, 7), 0);
	assert_int_equal(connection_limits_attach(&a, master.fd), 0);
	assert_int_equal(connection_limits_attach(&b, master.fd), 0);
	assert_int_equal(a.n_rows, 3); /* the last is of those who have retired */
	assert_int_equal(a.first, 7);
	connection_limits_add_connection(&a, 0, 1);
	connection_limits_add_connection(&b, 1, 1);
	assert_int_equal(connections_counted(&a), 2);
	connection_limits_remember_slow(&a, 0, 4711);
	assert_true(connection_limits_is_slow(&b, 4711));

	connection_limits_clear_row(&master, 1); /* that worker has died */
	assert_int_equal(connections_counted(&a), 1);
	connection_limits_set_retired(&master, 40, 900);
	assert_int_equal(connections_counted(&a), 41);
	connection_limits_set_retired(&master, 0, 900);
	assert_int_equal(connections_counted(&a), 1);
	close(master.fd);
}

static void test_inherited(void **state)
{
	struct connection_limits old, next, worker;

	(void)state;
	assert_int_equal(connection_limits_init(&old, 2, 0), 0);
	connection_limits_add_connection(&old, 0, 1);
	memset(old.passwords->key, 42, sizeof(old.passwords->key));
	assert_int_equal(connection_limits_init(&next, 4, 2), 0);
	connection_limits_inherit(&next, old.fd);
	assert_int_equal(connection_limits_attach(&worker, next.fd), 0);
	assert_true(worker.key == old.key);
	assert_memory_equal(
		worker.passwords->key, old.passwords->key, sizeof(old.passwords->key));
	assert_int_equal(connections_counted(&worker), 0); /* they count on */
	close(old.fd);
	close(next.fd);
}

static void test_something_else(void **state)
{
	struct connection_limits t;
	int pipe_ends[2];

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(connection_limits_attach(&t, pipe_ends[0]), -EBADMSG);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	assert_int_equal(connection_limits_attach(&t, pipe_ends[0]), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_shared),
		cmocka_unit_test(test_inherited), cmocka_unit_test(test_something_else) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
