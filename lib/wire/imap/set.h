/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_SET_H
#define WIRE_IMAP_SET_H
/* Sets of sequence numbers or UIDs: "1:3,7,10:*" (RFC 3501, 9 sequence-set). */
#include "base/buf.h"
#include "wire/imap/cursor.h"

struct imap_range {
	uint32_t from, to; /* 0: "*" until imap_set_resolve() */
};

struct imap_set {
	struct imap_range *ranges;
	size_t count;
	bool saved; /* "$", the result of a search before (RFC 5182): no ranges */
};

bool imap_set(struct imap_cursor *c, struct arena *arena, struct imap_set *ret);

/* Puts `last` for "*" (0: there is none), turns ranges the right way, sorts and joins
   them. *ret_highest: the largest number that was written out, 0: none. */
void imap_set_resolve(struct imap_set *set, uint32_t last, uint32_t *ret_highest);

/* Of a resolved set. */
bool imap_set_has(const struct imap_set *set, uint32_t number);

/* Writing one, number after number in the order they are given: "3:5,9". */
struct imap_set_writer {
	struct buf *out;
	uint32_t from, to; /* 0: none yet */
	bool some;
};
int imap_set_put(struct imap_set_writer *w, uint32_t number);
int imap_set_end(struct imap_set_writer *w);

#endif
