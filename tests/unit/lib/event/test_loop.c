/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Socket pairs in the loop: who is called for what, and that a turn with nothing to do
   waits instead of spinning. */
#include "event/loop.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PAUSE_MS 30 /* a turn without an event ends by the timer */
#define TURNS_MAX 4 /* until it does: more is spinning */

struct bench {
	uv_timer_t pause;
	struct loop loop;
	bool paused;
	struct watch *watch, *other;
	int peer, other_peer;
	/* what the callback saw, and does */
	int calls, events, error;
	enum { DO_NOTHING, DO_READ, DO_FREE_SELF, DO_FREE_OTHER, DO_ASK_AGAIN } what;
};

static void on_pause(uv_timer_t *timer)
{
	((struct bench *)timer->data)->paused = true;
}

static void ready(void *context, int events, int error)
{
	struct bench *b = context;
	char bytes[64];

	b->calls++;
	b->events = events;
	b->error = error;
	switch (b->what) {
	case DO_NOTHING:
		break;
	case DO_READ:
		(void)!read(b->watch->fd, bytes, sizeof(bytes));
		break;
	case DO_FREE_SELF:
		watch_free(b->watch);
		b->watch = NULL;
		break;
	case DO_FREE_OTHER:
		/* whichever is called first ends both */
		watch_free(b->watch);
		watch_free(b->other);
		b->watch = b->other = NULL;
		break;
	case DO_ASK_AGAIN:
		watch_soon(b->watch, UV_READABLE);
		break;
	}
}

static struct watch *add(struct bench *b, int *ret_peer)
{
	struct watch *w;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	assert_int_equal(watch_new(&b->loop, pair[0], ready, b, &w), 0);
	*ret_peer = pair[1];
	return w;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	*state = b;
	assert_int_equal(loop_init(&b->loop, false), 0);
	assert_int_equal(uv_timer_init(&b->loop.uv, &b->pause), 0);
	b->pause.data = b;
	b->watch = add(b, &b->peer);
	b->other = add(b, &b->other_peer);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	watch_free(b->watch);
	watch_free(b->other);
	fd_closep(&b->peer);
	fd_closep(&b->other_peer);
	uv_close((uv_handle_t *)&b->pause, NULL);
	assert_int_equal(loop_fini(&b->loop), 0);
	free(b);
	return 0;
}

/* Turns until the timer; the callback may have been called `calls` times. */
static void run(struct bench *b, int calls)
{
	int turns = 0;

	b->calls = 0;
	b->paused = false;
	assert_int_equal(uv_timer_start(&b->pause, on_pause, PAUSE_MS, 0), 0);
	while (!b->paused) {
		loop_turn(&b->loop);
		if (turns++ > calls + TURNS_MAX)
			fail_msg("the loop spins");
	}
	assert_int_equal(b->calls, calls);
}

static void say(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void test_reads(void **state)
{
	struct bench *b = *state;

	b->what = DO_READ;
	watch_want(b->watch, UV_READABLE);
	run(b, 0);
	say(b->peer);
	run(b, 1);
	assert_int_equal(b->events, UV_READABLE);
	/* what is not asked for is not told, and not forgotten */
	watch_want(b->watch, 0);
	say(b->peer);
	run(b, 0);
	watch_want(b->watch, UV_READABLE);
	run(b, 1);
}

static void test_writes(void **state)
{
	struct bench *b = *state;

	b->what = DO_NOTHING;
	watch_want(b->watch, UV_READABLE);
	watch_want(b->watch, UV_READABLE | UV_WRITABLE);
	loop_turn(&b->loop);
	assert_int_equal(b->events, UV_WRITABLE);
	watch_want(b->watch, UV_READABLE);
	run(b, 0);
}

/* Asked for nothing, or for something else, an ended peer does not keep the loop busy. */
static void test_hangs_up(void **state)
{
	struct bench *b = *state;

	watch_want(b->watch, UV_DISCONNECT);
	assert_int_equal(shutdown(b->peer, SHUT_WR), 0);
	loop_turn(&b->loop);
	assert_int_equal(b->events, UV_DISCONNECT);
	watch_want(b->watch, 0);
	run(b, 0);
	fd_closep(&b->peer);
	run(b, 0);
	/* both directions have ended: that can be acted upon by who writes */
	watch_want(b->watch, UV_WRITABLE);
	loop_turn(&b->loop);
	assert_int_equal(b->events, UV_WRITABLE);
}

/* It was told once: the kernel is not left to tell it again. */
static void test_tells_an_end_once(void **state)
{
	struct bench *b = *state;
	struct pollfd set = { .fd = b->loop.epoll, .events = POLLIN };

	watch_want(b->watch, UV_READABLE);
	say(b->peer);
	assert_int_equal(shutdown(b->peer, SHUT_WR), 0);
	loop_turn(&b->loop);
	assert_int_equal(b->events, UV_READABLE);
	assert_int_equal(poll(&set, 1, 0), 1);
	watch_want(b->watch, 0);
	assert_int_equal(poll(&set, 1, 0), 0);
	watch_want(b->watch, UV_READABLE);
	loop_turn(&b->loop);
	assert_int_equal(b->events, UV_READABLE);
}

static void test_frees_itself(void **state)
{
	struct bench *b = *state;

	b->what = DO_FREE_SELF;
	watch_want(b->watch, UV_READABLE);
	say(b->peer);
	run(b, 1);
}

static void test_frees_another(void **state)
{
	struct bench *b = *state;

	b->what = DO_FREE_OTHER;
	watch_want(b->watch, UV_READABLE);
	watch_want(b->other, UV_READABLE);
	say(b->peer);
	say(b->other_peer);
	run(b, 1);
}

static void test_takes(void **state)
{
	struct bench *b = *state;
	int fd;
	char byte;

	watch_want(b->watch, UV_READABLE);
	fd = watch_take(b->watch);
	b->watch = NULL;
	say(b->peer);
	run(b, 0);
	assert_int_equal(read(fd, &byte, 1), 1);
	fd_closep(&fd);
}

static void test_soon(void **state)
{
	struct bench *b = *state;

	watch_soon(b->watch, UV_WRITABLE);
	watch_soon(b->watch, UV_WRITABLE);
	watch_soon(b->other, UV_WRITABLE);
	watch_free(b->other);
	b->other = NULL;
	run(b, 1);
	assert_int_equal(b->events, UV_WRITABLE);
}

/* One that has always more to do takes one call a turn, and the loop does not sleep. */
static void test_soon_again(void **state)
{
	struct bench *b = *state;

	b->what = DO_ASK_AGAIN;
	watch_want(b->other, UV_READABLE);
	say(b->other_peer);
	watch_soon(b->watch, UV_READABLE);
	loop_turn(&b->loop);
	assert_int_equal(b->calls, 2); /* that one, and the other */
	loop_turn(&b->loop);
	assert_int_equal(b->calls, 4); /* the other has not read */
}

static int open_a_file(void)
{
	char path[] = "/tmp/mailferry-watch-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

/* Nobody waits in vain for what the kernel refuses to watch. */
static void test_refused(void **state)
{
	struct bench *b = *state;
	int fd = watch_take(b->watch);

	fd_closep(&fd);
	assert_int_equal(watch_new(&b->loop, open_a_file(), ready, b, &b->watch), 0);
	watch_want(b->watch, UV_READABLE);
	run(b, 1);
	assert_int_equal(b->error, -EPERM);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_reads),
		ROW(test_writes),
		ROW(test_hangs_up),
		ROW(test_tells_an_end_once),
		ROW(test_frees_itself),
		ROW(test_frees_another),
		ROW(test_takes),
		ROW(test_soon),
		ROW(test_soon_again),
		ROW(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
