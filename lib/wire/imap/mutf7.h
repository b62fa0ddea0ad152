/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_MUTF7_H
#define WIRE_IMAP_MUTF7_H
/* Mailbox names between modified UTF-7 (RFC 3501, 5.1.3), as they are kept, and UTF-8, as
   clients have them after ENABLE IMAP4rev2 or UTF8=ACCEPT. */
#include "base/buf.h"

/* Appends the name in UTF-8. false: it is not in modified UTF-7 (old servers keep any
   bytes), or there is no memory: then nothing is appended. */
bool imap_mutf7_decode(struct str name, struct buf *out);
/* Appends it in modified UTF-7. false: it is not valid UTF-8, or there is no memory. */
bool imap_mutf7_encode(struct str utf8, struct buf *out);

#endif
