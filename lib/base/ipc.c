/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/ipc.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64 /* our own programs and a person's commands */

static int make_address(
	const char *path, struct sockaddr_un *ret_address, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG,
			"%s: a socket's path may have %zu bytes; choose a shorter "
			"run_dir",
			path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, len);
	*ret_address = address;
	return 0;
}

static int make_socket(struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd >= 0 ? fd : error_errno(err, -errno, "cannot make a UNIX socket");
}

int ipc_listen(const char *path, unsigned mode, struct error *err)
{
	struct sockaddr_un address;
	CLEANUP(fd_closep) int fd = -1;
	int r = make_address(path, &address, err);

	if (r < 0)
		return r;
	fd = make_socket(err);
	if (fd < 0)
		return fd;
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, -errno, "cannot replace %s", path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(err, -errno, "cannot listen on %s", path);
	return fd_steal(&fd);
}

int ipc_connect(const char *path, struct error *err)
{
	struct sockaddr_un address;
	CLEANUP(fd_closep) int fd = -1;
	int r = make_address(path, &address, err);

	if (r < 0)
		return r;
	fd = make_socket(err);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, -errno, "cannot connect to %s", path);
	return fd_steal(&fd);
}

int ipc_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd >= 0 ? fd : -errno;
}

int ipc_pair(int ret_fds[static 2])
{
	int r = socketpair(
		AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds);

	return r < 0 ? -errno : 0;
}

union control {
	char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	struct cmsghdr align;
};

int ipc_send(int fd, struct str bytes, const int *fds, size_t n_fds)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)bytes.ptr,
		.iov_len = bytes.len };
	union control control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > IPC_FDS_MAX || !bytes.len)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *head;

		message.msg_control = control.space;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(head), fds, sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static size_t take_fds(struct msghdr *message, int *ret_fds)
{
	size_t count = 0;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
		head = CMSG_NXTHDR(message, head)) {
		size_t here;

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		here = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && count < IPC_FDS_MAX; i++)
			memcpy(&ret_fds[count++], CMSG_DATA(head) + i * sizeof(int),
				sizeof(int));
	}
	return count;
}

ssize_t ipc_receive(int fd, char *bytes, size_t size, int *ret_fds, size_t *ret_n_fds)
{
	struct iovec part = { .iov_base = bytes, .iov_len = size };
	union control control = { 0 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	size_t count;
	ssize_t n, r;

	do {
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	count = take_fds(&message, ret_fds);
	r = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : n;
	while (r <= 0 && count)
		fd_closep(&ret_fds[--count]);
	*ret_n_fds = count;
	return r;
}
