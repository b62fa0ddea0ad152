/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/ask.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

int ask_open(const struct settings *s, const char *socket_name, struct error *err)
{
	char path[PATH_MAX];
	int fd = settings_run_path(s, socket_name, path, sizeof(path));

	if (fd < 0)
		return error_errno(err, fd, "%s", s->run_dir);
	fd = ipc_connect(path, err);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return error_set(err, -ECONNREFUSED,
			"mailferry does not run here (nobody answers on %s); start "
			"`mailferry up`",
			path);
	return fd;
}

static int wait_for(int fd, short events, struct error *err)
{
	uint64_t end = clock_monotonic_ms() + ASK_TIMEOUT_MS;
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = clock_monotonic_ms();
		int n = poll(&p, 1, now < end ? (int)(end - now) : 0);

		if (n > 0)
			return 0;
		if (n == 0)
			return error_set(err, -ETIMEDOUT,
				"no answer within %d s; see the log of `mailferry up`",
				ASK_TIMEOUT_MS / 1000);
		if (errno != EINTR)
			return error_errno(err, -errno, "poll");
	}
}

int ask_send(int fd, const struct message *m, struct error *err)
{
	int r = message_send(fd, m, -1);

	if (r == -EAGAIN) {
		r = wait_for(fd, POLLOUT, err);
		if (r < 0)
			return r;
		r = message_send(fd, m, -1);
	}
	return r < 0 ? error_errno(err, r, "cannot send a message") : 0;
}

static int take_message(struct str bytes, struct message *ret, struct error *err)
{
	struct message m;

	if (!bytes.len)
		return error_set(err, -EPIPE,
			"the program closed the connection; see the log of `mailferry "
			"up`");
	if (message_decode(bytes, &m) < 0)
		return error_set(err, -EBADMSG,
			"the running program is of another version; restart `mailferry "
			"up`");
	if (m.type == MESSAGE_FAILED)
		return error_set(err, -EREMOTEIO, "%.*s", STR_ARG(m.text));
	*ret = m;
	return 0;
}

int ask_receive(int fd, char bytes[static IPC_MESSAGE_MAX], struct message *ret,
	struct error *err)
{
	int fds[IPC_FDS_MAX], r = wait_for(fd, POLLIN, err);
	size_t n_fds = 0;
	ssize_t len;

	if (r < 0)
		return r;
	len = ipc_receive(fd, bytes, IPC_MESSAGE_MAX, fds, &n_fds);
	if (len < 0)
		return error_errno(err, (int)len, "cannot receive a message");
	while (n_fds)
		fd_closep(&fds[--n_fds]);
	return take_message(str_of(bytes, (size_t)len), ret, err);
}

int ask_number(const struct settings *s, const char *socket_name,
	const struct message *question, enum message_type answer, uint64_t *ret_number,
	struct error *err)
{
	char bytes[IPC_MESSAGE_MAX];
	CLEANUP(fd_closep) int fd = ask_open(s, socket_name, err);
	struct message m;
	int r = fd < 0 ? fd : ask_send(fd, question, err);

	if (r == 0)
		r = ask_receive(fd, bytes, &m, err);
	if (r == 0 && m.type != answer)
		r = error_set(err, -EBADMSG, "the program answered %s to %s",
			message_type_name(m.type), message_type_name(question->type));
	if (r == 0)
		*ret_number = m.number;
	return r;
}

int ask(const struct settings *s, const char *socket_name, const struct message *question,
	enum message_type answer, struct error *err)
{
	uint64_t number;

	return ask_number(s, socket_name, question, answer, &number, err);
}

int tell(const struct settings *s, const char *socket_name, const struct message *m,
	struct error *err)
{
	CLEANUP(fd_closep) int fd = ask_open(s, socket_name, err);

	return fd < 0 ? fd : ask_send(fd, m, err);
}

bool program_answers(const struct settings *s, const char *socket_name)
{
	CLEANUP(fd_closep) int fd = ask_open(s, socket_name, NULL);

	return fd >= 0;
}
