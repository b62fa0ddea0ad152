/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One end of a message socket in the loop; the test holds the other end. */
#include "event/channel.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX 16 /* of say() */
#define QUEUE_MAX 65536
#define QUEUE_FDS_MAX 4
#define PIECE 8192

enum act { KEEP, TAKE_FD, CLOSE, FREE, READ_ON, SHUT };

struct bench {
	struct loop loop;
	uv_timer_t none;
	struct channel *channel; /* on the heap: a use after free is seen */
	int other;
	enum act act;
	unsigned messages, lost;
	int code;
	size_t bytes, n_fds;
	int taken;
};

static void end_channel(struct bench *b)
{
	channel_close(b->channel);
	free(b->channel);
	b->channel = NULL;
}

/* What comes meanwhile is put elsewhere. */
static void read_on(struct channel *c, struct str bytes)
{
	char before[TEXT_MAX];

	assert_true(bytes.len <= sizeof(before));
	memcpy(before, bytes.ptr, bytes.len);
	channel_read(c);
	assert_memory_equal(bytes.ptr, before, bytes.len);
}

static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct bench *b = context;

	assert_ptr_equal(c, b->channel);
	b->messages++;
	b->bytes += p->bytes.len;
	b->n_fds += p->n_fds;
	if (b->act == TAKE_FD && p->n_fds)
		b->taken = fd_steal(&p->fds[0]);
	else if (b->act == CLOSE)
		channel_close(c);
	else if (b->act == FREE)
		end_channel(b);
	else if (b->act == READ_ON)
		read_on(c, p->bytes);
	else if (b->act == SHUT)
		channel_shut(c);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct bench *b = context;

	assert_ptr_equal(c, b->channel);
	b->lost++;
	b->code = code;
	if (b->act == FREE)
		end_channel(b);
}

static const struct channel_ops ops = { .message = on_message,
	.lost = on_lost,
	.bytes_max = QUEUE_MAX,
	.fds_max = QUEUE_FDS_MAX };

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	int pair[2];

	assert_int_equal(loop_init(&b->loop, false), 0);
	(void)uv_timer_init(&b->loop.uv, &b->none);
	assert_int_equal(ipc_pair(pair), 0);
	b->channel = calloc(1, sizeof(*b->channel));
	assert_int_equal(channel_open(b->channel, &b->loop, pair[0], &ops, b), 0);
	b->other = pair[1];
	b->taken = -1;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	if (b->channel)
		end_channel(b);
	fd_closep(&b->other);
	fd_closep(&b->taken);
	uv_close((uv_handle_t *)&b->none, NULL);
	assert_int_equal(loop_fini(&b->loop), 0);
	free(b);
	return 0;
}

static void on_none(uv_timer_t *timer)
{
	uv_timer_stop(timer);
}

/* Without sleeping: a timer has expired. */
static void turn(struct bench *b)
{
	(void)uv_timer_start(&b->none, on_none, 0, 0);
	loop_turn(&b->loop);
}

static void say(struct bench *b, const char *text, const int *fds, size_t n_fds)
{
	assert_int_equal(ipc_send(b->other, str_from(text), fds, n_fds), 0);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_messages(void **state)
{
	struct bench *b = *state;

	say(b, "one", NULL, 0);
	say(b, "four", NULL, 0);
	turn(b);
	assert_int_equal(b->messages, 2);
	assert_int_equal(b->bytes, 7);
	assert_int_equal(b->lost, 0);
	fd_closep(&b->other);
	turn(b);
	assert_int_equal(b->lost, 1);
	assert_int_equal(b->code, 0);
	turn(b); /* it is told once */
	assert_int_equal(b->lost, 1);
	assert_int_equal(channel_send(b->channel, STR_LIT("x"), -1), -ENOTCONN);
}

/* What was said before the end is heard, whatever ends it. */
static void test_last_words(void **state)
{
	struct bench *b = *state;

	say(b, "one", NULL, 0);
	say(b, "two", NULL, 0);
	fd_closep(&b->other);
	assert_true(channel_send(b->channel, STR_LIT("x"), -1) < 0);
	turn(b);
	turn(b);
	assert_int_equal(b->messages, 2);
	assert_int_equal(b->lost, 1);
}

static void test_descriptors(void **state)
{
	struct bench *b = *state;
	int before = count_fds();
	int fds[] = { b->other, b->other, b->other, b->other };

	say(b, "x", fds, 4);
	turn(b);
	assert_int_equal(b->n_fds, 4);
	assert_int_equal(count_fds(), before); /* nobody took them */
	b->act = TAKE_FD;
	say(b, "x", fds, 2);
	turn(b);
	assert_true(b->taken >= 0);
	assert_int_equal(count_fds(), before + 1);
	/* more than fit: nothing of it stays open */
	{
		char space[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
		int many[8];
		struct iovec part = { .iov_base = space, .iov_len = 1 };
		struct msghdr m = { .msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = space,
			.msg_controllen = sizeof(space) };
		struct cmsghdr *head = CMSG_FIRSTHDR(&m);

		for (size_t i = 0; i < 8; i++)
			many[i] = b->other;
		*head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(many)) };
		memcpy(CMSG_DATA(head), many, sizeof(many));
		assert_int_equal(sendmsg(b->other, &m, 0), 1);
	}
	turn(b);
	assert_int_equal(b->code, -EMSGSIZE);
	assert_int_equal(count_fds(), before + 1);
}

static size_t drain(int fd, int *ret_fds)
{
	static char bytes[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX];
	size_t n_fds, total = 0;
	ssize_t n;

	while ((n = ipc_receive(fd, bytes, sizeof(bytes), fds, &n_fds)) > 0) {
		total += (size_t)n;
		*ret_fds += (int)n_fds;
		while (n_fds)
			fd_closep(&fds[--n_fds]);
	}
	return total;
}

/* The socket's buffer, then the queue, then no more; and all of it arrives in order. */
static void test_full_queue(void **state)
{
	static char piece[PIECE];
	struct bench *b = *state;
	size_t sent = 0, got = 0;
	int before = count_fds(), fds = 0, r, fd;

	while ((r = channel_send(b->channel, str_of(piece, PIECE), -1)) == 0)
		sent += PIECE;
	assert_int_equal(r, -ENOBUFS);
	assert_true(b->channel->bytes <= QUEUE_MAX);
	/* a small one fits no more than a large one once it is full */
	for (int i = 0; got < sent && i < 1000; i++) {
		got += drain(b->other, &fds);
		turn(b);
	}
	assert_int_equal(got, sent);
	assert_int_equal(b->channel->bytes, 0);

	/* descriptors are bounded by themselves */
	while (channel_send(b->channel, str_of(piece, PIECE), -1) == 0)
		;
	(void)drain(b->other, &fds);
	fds = 0;
	for (int i = 0; i < QUEUE_FDS_MAX; i++) {
		fd = dup(0);
		/* the queue is not flushed yet: it goes in behind */
		r = channel_send(b->channel, STR_LIT("x"), fd);
		if (r < 0)
			fd_closep(&fd);
		assert_true(r == 0 || r == -ENOBUFS);
	}
	for (int i = 0; b->channel->bytes && i < 1000; i++) {
		turn(b);
		(void)drain(b->other, &fds);
	}
	assert_int_equal(count_fds(), before);
}

static void test_descriptor_bound(void **state)
{
	static char piece[PIECE];
	struct bench *b = *state;
	int before = count_fds(), fd, fds = 0;

	while (!b->channel->bytes)
		assert_int_equal(channel_send(b->channel, str_of(piece, PIECE), -1), 0);
	for (int i = 0; i < QUEUE_FDS_MAX; i++)
		assert_int_equal(channel_send(b->channel, STR_LIT("x"), dup(0)), 0);
	fd = dup(0);
	assert_int_equal(channel_send(b->channel, STR_LIT("x"), fd), -ENOBUFS);
	assert_true(fcntl(fd, F_GETFD) >= 0); /* still the caller's */
	fd_closep(&fd);
	for (int i = 0; b->channel->bytes && i < 1000; i++) {
		(void)drain(b->other, &fds);
		turn(b);
	}
	(void)drain(b->other, &fds);
	assert_int_equal(fds, QUEUE_FDS_MAX);
	assert_int_equal(count_fds(), before);
	/* those in the queue go with it */
	while (!b->channel->bytes)
		(void)channel_send(b->channel, str_of(piece, PIECE), -1);
	assert_int_equal(channel_send(b->channel, STR_LIT("x"), dup(0)), 0);
	channel_close(b->channel);
	assert_int_equal(count_fds(), before - 1);
}

static void test_in_its_callbacks(void **state)
{
	static const struct callback_row {
		enum act act;
		unsigned messages, lost;
	} rows[] = { { CLOSE, 1, 0 }, { FREE, 1, 0 }, { READ_ON, 3, 1 }, { SHUT, 3, 1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench *b = *state;

		b->act = rows[i].act;
		say(b, "one", NULL, 0);
		say(b, "two", NULL, 0);
		say(b, "three", NULL, 0);
		if (b->act != SHUT)
			fd_closep(&b->other);
		turn(b);
		turn(b);
		assert_int_equal(b->messages, rows[i].messages);
		assert_int_equal(b->lost, rows[i].lost);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

static void test_lost_frees(void **state)
{
	struct bench *b = *state;

	b->act = FREE;
	fd_closep(&b->other);
	turn(b);
	assert_int_equal(b->lost, 1);
	assert_null(b->channel);
}

/* A flood of one does not keep the loop from its other work. */
static void test_batch(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 200; i++)
		say(b, "x", NULL, 0);
	turn(b);
	assert_in_range(b->messages, 1, 199);
	for (int i = 0; i < 10; i++)
		turn(b);
	assert_int_equal(b->messages, 200);
}

static void on_accepted(void *context, int fd)
{
	struct bench *b = context;

	fd_closep(&b->taken);
	b->taken = fd;
}

static void test_listener(void **state)
{
	struct bench *b = *state;
	struct channel_listener l;
	char path[] = "/tmp/channel-XXXXXX";
	int client;

	assert_true(close(mkstemp(path)) == 0);
	assert_int_equal(
		channel_listen(&l, &b->loop, path, 0600, on_accepted, b, NULL), 0);
	client = ipc_connect(path, NULL);
	turn(b);
	assert_true(b->taken >= 0);
	channel_listener_close(&l);
	channel_listener_close(&l);
	assert_int_equal(ipc_connect(path, NULL), -ECONNREFUSED);
	fd_closep(&client);
	(void)unlink(path);
	assert_true(channel_listen(&l, &b->loop, "/nonexistent/x", 0600, on_accepted, b,
			    NULL) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_messages), TEST(test_last_words),
		TEST(test_descriptors), TEST(test_full_queue),
		TEST(test_descriptor_bound), TEST(test_in_its_callbacks),
		TEST(test_lost_frees), TEST(test_batch), TEST(test_listener) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
