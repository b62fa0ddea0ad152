/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A quiet process gives back once, and sleeps then. */
#include "mailstore/quiet.h"

#include "event/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define QUIET 20
#define LONGER 120
#define TURNS_MAX 4 /* a clock in ms may wake it one too early, twice */

static void on_timer(void *context)
{
	*(bool *)context = true;
}

/* Turns of the loop until the time is over, as loop_run() makes them (with q). */
static unsigned turns_for(struct loop *loop, struct quiet *q, unsigned ms)
{
	struct timer *end;
	bool is_over = false;
	unsigned turns = 0;

	assert_int_equal(timer_new(loop, on_timer, &is_over, &end), 0);
	timer_start(end, ms);
	for (; !is_over; turns++) {
		loop_turn(loop);
		if (!is_over && q)
			quiet_turn(q);
	}
	timer_free(end);
	return turns;
}

static void test_once(void **state)
{
	struct serve serve = { 0 };
	struct loop loop;
	struct quiet q;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	assert_int_equal(quiet_init(&q, &loop, &serve), 0);
	q.ms = QUIET;
	quiet_turn(&q);
	assert_true(timer_runs(q.timer));
	/* its own turn and that of the end: nothing else wakes the process */
	assert_true(turns_for(&loop, &q, LONGER) <= TURNS_MAX);
	assert_false(timer_runs(q.timer));
	quiet_turn(&q);
	assert_true(timer_runs(q.timer));
	quiet_fini(&q);
	assert_int_equal(loop_fini(&loop), 0);
}

/* Whoever works is not disturbed. */
static void test_later(void **state)
{
	struct serve serve = { 0 };
	struct loop loop;
	struct quiet q;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	assert_int_equal(quiet_init(&q, &loop, &serve), 0);
	q.ms = LONGER;
	quiet_turn(&q);
	for (int i = 0; i < 5; i++) {
		(void)turns_for(&loop, &q, QUIET);
		quiet_turn(&q);
		assert_true(timer_runs(q.timer));
	}
	quiet_fini(&q);
	assert_int_equal(loop_fini(&loop), 0);
}

/* Its own work puts nothing off, and what that used is given back, too. */
static void test_own_work(void **state)
{
	struct serve serve = { 0 };
	struct loop loop;
	struct quiet q;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	assert_int_equal(quiet_init(&q, &loop, &serve), 0);
	q.ms = LONGER;
	quiet_own_turn(&q, false);
	quiet_turn(&q);
	assert_false(timer_runs(q.timer)); /* nothing to give back */
	quiet_turn(&q);                    /* a command */
	for (int i = 0; i < 5 * LONGER / QUIET && timer_runs(q.timer); i++) {
		(void)turns_for(&loop, NULL, QUIET);
		quiet_own_turn(&q, timer_runs(q.timer));
		quiet_turn(&q);
	}
	assert_false(timer_runs(q.timer));
	quiet_own_turn(&q, true);
	quiet_turn(&q);
	assert_true(timer_runs(q.timer));
	quiet_fini(&q);
	assert_int_equal(loop_fini(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_own_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
