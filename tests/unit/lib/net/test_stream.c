/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A reader over each kind of stream, in a loop and with stream_wait(): it gets all bytes
 * and the end, and is not called for nothing.
 */
#include "net/stream.h"

#include "base/fd.h"
#include "event/loop.h"
#include "support/odd_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PLAIN ODD_COUNT /* behind the odd ones */
#define KINDS (ODD_COUNT + 1)
#define TURNS_MAX 20000

struct bench {
	struct loop loop;
	uv_idle_t pulse; /* so that a turn never waits */
	struct stream *stream;
	int peer;
	struct buf got;
	unsigned calls;
	bool ended;
	int error;
};

static void on_pulse(uv_idle_t *idle)
{
	(void)idle;
}

static struct stream *make(struct loop *loop, int kind, int *ret_peer)
{
	struct stream *s = NULL;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	*ret_peer = pair[1];
	if (kind == PLAIN)
		assert_int_equal(stream_plain_new(loop, pair[0], &s), 0);
	else
		assert_int_equal(odd_stream_new(loop, pair[0], (enum oddity)kind, &s), 0);
	return s;
}

static void note(struct bench *b, ssize_t n)
{
	if (n == 0) {
		b->ended = true;
		stream_want(b->stream, 0);
	} else if (n < 0 && n != -EAGAIN) {
		b->error = (int)n;
	}
}

/* One read a call: what is left must bring another one. */
static void ready(void *context, int events, int error)
{
	struct bench *b = context;

	b->calls++;
	if (error)
		b->error = error;
	if (events & UV_READABLE)
		note(b, stream_read_buf(b->stream, &b->got, 64));
}

static void begin(struct bench *b, int kind)
{
	memset(b, 0, sizeof(*b));
	buf_init(&b->got, 0);
	assert_int_equal(loop_init(&b->loop, false), 0);
	assert_int_equal(uv_idle_init(&b->loop.uv, &b->pulse), 0);
	assert_int_equal(uv_idle_start(&b->pulse, on_pulse), 0);
	b->stream = make(&b->loop, kind, &b->peer);
	stream_set_owner(b->stream, ready, b);
}

static void end(struct bench *b)
{
	stream_free(b->stream);
	fd_closep(&b->peer);
	buf_fini(&b->got);
	uv_close((uv_handle_t *)&b->pulse, NULL);
	assert_int_equal(loop_fini(&b->loop), 0);
}

static void say(int fd, size_t len)
{
	char bytes[1000];

	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(write(fd, bytes, len), len);
}

static void test_reads_all(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct bench b;
		unsigned calls;

		begin(&b, kind);
		stream_want(b.stream, UV_READABLE);
		say(b.peer, 1000);
		for (int i = 0; i < TURNS_MAX && buf_len(&b.got) < 1000; i++)
			loop_turn(&b.loop);
		assert_int_equal(buf_len(&b.got), 1000);
		/* and then nobody is called any more */
		for (int i = 0; i < 3; i++)
			loop_turn(&b.loop);
		calls = b.calls;
		for (int i = 0; i < 50; i++)
			loop_turn(&b.loop);
		assert_int_equal(b.calls, calls);
		fd_closep(&b.peer);
		for (int i = 0; i < TURNS_MAX && !b.ended; i++)
			loop_turn(&b.loop);
		assert_true(b.ended);
		end(&b);
	}
}

/* Not wanted: not called, and nothing is lost. */
static void test_pauses(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct bench b;
		unsigned calls;

		begin(&b, kind);
		stream_want(b.stream, UV_READABLE);
		say(b.peer, 500);
		for (int i = 0; i < TURNS_MAX && buf_len(&b.got) < 8; i++)
			loop_turn(&b.loop);
		stream_want(b.stream, 0);
		calls = b.calls;
		for (int i = 0; i < 50; i++)
			loop_turn(&b.loop);
		assert_int_equal(b.calls, calls);
		stream_want(b.stream, UV_READABLE);
		for (int i = 0; i < TURNS_MAX && buf_len(&b.got) < 500; i++)
			loop_turn(&b.loop);
		assert_int_equal(buf_len(&b.got), 500);
		end(&b);
	}
}

/* ---- bytes that go first ---- */

static int connecting_pair(int *ret_accepted)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(door, (struct sockaddr *)&here, len), 0);
	assert_int_equal(listen(door, 1), 0);
	assert_int_equal(getsockname(door, (struct sockaddr *)&here, &len), 0);
	if (connect(fd, (struct sockaddr *)&here, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	*ret_accepted = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*ret_accepted >= 0);
	fd_closep(&door);
	return fd;
}

static void hear(struct bench *b, const char *wanted)
{
	char bytes[64];
	ssize_t n = -1;

	for (int i = 0; i < TURNS_MAX && n < 0; i++) {
		loop_turn(&b->loop);
		n = read(b->peer, bytes, sizeof(bytes));
	}
	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(bytes, wanted, (size_t)n);
}

/* Whatever the owner wants; then it is as any other, and nobody is called for it. */
static void test_opening_goes_first(void **state)
{
	static const int wants[] = { UV_READABLE, UV_DISCONNECT,
		UV_READABLE | UV_DISCONNECT };

	(void)state;
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		struct bench b;
		unsigned calls;

		begin(&b, PLAIN);
		stream_free(b.stream);
		fd_closep(&b.peer);
		assert_int_equal(
			stream_plain_new(&b.loop, connecting_pair(&b.peer), &b.stream),
			0);
		assert_int_equal(stream_plain_open_with(b.stream, STR_LIT("first")), 0);
		assert_int_equal(
			stream_plain_open_with(b.stream, STR_LIT("twice")), -EINVAL);
		stream_set_owner(b.stream, ready, &b);
		stream_want(b.stream, wants[i]);
		hear(&b, "first");
		calls = b.calls;
		for (int turn = 0; turn < 50; turn++)
			loop_turn(&b.loop);
		assert_int_equal(b.calls, calls);
		assert_int_equal(stream_connected(b.stream), 0);
		assert_int_equal(stream_write(b.stream, STR_LIT("then"), false), 4);
		hear(&b, "then");
		say(b.peer, 100);
		stream_want(b.stream, UV_READABLE);
		for (int turn = 0; turn < TURNS_MAX && buf_len(&b.got) < 100; turn++)
			loop_turn(&b.loop);
		assert_int_equal(buf_len(&b.got), 100);
		end(&b);
	}
}

/* Without a loop, by the first thing that is done with it. */
static void test_opening_without_a_loop(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		char bytes[16], space[16];
		struct stream *s;
		ssize_t n;
		int peer;

		assert_int_equal(stream_plain_new(NULL, connecting_pair(&peer), &s), 0);
		assert_int_equal(stream_plain_open_with(s, STR_LIT("first")), 0);
		if (how == 0)
			assert_int_equal(stream_connected(s), 0);
		else if (how == 1)
			assert_int_equal(stream_write(s, STR_LIT("x"), false), 1);
		else
			assert_int_equal(stream_read(s, space, sizeof(space)), -EAGAIN);
		n = read(peer, bytes, sizeof(bytes));
		assert_int_equal(n, how == 1 ? 6 : 5);
		assert_memory_equal(bytes, "firstx", (size_t)n);
		stream_free(s);
		fd_closep(&peer);
	}
}

/* The peer has gone: what happens is what happens to any other. */
static void test_opening_fails(void **state)
{
	int pair[2];
	struct stream *s;

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		0);
	assert_int_equal(stream_plain_new(NULL, pair[0], &s), 0);
	assert_int_equal(stream_plain_open_with(s, STR_LIT("first")), 0);
	fd_closep(&pair[1]);
	assert_int_equal(stream_connected(s) < 0, true);
	assert_int_equal(stream_write(s, STR_LIT("x"), false), -EPIPE);
	stream_free(s);
}

static void on_writable(void *context, int events, int error)
{
	struct bench *b = context;

	b->calls++;
	assert_int_equal(error, 0);
	if (events & UV_WRITABLE && stream_write_buf(b->stream, &b->got) > 0 &&
		!buf_len(&b->got))
		stream_want(b->stream, 0);
}

static void test_writes_all(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct bench b;
		char heard[100];
		ssize_t n;

		begin(&b, kind);
		stream_set_owner(b.stream, on_writable, &b);
		assert_int_equal(buf_append(&b.got, STR_LIT("to be written")), 0);
		stream_want(b.stream, UV_WRITABLE);
		for (int i = 0; i < TURNS_MAX && b.stream->wanted; i++)
			loop_turn(&b.loop);
		n = read(b.peer, heard, sizeof(heard));
		assert_int_equal(n, 13);
		assert_memory_equal(heard, "to be written", 13);
		stream_shutdown(b.stream, SHUT_WR);
		assert_int_equal(read(b.peer, heard, sizeof(heard)), 0);
		end(&b);
	}
}

static void test_without_a_loop(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		int peer, quiet_peer, events[2];
		struct stream *streams[2] = { make(NULL, kind, &peer),
			make(NULL, kind, &quiet_peer) };
		struct buf got;

		buf_init(&got, 0);
		stream_want(streams[0], UV_READABLE);
		stream_want(streams[1], 0);
		say(peer, 300);
		for (int i = 0; i < TURNS_MAX && buf_len(&got) < 300; i++) {
			assert_int_equal(stream_wait(streams, 2, 1000, events), 0);
			assert_int_equal(events[0], UV_READABLE);
			assert_int_equal(events[1], 0);
			(void)stream_read_buf(streams[0], &got, 64);
		}
		assert_int_equal(buf_len(&got), 300);
		assert_int_equal(stream_wait(streams, 2, 1, events), -ETIMEDOUT);
		fd_closep(&peer);
		assert_int_equal(stream_wait(streams, 2, 1000, events), 0);
		fd_closep(&quiet_peer);
		stream_free(streams[0]);
		stream_free(streams[1]);
		buf_fini(&got);
	}
}

/* Somebody else goes on with the descriptor: we do not hear of it any more. */
static void test_share(void **state)
{
	struct bench b;
	char byte;
	int fd;

	(void)state;
	begin(&b, PLAIN);
	stream_want(b.stream, UV_READABLE);
	loop_turn(&b.loop);
	fd = stream_share(b.stream);
	assert_true(fd >= 0);
	stream_free(b.stream);
	b.stream = NULL;
	say(b.peer, 1);
	for (int i = 0; i < 10; i++)
		loop_turn(&b.loop);
	assert_int_equal(b.calls, 0);
	assert_int_equal(read(fd, &byte, 1), 1);
	fd_closep(&fd);
	end(&b);
}

static void on_wake(void *context, int events, int error)
{
	struct bench *b = context;

	(void)error;
	b->calls++;
	assert_int_equal(events, UV_READABLE);
}

/* A kind that waited for something else than its descriptor calls for what is wanted. */
static void test_wake(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, ODD_NONE);
	stream_set_owner(b.stream, on_wake, &b);
	stream_want(b.stream, UV_READABLE);
	loop_turn(&b.loop);
	assert_int_equal(b.calls, 0);
	stream_wake(b.stream);
	loop_turn(&b.loop);
	assert_int_equal(b.calls, 1);
	stream_want(b.stream, 0);
	stream_wake(b.stream);
	loop_turn(&b.loop);
	assert_int_equal(b.calls, 1);
	end(&b);
}

static void test_refused_connection(void **state)
{
	struct stream *s = odd_memory_new(ODD_NONE);

	(void)state;
	assert_int_equal(stream_connected(s), 0);
	odd_connecting(s);
	assert_int_equal(stream_connected(s), -EINPROGRESS);
	odd_break(s, -ECONNREFUSED);
	assert_int_equal(stream_connected(s), -ECONNREFUSED);
	assert_int_equal(stream_sendfile(s, 0, 0, 1), -EOPNOTSUPP);
	assert_int_equal(stream_writev(s, NULL, 0), -EOPNOTSUPP);
	assert_false(stream_can_splice(s, s));
	stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_goes_first),
		cmocka_unit_test(test_opening_without_a_loop),
		cmocka_unit_test(test_opening_fails),
		cmocka_unit_test(test_reads_all),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_writes_all),
		cmocka_unit_test(test_without_a_loop),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_refused_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
