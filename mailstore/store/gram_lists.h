/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_GRAM_LISTS_H
#define MAILSTORE_STORE_GRAM_LISTS_H
/*
 * Which of 256 messages have which trigrams, as bytes. One row of the index is of all
 * trigrams with the same first two bytes:
 *
 *   row "th"  ┌ 'a' │ 3 │ 0 17 201 255          "tha" is in these four messages
 *             ├ 'e' │ n │ 32 bytes, a bit each   "the" is in more than 31 of them
 *             └ …     n: how many less one
 *
 * In order of the third byte, and of the messages. Inside mailstore/store only.
 */
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define GRAM_SIZE 3
#define GRAM_MESSAGES 256

struct gram_bits { /* a set of messages */
	uint64_t words[GRAM_MESSAGES / 64];
};
void gram_bits_add(struct gram_bits *b, unsigned message);
bool gram_bits_has(const struct gram_bits *b, unsigned message);
/* Leaves those that `other` has. false: none. */
bool gram_bits_keep(struct gram_bits *b, const struct gram_bits *other);

/* A row taken apart, by third byte. */
struct gram_pair {
	struct gram_bits of[256];
};
void gram_pair_clear(struct gram_pair *p);
/* Adds what the row says; message n as map[n], not at all where that is GRAM_DROPPED. */
#define GRAM_DROPPED UINT16_MAX
int gram_pair_read(struct gram_pair *p, struct str row,
	const uint16_t map[static GRAM_MESSAGES]); /* 0 or -EUCLEAN */
/* Appends the row: nothing when no message has one of them. */
int gram_pair_write(const struct gram_pair *p, struct buf *out);

/* Those that have the trigram with that third byte. 0 or -EUCLEAN. */
int gram_row_find(struct str row, uint8_t third, struct gram_bits *ret);

/* Whether a list of trigrams, three bytes each in their order, has that one. */
bool gram_list_has(struct str list, const char gram[static GRAM_SIZE]);

#endif
