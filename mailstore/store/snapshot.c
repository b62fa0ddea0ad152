/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/snapshot.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3 /* a pack that its last message left goes with the next commit */

/* ── opening ───────────────────────────────────────────────────────────────────────── */

static void forget_packs(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_packs; i++)
		fd_closep(&s->packs[i].fd);
	free(s->packs);
	s->packs = NULL;
	s->n_packs = 0;
}

static int add_pack(struct snapshot *s, uint32_t number, bool *any_missing)
{
	struct snapshot_pack *grown =
		reallocarray(s->packs, s->n_packs + 1, sizeof(*grown));
	char path[PATH_MAX];
	struct stat about;
	int fd;

	if (!grown)
		return -ENOMEM;
	s->packs = grown;
	(void)snprintf(path, sizeof(path), "%s/bodies/%04u.pack", s->folder, number);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd >= 0 && fstat(fd, &about) < 0)
		return -errno;
	*any_missing |= fd < 0;
	s->packs[s->n_packs++] = (struct snapshot_pack){
		.number = number, .fd = fd, .size = fd < 0 ? 0 : (uint64_t)about.st_size
	};
	return 0;
}

static int open_packs(struct snapshot *s, bool *any_missing, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(s->db, SQL_EACH_PACK, SQL_NO_VALUES, &q, err);

	*any_missing = false;
	while (n == 0 && (n = query_next(&q, err)) == 1) {
		n = add_pack(s, (uint32_t)query_number(&q, 0), any_missing);
		if (n < 0)
			return error_errno(err, n, "cannot open %s/bodies", s->folder);
	}
	return n;
}

/* An account of a terabyte has a thousand packs. */
static void allow_many_files(void)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) < 0)
		return;
	most.rlim_cur = most.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &most);
}

static int take_moment(struct snapshot *s, struct error *err)
{
	bool any_missing = true;
	int code = 0;

	for (int i = 0; code == 0 && any_missing && i < TRIES; i++) {
		forget_packs(s);
		database_rollback(s->db);
		code = database_begin_reading(s->db, err);
		if (code == 0)
			code = open_packs(s, &any_missing, err);
	}
	return code;
}

int snapshot_open(const char *folder, struct snapshot *s, struct error *err)
{
	int code;

	*s = (struct snapshot){ .folder = folder };
	allow_many_files();
	code = index_open(folder, &s->db, err);
	if (code == 0)
		code = take_moment(s, err);
	if (code < 0)
		snapshot_close(s);
	return code;
}

void snapshot_close(struct snapshot *s)
{
	forget_packs(s);
	if (s->db)
		database_rollback(s->db);
	database_close(s->db);
	database_close(s->now);
	*s = (struct snapshot){ 0 };
}

const struct snapshot_pack *snapshot_pack(const struct snapshot *s, uint32_t number)
{
	for (size_t i = 0; i < s->n_packs; i++)
		if (s->packs[i].number == number)
			return &s->packs[i];
	return NULL;
}

/* ── bodies ────────────────────────────────────────────────────────────────────────── */

static int read_inline(const struct snapshot *s, const struct body_place *place,
	struct snapshot_body *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(
		s->db, SQL_BODY, SQL_VALUES(sql_number(place->offset)), &q, err);
	struct str bytes = n == 1 ? query_bytes(&q, 0) : STR_LIT("");

	if (n < 0)
		return n;
	if (bytes.len != place->len)
		return error_set(err, -EIO, "its body is not in the index");
	ret->copy = malloc(bytes.len + 1);
	if (!ret->copy)
		return error_set(err, -ENOMEM, "no memory");
	memcpy(ret->copy, bytes.ptr, bytes.len);
	ret->bytes = str_of(ret->copy, bytes.len);
	return 0;
}

static int map_packed(const struct snapshot *s, const struct body_place *place,
	struct snapshot_body *ret, struct error *err)
{
	const struct snapshot_pack *pack = snapshot_pack(s, place->pack);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t from = place->offset & ~(page - 1);

	if (!pack || pack->fd < 0)
		return error_set(err, -EIO, "bodies/%04u.pack is missing", place->pack);
	if (place->offset + place->len > pack->size)
		return error_set(err, -EIO, "bodies/%04u.pack is cut short", place->pack);
	ret->map_len = place->offset - from + place->len;
	ret->map = mmap(NULL, ret->map_len, PROT_READ, MAP_SHARED, pack->fd, (off_t)from);
	if (ret->map == MAP_FAILED) {
		ret->map = NULL;
		return error_errno(
			err, -errno, "cannot read bodies/%04u.pack", place->pack);
	}
	ret->bytes = str_of((const char *)ret->map + (place->offset - from), place->len);
	return 0;
}

static int read_body(const struct snapshot *s, const struct body_place *place,
	int64_t checksum, struct snapshot_body *ret, struct error *err)
{
	int code = 0;

	*ret = (struct snapshot_body){ .bytes = STR_LIT("") };
	if (place->len)
		code = place->pack ? map_packed(s, place, ret, err)
		                   : read_inline(s, place, ret, err);
	if (code < 0 || checksum < 0 ||
		store_checksum(0, ret->bytes) == (uint32_t)checksum)
		return code;
	snapshot_body_release(ret);
	return place->pack ? error_set(err, -EIO,
				     "its %" PRIu64 " bytes at %" PRIu64
				     " of bodies/%04u.pack are damaged",
				     place->len, place->offset, place->pack)
	                   : error_set(err, -EIO, "its body in the index is damaged");
}

/* Whether a row says so by now; what cannot be asked is taken for a yes. */
static bool is_still_there(
	struct snapshot *s, const struct body_place *place, int64_t checksum)
{
	uint64_t is = 1;

	if (!s->now && index_open(s->folder, &s->now, NULL) < 0)
		return true;
	(void)sql_get(s->now, SQL_HAS_PLACE,
		SQL_VALUES(sql_number(place->pack), sql_number(place->offset),
			sql_number(place->len),
			checksum < 0 ? sql_null() : sql_signed(checksum)),
		&is, NULL);
	return is;
}

int snapshot_body(struct snapshot *s, const struct body_place *place, int64_t checksum,
	struct snapshot_body *ret, struct error *err)
{
	int code = read_body(s, place, checksum, ret, err);

	if (code != -EIO || is_still_there(s, place, checksum))
		return code;
	return error_set(err, -ESTALE, "its message was deleted meanwhile");
}

void snapshot_body_release(struct snapshot_body *b)
{
	if (b->map)
		(void)munmap(b->map, b->map_len);
	free(b->copy);
	*b = (struct snapshot_body){ .bytes = STR_LIT("") };
}
