/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/backup.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/schema.h"
#include "mailstore/store/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INCOMPLETE "incomplete"
#define TRIES 3

struct backup {
	struct snapshot snapshot;
	const char *path; /* where to */
	int to, bodies;   /* its folders */
	struct database *old;
	struct query old_places;
	struct body_place at; /* of the older one, where the walk is */
	bool at_end;
	int fd; /* the pack that is written */
	uint32_t number;
	uint64_t size; /* of that pack */
	store_finding_fn *each;
	void *context;
	struct store_backed_up *count;
	struct error *err;
};

static int cannot(struct backup *b, int code, const char *name)
{
	if (code == -EACCES)
		return error_set(b->err, code,
			"cannot write %s/%s: the account's user must be able to pass "
			"each folder above it (chmod o+x)",
			b->path, name);
	return error_errno(b->err, code, "cannot write %s/%s", b->path, name);
}

/* ── the older one ─────────────────────────────────────────────────────────────────── */

static struct body_place place_of(const struct query *q)
{
	return (struct body_place){ .pack = (uint32_t)query_number(q, 0),
		.offset = query_number(q, 1),
		.len = query_number(q, 2),
		.checksum = (uint32_t)query_number(q, 3) };
}

static int step_old(struct backup *b)
{
	int n = query_next(&b->old_places, b->err);

	b->at_end = n != 1;
	if (n == 1)
		b->at = place_of(&b->old_places);
	return n < 0 ? n : 0;
}

/* One that cannot be read is no help. */
static int open_old(struct backup *b)
{
	b->at_end = true;
	if (faccessat(b->to, INCOMPLETE, F_OK, 0) == 0 ||
		index_open(b->path, &b->old, NULL) < 0)
		return 0;
	if (query_begin(b->old, SQL_EACH_RANGE, SQL_NO_VALUES, &b->old_places, b->err) <
		0)
		return b->err ? b->err->code : -EIO;
	return step_old(b);
}

static void close_old(struct backup *b)
{
	query_end(&b->old_places);
	b->old_places = (struct query){ 0 };
	database_close(b->old);
	b->old = NULL;
}

static bool is_before(const struct body_place *a, const struct body_place *b)
{
	return a->pack != b->pack ? a->pack < b->pack : a->offset < b->offset;
}

/* Both walks go in the order of places. */
static int older_has(struct backup *b, const struct body_place *p, bool *ret)
{
	int code = 0;

	while (code == 0 && !b->at_end && is_before(&b->at, p))
		code = step_old(b);
	*ret = !b->at_end && b->at.pack == p->pack && b->at.offset == p->offset &&
	       b->at.len == p->len && b->at.checksum == p->checksum &&
	       p->offset + p->len <= b->size;
	return code;
}

/* ── bodies ────────────────────────────────────────────────────────────────────────── */

static int finish_pack(struct backup *b)
{
	int code = b->fd >= 0 && fdatasync(b->fd) < 0 ? -errno : 0;

	fd_closep(&b->fd);
	return code < 0 ? cannot(b, code, "bodies") : 0;
}

static int begin_pack(struct backup *b, uint32_t number)
{
	char name[PACK_NAME_MAX];
	struct stat about;
	int code;

	if (b->fd >= 0 && b->number == number)
		return 0;
	code = finish_pack(b);
	if (code < 0)
		return code;
	(void)snprintf(name, sizeof(name), "%04u.pack", number);
	b->number = number;
	b->fd = openat(b->bodies, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (b->fd < 0 || fstat(b->fd, &about) < 0)
		return cannot(b, -errno, name);
	b->size = (uint64_t)about.st_size;
	return 0;
}

static int write_at(struct backup *b, struct str bytes, uint64_t offset)
{
	while (bytes.len) {
		ssize_t n = pwrite(b->fd, bytes.ptr, bytes.len, (off_t)offset);

		if (n < 0 && errno != EINTR)
			return cannot(b, -errno, "bodies");
		if (n > 0) {
			bytes = str_skip(bytes, (size_t)n);
			offset += (size_t)n;
		}
	}
	if (offset > b->size)
		b->size = offset;
	return 0;
}

/* What is damaged here is not written over what the older one may have. */
static int copy_body(struct backup *b, const struct body_place *p, int64_t checksum)
{
	struct error why = { 0 };
	struct store_finding f = { .kind = "lost" };
	struct snapshot_body body;
	int code = snapshot_body(&b->snapshot, p, checksum, &body, &why);

	if (code == -EIO) {
		b->count->lost++;
		f.text = str_from(why.text);
		return b->each(b->context, &f);
	}
	if (code < 0) {
		if (b->err)
			*b->err = why;
		return code;
	}
	code = write_at(b, body.bytes, p->offset);
	b->count->copied_bodies++;
	b->count->copied_bytes += p->len;
	snapshot_body_release(&body);
	return code;
}

static int copy_bodies(struct backup *b)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(b->snapshot.db, SQL_EACH_RANGE, SQL_NO_VALUES, &q, b->err);
	bool has = false;

	while (n == 0 && (n = query_next(&q, b->err)) == 1) {
		struct body_place p = place_of(&q);
		int64_t checksum = query_is_null(&q, 3) ? -1 : (int64_t)p.checksum;

		b->count->bodies++;
		b->count->bytes += p.len;
		n = begin_pack(b, p.pack);
		if (n == 0)
			n = older_has(b, &p, &has);
		if (n == 0 && !has)
			n = copy_body(b, &p, checksum);
	}
	return n < 0 ? n : finish_pack(b);
}

/* ── the folder ────────────────────────────────────────────────────────────────────── */

static int open_folders(struct backup *b)
{
	b->to = open(b->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->to < 0)
		return cannot(b, -errno, "");
	if (mkdirat(b->to, "bodies", 0700) < 0 && errno != EEXIST)
		return cannot(b, -errno, "bodies");
	b->bodies =
		openat(b->to, "bodies", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return b->bodies < 0 ? cannot(b, -errno, "bodies") : 0;
}

static int mark_incomplete(struct backup *b)
{
	CLEANUP(fd_closep)
	int fd = openat(b->to, INCOMPLETE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 || fsync(b->to) < 0 ? cannot(b, -errno, INCOMPLETE) : 0;
}

/* A log that was left beside the older index belongs to it alone. */
static int copy_index(struct backup *b)
{
	char path[PATH_MAX];

	close_old(b);
	(void)unlinkat(b->to, "index.sqlite-wal", 0);
	(void)unlinkat(b->to, "index.sqlite-shm", 0);
	(void)snprintf(path, sizeof(path), "%s/index.sqlite", b->path);
	return database_copy(b->snapshot.db, path, b->err);
}

static int drop_unneeded(struct backup *b)
{
	int fd = openat(b->bodies, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_closep(&fd);
		return cannot(b, -errno, "bodies");
	}
	for (struct dirent *e; (e = readdir(d));) {
		struct str rest = str_from(e->d_name);
		struct str digits = str_split(&rest, '.');
		uint32_t number;

		if (str_eq(rest, STR_LIT("pack")) && str_to_u32(digits, &number) &&
			!snapshot_pack(&b->snapshot, number))
			(void)unlinkat(b->bodies, e->d_name, 0);
	}
	(void)closedir(d);
	return 0;
}

static int back_up(struct backup *b)
{
	int code = open_folders(b);

	if (code == 0)
		code = open_old(b);
	if (code == 0)
		code = mark_incomplete(b);
	if (code == 0)
		code = copy_bodies(b);
	if (code == 0 && fsync(b->bodies) < 0)
		code = cannot(b, -errno, "bodies");
	if (code == 0)
		code = copy_index(b);
	if (code == 0)
		code = drop_unneeded(b);
	if (code == 0 && (unlinkat(b->to, INCOMPLETE, 0) < 0 || fsync(b->to) < 0))
		code = cannot(b, -errno, INCOMPLETE);
	return code;
}

static int back_up_once(const char *folder, struct backup b, struct store_backed_up *ret)
{
	int code = snapshot_open(folder, &b.snapshot, b.err);

	*ret = (struct store_backed_up){ 0 };
	if (code == 0)
		code = back_up(&b);
	close_old(&b);
	fd_closep(&b.fd);
	fd_closep(&b.bodies);
	fd_closep(&b.to);
	snapshot_close(&b.snapshot);
	return code;
}

/* -ESTALE: a message of that moment is gone, and its place is used again; another moment
   is as good. */
int store_backup(const char *folder, const char *to, store_finding_fn *each,
	void *context, struct store_backed_up *ret, struct error *err)
{
	const struct backup b = { .path = to,
		.to = -1,
		.bodies = -1,
		.fd = -1,
		.each = each,
		.context = context,
		.count = ret,
		.err = err };
	int code = -ESTALE;

	for (int i = 0; code == -ESTALE && i < TRIES; i++)
		code = back_up_once(folder, b, ret);
	return code;
}
