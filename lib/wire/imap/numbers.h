/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_NUMBERS_H
#define WIRE_IMAP_NUMBERS_H
/*
 * Which message has which number, as a client was told: the UIDs of the messages 1 to n.
 * Behind a listing (FETCH 1:* (UID)) they change by what the server tells and by nothing
 * else: EXPUNGE and VANISHED take one out, and what EXISTS brings comes behind the last
 * (RFC 3501, 7.3.1, 7.4.1). So they stay known as long as all of that is given here, and
 * only the numbers behind n have to be asked for.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAP_NUMBERS_MAX 1000000
/* UIDs that are moved by expunges until all is forgotten: a tenth of a second's work. */
#define IMAP_NUMBERS_MOVED_MAX 100000000

struct imap_numbers {
	uint32_t *uids; /* by number, from 1; 0: not known; owned */
	uint32_t n, cap;
	uint64_t moved;
};

/* Message n has that UID. false: it makes no sense, or there is no memory. */
bool imap_numbers_set(struct imap_numbers *t, uint32_t n, uint32_t uid);
void imap_numbers_expunge(struct imap_numbers *t, uint32_t n);
/* UIDs from..to are gone, those of them that are known. */
void imap_numbers_vanish(struct imap_numbers *t, uint32_t from, uint32_t to);
/* Each has a UID, and they grow with the numbers. */
bool imap_numbers_are_all(const struct imap_numbers *t);
void imap_numbers_clear(struct imap_numbers *t); /* and gives its memory back */

#endif
