/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/compact.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/snapshot.h"

#include <errno.h>

#define PIECE ((uint64_t)16 << 20) /* a transaction */

struct compaction {
	struct store *store;
	struct snapshot snapshot; /* of before */
	struct pack_set packs;    /* to be written anew */
	uint64_t piece;           /* bytes of the open transaction */
	struct store_compacted *count;
	struct error *err;
};

static int judge(struct compaction *c, uint32_t number, uint64_t living)
{
	const struct snapshot_pack *pack = snapshot_pack(&c->snapshot, number);

	if (!pack || pack->fd < 0 || living > pack->size / 4 * 3)
		return 0;
	c->count->packs++;
	return pack_set_add(&c->packs, number);
}

/* Places come in order, each once, whatever number of copies a message has. */
static int choose(struct compaction *c)
{
	CLEANUP(query_end) struct query q = { 0 };
	uint32_t number = 0;
	uint64_t living = 0;
	int n = query_begin(c->snapshot.db, SQL_EACH_RANGE, SQL_NO_VALUES, &q, c->err);

	while (n == 0 && (n = query_next(&q, c->err)) == 1) {
		uint32_t next = (uint32_t)query_number(&q, 0);

		n = next != number ? judge(c, number, living) : 0;
		living = (next != number ? 0 : living) + query_number(&q, 2);
		number = next;
	}
	return n < 0 ? n : judge(c, number, living);
}

/* ── moving ────────────────────────────────────────────────────────────────────────── */

static int end_piece(struct compaction *c)
{
	if (!c->store->in_transaction)
		return 0;
	c->piece = 0;
	return store_commit(c->store, c->err);
}

static int write_anew(struct compaction *c, struct str bytes, struct body_place *ret)
{
	struct body_writer w;
	int code = store_body_begin(c->store, bytes.len, &w, c->err);

	if (code < 0)
		return code;
	code = store_body_write(c->store, &w, bytes, c->err);
	if (code == 0)
		code = store_body_end(c->store, &w, ret, c->err);
	if (code < 0)
		store_body_abort(c->store, &w);
	return code < 0 ? code : store_take_place(c->store, ret, c->err);
}

int store_move_place(struct store *s, const struct body_place *from,
	const struct body_place *to, struct error *err)
{
	static const enum sql_id rows[] = { SQL_MOVE_MESSAGES, SQL_MOVE_STAGED };
	int code = store_writing(s, err);

	for (size_t i = 0; code == 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
		code = sql_run(s->db, rows[i],
			SQL_VALUES(sql_number(from->pack), sql_number(from->offset),
				sql_number(to->pack), sql_number(to->offset)),
			err);
	return code < 0 ? code : store_lose_pack(s, from->pack, err);
}

static int move(struct compaction *c, const struct body_place *from, struct str bytes)
{
	struct store *s = c->store;
	struct body_place to;
	int code = s->in_transaction ? 0 : store_begin(s, c->err);

	if (code == 0)
		code = write_anew(c, bytes, &to);
	if (code == 0)
		code = store_move_place(s, from, &to, c->err);
	if (code < 0)
		return code;
	c->count->moved_bytes += bytes.len;
	c->piece += bytes.len;
	return c->piece < PIECE ? 0 : end_piece(c);
}

static int move_row(struct compaction *c, const struct query *q)
{
	struct body_place p = { .pack = (uint32_t)query_number(q, 0),
		.offset = query_number(q, 1),
		.len = query_number(q, 2) };
	int64_t checksum = query_is_null(q, 3) ? -1 : (int64_t)query_number(q, 3);
	struct snapshot_body body;
	int code;

	if (!pack_set_has(&c->packs, p.pack))
		return 0;
	code = snapshot_body(&c->snapshot, &p, checksum, &body, c->err);
	if (code == -EIO) {
		c->count->left++;
		return 0;
	}
	if (code < 0)
		return code;
	code = move(c, &p, body.bytes);
	snapshot_body_release(&body);
	return code;
}

static int move_all(struct compaction *c)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(c->snapshot.db, SQL_EACH_RANGE, SQL_NO_VALUES, &q, c->err);

	c->store->packs.current = NULL; /* into a new one, not behind itself */
	while (n == 0 && (n = query_next(&q, c->err)) == 1)
		n = move_row(c, &q);
	return n < 0 ? n : end_piece(c);
}

static int sum_sizes(const char *folder, uint64_t *ret, struct error *err)
{
	struct snapshot s;
	int code = snapshot_open(folder, &s, err);

	*ret = 0;
	for (size_t i = 0; code == 0 && i < s.n_packs; i++)
		*ret += s.packs[i].size;
	snapshot_close(&s);
	return code;
}

int store_compact(const char *folder, struct store_compacted *ret, struct error *err)
{
	struct compaction c = { .count = ret, .err = err };
	int code = store_open(folder, false, &c.store, err);

	*ret = (struct store_compacted){ 0 };
	if (code == 0)
		code = sum_sizes(folder, &ret->before, err);
	if (code == 0)
		code = store_share(c.store, folder, ret, err);
	if (code == 0)
		code = snapshot_open(folder, &c.snapshot, err);
	if (code == 0)
		code = choose(&c);
	if (code == 0 && c.packs.count)
		code = move_all(&c);
	snapshot_close(&c.snapshot);
	pack_set_clear(&c.packs);
	store_close(c.store);
	return code < 0 ? code : sum_sizes(folder, &ret->after, err);
}
