/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long a server may be silent: one that takes a long message slowly is not. */
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
#define PIECE_MS 10 /* so the whole takes 320 */
#define PATIENCE_MS 100
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_slowly),
		cmocka_unit_test(test_takes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
