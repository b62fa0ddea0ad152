/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies: from a writer to a place, from a row to a view; and packs that nobody needs. */
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A body in a pack up to this size is read, not mapped: taking a mapping down costs more
   than copying it (measured: 100 us and 5 us for 37 KB). */
#define COPY_MAX 65536
/* What is compared at once: of what is sent, and of what has to be read for it. */
#define COMPARE_MAX 1048576
#define COMPARE_READ 16384

/* ── writing ───────────────────────────────────────────────────────────────────────── */

void store_set_reserve(struct store *s, uint64_t bytes)
{
	s->reserve = bytes;
}

int store_has_room(struct store *s, uint64_t len, struct error *err)
{
	if (fd_leaves_room(s->packs.directory, len, s->reserve) == 0)
		return 0;
	return error_set(err, -ENOSPC,
		"the disk of %s has only the reserve left (`limits { disk_reserve }`)",
		s->folder);
}

int store_body_begin(
	struct store *s, uint64_t len, struct body_writer *ret, struct error *err)
{
	struct pack *k;
	uint64_t offset;
	int code;

	*ret = (struct body_writer){ .fd = -1 };
	if (!len)
		return 0;
	code = store_has_room(s, len, err);
	if (code < 0)
		return code;
	code = pack_reserve(&s->packs, len, &k, &offset, err);
	if (code < 0)
		return code;
	*ret = (struct body_writer){
		.pack = k->number, .offset = offset, .len = len, .fd = k->fd
	};
	return 0;
}

int store_body_write(
	struct store *s, struct body_writer *w, struct str bytes, struct error *err)
{
	struct pack *k;
	int code;

	if (!bytes.len)
		return 0;
	if (bytes.len > w->len - w->written)
		return error_set(err, -EOVERFLOW,
			"a body of %" PRIu64 " bytes that was to have %" PRIu64,
			w->written + bytes.len, w->len);
	code = pack_find(&s->packs, w->pack, &k, err);
	if (code == 0)
		code = pack_write(&s->packs, k, w->offset + w->written, bytes, err);
	if (code == 0) {
		w->written += bytes.len;
		w->checksum = store_checksum(w->checksum, bytes);
	}
	return code;
}

int store_body_end(
	struct store *s, struct body_writer *w, struct body_place *ret, struct error *err)
{
	if (w->written < w->len)
		return error_set(err, -EINVAL,
			"%s: a body of %" PRIu64 " bytes that was to have %" PRIu64,
			s->folder, w->written, w->len);
	*ret = (struct body_place){ .pack = w->pack,
		.offset = w->offset,
		.len = w->len,
		.checksum = w->checksum,
		.inline_bytes = STR_LIT("") };
	return 0;
}

void store_body_abort(struct store *s, struct body_writer *w)
{
	struct pack *k;

	if (w->pack && pack_find(&s->packs, w->pack, &k, NULL) == 0)
		pack_give_back(&s->packs, k, w->offset, w->len);
	*w = (struct body_writer){ .fd = -1 };
}

struct body_place store_body_inline(struct str bytes)
{
	return (struct body_place){ .len = bytes.len, .inline_bytes = bytes };
}

/* ── checksums ─────────────────────────────────────────────────────────────────────── */

uint32_t store_checksum(uint32_t so_far, struct str bytes)
{
	return libdeflate_crc32(so_far, bytes.ptr, bytes.len);
}

static int damaged(const struct store *s, struct body *b, struct error *err)
{
	struct body_place p = b->place;

	store_body_release(b);
	if (!p.pack)
		return error_set(err, -EIO,
			"%s/index.sqlite: body %" PRIu64 " is damaged (its checksum is "
			"another one); restore it from a backup",
			s->folder, p.offset);
	return error_set(err, -EIO,
		"%s/bodies/%04u.pack: the body of %" PRIu64 " bytes at %" PRIu64
		" is damaged (its checksum is another one); restore it from a backup",
		s->folder, p.pack, p.len, p.offset);
}

/* sum: that of its bytes. */
static int compare(struct store *s, struct body *b, uint32_t sum, struct error *err)
{
	if (sum != (uint32_t)b->checksum)
		return damaged(s, b, err);
	compared_add(&s->compared, place_number(&b->place));
	b->checksum = -1;
	return 0;
}

int store_body_check(struct store *s, struct body *b, struct error *err)
{
	if (b->checksum < 0)
		return 0;
	if (!compared_has(&s->compared, place_number(&b->place)))
		return compare(s, b, store_checksum(0, b->bytes), err);
	b->checksum = -1;
	return 0;
}

/* ── reading ───────────────────────────────────────────────────────────────────────── */

static int read_inline(
	struct store *s, uint64_t id, uint64_t len, struct body *ret, struct error *err)
{
	struct query q;
	struct str bytes = STR("");
	int code = query_begin(s->db, SQL_BODY, SQL_VALUES(sql_number(id)), &q, err);

	if (code == 0)
		code = query_next(&q, err);
	if (code >= 0) {
		bytes = code ? query_bytes(&q, 0) : bytes;
		code = 0;
		if (bytes.len != len)
			code = error_set(err, -EIO, "%s: body %llu is not in the index",
				s->folder, (unsigned long long)id);
	}
	if (code == 0) {
		ret->copy = malloc(bytes.len);
		if (!ret->copy)
			code = error_set(err, -ENOMEM, "no memory");
	}
	if (code == 0) {
		memcpy(ret->copy, bytes.ptr, bytes.len);
		ret->bytes = str_of(ret->copy, bytes.len);
	}
	query_end(&q);
	return code;
}

/* A row that points past the end of its file would be a SIGBUS in whoever reads. */
static int check_size(struct store *s, const struct pack *k, const struct body_place *p,
	struct error *err)
{
	uint64_t size = 0;
	int code = pack_size(k, &size, err);

	if (code == 0)
		places_saw(&s->places, k->number, size);
	if (code == 0 && p->offset + p->len > size)
		return error_set(err, -EIO,
			"%s/bodies/%04u.pack is cut short; restore it from a backup",
			s->folder, k->number);
	return code;
}

static int read_copy(const struct pack *k, const struct body_place *p, struct body *ret)
{
	size_t done = 0;

	ret->copy = malloc(p->len);
	if (!ret->copy)
		return -ENOMEM;
	while (done < p->len) {
		ssize_t n = pread(k->fd, (char *)ret->copy + done, p->len - done,
			(off_t)(p->offset + done));

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	ret->bytes = str_of(ret->copy, p->len);
	return done == p->len ? 0 : -EIO;
}

static int map(const struct pack *k, const struct body_place *p, struct body *ret)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t from = p->offset & ~(page - 1);

	ret->map_len = p->offset - from + p->len;
	ret->map = mmap(NULL, ret->map_len, PROT_READ, MAP_SHARED, k->fd, (off_t)from);
	if (ret->map == MAP_FAILED) {
		ret->map = NULL;
		return -errno;
	}
	ret->bytes = str_of((const char *)ret->map + (p->offset - from), p->len);
	return 0;
}

/* Keeps the file open where it lies: its bytes are not read. is_sent: nor will they be,
   but by system calls. */
static int hold_body(struct store *s, bool is_sent, struct body *ret, struct error *err)
{
	const struct body_place *p = &ret->place;
	struct pack *k;
	int code = pack_find(&s->packs, p->pack, &k, err);

	if (code == 0 &&
		!(is_sent && places_has_seen(&s->places, p->pack, p->offset + p->len)))
		code = check_size(s, k, p, err);
	if (code < 0)
		return code;
	k->views++;
	ret->pack = k;
	ret->fd = k->fd;
	ret->offset = p->offset;
	ret->bytes = str_of(NULL, p->len);
	return 0;
}

int store_body_read(struct body *b)
{
	int code;

	if (b->bytes.ptr || !b->bytes.len)
		return 0;
	code = b->place.len <= COPY_MAX ? read_copy(b->pack, &b->place, b)
	                                : map(b->pack, &b->place, b);
	if (code < 0)
		store_body_release(b);
	return code;
}

struct str store_body_see(struct body *b, uint64_t at, bool may_move)
{
	if (!b->pack || at >= b->bytes.len)
		return (struct str){ 0 };
	return str_take(pack_see(b->pack, b->offset + at, may_move), b->bytes.len - at);
}

static int view_body(struct store *s, struct body *ret, struct error *err)
{
	uint32_t number = ret->place.pack;
	int code = hold_body(s, false, ret, err);

	if (code < 0)
		return code;
	code = store_body_read(ret);
	if (code < 0)
		return error_errno(
			err, code, "%s: cannot read bodies/%04u.pack", s->folder, number);
	return 0;
}

static int find_place(struct store *s, int64_t mailbox, uint32_t uid, struct body *ret,
	struct error *err)
{
	struct place place;
	int n = places_find(&s->places, s->db, &s->compared, mailbox, uid, &place, err);

	if (n == 0)
		return error_set(err, -ENOENT,
			"no message with UID %u in mailbox number %lld", uid,
			(long long)mailbox);
	if (n < 0)
		return n;
	ret->place = place.at;
	ret->checksum = place.has_checksum ? (int64_t)place.at.checksum : -1;
	return 0;
}

/* Of what find_place() found. */
static int load_body(struct store *s, struct body *ret, struct error *err)
{
	int code;

	if (!ret->place.len)
		return 0;
	code = ret->place.pack
	               ? view_body(s, ret, err)
	               : read_inline(s, ret->place.offset, ret->place.len, ret, err);
	/* all of it is in the memory: comparing costs nothing that counts */
	if (code == 0 && ret->copy)
		code = store_body_check(s, ret, err);
	return code;
}

/* Some of it, from where it will be sent. What the disk cannot read is an error here,
   where a line of ours would get a SIGBUS. ptr NULL: it has to be read. */
static struct str see_some(struct body *b, uint64_t at)
{
	struct str bytes = str_take(store_body_see(b, at, true), COMPARE_MAX);
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	char *from = (char *)((uintptr_t)bytes.ptr & ~(page - 1));
	size_t len = (size_t)(bytes.ptr - from) + bytes.len;

	if (bytes.ptr && madvise(from, len, MADV_POPULATE_READ) < 0)
		return (struct str){ 0 };
	return bytes;
}

static int read_some(const struct body *b, uint64_t at, struct str *ret,
	char space[static COMPARE_READ])
{
	uint64_t left = b->place.len - at;
	ssize_t n;

	do
		n = pread(b->fd, space, left < COMPARE_READ ? left : COMPARE_READ,
			(off_t)(b->offset + at));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		*ret = str_of(space, (size_t)n);
	return n < 0 ? -errno : n ? 0 : -EIO;
}

/* Of one that is held. */
static int compare_held(struct store *s, struct body *b, struct error *err)
{
	char space[COMPARE_READ];
	uint32_t sum = 0, number = b->place.pack;

	for (uint64_t done = 0; done < b->place.len;) {
		struct str part = see_some(b, done);
		int code = part.ptr ? 0 : read_some(b, done, &part, space);

		if (code < 0) {
			store_body_release(b);
			return error_errno(err, code, "%s: cannot read bodies/%04u.pack",
				s->folder, number);
		}
		sum = store_checksum(sum, part);
		done += part.len;
	}
	return compare(s, b, sum, err);
}

int store_body_head(struct store *s, int64_t mailbox, uint32_t uid, struct body *ret,
	struct error *err)
{
	int code;

	*ret = (struct body){ .bytes = STR_LIT(""), .fd = -1, .checksum = -1 };
	code = find_place(s, mailbox, uid, ret, err);
	return code < 0 ? code : load_body(s, ret, err);
}

int store_body_to_send(struct store *s, int64_t mailbox, uint32_t uid, uint64_t read_max,
	struct body *ret, struct error *err)
{
	int code;

	*ret = (struct body){ .bytes = STR_LIT(""), .fd = -1, .checksum = -1 };
	code = find_place(s, mailbox, uid, ret, err);
	if (code < 0)
		return code;
	if (ret->place.pack && ret->place.len > read_max) {
		code = hold_body(s, true, ret, err);
		if (code == 0 && ret->checksum >= 0 &&
			!compared_has(&s->compared, place_number(&ret->place)))
			code = compare_held(s, ret, err);
		return code;
	}
	code = load_body(s, ret, err);
	return code < 0 ? code : store_body_check(s, ret, err);
}

int store_body(struct store *s, int64_t mailbox, uint32_t uid, struct body *ret,
	struct error *err)
{
	int code = store_body_head(s, mailbox, uid, ret, err);

	return code < 0 ? code : store_body_check(s, ret, err);
}

void store_body_release(struct body *b)
{
	if (b->map)
		(void)munmap(b->map, b->map_len);
	if (b->pack)
		pack_release(b->pack);
	free(b->copy);
	*b = (struct body){ .bytes = STR_LIT(""), .fd = -1, .checksum = -1 };
}

/* ── packs that nobody needs ───────────────────────────────────────────────────────── */

static bool is_written_to(struct store *s, uint32_t number)
{
	struct pack *k;

	if (s->packs.current && s->packs.current->number == number)
		return true;
	/* a body in it may still be on its way to a row */
	return pack_find(&s->packs, number, &k, NULL) == 0 && k->open;
}

static int collect_pack(struct store *s, uint32_t number, struct error *err)
{
	uint64_t lives = 1;
	int code = sql_get(
		s->db, SQL_PACK_LIVES, SQL_VALUES(sql_number(number)), &lives, err);
	bool waits = is_written_to(s, number);

	if (code < 0 || lives)
		return code;
	if (pack_set_add(waits ? &s->waiting : &s->dead, number) < 0)
		return error_set(err, -ENOMEM, "no memory");
	if (waits)
		return 0;
	return sql_run(s->db, SQL_INSERT_DEAD, SQL_VALUES(sql_number(number)), err);
}

/* The rows go first and say which files are to follow, so that a crash between the two
   leaves no file behind, and no file is ever taken for dead because an index is young. */
int store_collect_packs(struct store *s, struct error *err)
{
	int code = 0;

	if (s->forget_dead)
		code = sql_run(s->db, SQL_CLEAR_DEAD, SQL_NO_VALUES, err);
	for (size_t i = 0; i < s->candidates.count && code == 0; i++)
		code = collect_pack(s, s->candidates.numbers[i], err);
	return code;
}

void store_unlink_packs(struct store *s)
{
	s->forget_dead = s->dead.count > 0;
	for (size_t i = 0; i < s->dead.count; i++)
		pack_unlink(&s->packs, s->dead.numbers[i]);
	pack_set_clear(&s->dead);
	pack_set_clear(&s->candidates);
	s->candidates = s->waiting;
	s->waiting = (struct pack_set){ 0 };
}

static int bury_left_over(struct store *s, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, SQL_EACH_DEAD, SQL_NO_VALUES, &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		pack_unlink(&s->packs, (uint32_t)query_number(&q, 0));
		s->forget_dead = true;
		code = 0;
	}
	query_end(&q);
	return code;
}

int store_open_packs(struct store *s, struct error *err)
{
	struct query q;
	uint32_t last = 0;
	uint64_t end = 0;
	int code = bury_left_over(s, err);

	if (code < 0)
		return code;
	code = query_begin(s->db, SQL_LAST_PLACE, SQL_NO_VALUES, &q, err);
	if (code == 0)
		code = query_next(&q, err);
	if (code == 1) {
		last = (uint32_t)query_number(&q, 0);
		end = query_number(&q, 1);
	}
	query_end(&q);
	return code < 0 ? code : packs_start(&s->packs, last, end, err);
}
