/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/talk.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/ipc.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#define SLICE_MS 200
#define ANSWER_MAX 4096 /* a type, two numbers and a name */

static int open_socket(const struct settings *s, const char *name, struct error *err)
{
	char path[PATH_MAX];
	int fd = settings_run_path(s, name, path, sizeof(path));

	if (fd < 0)
		return error_errno(err, fd, "%s", s->run_dir);
	fd = ipc_connect(path, err);
	return fd == -ENOENT ? -ECONNREFUSED : fd;
}

static int send_to(int fd, const struct message *m, struct error *err)
{
	int r = message_send(fd, m, -1);

	return r < 0 ? error_errno(err, r, "cannot send a %s message",
			       message_type_name(m->type))
	             : 0;
}

int talk_tell(const struct settings *s, const char *socket_name, const struct message *m,
	struct error *err)
{
	CLEANUP(fd_closep) int fd = open_socket(s, socket_name, err);

	return fd < 0 ? fd : send_to(fd, m, err);
}

/* 1: fd (-1: none) can be read, 0: not yet. */
static int look(int fd, uint64_t left)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, fd < 0 ? 0 : 1, left < SLICE_MS ? (int)left : SLICE_MS);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0;
}

/* 0: fd can be read. */
static int wait_for(int fd, const struct talk_patience *patience)
{
	uint64_t now = clock_monotonic_ms(), end = now + patience->ms;

	for (; now < end; now = clock_monotonic_ms()) {
		int r = look(fd, end - now);

		if (r)
			return r < 0 ? r : 0;
		r = patience->tick(patience->context);
		if (r)
			return r;
	}
	return -ETIMEDOUT;
}

int talk_pause(const struct talk_patience *patience)
{
	int r = wait_for(-1, patience);

	return r == -ETIMEDOUT ? 0 : r;
}

static int receive(
	int fd, enum message_type answer, uint64_t *ret_number, struct error *err)
{
	char bytes[ANSWER_MAX];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	struct message m;
	ssize_t len = ipc_receive(fd, bytes, sizeof(bytes), fds, &n_fds);

	while (n_fds)
		fd_closep(&fds[--n_fds]);
	if (len == 0 || len == -ECONNRESET)
		return error_set(err, -EPIPE, "the program that was asked has ended");
	if (len < 0)
		return error_errno(err, (int)len, "cannot receive an answer");
	if (message_decode(str_of(bytes, (size_t)len), &m) < 0)
		return error_set(err, -EBADMSG, "an answer makes no sense");
	if (m.type == MESSAGE_FAILED)
		return error_set(err, -EREMOTEIO, "%.*s", STR_ARG(m.text));
	if (m.type != answer)
		return error_set(err, -EBADMSG, "a %s is no answer to this",
			message_type_name(m.type));
	*ret_number = m.number;
	return 0;
}

int talk_ask(const struct settings *s, const char *socket_name,
	const struct message *question, enum message_type answer,
	const struct talk_patience *patience, uint64_t *ret_number, struct error *err)
{
	CLEANUP(fd_closep) int fd = open_socket(s, socket_name, err);
	int r = fd < 0 ? fd : send_to(fd, question, err);

	if (r == 0)
		r = wait_for(fd, patience);
	if (r == -ETIMEDOUT)
		return error_set(err, r, "no answer to a %s message",
			message_type_name(question->type));
	return r ? r : receive(fd, answer, ret_number, err);
}

int talk_begin(const struct settings *s, const char *socket_name,
	const struct message *question, struct error *err)
{
	CLEANUP(fd_closep) int fd = open_socket(s, socket_name, err);
	int r = fd < 0 ? fd : send_to(fd, question, err);

	return r < 0 ? r : fd_steal(&fd);
}

int talk_answered(
	int fd, enum message_type answer, uint64_t *ret_number, struct error *err)
{
	int r = look(fd, 0);

	if (r <= 0)
		return r < 0 ? error_errno(err, r, "cannot wait for an answer") : 0;
	r = receive(fd, answer, ret_number, err);
	return r < 0 ? r : 1;
}
