/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_SUBJECT_H
#define WIRE_MIME_SUBJECT_H
/* What SORT and THREAD make of header fields (RFC 5256). */
#include "base/arena.h"
#include "base/buf.h"

/* The base subject (2.1): without "Re:", "[list]", "(fwd)" and their likes. utf8: the
   value with its encoded words undone (mime_decode_words()). The answer points into it;
   its white space is joined in place. *ret_reply: it was a reply or forwarded. */
struct str mime_base_subject(struct buf *utf8, bool *ret_reply);

/* The next "<id>" of a References, In-Reply-To or Message-ID value, without the angle
   brackets and in its normal form; what is none is passed over. In arena where bytes had
   to go. */
bool mime_next_message_id(struct str *value, struct arena *arena, struct str *ret);

#endif
