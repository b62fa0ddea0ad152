/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_BACKUP_H
#define MAILSTORE_STORE_BACKUP_H
/*
 * A copy of an account's folder, made while its process goes on; put back, it is the
 * account as it was at one moment. Into a folder that has an older one only bodies are
 * written that the older one has not: those that its index does not name with the same
 * place, length and checksum (a place may be used again once its message is gone).
 *
 * The bodies come first, then the index in one step, then what no row needs is removed.
 * While a backup is not complete there is a file `incomplete`; the one after it reads
 * every body anew. A copy that is killed leaves the older index, of which messages that
 * were deleted since may have lost their bodies.
 */
#include "mailstore/store/inspect.h"

struct store_backed_up {
	uint64_t bodies, bytes;               /* in packs */
	uint64_t copied_bodies, copied_bytes; /* of them, this time */
	uint64_t lost;                        /* told as "lost" */
};

/* `to` is there. -ENOENT: no such account. */
int store_backup(const char *folder, const char *to, store_finding_fn *each,
	void *context, struct store_backed_up *ret, struct error *err);

#endif
