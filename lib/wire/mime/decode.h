/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_DECODE_H
#define WIRE_MIME_DECODE_H
/* Content-Transfer-Encoding undone in pieces (RFC 2045, 6.7 and 6.8), forgiving: what is
   no code is passed on (quoted-printable) or skipped (base64). */
#include "base/buf.h"
#include "base/str.h"

enum mime_encoding { MIME_IDENTITY, MIME_QUOTED_PRINTABLE, MIME_BASE64 };

struct mime_decoder {
	enum mime_encoding encoding;
	uint32_t bits; /* base64: not yet a byte */
	unsigned n_bits;
	char pending[2]; /* quoted-printable: "=", "=4" at a piece's end */
	size_t n_pending;
	char held
		[128]; /* white space that goes if the line ends behind it; lines of 76 */
	size_t n_held;
};

/* "quoted-printable", "base64"; everything else is identity. */
enum mime_encoding mime_encoding_by_name(struct str name);
void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);
int mime_decode(struct mime_decoder *d, struct str piece, struct buf *out);

#endif
