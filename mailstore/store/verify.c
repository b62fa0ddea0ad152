/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does the index agree with itself and with the packs? */
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <inttypes.h>

/* A statement that answers only when something is wrong, with the sentence. */
static int check_index(struct store *s, enum sql_id id, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, id, SQL_NO_VALUES, &q, err);

	if (code == 0)
		code = query_next(&q, err);
	if (code == 1)
		code = error_set(err, -EUCLEAN, "%s: %.*s", s->folder,
			STR_ARG(query_bytes(&q, 0)));
	query_end(&q);
	return code;
}

struct last_place {
	uint32_t pack;
	uint64_t offset, len, size;
};

static int check_pack(
	struct store *s, uint32_t number, uint64_t *ret_size, struct error *err)
{
	struct pack *k;
	int code = pack_find(&s->packs, number, &k, err);

	if (code == 0)
		code = pack_size(k, ret_size, err);
	if (code == 0)
		return 0;
	if (err)
		err->code = -EUCLEAN;
	return -EUCLEAN;
}

/* Places come in order: each may equal the one before (a copy), never overlap it. */
static int check_place(struct store *s, const struct query *q, struct last_place *last,
	struct error *err)
{
	struct last_place p = { .pack = (uint32_t)query_number(q, 0),
		.offset = query_number(q, 1),
		.len = query_number(q, 2),
		.size = last->size };
	int code = 0;

	if (p.pack != last->pack)
		code = check_pack(s, p.pack, &p.size, err);
	else if (p.offset < last->offset + last->len)
		return error_set(err, -EUCLEAN,
			"%s/bodies/%04u.pack: the bodies at %" PRIu64 " and %" PRIu64
			" overlap",
			s->folder, p.pack, last->offset, p.offset);
	if (code == 0 && p.offset + p.len > p.size)
		return error_set(err, -EUCLEAN,
			"%s/bodies/%04u.pack has %" PRIu64
			" bytes; a body ends at %" PRIu64,
			s->folder, p.pack, p.size, p.offset + p.len);
	*last = p;
	return code;
}

static int check_places(struct store *s, struct error *err)
{
	struct last_place last = { 0 };
	struct query q;
	int code = query_begin(s->db, SQL_EACH_PLACE, SQL_NO_VALUES, &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		code = check_place(s, &q, &last, err);
	}
	query_end(&q);
	return code;
}

static int check_bodies(struct store *s, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct body body;
	int n = query_begin(s->db, SQL_EACH_CHECKSUM, SQL_NO_VALUES, &q, err);

	while (n == 0 && (n = query_next(&q, err)) == 1) {
		n = store_body(s, (int64_t)query_number(&q, 0),
			(uint32_t)query_number(&q, 1), &body, err);
		if (n == 0)
			store_body_release(&body);
	}
	if (n == -EIO && err)
		err->code = -EUCLEAN;
	return n == -EIO ? -EUCLEAN : n;
}

int store_verify(struct store *s, struct error *err)
{
	static const enum sql_id checks[] = {
		SQL_CHECK_PAGES, /* first: the others read what it vouches for */
		SQL_CHECK_REFERENCES,
		SQL_CHECK_COUNTS,
		SQL_CHECK_UIDS,
		SQL_CHECK_MODSEQS,
		SQL_CHECK_EXPUNGED,
		SQL_CHECK_INLINE,
		SQL_CHECK_UNUSED,
		SQL_CHECK_HEADERS,
		SQL_CHECK_GRAMS,
	};
	int code = boxes_save(s, err);

	if (code == 0 && database_in_transaction(s->db))
		code = store_save_modseq(s, err);
	if (code == 0)
		code = packs_flush(&s->packs, err);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && code == 0; i++)
		code = check_index(s, checks[i], err);
	if (code == 0)
		code = check_places(s, err);
	return code < 0 ? code : check_bodies(s, err);
}
