/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MERGE_DESTINATION_H
#define TRANSFER_MERGE_DESTINATION_H
/*
 * Adds mail to an account that has mail of its own: nothing that is there is changed or
 * goes.
 *
 * The copy makes a destination equal to a source. This one stands between the two, and
 * shows the copy of the account what the source's messages have become in it, under the
 * source's UIDs, and nothing else.
 *
 *   a folder that is new here, or where no message ever was
 *                       UIDVALIDITY and UIDs of the source; together, or neither
 *   a folder with the source's UIDVALIDITY
 *                       a UID with the same date and size is that message
 *   every other message it is here when one of the same date, size and bytes is, and
 *                       otherwise new mail under the next UID
 *
 * A message that is here keeps the flags it has here. What stands behind it has its own
 * commit(); the one of this destination makes nothing durable.
 */
#include "transfer/write/destination.h"

struct merge_counts {
	uint64_t kept;    /* messages that were added under the source's UIDs */
	uint64_t added;   /* under new ones */
	uint64_t bytes;   /* of both */
	uint64_t changes; /* messages and folders that a pass added */
};

/* resets: a folder where no message ever was may get another UIDVALIDITY. to: the
   caller's, and stays so. */
int merge_destination_new(const struct destination *to, bool resets,
	struct destination *ret, struct error *err);
/* So far. */
struct merge_counts merge_destination_counts(const struct destination *merge);

#endif
