/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_GRAM_BLOCKS_H
#define MAILSTORE_STORE_GRAM_BLOCKS_H
/*
 * The rows of the text index: lists of new messages become a block of 256, removed
 * messages leave theirs, and blocks that have become small are joined with one beside
 * them. Blocks are in the order of their emails, and no two of them overlap. Inside
 * mailstore/store only; all of it in a transaction. -EUCLEAN: it is damaged.
 */
#include "mailstore/store/gram_lists.h"
#include "mailstore/store/sql.h"
#include "mailstore/store/store.h"

struct gram_block {
	uint64_t first, last;           /* emails */
	uint64_t emails[GRAM_MESSAGES]; /* in order; in memory 0: it is gone */
	unsigned count;
};
/* The row that the query (first, emails) stands at. */
int gram_block_read(const struct query *q, struct gram_block *ret, struct error *err);
/* One of SQL_BLOCK_…: 1, 0 when there is none. */
int gram_block_find(struct store *s, enum sql_id which, uint64_t email,
	struct gram_block *ret, struct error *err);
int gram_block_delete(struct store *s, uint64_t first, struct error *err);

/* When there are enough new lists: 1, and they are a block. */
int gram_blocks_add(struct store *s, struct error *err);
/* When enough messages are gone, or one for long (now: seconds): 1, and some left. */
int gram_blocks_clean(struct store *s, uint64_t now, struct error *err);

#endif
