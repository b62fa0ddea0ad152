/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/reports.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIME_DIGITS 13  /* of a name: they sort by it */
#define PARTY_DIGITS 16 /* behind it, for whom it is, and from which network */

static int open_folder(const struct settings *s)
{
	char path[PATH_MAX];
	int r = settings_state_path(s, REPORTS_DIRECTORY, path, sizeof(path));
	int fd = r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return r < 0 ? r : fd < 0 ? -errno : fd;
}

static int file_path(const struct settings *s, const char *name, char *path, size_t size)
{
	char inner[sizeof(REPORTS_DIRECTORY) + 1 + REPORT_NAME_MAX];

	(void)snprintf(inner, sizeof(inner), "%s/%s", REPORTS_DIRECTORY, name);
	return settings_state_path(s, inner, path, size);
}

/* ---- what is there ---- */

typedef int name_fn(void *context, int folder, const char *name);

static int each_name(const struct settings *s, name_fn *fn, void *context)
{
	int fd = open_folder(s), r = 0;
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (fd < 0)
		return fd;
	if (!folder) {
		fd_closep(&fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < REPORT_NAME_MAX)
			r = fn(context, fd, entry->d_name);
	(void)closedir(folder);
	return r;
}

uint64_t report_at(const struct report_name *name)
{
	uint64_t at;

	return str_to_u64(str_take(str_from(name->text), TIME_DIGITS), &at) ? at : 0;
}

/* FNV-1a. Who wants to fill somebody's share need not look for a collision: the sender's
   address is theirs to choose. */
static uint64_t hash_of(struct str address)
{
	uint64_t hash = HASH_FIRST;

	for (size_t i = 0; i < address.len; i++) {
		char c = address.ptr[i];

		hash = hash_mix(
			hash, (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
	}
	return hash ? hash : 1;
}

/* Whose shares a report counts in. */
enum party { PARTY_TO, PARTY_NETWORK, PARTIES };

static bool read_party(struct str digits, uint64_t *ret)
{
	return digits.len == PARTY_DIGITS && hex_to_u64(digits, ret);
}

/* 0: the name does not say it. */
static uint64_t party_of(const struct report_name *name, enum party party)
{
	struct str rest = str_from(name->text);
	uint64_t value = 0;

	if (str_split(&rest, '-').len != TIME_DIGITS)
		return 0;
	for (unsigned i = 0; i <= party; i++)
		if (!read_party(str_split(&rest, '-'), &value) || !rest.len)
			return 0;
	return value;
}

uint64_t report_to(const struct report_name *name)
{
	return party_of(name, PARTY_TO);
}

struct share {
	uint64_t of; /* 0: nobody's */
	unsigned n;
	uint64_t bytes;
};

struct look {
	struct reports_view *view;
	struct share shares[PARTIES];
};

static void add_to_share(struct share *share, uint64_t of, uint64_t bytes)
{
	if (!of || of != share->of)
		return;
	share->n++;
	share->bytes += bytes;
}

static int add_to_view(void *context, int folder, const char *name)
{
	struct look *look = context;
	struct reports_view *v = look->view;
	struct report_name as = { "" };
	struct stat st;
	uint64_t at;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it has gone meanwhile */
	(void)snprintf(as.text, sizeof(as.text), "%s", name);
	at = report_at(&as);
	for (unsigned i = 0; i < PARTIES; i++)
		add_to_share(&look->shares[i], party_of(&as, i), (uint64_t)st.st_size);
	v->n++;
	v->bytes += (uint64_t)st.st_size;
	if (!v->oldest_at || at < v->oldest_at)
		v->oldest_at = at;
	return 0;
}

int reports_look(const struct settings *s, struct reports_view *ret)
{
	struct look look = { .view = ret };

	*ret = (struct reports_view){ 0 };
	return each_name(s, add_to_view, &look);
}

/* ---- a worker adds one ---- */

static int write_file(
	const struct settings *s, int file, struct str recipient, struct str message)
{
	int r = fd_leaves_room(file, recipient.len + message.len, s->limits.disk_reserve);

	if (r == 0)
		r = fd_write_all(file, recipient.ptr, recipient.len);
	if (r == 0)
		r = fd_write_all(file, "\n", 1);
	if (r == 0)
		r = fd_write_all(file, message.ptr, message.len);
	return r == 0 && fsync(file) < 0 ? -errno : r;
}

/* The name is durable with the folder. linkat() of a descriptor is root's alone, but not
   by way of /proc (open(2), O_TMPFILE). */
static int give_name(int folder, int file, const struct report *report)
{
	char name[REPORT_NAME_MAX], self[32];

	(void)snprintf(name, sizeof(name), "%0*" PRIu64 "-%0*" PRIx64 "-%0*" PRIx64 "-%s",
		TIME_DIGITS, clock_wall_ms(), PARTY_DIGITS, hash_of(report->recipient),
		PARTY_DIGITS, report->network, report->id);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", file);
	if (linkat(AT_FDCWD, self, folder, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return fsync(folder) < 0 ? -errno : 0;
}

static int open_nameless(int at, const char *folder)
{
	int fd = openat(at, folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int reports_try(const char *folder)
{
	CLEANUP(fd_closep) int fd = open_nameless(AT_FDCWD, folder);

	return fd < 0 ? fd : 0;
}

/* As large as what is left, at most. */
static bool has_its_share(
	const struct share *share, const struct reports_view *all, size_t len)
{
	return share->of && (share->n >= REPORTS_MAX - all->n ||
				    share->bytes + len > REPORTS_BYTES_MAX - all->bytes);
}

static int look_for_room(const struct settings *s, const struct report *report)
{
	size_t len = report->recipient.len + report->message.len;
	struct reports_view v = { 0 };
	struct look look = { .view = &v,
		.shares = { [PARTY_TO] = { .of = hash_of(report->recipient) },
			[PARTY_NETWORK] = { .of = report->network } } };
	int r = each_name(s, add_to_view, &look);

	if (r < 0)
		return r;
	if (v.n >= REPORTS_MAX || v.bytes + len > REPORTS_BYTES_MAX || len >= REPORT_MAX)
		return -EDQUOT;
	for (unsigned i = 0; i < PARTIES; i++)
		if (has_its_share(&look.shares[i], &v, len))
			return -EDQUOT;
	return 0;
}

int reports_add(const struct settings *s, const struct report *report)
{
	CLEANUP(fd_closep) int folder = -1, file = -1;
	int r = look_for_room(s, report);

	if (r < 0)
		return r;
	folder = open_folder(s);
	if (folder < 0)
		return folder;
	file = open_nameless(folder, ".");
	if (file < 0)
		return file;
	r = write_file(s, file, report->recipient, report->message);
	return r < 0 ? r : give_name(folder, file, report);
}

/* ---- the runner ---- */

int reports_lock(const struct settings *s, int *ret_fd)
{
	CLEANUP(fd_closep) int folder = open_folder(s);

	if (folder < 0)
		return folder;
	while (flock(folder, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_fd = fd_steal(&folder);
	return 0;
}

struct list {
	struct report_name *names;
	size_t n, room;
};

static int add_to_list(void *context, int folder, const char *name)
{
	struct list *l = context;

	(void)folder;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		void *more = realloc(l->names, room * sizeof(*l->names));

		if (!more)
			return -ENOMEM;
		l->names = more;
		l->room = room;
	}
	(void)snprintf(l->names[l->n++].text, REPORT_NAME_MAX, "%s", name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct report_name *)a)->text,
		((const struct report_name *)b)->text);
}

int reports_list(const struct settings *s, struct report_name **ret)
{
	struct list l = { 0 };
	int r = each_name(s, add_to_list, &l);

	if (r < 0) {
		free(l.names);
		return r;
	}
	if (l.n)
		qsort(l.names, l.n, sizeof(*l.names), compare);
	*ret = l.names;
	return (int)l.n;
}

static int read_all(int fd, size_t size, struct buf *file)
{
	char *space;
	int r;

	buf_clear(file);
	r = buf_reserve(file, size, &space);
	if (r == 0)
		r = fd_read_all(fd, space, size);
	if (r == 0)
		buf_commit(file, size);
	return r;
}

/* Who writes here is a process that clients talk to. */
int reports_read(const struct settings *s, const struct report_name *name,
	struct buf *file, struct str *ret_recipient, struct str *ret_message)
{
	char path[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;
	struct stat st;
	int r = file_path(s, name->text, path, sizeof(path));

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || !st.st_size || st.st_size > REPORT_MAX)
		return -EBADMSG;
	r = read_all(fd, (size_t)st.st_size, file);
	if (r < 0)
		return r;
	*ret_message = buf_view(file);
	*ret_recipient = str_split(ret_message, '\n');
	return ret_message->len ? 0 : -EBADMSG;
}

int reports_remove(const struct settings *s, const struct report_name *name)
{
	CLEANUP(fd_closep) int folder = open_folder(s);

	if (folder < 0)
		return folder;
	if (unlinkat(folder, name->text, 0) < 0)
		return -errno;
	return fsync(folder) < 0 ? -errno : 0;
}
