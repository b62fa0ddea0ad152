/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_PLACES_H
#define MAILSTORE_STORE_PLACES_H
/*
 * Where the bodies of messages lie. In a reading (store_read_begin()), which shows one
 * moment, the rows behind the one that is asked for are read with it when the UIDs come
 * in order, and a pack's length is looked at once. Inside mailstore/store only.
 */
#include "mailstore/store/store.h"

struct compared;
struct database;

#define PLACES_AHEAD 16 /* as many as are sent together */

struct place {
	uint32_t uid;
	bool has_checksum;
	struct body_place at;
};

struct places { /* zeroed: empty */
	bool in_reading;
	int64_t mailbox; /* that was asked for last */
	uint32_t uid;
	struct place rows[PLACES_AHEAD];
	unsigned first, count; /* of them, those that may be asked for next */
	uint32_t pack;         /* 0: none was looked at */
	uint64_t pack_size;
};

void places_begin_reading(struct places *p);
void places_end_reading(struct places *p);

/* 1, 0 when there is no such message, or -errno. What will be asked of `compared` soon is
   fetched into the cache. */
int places_find(struct places *p, struct database *db, const struct compared *compared,
	int64_t mailbox, uint32_t uid, struct place *ret, struct error *err);

/* A pack that was found to be so long in this reading has these bytes. */
bool places_has_seen(const struct places *p, uint32_t pack, uint64_t end);
void places_saw(struct places *p, uint32_t pack, uint64_t size);

/* Of a place in a pack: no other one has it. Not 0. */
uint64_t place_number(const struct body_place *p);

#endif
