/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_IMAGE_H
#define MAILSTORE_STORE_IMAGE_H
/*
 * What readers keep of a mailbox in memory, so that a process that has just started reads
 * a few pages instead of each row. What it is made of is the reader's business, who says
 * of which version it is; the store knows bytes and the modseq as of which they are
 * right. What changed since is asked of the rows: store_each_changed(),
 * store_each_expunged(). All of them may be lost: they are made again.
 */
#include "mailstore/store/store.h"

enum image_kind {    /* numbers in the index */
	IMAGE_VIEW,  /* what SELECT reads (serve/view_stored.h) */
	IMAGE_DATES, /* what SORT and THREAD have read (serve/sort_stored.h) */
	IMAGE_TEXTS,
	IMAGE_IDS,
	IMAGE_KINDS
};

struct image_name { /* a mailbox has one of each kind at most */
	int64_t mailbox;
	enum image_kind kind;
	uint32_t version;
};

typedef int image_fn(void *context, uint64_t modseq, struct str bytes);
/* Calls `read` and returns its answer. 0 without it: there is none of that version, or it
   is damaged. */
int store_image(struct store *s, const struct image_name *name, image_fn *read,
	void *context, struct error *err);
/* In a transaction: as of now. */
int store_keep_image(struct store *s, const struct image_name *name, struct str bytes,
	struct error *err);
/* SELECT cannot use it: it is made anew. */
void store_doubt_image(struct store *s, int64_t mailbox);
/* The next mailbox of so many messages that has no view of that version, or one of before
   `changed` messages changed; 0: there is none. */
struct image_limits {
	uint32_t least, most, changed;
};
int store_find_unimaged(struct store *s, uint32_t version,
	const struct image_limits *limits, int64_t *ret_mailbox, struct error *err);

#endif
