/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_ENCODE_H
#define WIRE_IMAP_ENCODE_H
/* Strings as IMAP writes them (RFC 3501, 4.3). Returns as buf_append(). */
#include "base/buf.h"
#include "base/str.h"

/* May stand between quotes: no NUL, CR, LF, 8-bit byte (RFC 3501: TEXT-CHAR is 7-bit). */
bool imap_is_quotable(struct str s);
bool imap_is_atom(struct str s);

int imap_put_quoted(struct buf *out, struct str s); /* s must be quotable */
/* "{n}\r\n" and the bytes: only where nobody need wait for a "+" (server to client, or
   LITERAL+ with plus = true: "{n+}"). */
int imap_put_literal(struct buf *out, struct str s, bool plus);

/* Server to client: quoted when it can be, else a literal; NULL ptr gives NIL. */
int imap_put_nstring(struct buf *out, struct str s);
/* The same for a client that takes UTF-8 between quotes (RFC 6855, 3). */
int imap_put_utf8(struct buf *out, struct str s);
/* Server to client: atom, quoted or literal. For mailbox names. */
int imap_put_astring(struct buf *out, struct str s);

#endif
