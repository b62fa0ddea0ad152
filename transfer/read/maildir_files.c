/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/maildir_files.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A question is the kind in one byte and the path; an answer is the error's number, and a
   descriptor when it is 0. */

/* ---- who opens ---- */

/* Neither to hang nor to wake anybody: what is no file is not opened at all, unless it is
   put there in that very moment. */
static int look(int directory, enum maildir_kind kind, const char *path)
{
	struct stat is;

	if (fstatat(directory, path, &is, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(is.st_mode)) {
		/* one to a file is no mailbox that would be missed */
		if (kind == MAILDIR_DIRECTORY && fstatat(directory, path, &is, 0) == 0 &&
			!S_ISDIR(is.st_mode))
			return -ENOTDIR;
		return -ELOOP;
	}
	if (kind == MAILDIR_DIRECTORY)
		return S_ISDIR(is.st_mode) ? 0 : -ENOTDIR;
	return S_ISREG(is.st_mode) ? 0 : -EBADF;
}

static int open_beneath(int directory, enum maildir_kind kind, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY |
		                         O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	struct stat is;
	int r = look(directory, kind, path);
	CLEANUP(fd_closep) int fd = -1;

	if (r < 0)
		return r;
	if (kind == MAILDIR_DIRECTORY)
		how.flags |= O_DIRECTORY;
	fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &is) < 0)
		return -errno;
	if (kind == MAILDIR_FILE && !S_ISREG(is.st_mode))
		return -EBADF;
	return fd_steal(&fd);
}

static int answer(int socket, int directory, char *question, size_t len)
{
	CLEANUP(fd_closep) int fd = -1;
	int code;

	question[len] = '\0';
	fd = open_beneath(directory,
		question[0] == 'd' ? MAILDIR_DIRECTORY : MAILDIR_FILE, question + 1);
	code = fd < 0 ? fd : 0;
	return ipc_send(socket, str_of(&code, sizeof(code)), &fd, fd >= 0);
}

static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	(void)close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
	if (high > low + 1)
		(void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	(void)close_range((unsigned)high + 1, UINT_MAX, 0);
}

static _Noreturn void serve(int socket, int directory)
{
	char question[PATH_MAX + 2];
	struct stat is;
	struct error err;
	int r = fstat(directory, &is) < 0 ? -errno : 0;

	close_others(socket, directory);
	if (r == 0) {
		const struct process_user owner = { .uid = is.st_uid, .gid = is.st_gid };

		r = process_become(&owner, &err);
	}
	if (r == 0 && is.st_uid != 0)
		r = process_keep_capabilities(NULL, 0, &err);
	while (r == 0) {
		size_t n_fds = 0;
		int fds[IPC_FDS_MAX];
		ssize_t len =
			ipc_receive(socket, question, sizeof(question) - 1, fds, &n_fds);

		if (len < 2) /* whom we serve has ended */
			_exit(0);
		r = answer(socket, directory, question, (size_t)len);
	}
	_exit(1);
}

/* ---- who reads ---- */

int maildir_files_start(int directory, struct maildir_files *ret, struct error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, -errno, "cannot make a pair of sockets");
	ret->pid = fork();
	if (ret->pid == 0) {
		(void)close(ends[0]);
		serve(ends[1], directory);
	}
	(void)close(ends[1]);
	ret->socket = ends[0];
	if (ret->pid > 0)
		return 0;
	fd_closep(&ret->socket);
	return error_errno(err, -errno, "cannot start a process");
}

void maildir_files_end(struct maildir_files *f)
{
	fd_closep(&f->socket);
	while (f->pid > 0 && waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	f->pid = 0;
}

static int explain(struct error *err, int code, struct str path)
{
	switch (-code) {
	case ELOOP:
	case EXDEV:
		return error_set(err, -ELOOP, "%.*s is a symbolic link, or below one",
			STR_ARG(path));
	case EBADF:
		return error_set(err, code, "%.*s is no plain file", STR_ARG(path));
	case ENOENT:
		return error_set(
			err, code, "%.*s is not there (any more)", STR_ARG(path));
	default:
		return error_errno(err, code, "cannot open %.*s", STR_ARG(path));
	}
}

int maildir_files_open(const struct maildir_files *f, enum maildir_kind kind,
	struct str path, struct error *err)
{
	char question[PATH_MAX + 1];
	int fds[IPC_FDS_MAX], code = -EPIPE;
	size_t n_fds = 0;
	ssize_t len;

	if (path.len >= PATH_MAX || memchr(path.ptr, '\0', path.len))
		return error_set(err, -ENAMETOOLONG, "a name is too long");
	question[0] = kind == MAILDIR_DIRECTORY ? 'd' : 'f';
	memcpy(question + 1, path.ptr, path.len);
	code = ipc_send(f->socket, str_of(question, path.len + 1), NULL, 0);
	if (code < 0)
		return explain(err, code, path);
	len = ipc_receive(f->socket, (char *)&code, sizeof(code), fds, &n_fds);
	if (len != (ssize_t)sizeof(code))
		return explain(err, len < 0 ? (int)len : -EPIPE, path);
	if (code < 0)
		return explain(err, code, path);
	return n_fds == 1 ? fds[0] : explain(err, -EPIPE, path);
}
