/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_COMPACT_H
#define MAILSTORE_STORE_COMPACT_H
/*
 * Gives room back: of the second and further ones of equal bodies, and of deleted
 * messages. A pack of which a quarter is not needed is written anew behind the others,
 * some megabytes a transaction, and removed. Killed in between it leaves a sound account
 * that is compacted in part.
 */
#include "mailstore/store/store.h"

struct store_compacted {
	uint64_t packs;         /* that were written anew */
	uint64_t shared_bytes;  /* of bodies in whose place an equal one is used now */
	uint64_t moved_bytes;   /* of living bodies */
	uint64_t before, after; /* bytes of all packs */
	uint64_t left;          /* damaged bodies: they and their packs stay */
};

/* Under the folder's lock: -EBUSY when it is in use. */
int store_compact(const char *folder, struct store_compacted *ret, struct error *err);

#endif
