/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_LISTING_H
#define TRANSFER_LISTING_H
/*
 * What the source says a folder holds, without the bodies: 32 bytes a message, so that
 * half a million of them take 16 MB for the moment in which they are compared.
 *
 * Servers list by UID, but need not, and may speak of a message twice (flags changed
 * meanwhile): listing_finish() sorts, and the last word counts.
 */
#include "base/buf.h"
#include "transfer/read/source.h"

struct listing_row {
	int64_t date;
	uint64_t size;
	uint32_t uid;
	uint32_t keywords; /* where they are in `words` */
	uint32_t pop3_order;
	int16_t zone;
	uint8_t flags;
};

struct listing {
	struct listing_row *rows;
	size_t count, cap;
	bool unsorted;
	struct buf words; /* length (2 bytes) and text; the first one is empty */
};

void listing_init(struct listing *l);
void listing_fini(struct listing *l);                     /* may be called twice */
int listing_add(struct listing *l, const struct mail *m); /* -ENOMEM */
int listing_finish(struct listing *l);                    /* -ENOMEM */
/* Strings live until the listing changes. */
struct mail listing_at(const struct listing *l, size_t index);
/* Where a UID is in a finished listing. */
#define LISTING_NONE SIZE_MAX
size_t listing_find(const struct listing *l, uint32_t uid);

#endif
