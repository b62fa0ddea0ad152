/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NET_STREAM_DEFLATE_H
#define NET_STREAM_DEFLATE_H
/* Both directions compressed (RFC 1951, as RFC 4978 has it for IMAP), over another
   stream. A write that says that more follows may wait to be compressed with the rest.
   After -EAGAIN the same bytes must come again, as with TLS. */
#include "base/str.h"

struct stream;

/* Takes the stream on success. received: bytes of the peer that were read already and are
   compressed. 0 or -ENOMEM. */
int stream_deflate_new(struct stream *below, struct str received, struct stream **ret);

#endif
