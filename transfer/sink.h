/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SINK_H
#define TRANSFER_SINK_H
/*
 * Where mail goes to: one account's store, written in batches.
 *
 * Bodies go from the socket's buffer to the store as they come, one writer a lane. What
 * is complete is committed every SINK_BATCH_MESSAGES or SINK_BATCH_BYTES; a crash costs
 * at most that much work, and what is in the store is done.
 */
#include "mailstore/store/store.h"
#include "transfer/source.h"

#define SINK_BATCH_MESSAGES 500
#define SINK_BATCH_BYTES ((uint64_t)32 << 20)

struct sink_lane {
	struct body_writer writer;
	bool is_open;
};

struct sink {
	struct store *store; /* the caller's */
	bool in_transaction;
	unsigned messages; /* of this batch */
	uint64_t bytes;
	struct sink_lane lanes[SOURCE_LANES_MAX];
};

void sink_init(struct sink *k, struct store *store);

/* Before any change of the index. */
int sink_begin(struct sink *k, struct error *err);
int sink_commit(struct sink *k, struct error *err);
/* Ends it: what is complete stays (commit), or what is not committed goes. */
int sink_end(struct sink *k, bool commit, struct error *err);

int sink_body(struct sink *k, unsigned lane, uint64_t len, struct error *err);
int sink_bytes(struct sink *k, unsigned lane, struct str bytes, struct error *err);
/* Gives the lane's body up: its message is not wanted. */
void sink_skip(struct sink *k, unsigned lane);
/* The message of the lane's body, which is complete. *ret_bytes: how long it is. */
int sink_message(struct sink *k, unsigned lane, int64_t mailbox,
	const struct source_message *m, uint64_t *ret_bytes, struct error *err);

#endif
