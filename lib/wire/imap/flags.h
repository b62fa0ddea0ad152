/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_FLAGS_H
#define WIRE_IMAP_FLAGS_H
/*
 * Flags of a message: the six that RFC 3501 names are bits, all others (keywords, and
 * system flags that we do not know: \Forwarded ...) are words, kept as they were spelt,
 * sorted by bytes, without doubles, separated by single spaces.
 */
#include "base/buf.h"
#include "wire/imap/cursor.h"

enum imap_flag { /* the same bits as mailstore/store/store.h */
	IMAP_FLAG_SEEN = 1 << 0,
	IMAP_FLAG_ANSWERED = 1 << 1,
	IMAP_FLAG_FLAGGED = 1 << 2,
	IMAP_FLAG_DELETED = 1 << 3,
	IMAP_FLAG_DRAFT = 1 << 4,
	IMAP_FLAG_RECENT = 1 << 5,
};

#define IMAP_KEYWORDS_MAX 1024 /* words on one message; a list of more is refused */

/* "(\Seen $Forwarded)" -> bits and words. \* is skipped (PERMANENTFLAGS). */
bool imap_flags(struct imap_cursor *c, struct arena *arena, unsigned *ret_bits,
	struct str *ret_keywords);
/* The same without parentheses (STORE 1 FLAGS \Seen \Draft). */
bool imap_bare_flags(struct imap_cursor *c, struct arena *arena, unsigned *ret_bits,
	struct str *ret_keywords);

/* Writes "\Answered \Seen word" without parentheses. */
int imap_put_flags(struct buf *out, unsigned bits, struct str keywords);

/* Set operations on keyword lists; the result lies in arena (ptr NULL: no memory). */
struct str imap_keywords_add(struct arena *arena, struct str have, struct str more);
struct str imap_keywords_remove(struct arena *arena, struct str have, struct str less);
bool imap_keywords_has(struct str have, struct str word);

#endif
