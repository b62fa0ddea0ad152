/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_FETCH_H
#define WIRE_IMAP_FETCH_H
/* What a FETCH asks for (RFC 3501, 6.4.5), parsed; with the items of BINARY (RFC 3516),
   CONDSTORE (RFC 7162), OBJECTID (RFC 8474), SAVEDATE (RFC 8514), PREVIEW (RFC 8970). */
#include "wire/imap/search_options.h"

#define IMAP_SECTION_NUMBERS_MAX 128 /* "1.2.3…": mime/scan.h goes half as deep */

enum imap_fetch_kind {
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_UID,
	IMAP_FETCH_MODSEQ,
	IMAP_FETCH_THREADID,     /* NIL: we make none */
	IMAP_FETCH_INTERNALDATE, /* from here on a message's row is needed */
	IMAP_FETCH_SIZE,
	IMAP_FETCH_SAVEDATE,
	IMAP_FETCH_EMAILID,
	IMAP_FETCH_ENVELOPE, /* from here on its body */
	IMAP_FETCH_BODY,     /* the structure without extension data */
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_SECTION, /* BODY[...], RFC822... */
	IMAP_FETCH_BINARY,
	IMAP_FETCH_BINARY_SIZE,
	IMAP_FETCH_PREVIEW,
	IMAP_FETCH_SNIPPET, /* PREVIEW as drafts of RFC 8970 had it */
};

enum imap_section {
	IMAP_SECTION_ALL, /* of the message, or of the part */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
};

struct imap_fetch_item {
	enum imap_fetch_kind kind;
	struct str label; /* what the answer calls it: "BODY[1.TEXT]<0>" */
	enum imap_section section;
	uint32_t *numbers; /* of the part */
	size_t n_numbers;
	struct str *fields;
	size_t n_fields;
	bool peek; /* leaves \Seen alone */
	bool partial;
	uint32_t offset, length;
	struct imap_fetch_item *next;
};

struct imap_fetch_modifiers {
	bool has_changedsince, vanished;
	uint64_t changedsince;
	struct imap_partial partial; /* first 0: none */
};

/* " (CHANGEDSINCE 5 VANISHED PARTIAL -1:-100)" when it is there. false: it is wrong. */
bool imap_fetch_modifiers(struct imap_cursor *c, struct imap_fetch_modifiers *ret);

/* One item, a list in parentheses, or a macro (ALL, FAST, FULL). */
bool imap_fetch_items(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item **ret_first);

#endif
