/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/mend.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE ((size_t)256 * 1024)

/* ── checksums of what lies in a file ──────────────────────────────────────────────── */

struct sums {
	uint32_t exact;    /* of the bytes */
	uint32_t replaced; /* of the bytes, each NUL replaced */
};

static void add_piece(struct sums *sums, char *bytes, size_t len)
{
	sums->exact = store_checksum(sums->exact, str_of(bytes, len));
	for (char *at = bytes; (at = memchr(at, 0, len - (size_t)(at - bytes)));)
		*at = '\x80';
	sums->replaced = store_checksum(sums->replaced, str_of(bytes, len));
}

/* -ENODATA: it ends before. */
static int sum_file(int fd, uint64_t offset, uint64_t len, struct sums *ret)
{
	char *bytes = malloc(READ_SIZE);
	int code = bytes ? 0 : -ENOMEM;

	*ret = (struct sums){ 0 };
	while (code == 0 && len) {
		ssize_t n = pread(
			fd, bytes, len < READ_SIZE ? len : READ_SIZE, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			code = n < 0 ? -errno : -ENODATA;
			break;
		}
		add_piece(ret, bytes, (size_t)n);
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	free(bytes);
	return code;
}

/* ── is it lost? ───────────────────────────────────────────────────────────────────── */

static bool is_right(const struct lost_body *l, uint32_t checksum)
{
	return !l->has_checksum || checksum == l->place.checksum;
}

static int look_into_pack(struct store *s, const struct lost_body *l, struct error *err)
{
	CLEANUP(fd_closep) int fd = pack_open_again(&s->packs, l->place.pack);
	struct sums sums;
	int code = fd < 0 ? fd : sum_file(fd, l->place.offset, l->place.len, &sums);

	if (code == -ENOENT || code == -ENODATA || code == -EIO)
		return 1;
	if (code < 0)
		return error_errno(
			err, code, "cannot read bodies/%04u.pack", l->place.pack);
	return !is_right(l, sums.exact);
}

static int look_into_index(struct store *s, const struct lost_body *l, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(
		s->db, SQL_BODY, SQL_VALUES(sql_number(l->place.offset)), &q, err);
	struct str bytes = n == 1 ? query_bytes(&q, 0) : STR_LIT("");

	if (n < 0)
		return n;
	return bytes.len != l->place.len || !is_right(l, store_checksum(0, bytes));
}

static int read_row(struct store *s, int64_t mailbox, uint32_t uid, struct lost_body *ret,
	struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(s->db, SQL_PLACE,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid)), &q, err);

	if (n < 1)
		return n < 0 ? n : error_set(err, -ENOENT, "the message is gone");
	*ret = (struct lost_body){ .place = { .pack = (uint32_t)query_number(&q, 0),
					   .offset = query_number(&q, 1),
					   .len = query_number(&q, 2),
					   .checksum = (uint32_t)query_number(&q, 3),
					   .inline_bytes = STR_LIT("") },
		.has_checksum = !query_is_null(&q, 3) };
	return 0;
}

int store_find_lost(struct store *s, int64_t mailbox, uint32_t uid, struct lost_body *ret,
	struct error *err)
{
	int code = read_row(s, mailbox, uid, ret, err);

	if (code < 0 || !ret->place.len)
		return code;
	code = ret->place.pack ? look_into_pack(s, ret, err)
	                       : look_into_index(s, ret, err);
	if (code == 1)
		packs_leave(&s->packs, ret->place.pack);
	return code;
}

/* ── the bytes ─────────────────────────────────────────────────────────────────────── */

static int other_bytes(const struct lost_body *l, struct error *err)
{
	return error_set(err, -EBADMSG,
		l->has_checksum ? "it has other bytes there than it had here"
				: "its checksum is not known: it was written by an old "
				  "version");
}

int store_lost_is_in(const struct lost_body *l, int fd, uint64_t size, bool *ret_is_exact,
	struct error *err)
{
	struct sums sums;
	int code;

	if (!l->has_checksum || size != l->place.len)
		return other_bytes(l, err);
	code = sum_file(fd, 0, size, &sums);
	if (code < 0)
		return error_errno(err, code, "cannot read the message");
	if (sums.exact != l->place.checksum && sums.replaced != l->place.checksum)
		return other_bytes(l, err);
	*ret_is_exact = sums.exact == l->place.checksum;
	return 0;
}

/* ── the rows ──────────────────────────────────────────────────────────────────────── */

/* What is kept of its header may have been read from what was damaged. */
static int move_rows(struct store *s, const struct body_place *from,
	const struct body_place *to, struct error *err)
{
	static const enum sql_id steps[] = { SQL_MEND_MESSAGES, SQL_MEND_STAGED };
	int code = sql_run(s->db, SQL_DROP_HEADERS_AT,
		SQL_VALUES(sql_number(from->pack), sql_number(from->offset)), err);

	for (size_t i = 0; code == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		code = sql_run(s->db, steps[i],
			SQL_VALUES(sql_number(from->pack), sql_number(from->offset),
				sql_number(to->pack), sql_number(to->offset),
				sql_number(to->len), sql_number(to->checksum)),
			err);
	if (code == 0 && !from->pack)
		code = sql_run(
			s->db, SQL_DROP_BODY, SQL_VALUES(sql_number(from->offset)), err);
	return code < 0 ? code : store_lose_pack(s, from->pack, err);
}

int store_mend(struct store *s, int64_t mailbox, uint32_t uid,
	const struct body_place *place, struct error *err)
{
	struct lost_body lost;
	struct body_place to = *place;
	int code = store_writing(s, err);

	if (code == 0)
		code = read_row(s, mailbox, uid, &lost, err);
	if (code == 0)
		code = store_take_place(s, &to, err);
	if (code < 0)
		return code;
	if (!lost.has_checksum || to.len != lost.place.len ||
		to.checksum != lost.place.checksum)
		return other_bytes(&lost, err);
	return move_rows(s, &lost.place, &to, err);
}
