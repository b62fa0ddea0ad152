/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages with the same bytes share one body. Here copies do from the beginning
 * (store_copy()); those that were made at the source, or by a client that appends what it
 * has fetched, came one by one.
 */
#include "base/fd.h"
#include "mailstore/store/compact.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/snapshot.h"

#include <errno.h>

#define PIECE 1000 /* bodies in a transaction */

struct sharing {
	struct store *store;
	struct snapshot snapshot; /* of before */
	struct body_place kept;   /* the first of those that may be equal; pack 0: none */
	struct snapshot_body body;
	unsigned piece;
	struct store_compacted *count;
	struct error *err;
};

static bool may_be_equal(const struct sharing *w, const struct body_place *p)
{
	return w->kept.pack && w->kept.len == p->len && w->kept.checksum == p->checksum;
}

static void keep(struct sharing *w, const struct body_place *p)
{
	snapshot_body_release(&w->body);
	w->body = (struct snapshot_body){ .bytes = STR("") };
	w->kept = *p;
}

/* Its checksum is compared, too: what is shared is whole. 1, or 0: it is not. */
static int read_body(
	struct sharing *w, const struct body_place *p, struct snapshot_body *ret)
{
	int code = snapshot_body(&w->snapshot, p, p->checksum, ret, w->err);

	return code == -EIO ? 0 : code < 0 ? code : 1;
}

static int share(struct sharing *w, const struct body_place *p)
{
	int code = w->store->in_transaction ? 0 : store_begin(w->store, w->err);

	if (code == 0)
		code = store_move_place(w->store, p, &w->kept, w->err);
	if (code < 0)
		return code;
	w->count->shared_bytes += p->len;
	if (++w->piece < PIECE)
		return 0;
	w->piece = 0;
	return store_commit(w->store, w->err);
}

static int compare(struct sharing *w, const struct body_place *p)
{
	struct snapshot_body body;
	int code = w->body.bytes.len ? 1 : read_body(w, &w->kept, &w->body);

	if (code == 0)
		keep(w, p);
	if (code != 1)
		return code;
	code = read_body(w, p, &body);
	if (code != 1)
		return code;
	code = str_eq(body.bytes, w->body.bytes) ? share(w, p) : 0;
	snapshot_body_release(&body);
	return code;
}

static int look(struct sharing *w, const struct query *q)
{
	const struct body_place p = { .pack = (uint32_t)query_number(q, 0),
		.offset = query_number(q, 1),
		.len = query_number(q, 2),
		.checksum = (uint32_t)query_number(q, 3),
		.inline_bytes = STR_LIT("") };

	if (may_be_equal(w, &p))
		return compare(w, &p);
	keep(w, &p);
	return 0;
}

static int look_at_all(struct sharing *w)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_begin(w->snapshot.db, SQL_EACH_EQUAL, SQL_NO_VALUES, &q, w->err);

	while (n == 0 && (n = query_next(&q, w->err)) == 1)
		n = look(w, &q);
	if (n == 0 && w->store->in_transaction)
		n = store_commit(w->store, w->err);
	return n;
}

int store_share(struct store *s, const char *folder, struct store_compacted *count,
	struct error *err)
{
	struct sharing w = { .store = s, .count = count, .err = err };
	int code = snapshot_open(folder, &w.snapshot, err);

	if (code == 0)
		code = look_at_all(&w);
	keep(&w, &(struct body_place){ .pack = 0 });
	snapshot_close(&w.snapshot);
	return code;
}
