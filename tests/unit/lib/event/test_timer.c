/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Timers in the loop: each rings, none too early, and a turn with nothing to do waits
   instead of spinning, whatever became of the kernel's timer below. */
#include "event/timer.h"

#include "base/fd.h"
#include "event/loop.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAUSE_MS 30
#define TURNS_MAX 4 /* until something happens: more is spinning */

struct bench {
	struct loop loop;
	struct watch *watch; /* of an eventfd */
	int calls;
	enum { DO_NOTHING, DO_READ, DO_ASK_AGAIN } what;
};

static void ready(void *context, int events, int error)
{
	struct bench *b = context;
	uint64_t number;

	(void)events;
	(void)error;
	b->calls++;
	if (b->what == DO_READ)
		(void)!read(b->watch->fd, &number, sizeof(number));
	else if (b->what == DO_ASK_AGAIN)
		watch_soon(b->watch, UV_READABLE);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	*state = b;
	assert_true(fd >= 0);
	assert_int_equal(loop_init(&b->loop, false), 0);
	assert_int_equal(watch_new(&b->loop, fd, ready, b, &b->watch), 0);
	b->what = DO_READ;
	watch_want(b->watch, UV_READABLE);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	watch_free(b->watch);
	assert_int_equal(loop_fini(&b->loop), 0);
	free(b);
	return 0;
}

struct alarm {
	struct bench *bench;
	struct timer *timer;
	int rings;
	bool begins_another; /* freed in its own callback, and taken for the next */
};

static void on_alarm(void *context)
{
	struct alarm *a = context;

	a->rings++;
	if (!a->begins_another)
		return;
	timer_free(a->timer);
	a->begins_another = false;
	assert_int_equal(timer_new(&a->bench->loop, on_alarm, a, &a->timer), 0);
	assert_false(timer_runs(a->timer));
	timer_start(a->timer, 0);
}

static struct timer *start(struct alarm *a, uint64_t ms)
{
	assert_int_equal(timer_new(&a->bench->loop, on_alarm, a, &a->timer), 0);
	timer_start(a->timer, ms);
	return a->timer;
}

/* Turns until the alarm has rung: few of them, or the loop spins. */
static void run_until_rung(struct bench *b, const struct alarm *a)
{
	for (int turns = 0; !a->rings; turns++) {
		assert_true(turns <= TURNS_MAX);
		loop_turn(&b->loop);
	}
}

/* Turns that an event ends at once: the loop has seen its timers. In its first turn libuv
   only begins to watch what it has itself. */
static void turn(struct bench *b)
{
	const uint64_t one = 1;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(write(b->watch->fd, &one, sizeof(one)), sizeof(one));
		loop_turn(&b->loop);
	}
}

/* Longer than any timer that ought to be silent. */
static void pause_a_while(struct bench *b)
{
	struct alarm a = { .bench = b };

	(void)start(&a, PAUSE_MS);
	run_until_rung(b, &a);
	timer_free(a.timer);
}

/* Nothing is there that ends the wait but a kernel timer of the test's own. */
static void check_that_it_sleeps(struct bench *b)
{
	const struct itimerspec when = { .it_value = { .tv_nsec = PAUSE_MS * 1000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), turns = 0;

	assert_true(fd >= 0);
	assert_int_equal(timerfd_settime(fd, 0, &when, NULL), 0);
	watch_free(b->watch);
	assert_int_equal(watch_new(&b->loop, fd, ready, b, &b->watch), 0);
	watch_want(b->watch, UV_READABLE);
	b->calls = 0;
	for (; !b->calls; turns++)
		loop_turn(&b->loop);
	assert_true(turns <= TURNS_MAX);
}

static void test_sleeps_without_timers(void **state)
{
	check_that_it_sleeps(*state);
}

static void test_a_timer_that_follows_itself(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b, .begins_another = true };

	(void)start(&a, 0);
	pause_a_while(b);
	assert_int_equal(a.rings, 2);
	timer_free(a.timer);
}

/* One that ran, and one that was to be called again and again: neither is heard of, also
   when its memory is another's. */
static void test_a_freed_timer_is_silent(void **state)
{
	struct bench *b = *state;
	struct alarm gone = { .bench = b }, next = { .bench = b };

	timer_free(start(&gone, 0));
	assert_int_equal(timer_new(&b->loop, on_alarm, &gone, &gone.timer), 0);
	timer_start_every(gone.timer, 1);
	timer_free(gone.timer);
	(void)start(&next, 0);
	pause_a_while(b);
	assert_int_equal(gone.rings, 0);
	assert_int_equal(next.rings, 1);
	timer_free(next.timer);
	timer_free(NULL);
}

static void test_many_timers_at_once(void **state)
{
	struct bench *b = *state;
	struct alarm all[200];

	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			all[i] = (struct alarm){ .bench = b };
			(void)start(&all[i], 0);
		}
		pause_a_while(b);
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			assert_int_equal(all[i].rings, 1);
			timer_free(all[i].timer);
		}
	}
}

/* A session's timer: libuv's loop has nothing to do behind it. */
static void test_a_freed_timer_leaves_nothing_to_do(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b };

	timer_free(start(&a, 1000));
	assert_false(uv_loop_alive(&b->loop.uv));
}

static void test_a_timer_before_all_others(void **state)
{
	struct bench *b = *state;
	struct alarm late = { .bench = b }, early = { .bench = b };

	(void)start(&late, 3600 * 1000);
	turn(b);
	(void)start(&early, PAUSE_MS);
	turn(b);
	run_until_rung(b, &early);
	assert_int_equal(late.rings, 0);
	timer_free(early.timer);
	timer_free(late.timer);
}

/* As an idle timer does with each command. */
static void test_a_timer_that_begins_anew(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b };
	uint64_t began = 0;

	(void)start(&a, PAUSE_MS);
	for (int i = 0; i < 3; i++) {
		turn(b);
		began = loop_now(&b->loop);
		timer_start(a.timer, 2 * PAUSE_MS);
		a.rings = 0; /* on a slow machine */
	}
	run_until_rung(b, &a);
	assert_true(loop_now(&b->loop) >= began + 2 * PAUSE_MS);
	timer_free(a.timer);
}

static void test_a_timer_that_stops(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b }, after = { .bench = b };

	(void)start(&a, PAUSE_MS);
	turn(b);
	timer_stop(a.timer);
	a.rings = 0; /* on a slow machine */
	(void)start(&after, 2 * PAUSE_MS);
	run_until_rung(b, &after);
	timer_free(after.timer);
	/* nor does it keep a loop busy that has no timer */
	timer_start(a.timer, PAUSE_MS / 2);
	turn(b);
	timer_free(a.timer);
	a.rings = 0;
	check_that_it_sleeps(b);
	assert_int_equal(a.rings, 0);
}

static void test_a_timer_of_a_loop_that_never_sleeps(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b };

	b->what = DO_ASK_AGAIN;
	watch_soon(b->watch, UV_READABLE);
	(void)start(&a, PAUSE_MS);
	while (!a.rings)
		loop_turn(&b->loop);
	timer_free(a.timer);
}

static void test_a_timer_again_and_again(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b };

	assert_int_equal(timer_new(&b->loop, on_alarm, &a, &a.timer), 0);
	timer_start_every(a.timer, 5);
	while (a.rings < 5)
		loop_turn(&b->loop);
	timer_free(a.timer);
}

/* The kernel's timer has expired, and nobody was told yet. */
static void test_a_timer_while_the_loop_was_busy(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b }, stops = { .bench = b }, after = { .bench = b };

	(void)start(&a, PAUSE_MS);
	turn(b);
	(void)poll(NULL, 0, 2 * PAUSE_MS);
	run_until_rung(b, &a);
	(void)start(&stops, PAUSE_MS);
	turn(b);
	(void)poll(NULL, 0, 2 * PAUSE_MS);
	timer_stop(stops.timer);
	(void)start(&after, 4 * PAUSE_MS);
	run_until_rung(b, &after);
	assert_int_equal(stops.rings, 0);
	timer_free(a.timer);
	timer_free(stops.timer);
	timer_free(after.timer);
}

/* More happens in each turn than one turn is told of. */
static void test_a_timer_behind_many_events(void **state)
{
	enum { MANY = 300 };
	struct bench *b = *state;
	struct alarm a = { .bench = b };
	struct watch *busy[MANY];

	b->what = DO_NOTHING;
	for (int i = 0; i < MANY; i++) {
		int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

		assert_int_equal(watch_new(&b->loop, fd, ready, b, &busy[i]), 0);
		watch_want(busy[i], UV_READABLE);
	}
	(void)start(&a, PAUSE_MS);
	while (!a.rings || b->calls < MANY)
		loop_turn(&b->loop);
	timer_free(a.timer);
	for (int i = 0; i < MANY; i++)
		watch_free(busy[i]);
}

/* A child that ends, or closes what it got, has its parent's timer run on. */
static void test_a_timer_of_a_process_with_children(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b };
	pid_t child;

	(void)start(&a, PAUSE_MS);
	turn(b);
	child = fork();
	if (child == 0) {
		(void)close(b->loop.alarm);
		(void)close(b->loop.epoll);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	run_until_rung(b, &a);
	timer_free(a.timer);
}

static void on_told(uv_async_t *uv)
{
	(*(int *)uv->data)++;
}

/* What libuv is told of by others and its own timers, beside ours. */
static void test_libuv_beside_a_timer(void **state)
{
	struct bench *b = *state;
	struct alarm a = { .bench = b };
	int told = 0;
	uv_async_t async = { .data = &told };

	assert_int_equal(uv_async_init(&b->loop.uv, &async, on_told), 0);
	(void)start(&a, PAUSE_MS);
	turn(b);
	assert_int_equal(uv_async_send(&async), 0);
	for (int turns = 0; !told; turns++) {
		assert_true(turns <= TURNS_MAX);
		loop_turn(&b->loop);
	}
	run_until_rung(b, &a);
	pause_a_while(b);
	assert_int_equal(told, 1);
	timer_free(a.timer);
	uv_close((uv_handle_t *)&async, NULL);
	loop_turn(&b->loop);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_sleeps_without_timers),
		ROW(test_a_timer_that_follows_itself),
		ROW(test_a_freed_timer_is_silent),
		ROW(test_many_timers_at_once),
		ROW(test_a_freed_timer_leaves_nothing_to_do),
		ROW(test_a_timer_before_all_others),
		ROW(test_a_timer_that_begins_anew),
		ROW(test_a_timer_that_stops),
		ROW(test_a_timer_of_a_loop_that_never_sleeps),
		ROW(test_a_timer_again_and_again),
		ROW(test_a_timer_while_the_loop_was_busy),
		ROW(test_a_timer_behind_many_events),
		ROW(test_a_timer_of_a_process_with_children),
		ROW(test_libuv_beside_a_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
