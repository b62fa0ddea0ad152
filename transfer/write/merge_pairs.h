/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MERGE_PAIRS_H
#define TRANSFER_MERGE_PAIRS_H
/* Of one folder that mail is added to: what the source's messages have become in it, and
   what was in it before. For merge_destination.c alone. */
#include "transfer/write/destination.h"

struct pair {
	uint32_t from, to; /* UIDs: the source's, the one here */
	int16_t zone;      /* of the source's date */
};

struct pairs {
	struct pair *at; /* owned; by `from` */
	size_t count, cap;
};

void pairs_fini(struct pairs *p);
/* The first one from there on. */
size_t pairs_place(const struct pairs *p, uint32_t from);
struct pair *pairs_find(const struct pairs *p, uint32_t from); /* NULL: none */
int pairs_set(struct pairs *p, const struct pair *new);        /* -ENOMEM */
/* One that is itself: struct pairs; -ENOMEM. */
int pairs_add(void *context, const struct mail *m);
void pairs_remove(struct pairs *p, uint32_t from);

struct candidate { /* may be one of the source's */
	int64_t date;
	uint64_t size; /* of its bytes */
	uint32_t uid;
	bool is_taken;
};

struct candidates {
	struct candidate *at; /* owned; by date, size, UID once they are sorted */
	size_t count, cap;
};

void candidates_fini(struct candidates *c);
int candidates_add(void *context, const struct mail *m); /* struct candidates; -ENOMEM */
void candidates_sort(struct candidates *c);
/* The first one of that date and size, or what comes behind it. */
size_t candidates_place(const struct candidates *c, int64_t date, uint64_t size);
/* Of a whole body, into BODY_DIGEST_SIZE bytes (mailstore/store/digest.h). Always 0. */
int candidates_digest(void *digest, struct str whole);

#endif
