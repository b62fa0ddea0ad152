/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_SEARCH_H
#define WIRE_MIME_SEARCH_H
/*
 * Whether a message contains a text (IMAP SEARCH): decoded and in UTF-8, case folded.
 * Of bodies only text is looked at, and what the messages inside have; attachments are
 * not text.
 */
#include "wire/mime/charset.h"
#include "wire/mime/fold.h"
#include "wire/mime/scan.h"

/* Raised whenever a message is read differently: what was derived is made anew. */
#define MIME_TEXT_VERSION 4

/* In header fields of that name (case ignored), any field when name.len is 0. An empty
   needle is found wherever there is such a field (RFC 3501, 6.4.4 HEADER). */
int mime_search_header(
	struct str header, struct str name, struct str folded_needle, bool *ret_found);

/* In the body; with_header: in the header of the message too (TEXT). */
int mime_search_message(
	struct str message, bool with_header, struct str folded_needle, bool *ret_found);

/* All that the two look at, in the same pieces, and some of it twice: who hears it knows
   every text that can be found in the message. */
int mime_read_message(struct str message, struct mime_listener *l);
/* Of how messages are read here: another one when a library reads them differently. */
uint64_t mime_text_version(void);

#endif
