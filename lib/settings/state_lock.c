/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
	[STATE_LOCK_UP] = "up",
	[STATE_LOCK_INTERCEPTOR] = "interceptor",
	[STATE_LOCK_MAILSTORE] = "mailstore",
	[STATE_LOCK_TRANSFER] = "transfer",
	[STATE_LOCK_VAULT] = "vault",
	[STATE_LOCK_ADMISSION] = "admission",
	[STATE_LOCK_DASHBOARD] = "dashboard",
	[STATE_LOCK_UP_VAULT] = "up vault",
	[STATE_LOCK_UP_STATE] = "up state",
	[STATE_LOCK_UP_MAILSTORE] = "up mailstore",
	[STATE_LOCK_UP_TRANSFER] = "up transfer",
	[STATE_LOCK_UP_INTERCEPTOR] = "up interceptor",
	[STATE_LOCK_UP_ADMISSION] = "up admission",
	[STATE_LOCK_UP_DASHBOARD] = "up dashboard",
	[STATE_LOCK_UP_RULES] = "up rules",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == STATE_LOCK_ALL, "a name for each");

int state_lock_of(const char *program, enum state_lock *ret)
{
	for (size_t i = 0; i < STATE_LOCK_ALL; i++)
		if (strcmp(names[i], program) == 0) {
			*ret = (enum state_lock)i;
			return 0;
		}
	return -ENOENT;
}

static int holder(int fd, enum state_lock which)
{
	struct flock is = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)which,
		.l_len = 1 };
	int r = fd < 0 ? -1 : fcntl(fd, F_GETLK, &is);

	return r == 0 && is.l_type != F_UNLCK ? (int)is.l_pid : 0;
}

int state_lock_other(const struct state_lock_files *f, enum state_lock which)
{
	return holder(f->fds[0], which);
}

int state_lock_holder(const struct settings *s, enum state_lock which)
{
	char path[PATH_MAX];
	int fd = settings_state_path(s, STATE_LOCK_FILE, path, sizeof(path)) < 0
	                 ? -1
	                 : open(path, O_RDONLY | O_CLOEXEC);
	int pid = holder(fd, which);

	if (fd >= 0)
		close(fd);
	return pid;
}

static int refuse(const char *directory, int fd, struct flock wanted, struct error *err)
{
	struct flock is = wanted;
	const char *name = "mailferry";
	int pid = 0;

	if (fcntl(fd, F_GETLK, &is) == 0 && is.l_type != F_UNLCK) {
		pid = (int)is.l_pid;
		if (is.l_start < STATE_LOCK_ALL)
			name = names[is.l_start];
	}
	return error_set(err, -EBUSY,
		"mailferry %s (pid %d) runs in %s already; stop it first, or give this "
		"one a state_dir and a run_dir that no other has",
		name, pid, directory);
}

static int open_in(const char *directory, int *ret_fd, struct error *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/" STATE_LOCK_FILE, directory);

	if (len < 0 || (size_t)len >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG, "%s", directory);
	*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? error_errno(err, -errno, "cannot open %s", path) : 0;
}

int state_lock_open(
	const struct settings *s, struct state_lock_files *ret, struct error *err)
{
	int r;

	*ret = (struct state_lock_files){ .directories = { s->state_dir, s->run_dir },
		.fds = { -1, -1 } };
	r = open_in(s->state_dir, &ret->fds[0], err);
	if (r == 0 && strcmp(s->run_dir, s->state_dir) != 0)
		r = open_in(s->run_dir, &ret->fds[1], err);
	if (r < 0)
		state_lock_close(ret);
	return r;
}

void state_lock_close(struct state_lock_files *f)
{
	for (size_t i = 0; i < 2; i++) {
		if (f->fds[i] >= 0)
			close(f->fds[i]);
		f->fds[i] = -1;
	}
}

static struct flock range_of(enum state_lock which, short type)
{
	return (struct flock){ .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = which == STATE_LOCK_ALL ? 0 : (off_t)which,
		.l_len = which == STATE_LOCK_ALL ? 0 : 1 };
}

int state_lock_set(
	const struct state_lock_files *f, enum state_lock which, struct error *err)
{
	struct flock lock = range_of(which, F_WRLCK);

	for (size_t i = 0; i < 2; i++) {
		if (f->fds[i] < 0 || fcntl(f->fds[i], F_SETLK, &lock) == 0)
			continue;
		return errno == EAGAIN || errno == EACCES
		               ? refuse(f->directories[i], f->fds[i], lock, err)
		               : error_errno(err, -errno, "cannot lock %s/%s",
					 f->directories[i], STATE_LOCK_FILE);
	}
	return 0;
}

void state_lock_drop(const struct state_lock_files *f, enum state_lock which)
{
	struct flock lock = range_of(which, F_UNLCK);

	for (size_t i = 0; i < 2; i++)
		if (f->fds[i] >= 0)
			(void)fcntl(f->fds[i], F_SETLK, &lock);
}

int state_lock_take(const struct settings *s, enum state_lock which, struct error *err)
{
	struct state_lock_files files;
	int r = state_lock_open(s, &files, err);

	if (r == 0 && (r = state_lock_set(&files, which, err)) < 0)
		state_lock_close(&files);
	return r; /* the descriptors stay open: closing them would drop the lock */
}
