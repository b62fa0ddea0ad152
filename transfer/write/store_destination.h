/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_STORE_DESTINATION_H
#define TRANSFER_STORE_DESTINATION_H
/*
 * Our own store as a destination, written in batches.
 *
 * Bodies go from the socket's buffer to the store as they come, one writer for each
 * connection. What is complete is committed every STORE_BATCH_MESSAGES or
 * STORE_BATCH_BYTES: a crash costs at most that much work.
 */
#include "mailstore/store/store.h"
#include "transfer/write/destination.h"

#define STORE_BATCH_MESSAGES 500
#define STORE_BATCH_BYTES ((uint64_t)32 << 20)

/* Opens or makes the folder of that account; so many bytes of the disk stay free. Results
   as store_open(): -EBUSY when another process has it open. -EPERM: the account was
   served from this folder, or it is another one's; what is in it may be nowhere else, so
   nothing is copied over it. ret->ops->free() closes it. */
int store_destination_open(const char *folder, struct str account, uint64_t disk_reserve,
	struct destination *ret, struct error *err);

/* The store behind it, which stays its own: between a commit() and the next change. */
struct store *store_destination_store(const struct destination *d);

/* The folder of an account that lives here, for who adds to what it has: whatever is
   changed becomes durable at commit(), all of it or nothing, and no UID that clients have
   seen gets a second meaning. -ENOENT: there is none. -EBUSY: it is in use. -EPERM: it is
   another account's, or has gone back to the source, or nobody says that it is served
   (store_claim_served()). */
int store_destination_open_served(const char *folder, struct str account, bool is_local,
	uint64_t disk_reserve, struct destination *ret, struct error *err);
/* The same for a look at what is there, while it is in use: nothing can be changed, and
   no body be read. */
int store_destination_look(
	const char *folder, struct destination *ret, struct error *err);

#endif
