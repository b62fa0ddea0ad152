/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_HEADER_H
#define WIRE_MIME_HEADER_H
/* The fields of a header (RFC 5322, 2.2), as byte ranges, for any bytes. */
#include "base/str.h"

struct mime_field {
	struct str name;  /* "" : a line without a colon */
	struct str value; /* what follows the colon, folding inside, last line end off */
	struct str all;   /* the whole of it, last line end included */
};

/* Takes the next field off *header; false at the blank line and at the end. */
bool mime_next_field(struct str *header, struct mime_field *ret);

/* The first of that name (case ignored). */
bool mime_find_field(struct str header, struct str name, struct mime_field *ret);
/* The last one that says anything: what Dovecot and Cyrus take of fields that a message
   may have once, but for Content-Type. */
bool mime_find_last_field(struct str header, struct str name, struct mime_field *ret);

/* Length of the line at the front with its LF; all when there is none. */
size_t mime_line(struct str s);
/* CRLF, LF: a line that is empty. */
bool mime_is_blank(struct str line);

#endif
