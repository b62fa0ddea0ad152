/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long a server may be silent: one that takes a long message slowly is not. And how
   one is left that still answers. */
#include "transfer/read/pop3_connection.h"
#include "transfer/read/source_connection.h"

#include "base/clock.h"
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGE ((size_t)256 << 10)
#define PIECE 8192
#define PIECE_MS 60      /* so the whole takes 1920 */
#define PATIENCE_MS 1000 /* longer than a thread waits on a busy machine */
#define SLICE_MS 5

static void *take_slowly(void *context)
{
	static char room[PIECE];
	const struct timespec pause = { .tv_nsec = PIECE_MS * 1000000L };
	int fd = *(int *)context;

	for (size_t n = 0; n < MESSAGE; (void)nanosleep(&pause, NULL)) {
		ssize_t taken = read(fd, room, sizeof(room));

		if (taken <= 0)
			break;
		n += (size_t)taken;
	}
	return NULL;
}

static void begin(struct source_connection *c, int fds[static 2])
{
	const int small = PIECE;
	static char message[MESSAGE];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	source_connection_init(c);
	assert_int_equal(stream_plain_new(NULL, fds[0], &c->stream), 0);
	c->heard_at = clock_monotonic_ms();
	assert_int_equal(buf_append(&c->out, str_of(message, sizeof(message))), 0);
}

static int send_all(struct source_connection *c)
{
	struct source_connection *const all[] = { c };
	struct error err = { 0 };
	int r = 0;

	while (r == 0 && buf_len(&c->out)) {
		r = source_connection_flush(c, &err);
		if (r == 0 && buf_len(&c->out))
			r = source_connection_wait(all, 1, SLICE_MS, PATIENCE_MS, &err);
	}
	return r;
}

static void test_takes_slowly(void **state)
{
	struct source_connection c;
	pthread_t reader;
	int fds[2];

	(void)state;
	begin(&c, fds);
	assert_int_equal(pthread_create(&reader, NULL, take_slowly, &fds[1]), 0);
	assert_int_equal(send_all(&c), 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
	source_connection_close(&c);
	(void)close(fds[1]);
}

static void test_takes_nothing(void **state)
{
	uint64_t began = clock_monotonic_ms();
	struct source_connection c;
	int fds[2];

	(void)state;
	begin(&c, fds);
	assert_int_equal(send_all(&c), -ETIMEDOUT);
	assert_true(clock_monotonic_ms() - began >= PATIENCE_MS);
	source_connection_close(&c);
	(void)close(fds[1]);
}

/* ── leaving ───────────────────────────────────────────────────────────────────────── */

/* Answers on after the client has said its last word; ret: what became of it. */
struct answering {
	int fd;
	bool heard_the_end;
	int failed_with;
};

static void *answer_to_the_end(void *context)
{
	static char piece[PIECE];
	const struct timespec pause = { .tv_nsec = PIECE_MS * 1000000L };
	struct answering *a = context;

	a->heard_the_end = read(a->fd, piece, sizeof(piece)) == 0;
	for (size_t n = 0; n < MESSAGE && !a->failed_with; n += PIECE) {
		if (send(a->fd, piece, sizeof(piece), MSG_NOSIGNAL) < 0)
			a->failed_with = errno;
		(void)nanosleep(&pause, NULL);
	}
	close(a->fd);
	return NULL;
}

static uint64_t leave(unsigned most_ms, struct answering *a)
{
	struct source_connection c;
	uint64_t began;
	pthread_t server;
	int fds[2];

	begin(&c, fds);
	*a = (struct answering){ .fd = fds[1] };
	assert_int_equal(pthread_create(&server, NULL, answer_to_the_end, a), 0);
	began = clock_monotonic_ms();
	source_connection_leave(&c, most_ms);
	began = clock_monotonic_ms() - began;
	assert_false(source_connection_is_open(&c));
	assert_int_equal(pthread_join(server, NULL), 0);
	return began;
}

static void test_the_answer_comes_to_its_end(void **state)
{
	struct answering a;

	(void)state;
	(void)leave(60000, &a);
	assert_true(a.heard_the_end); /* what was still to be asked is not asked */
	assert_int_equal(a.failed_with, 0);
}

static void test_an_endless_answer_is_left(void **state)
{
	struct answering a;

	(void)state;
	assert_in_range(leave(PIECE_MS * 4, &a), PIECE_MS * 4, 60000);
	assert_int_equal(a.failed_with, EPIPE);
}

static void test_nothing_to_leave(void **state)
{
	struct source_connection c;

	(void)state;
	source_connection_init(&c);
	source_connection_leave(&c, 60000);
	assert_false(source_connection_is_open(&c));
}

/* ── how much is asked ahead by POP3 ──────────────────────────────────────────────── */

#define QUESTIONS 200

static int ask_noop(void *context, size_t i, struct buf *out)
{
	(void)context;
	(void)i;
	return buf_append(out, STR_LIT("NOOP\r\n"));
}

static int take_nothing(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	(void)context;
	(void)i;
	(void)what;
	(void)bytes;
	return 0;
}

static uint32_t size_as_told(void *context, size_t i)
{
	(void)i;
	return *(uint32_t *)context;
}

static int stop(void *context)
{
	(void)context;
	return -EINTR;
}

/* So many questions go out before the first answer comes. */
static size_t asked_ahead(bool pipelining, uint32_t *size)
{
	static char heard[QUESTIONS * 8];
	struct pop3_connection t;
	struct pop3_questions q = { .n = QUESTIONS,
		.expect = POP3_EXPECT_ONE_LINE,
		.ask = ask_noop,
		.answer = take_nothing,
		.size = size ? size_as_told : NULL,
		.context = size };
	struct error err = { 0 };
	int fds[2];
	ssize_t n;

	pop3_connection_init(&t, 60000, stop, NULL);
	t.pipelining = pipelining;
	begin(&t.net, fds);
	buf_clear(&t.net.out);
	assert_int_equal(pop3_connection_ask(&t, &q, &err), -EINTR);
	n = read(fds[1], heard, sizeof(heard));
	assert_true(n > 0);
	source_connection_close(&t.net);
	close(fds[1]);
	return (size_t)n / (sizeof("NOOP\r\n") - 1);
}

static void test_asked_ahead(void **state)
{
	uint32_t small = 100, large = 100000, huge = UINT32_MAX;

	(void)state;
	assert_int_equal(asked_ahead(false, &small), 1);
	assert_int_equal(asked_ahead(true, NULL), 64);
	assert_int_equal(asked_ahead(true, &small), 64);
	assert_int_equal(asked_ahead(true, &large), 2); /* a quarter of a megabyte */
	assert_int_equal(asked_ahead(true, &huge), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_slowly),
		cmocka_unit_test(test_takes_nothing),
		cmocka_unit_test(test_the_answer_comes_to_its_end),
		cmocka_unit_test(test_an_endless_answer_is_left),
		cmocka_unit_test(test_nothing_to_leave),
		cmocka_unit_test(test_asked_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
