/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which messages are handled, and what becomes of their descriptors. */
#include "messages/exchange.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct heard {
	enum message_type type;
	int fd;
};

static void on_any(void *context, const struct message *m, int fd)
{
	struct heard *h = context;

	h->type = m->type;
	h->fd = fd;
}

static const struct message_row rows[] = {
	{ MESSAGE_SERVE, true, on_any },
	{ MESSAGE_RELEASE, false, on_any },
};

static void test_handle(void **state)
{
	static const struct handle_row {
		const char *name;
		enum message_type type;
		size_t n_fds;
		bool taken;
	} cases[] = {
		{ "with its descriptor", MESSAGE_SERVE, 1, true },
		{ "without a descriptor", MESSAGE_RELEASE, 0, true },
		{ "its descriptor is missing", MESSAGE_SERVE, 0, false },
		{ "one that does not belong to it", MESSAGE_RELEASE, 1, false },
		{ "one too many", MESSAGE_SERVE, 2, false },
		{ "in no row", MESSAGE_FLOWS, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message m = { .type = cases[i].type, .account = STR("ada") };
		char bytes[512];
		ssize_t len = message_encode(&m, bytes, sizeof(bytes));
		struct packet p = { .bytes = str_of(bytes, (size_t)len),
			.fds = { 100, 101, -1, -1 },
			.n_fds = cases[i].n_fds };
		struct heard heard = { .fd = -1 };
		struct error err = { 0 };
		int r = message_handle(rows, 2, &p, &heard, &err);

		if ((r == 0) != cases[i].taken)
			fail_msg("%s: %d %s", cases[i].name, r, err.text);
		assert_int_equal(
			heard.type, cases[i].taken ? cases[i].type : MESSAGE_NONE);
		assert_int_equal(heard.fd, cases[i].taken && cases[i].n_fds ? 100 : -1);
		/* what was not taken is still the channel's to close */
		if (p.n_fds)
			assert_int_equal(p.fds[0], cases[i].taken ? -1 : 100);
		p.bytes.len--;
		assert_int_equal(message_handle(rows, 2, &p, &heard, &err), -EBADMSG);
	}
}

static struct heard over_socket;

static void on_message(void *context, struct channel *c, struct packet *p)
{
	(void)context;
	(void)c;
	assert_int_equal(message_handle(rows, 2, p, &over_socket, NULL), 0);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)context;
	(void)code;
	channel_close(c);
}

/* So that a turn never waits. */
static void on_pulse(uv_idle_t *idle)
{
	(void)idle;
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = 4096, .fds_max = 1
};

static void test_over_a_socket(void **state)
{
	struct message serve = { .type = MESSAGE_SERVE, .payload = STR("LOGIN") };
	struct message release = { .type = MESSAGE_RELEASE };
	struct message huge = { .type = MESSAGE_RELEASE };
	struct channel a, b;
	struct loop loop;
	uv_idle_t pulse;
	int pair[2], ends[2];
	char c = 0;

	(void)state;
	assert_int_equal(loop_init(&loop, false), 0);
	assert_int_equal(uv_idle_init(&loop.uv, &pulse), 0);
	assert_int_equal(uv_idle_start(&pulse, on_pulse), 0);
	assert_int_equal(ipc_pair(pair), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(channel_open(&a, &loop, pair[0], &ops, NULL), 0);
	assert_int_equal(channel_open(&b, &loop, pair[1], &ops, NULL), 0);
	assert_int_equal(message_send(&a, &serve, ends[1]), 0);
	loop_turn(&loop);
	assert_int_equal(over_socket.type, MESSAGE_SERVE);
	assert_int_equal(write(over_socket.fd, "x", 1), 1);
	assert_int_equal(read(ends[0], &c, 1), 1);
	fd_closep(&over_socket.fd);
	assert_int_equal(message_send(&b, &release, -1), 0);
	loop_turn(&loop);
	loop_turn(&loop);
	assert_int_equal(over_socket.type, MESSAGE_RELEASE);
	huge.payload = str_of(calloc(1, IPC_MESSAGE_MAX), IPC_MESSAGE_MAX);
	assert_int_equal(message_send(&a, &huge, -1), -EMSGSIZE);
	free((void *)(uintptr_t)huge.payload.ptr);
	channel_close(&a);
	loop_turn(&loop);
	assert_false(channel_is_open(&b));
	fd_closep(&ends[0]);
	uv_close((uv_handle_t *)&pulse, NULL);
	assert_int_equal(loop_fini(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_handle),
		cmocka_unit_test(test_over_a_socket) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
