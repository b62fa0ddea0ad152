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
 *   2. a size that one message has on each side proves the pair
 *   3. the rest asks for headers: equal size and header prove it; several that are equal
 *      in both are copies of one mail, and are paired in order
 *   4. a source that counts sizes wrongly (LF for CRLF): an equal header proves it
 *
 * What then is left of the maildrop is unproven.
 */
#include "base/str.h"

#include <stdint.h>

#define UIDL_DIGEST 16 /* of a header: SHA-256, cut */

struct uidl_side {
	uint64_t size;
	uint32_t id; /* maildrop: number; INBOX: UID */
	bool is_matched, wants_header, has_header;
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

#endif
