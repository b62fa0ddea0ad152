/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/sink.h"

#include <errno.h>

void sink_init(struct sink *k, struct store *store)
{
	*k = (struct sink){ .store = store };
}

int sink_begin(struct sink *k, struct error *err)
{
	int r = k->in_transaction ? 0 : store_begin(k->store, err);

	if (r == 0)
		k->in_transaction = true;
	return r;
}

int sink_commit(struct sink *k, struct error *err)
{
	if (!k->in_transaction)
		return 0;
	k->in_transaction = false;
	k->messages = 0;
	k->bytes = 0;
	return store_commit(k->store, err);
}

static void give_up_body(struct sink *k, struct sink_lane *lane)
{
	if (lane->is_open)
		store_body_abort(k->store, &lane->writer);
	lane->is_open = false;
}

int sink_end(struct sink *k, bool commit, struct error *err)
{
	for (unsigned i = 0; i < SOURCE_LANES_MAX; i++)
		give_up_body(k, &k->lanes[i]);
	if (commit)
		return sink_commit(k, err);
	if (k->in_transaction)
		store_rollback(k->store);
	sink_init(k, k->store);
	return 0;
}

int sink_body(struct sink *k, unsigned lane, uint64_t len, struct error *err)
{
	struct sink_lane *l = &k->lanes[lane];
	int r;

	give_up_body(k, l);
	r = store_body_begin(k->store, len, &l->writer, err);
	l->is_open = r == 0;
	return r;
}

int sink_bytes(struct sink *k, unsigned lane, struct str bytes, struct error *err)
{
	struct sink_lane *l = &k->lanes[lane];

	if (!l->is_open)
		return error_set(err, -EPROTO, "bytes of no body");
	return store_body_write(k->store, &l->writer, bytes, err);
}

void sink_skip(struct sink *k, unsigned lane)
{
	give_up_body(k, &k->lanes[lane]);
}

static int add(struct sink *k, struct sink_lane *l, int64_t mailbox,
	const struct source_message *m, struct error *err)
{
	struct store_message row = { .uid = m->uid,
		.flags = m->flags,
		.keywords = m->keywords,
		.date = m->date,
		.zone = m->zone,
		.size = m->size,
		.uidl = m->uidl.ptr ? m->uidl : STR_LIT(""),
		.pop3_order = m->pop3_order };
	struct body_place place;
	int r = store_body_end(k->store, &l->writer, &place, err);

	if (r == 0)
		r = sink_begin(k, err);
	if (r == 0)
		r = store_add(k->store, mailbox, &row, &place, NULL, err);
	if (r == 0)
		l->is_open = false;
	return r;
}

int sink_message(struct sink *k, unsigned lane, int64_t mailbox,
	const struct source_message *m, uint64_t *ret_bytes, struct error *err)
{
	struct sink_lane *l = &k->lanes[lane];
	uint64_t len = l->writer.len;
	int r;

	if (!l->is_open)
		return error_set(err, -EPROTO, "a message without a body");
	r = add(k, l, mailbox, m, err);
	if (r < 0) {
		give_up_body(k, l);
		return r;
	}
	*ret_bytes = len;
	k->bytes += len;
	if (++k->messages >= SINK_BATCH_MESSAGES || k->bytes >= SINK_BATCH_BYTES)
		r = sink_commit(k, err);
	return r;
}
