/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SWEPT_H
#define MAILSTORE_SERVE_SWEPT_H
/*
 * A message that still came to the old mailbox, as the source describes it. It is new
 * mail here: a UID of its own, \\Recent, a new modseq; flags, keywords and date are kept.
 *
 * Which one comes next is a checkpoint of the store (one for each folder), written in the
 * transaction that adds the message: one that is told twice is added once. What was
 * carried to the source from here (source_side.h) does not come back from there, and what
 * was there at the switch does not come again when the source has given it another UID
 * (Courier does, with the same UIDVALIDITY).
 */
#include "mailstore/store/source_side.h"

struct swept {
	struct str folder; /* as the source spells it */
	uint32_t uidvalidity, uid;
	unsigned flags; /* enum message_flag */
	struct str keywords;
	int64_t date;
	int16_t zone;
	struct str digest; /* of its body */
};

/* In a transaction. 1: it came before, and nothing is added. inbox: where mail goes whose
   mailbox is not here (any more). */
int swept_put(struct store *s, const struct swept *m, uint64_t size,
	const struct body_place *place, int64_t inbox, struct error *err);

#endif
