/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_FETCH_H
#define WIRE_IMAP_FETCH_H
/* What a FETCH asks for (RFC 3501, 6.4.5), parsed. */
#include "wire/imap/cursor.h"

#define IMAP_SECTION_NUMBERS_MAX 128 /* "1.2.3…": mime/scan.h goes half as deep */

enum imap_fetch_kind {
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_UID,
	IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_SIZE,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY, /* the structure without extension data */
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_SECTION, /* BODY[...], RFC822... */
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

/* One item, a list in parentheses, or a macro (ALL, FAST, FULL). */
bool imap_fetch_items(
	struct imap_cursor *c, struct arena *arena, struct imap_fetch_item **ret_first);

#endif
