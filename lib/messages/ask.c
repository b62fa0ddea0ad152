/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/ask.h"

#include "base/fd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

#define ASK_MS 10000

const struct patience ask_patience = { .ms = ASK_MS };

static const struct patience at_once = { .ms = 0 };

int ask_open(const char *run_dir, const char *socket_name, struct error *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", run_dir, socket_name), fd;

	if (len < 0 || (size_t)len >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG, "%s", run_dir);
	fd = ipc_connect(path, err);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return error_set(err, -ECONNREFUSED,
			"mailferry does not run here (nobody answers on %s); start "
			"`mailferry up`",
			path);
	if (fd == -EACCES)
		return error_set(
			err, fd, "%s is not open to you; run this as root", path);
	return fd;
}

static int wait_until(int fd, short events, const struct patience *p, struct error *err)
{
	int r = wait_for(fd, events, p);

	if (r == -ETIMEDOUT)
		return error_set(err, r,
			"no answer within %u s; see the log of `mailferry up`",
			p->ms / 1000);
	return r;
}

struct sending {
	int fd, with;
};

static int send_on(void *context, struct str bytes)
{
	const struct sending *w = context;

	return ipc_send(w->fd, bytes, &w->with, w->with >= 0);
}

static int send_now(int fd, const struct message *m, int with)
{
	return message_give(m, send_on, &(struct sending){ fd, with });
}

int ask_send_fd(int fd, const struct message *m, int with, const struct patience *p,
	struct error *err)
{
	int r = send_now(fd, m, with);

	if (r == -EAGAIN) {
		r = wait_until(fd, POLLOUT, p, err);
		if (r)
			return r;
		r = send_now(fd, m, with);
	}
	return r < 0 ? error_errno(err, r, "cannot send a %s message",
			       message_type_name(m->type))
	             : 0;
}

int ask_send(int fd, const struct message *m, const struct patience *p, struct error *err)
{
	return ask_send_fd(fd, m, -1, p, err);
}

static int take(struct str bytes, struct message *ret, struct error *err)
{
	struct message m;

	if (message_decode(bytes, &m) < 0)
		return error_set(err, -EBADMSG,
			"the running program is of another version; restart `mailferry "
			"up`");
	if (m.type == MESSAGE_FAILED)
		return error_set(err, -EREMOTEIO, "%.*s", STR_ARG(m.text));
	*ret = m;
	return 0;
}

int ask_receive_fd(int fd, char bytes[static IPC_MESSAGE_MAX], const struct patience *p,
	struct message *ret, int *ret_fd, struct error *err)
{
	int fds[IPC_FDS_MAX], r = wait_until(fd, POLLIN, p, err);
	size_t n_fds = 0;
	ssize_t len;

	if (r)
		return r;
	len = ipc_receive(fd, bytes, IPC_MESSAGE_MAX, fds, &n_fds);
	if (len == 0)
		return error_set(err, -EPIPE,
			"the program closed the connection; see the log of `mailferry "
			"up`");
	if (len < 0)
		return error_errno(err, (int)len, "cannot receive a message");
	while (n_fds > 1)
		fd_closep(&fds[--n_fds]);
	*ret_fd = n_fds ? fds[0] : -1;
	r = take(str_of(bytes, (size_t)len), ret, err);
	if (r < 0)
		fd_closep(ret_fd);
	return r;
}

int ask_receive(int fd, char bytes[static IPC_MESSAGE_MAX], const struct patience *p,
	struct message *ret, struct error *err)
{
	CLEANUP(fd_closep) int none = -1;

	return ask_receive_fd(fd, bytes, p, ret, &none, err);
}

static int receive_number(int fd, enum message_type answer, const struct patience *p,
	uint64_t *ret_number, struct error *err)
{
	char bytes[IPC_MESSAGE_MAX];
	struct message m;
	int r = ask_receive(fd, bytes, p, &m, err);

	if (r)
		return r;
	if (m.type != answer)
		return error_set(err, -EBADMSG, "the program answered %s instead of %s",
			message_type_name(m.type), message_type_name(answer));
	if (ret_number)
		*ret_number = m.number;
	return 0;
}

int ask(const char *run_dir, const char *socket_name, const struct message *question,
	enum message_type answer, const struct patience *p, uint64_t *ret_number,
	struct error *err)
{
	CLEANUP(fd_closep) int fd = ask_begin(run_dir, socket_name, question, err);

	return fd < 0 ? fd : receive_number(fd, answer, p, ret_number, err);
}

int ask_tell(const char *run_dir, const char *socket_name, const struct message *m,
	struct error *err)
{
	CLEANUP(fd_closep) int fd = ask_begin(run_dir, socket_name, m, err);

	return fd < 0 ? fd : 0;
}

bool ask_runs(const char *run_dir, const char *socket_name)
{
	CLEANUP(fd_closep) int fd = ask_open(run_dir, socket_name, NULL);

	return fd >= 0;
}

int ask_begin(const char *run_dir, const char *socket_name,
	const struct message *question, struct error *err)
{
	CLEANUP(fd_closep) int fd = ask_open(run_dir, socket_name, err);
	/* a new connection takes one message at once */
	int r = fd < 0 ? fd : ask_send(fd, question, &at_once, err);

	return r ? r : fd_steal(&fd);
}

int ask_answered(
	int fd, enum message_type answer, uint64_t *ret_number, struct error *err)
{
	int r = receive_number(fd, answer, &at_once, ret_number, err);

	return r == -ETIMEDOUT ? 0 : r < 0 ? r : 1;
}
