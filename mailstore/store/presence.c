/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether the folder is still the one that was opened. `lock` holds a number that changes
   with each commit: a copy of the folder that is put back has another one, or another
   file. The file's own times save reading it.

   The number is put into the file's page in memory, by the kernel: a write would change
   the file's times, and on a file system without a journal the sync of the next commit
   waits until they are on the disk (they lie in one block with the index's own). Where
   somebody has cut the file short meanwhile that is -EFAULT, no signal. Once a second it
   is written all the same: who copies back only what has other times, as rsync does,
   would leave `lock` alone. */
#include "base/clock.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARK "overwritten"
#define TIMES_MS 1000

/* Not by snprintf(): each command of a client looks twice. */
static int path_of(const struct store *s, const char *name, char path[static PATH_MAX])
{
	size_t folder = strlen(s->folder), rest = strlen(name) + 1;

	if (folder + 1 + rest > PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, s->folder, folder);
	path[folder] = '/';
	memcpy(path + folder + 1, name, rest);
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int write_number(struct store *s)
{
	struct presence *p = &s->presence;
	bool written = pwrite(s->lock, &p->number, sizeof(p->number), 0) ==
	               (ssize_t)sizeof(p->number);

	p->written_at = clock_monotonic_ms();
	/* a full disk does not hinder it: the block is there from the first time on, and
	   until then the file is known by its times */
	if (!written && errno != ENOSPC)
		return -EIO;
	p->is_written = p->is_written || written;
	return fstat(s->lock, &p->lock) < 0 ? -errno : 0;
}

static int map_number(struct store *s)
{
	void *page = mmap(NULL, sizeof(s->presence.number), PROT_READ | PROT_WRITE,
		MAP_SHARED, s->lock, 0);

	if (page == MAP_FAILED)
		return -errno;
	s->presence.page = page;
	return 0;
}

int presence_begin(struct store *s, struct error *err)
{
	char path[PATH_MAX];
	int r = path_of(s, MARK, path);

	if (r == 0 && access(path, F_OK) == 0)
		return error_set(err, -EUCLEAN,
			"%s: files of it were replaced while it was open; remove the "
			"whole folder, then copy it from the backup once more",
			s->folder);
	if (getrandom(&s->presence.number, sizeof(s->presence.number), 0) < 0)
		r = -errno;
	if (r == 0)
		r = write_number(s);
	if (r == 0)
		r = map_number(s);
	if (r == 0 && stat(s->folder, &s->presence.folder) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot write %s/lock", s->folder) : 0;
}

int presence_of_index(struct store *s, struct error *err)
{
	char path[PATH_MAX];
	int r = path_of(s, "index.sqlite", path);

	if (r == 0 && stat(path, &s->presence.index) < 0)
		r = -errno;
	s->presence.is_known = r == 0;
	return r < 0 ? error_errno(err, r, "%s/index.sqlite", s->folder) : 0;
}

/* The system call itself: a library's could write there without the kernel. */
static bool put_number(struct store *s)
{
	struct presence *p = &s->presence;

	if (syscall(SYS_getrandom, p->page, sizeof(p->number), 0) !=
		(long)sizeof(p->number))
		return false;
	if (pread(s->lock, &p->number, sizeof(p->number), 0) !=
		(ssize_t)sizeof(p->number))
		p->number = 0;
	return p->number != 0;
}

/* What fails is seen by the next check. */
void presence_next(struct store *s)
{
	struct presence *p = &s->presence;
	bool holds = put_number(s) || !p->is_written;

	if (holds && clock_monotonic_ms() - p->written_at >= TIMES_MS)
		(void)write_number(s);
}

void presence_end(struct store *s)
{
	if (s->presence.page)
		(void)munmap(s->presence.page, sizeof(s->presence.number));
	s->presence.page = NULL;
}

static bool holds_our_number(const char *path, uint64_t number)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t found = 0;

	return fd >= 0 && read(fd, &found, sizeof(found)) == (ssize_t)sizeof(found) &&
	       found == number;
}

/* Our lock file, or one that only was looked at, or linked to. */
static bool is_our_lock(struct store *s, const struct stat *now, const char *path)
{
	struct presence *p = &s->presence;

	if (!is_same_file(now, &p->lock))
		return false;
	if (now->st_ctim.tv_sec == p->lock.st_ctim.tv_sec &&
		now->st_ctim.tv_nsec == p->lock.st_ctim.tv_nsec)
		return true;
	p->lock = *now;
	return holds_our_number(path, p->number);
}

static enum store_presence look(struct store *s)
{
	char lock[PATH_MAX], index[PATH_MAX];
	struct stat now;

	if (path_of(s, "lock", lock) < 0 || path_of(s, "index.sqlite", index) < 0)
		return STORE_THERE;
	/* "." stays the folder that it was, whatever becomes of its name */
	if (strcmp(s->folder, ".") != 0 &&
		(stat(s->folder, &now) < 0 || !is_same_file(&now, &s->presence.folder)))
		return STORE_GONE;
	if (stat(lock, &now) < 0)
		return STORE_GONE;
	if (!is_our_lock(s, &now, lock))
		return STORE_OVERWRITTEN;
	if (stat(index, &now) < 0 || !is_same_file(&now, &s->presence.index))
		return STORE_OVERWRITTEN;
	return STORE_THERE;
}

/* What our last commits wrote may still lie beside the new files, and the next opener
   would take the two for one. */
static void mark(const struct store *s)
{
	char path[PATH_MAX];
	int fd;

	if (path_of(s, MARK, path) < 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	fd_closep(&fd);
}

enum store_presence store_presence(struct store *s)
{
	struct presence *p = &s->presence;

	if (p->is_known && p->is == STORE_THERE) {
		p->is = look(s);
		if (p->is == STORE_OVERWRITTEN)
			mark(s);
	}
	return p->is;
}
