/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_ENVELOPE_H
#define WIRE_IMAP_ENVELOPE_H
/* ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501, 7.4.2) as a server writes them: valid IMAP
   whatever bytes the mail has. Returns as buf_append(). */
#include "base/buf.h"
#include "wire/mime/scan.h"

#define IMAP_TEXT_MAX                                                                    \
	65536 /* of one header value in an answer: ENVELOPE is not the way               \
	         to read a header of megabytes */
#define IMAP_ADDRESSES_MAX 4096 /* of one field, for the same reason */

int imap_put_envelope(struct buf *out, struct str header, struct arena *arena);

/* extended: BODYSTRUCTURE; else BODY. */
int imap_put_structure(struct buf *out, const struct mime_tree *tree, bool extended,
	struct arena *arena);

/* A header value as nstring: unfolded, cut at IMAP_TEXT_MAX; ptr NULL gives NIL. */
int imap_put_text(struct buf *out, struct str value, struct arena *arena);

#endif
