/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ONWARD_PROOF_H
#define TRANSFER_ONWARD_PROOF_H
/*
 * Whether the server that is to serve an account shows what the store has: for one whose
 * mailboxes were not written by that server's own protocol. Only then is it known that
 * it serves these files, under these names, and takes this password.
 *
 * Each mailbox of the store is listed there (EXAMINE; nothing is changed): UIDVALIDITY,
 * UIDNEXT and, of each message, UID, flags, keywords, date and size. Mailboxes that it
 * has besides, which servers make by themselves, are counted.
 */
#include "mailstore/store/store.h"
#include "transfer/read/source.h"

struct onward_proof {
	uint64_t folders, messages, bytes;
	uint64_t others; /* mailboxes there that the store has not */
};

/* there: connected. 0: it is all equal. -EREMOTEIO with the first difference. What tick()
   returns, else. */
int onward_proof_run(struct store *s, const struct source *there,
	int (*tick)(void *context), void *context, struct onward_proof *ret,
	struct error *err);

#endif
