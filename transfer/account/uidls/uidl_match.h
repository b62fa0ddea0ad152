/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UIDL_MATCH_H
#define TRANSFER_UIDL_MATCH_H
/*
 * Which message of the source's maildrop is which message of INBOX. Pure.
 *
 * POP3 has no UIDs, its order may be another one, and it may show fewer (hidden \Deleted
 * ones, only the last days). What both sides have is a size and a header:
 *
 *   1. a unique-id that was matched before is matched again
 *   2. where both sides are the same collection of sizes (INBOX with or without its
 *      \Deleted ones), a size that one message has on each side proves the pair; sizes
 *      that are counted otherwise (LF for CRLF) are another collection
 *   3. the rest asks for headers: equal size and header prove it; several that are equal
 *      in both are copies of one mail, and are paired in order, \Deleted ones last
 *   4. an equal header alone proves it, for sources that count sizes wrongly
 *
 * What then is left of the maildrop is unproven.
 */
#include "base/str.h"

#include <stdint.h>

#define UIDL_DIGEST 16 /* of a header: SHA-256, cut */

struct uidl_side {
	uint64_t size;
	uint32_t id;     /* maildrop: number; INBOX: UID */
	uint32_t rank;   /* INBOX: which of equal ones comes first */
	bool is_deleted; /* INBOX: flagged so */
	bool is_matched, wants_header, has_header;
	bool is_hidden; /* INBOX: the maildrop does not show it */
	unsigned char header[UIDL_DIGEST];
	struct str uidl;  /* INBOX: as stored, "": none */
	uint32_t partner; /* maildrop: UID */
};

struct uidl_match {
	struct uidl_side *drop, *inbox; /* each in its own order */
	size_t n_drop, n_inbox;
};

/* Steps 1 and 2; sets wants_header for the others. false: no memory. */
bool uidl_match_sizes(struct uidl_match *m);
/* Steps 3 and 4, when the wanted headers that can be had are there. */
bool uidl_match_headers(struct uidl_match *m);
size_t uidl_match_unproven(const struct uidl_match *m);
/* At the end, sets is_hidden. When something is unproven it may be among what is left of
   INBOX, and a message too many is better than one that nobody sees: then only those are
   hidden that are older than all that the maildrop showed. */
void uidl_match_hide(struct uidl_match *m);

#endif
