/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_ROWS_H
#define MAILSTORE_STORE_ROWS_H
/*
 * Many messages read one after the other, with what is kept of their headers so that
 * their bodies need not be read.
 *
 * What is kept is derived from the bodies by who serves them; the store knows bytes and a
 * version. It belongs to the email that all copies of a message have in common, and goes
 * with the last of them. All of it may be lost: it is made again.
 */
#include "mailstore/store/store.h"

enum store_kept { /* bits: what of it is wanted */
	STORE_FIELDS = 1 << 0,
	STORE_ENVELOPE = 1 << 1,
	STORE_STRUCTURE = 1 << 2,
};

struct store_header { /* ptr NULL: it is not kept, of this message or not yet */
	struct str fields, envelope, structure;
};

struct store_row {
	uint32_t uid;
	struct str keywords;
	int64_t date, saved;
	int16_t zone;
	uint64_t size, body_len, email;
	struct store_header header;
};

/* A reading in progress. Ended before the caller writes or lets others write: what it
   shows is of one moment. Zeroed: none. */
struct store_rows {
	struct store *store;
	int64_t mailbox;
	uint32_t version;
	unsigned wants;       /* enum store_kept */
	struct query *query;  /* owned */
	struct store_row row; /* where the query stands; uid 0: nowhere */
	uint32_t from, to;    /* its rows below `from` have gone by; where it ends */
	bool is_over;         /* there is no row from `from` on */
};
void store_rows_begin(struct store_rows *r, struct store *s, int64_t mailbox,
	uint32_t version, unsigned wants);
/* The row of that UID: 1, 0 when there is none, or -errno. Cheap when the UIDs come in
   order; `to`: the last one that will be asked for, as far as it is known. The strings
   live until the next call. */
int store_rows_find(struct store_rows *r, uint32_t uid, uint32_t to,
	struct store_row *ret, struct error *err);
void store_rows_end(struct store_rows *r); /* may be called twice */

/* Several reads of one moment: the file is locked once, not for each. Not around a
   transaction. */
int store_read_begin(struct store *s, struct error *err);
void store_read_end(struct store *s); /* without one it does nothing */

/* ── keeping ───────────────────────────────────────────────────────────────────────── */

/* Messages whose header has not been read in this version, oldest first; `examined`: how
   many are looked at in one call. The callback answers 0, or ends it (what it answers is
   returned). 1: all have been. In a transaction. */
struct store_unread {
	int64_t mailbox;
	uint32_t uid;
	uint64_t email, body_len;
};
typedef int unread_each_fn(void *context, const struct store_unread *m);
int store_each_unread(struct store *s, uint32_t version, unsigned examined,
	unread_each_fn *each, void *context, struct error *err);
/* In a transaction, from that callback: NULLs when nothing of it can be kept. */
int store_keep_header(struct store *s, uint64_t email, uint32_t version,
	const struct store_header *h, struct error *err);

#endif
