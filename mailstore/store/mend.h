/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_MEND_H
#define MAILSTORE_STORE_MEND_H
/*
 * A body that is lost or damaged, and has been had again from somewhere else.
 *
 *   store_find_lost() ─► store_lost_is_in(file) ─► written to a new place ─► store_mend()
 *
 * The checksum that its row has says which bytes it must be; no others are taken. All
 * rows that name the old place name the new one then: UIDs, flags, dates and modseqs
 * stay, so nothing has changed for any client. Where it lay before, the bytes stay until
 * no row names that file any more.
 */
#include "mailstore/store/store.h"

struct lost_body {
	struct body_place place; /* as its row says */
	bool has_checksum;
};

/* Whether that message's body is lost, by what the files are now: not by what this
   process has compared or opened before. 1: it is; 0: it is sound. -ENOENT: there is no
   such message (any more). From now on no body is written into its file. */
int store_find_lost(struct store *s, int64_t mailbox, uint32_t uid, struct lost_body *ret,
	struct error *err);

/* 0: a file of that size has its bytes; *ret_is_exact false: once each NUL in it is the
   byte 0x80 (delivery.h says why). -EBADMSG: they are others, or nobody knows which they
   were. */
int store_lost_is_in(const struct lost_body *l, int fd, uint64_t size, bool *ret_is_exact,
	struct error *err);

/* In a transaction. place: of the bytes, as for store_add(). -EBADMSG: others. */
int store_mend(struct store *s, int64_t mailbox, uint32_t uid,
	const struct body_place *place, struct error *err);

#endif
