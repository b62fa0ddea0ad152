/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages with descriptors over a channel. The input is what a broken or hostile program
 * sends, packet after packet: number of descriptors, length (2 bytes), bytes. Whatever it
 * is, it costs that channel alone, and no descriptor stays open.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "messages/exchange.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FDS_MOST 8 /* more than a packet may have */
#define FDS_LOOKED_AT 64

struct run {
	unsigned handled, lost;
};

static void on_file(void *context, const struct message *m, int fd)
{
	struct run *run = context;

	if ((m->type != MESSAGE_SERVE && m->type != MESSAGE_MEND) || fd < 0)
		abort();
	run->handled++;
	fd_closep(&fd);
}

static void on_release(void *context, const struct message *m, int fd)
{
	struct run *run = context;

	if (m->type != MESSAGE_RELEASE || fd >= 0)
		abort();
	run->handled++;
}

static const struct message_row rows[] = {
	{ MESSAGE_SERVE, true, on_file },
	{ MESSAGE_MEND, true, on_file },
	{ MESSAGE_RELEASE, false, on_release },
};

static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct run *run = context;

	if (run->lost)
		abort();
	if (message_handle(rows, sizeof(rows) / sizeof(rows[0]), p, run, NULL) < 0)
		channel_close(c);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct run *run = context;

	(void)code;
	if (run->lost++)
		abort();
	channel_close(c);
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = 4096, .fds_max = 1
};

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void send_packet(int to, struct str bytes, size_t n_fds)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MOST)];
		struct cmsghdr align;
	} control = { 0 };
	int fds[FDS_MOST];
	struct iovec part = { .iov_base = (void *)(uintptr_t)bytes.ptr,
		.iov_len = bytes.len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = to;
	if (n_fds) {
		struct cmsghdr *head;

		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		head = CMSG_FIRSTHDR(&m);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(head), fds, sizeof(int) * n_fds);
	}
	(void)!sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_all(int to, struct str input)
{
	while (input.len >= 3) {
		size_t n_fds = (unsigned char)input.ptr[0] % (FDS_MOST + 1);
		size_t len = (size_t)(unsigned char)input.ptr[1] << 8 |
		             (unsigned char)input.ptr[2];
		struct str bytes = str_take(str_skip(input, 3), len);

		send_packet(to, bytes, n_fds);
		input = str_skip(input, 3 + bytes.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop first; /* libuv keeps a pipe for the whole process */
	struct run run = { 0 };
	struct channel c;
	struct loop loop;
	int pair[2], before;

	if (!first.epoll && loop_init(&first, false) < 0)
		abort();
	before = count_fds();
	if (loop_init(&loop, false) < 0 || ipc_pair(pair) < 0 ||
		channel_open(&c, &loop, pair[0], &ops, &run) < 0)
		abort();
	send_all(pair[1], str_of(data, size));
	fd_closep(&pair[1]);
	while (channel_is_open(&c)) /* the end of file closes it at last */
		loop_turn(&loop);
	if (loop_fini(&loop) < 0 || count_fds() != before)
		abort();
	return 0;
}
