/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dovecot's lists. A new one is written in tmp/, becomes the lock by link(2), which is
   when nobody else has it, and the list by rename(2): whoever is killed between the two
   leaves a lock that is the draft itself, by which the next one knows it. */
#include "transfer/maildir/writer_parts.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DRAFT "mailferry-list" /* in tmp/ */
#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 50000000L /* five seconds in all: Dovecot holds it for a moment */
#define READ_SIZE 16384

static void lock_name(enum export_file list, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s.lock", export_file_name(list));
}

void maildir_lists_unlock(const struct maildir_folder *f, int root)
{
	struct stat draft, lock;

	if (fstatat(f->parts[PART_TMP], DRAFT, &draft, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	for (enum export_file list = 0; list < EXPORT_FILES; list++) {
		int at = list == EXPORT_SUBSCRIPTIONS ? root : f->fd;
		char name[64];

		lock_name(list, name, sizeof(name));
		if (fstatat(at, name, &lock, AT_SYMLINK_NOFOLLOW) == 0 &&
			lock.st_ino == draft.st_ino && lock.st_dev == draft.st_dev)
			(void)unlinkat(at, name, 0);
	}
}

int maildir_list_draft(const struct maildir_folder *f, int *ret_fd, struct error *err)
{
	(void)unlinkat(f->parts[PART_TMP], DRAFT, 0);
	*ret_fd = openat(f->parts[PART_TMP], DRAFT,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? error_errno(err, -errno, "cannot write a list") : 0;
}

static bool is_same(int a, int b)
{
	char left[READ_SIZE], right[READ_SIZE];
	off_t at = 0;
	ssize_t n, m;

	do {
		n = pread(a, left, sizeof(left), at);
		m = pread(b, right, sizeof(right), at);
		if (n < 0 || n != m || memcmp(left, right, (size_t)n) != 0)
			return false;
		at += n;
	} while (n > 0);
	return true;
}

static int lock(const struct maildir_folder *f, int at, const char *name)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (linkat(f->parts[PART_TMP], DRAFT, at, name, 0) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		(void)nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

int maildir_list_replace(const struct maildir_folder *f, int root, enum export_file list,
	int *draft, struct error *err)
{
	int at = list == EXPORT_SUBSCRIPTIONS ? root : f->fd, r = 0;
	const char *name = export_file_name(list);
	CLEANUP(fd_closep) int now = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char locked[64];

	lock_name(list, locked, sizeof(locked));
	if (now < 0 || !is_same(now, *draft)) {
		if (fsync(*draft) < 0)
			r = -errno;
		if (r == 0)
			r = lock(f, at, locked);
		if (r == 0 && renameat(at, locked, at, name) < 0)
			r = -errno;
	}
	fd_closep(draft);
	(void)unlinkat(f->parts[PART_TMP], DRAFT, 0);
	if (r == -EBUSY)
		return error_set(err, r,
			"%s is locked: somebody uses the Maildir before the account has "
			"moved there",
			name);
	return r < 0 ? error_errno(err, r, "cannot write %s", name) : 0;
}
