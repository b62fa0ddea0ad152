/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_CURSOR_H
#define WIRE_IMAP_CURSOR_H
/*
 * Tokens of IMAP commands and responses (RFC 3501, 9), read from left to right.
 *
 * Each function takes its token off the front and answers true, or answers false and
 * leaves the cursor where it was. The input is complete (a framed command or response,
 * literals inside as "{n}\r\n" and n bytes). Views point into the input; what needs
 * unescaping is copied to the arena (false, too, without memory).
 */
#include "base/arena.h"
#include "base/str.h"

struct imap_cursor {
	struct str rest;
	/* Of a client that is logged in: what Dovecot, Cyrus and Courier take beside the
	   grammar is taken: several spaces for one, spaces inside of parentheses and at
	   the end, an atom between quotes. */
	bool lenient;
};

struct imap_cursor imap_cursor(struct str input);
struct imap_cursor imap_lenient_cursor(struct str input);

bool imap_space(struct imap_cursor *c); /* exactly one */
bool imap_char(struct imap_cursor *c, char expected);
/* At the end, a CRLF or LF allowed before it. */
bool imap_end(const struct imap_cursor *c);
char imap_peek(const struct imap_cursor *c); /* next byte, '\0' at the end */

/* Any token up to a space, parenthesis, quote, brace, control or the end: one byte at
   least. imap_atom() also stops at % * \ ] ; imap_tag() at '+' (RFC 3501). */
bool imap_atom(struct imap_cursor *c, struct str *ret);
bool imap_tag(struct imap_cursor *c, struct str *ret);
/* The given word, case ignored, followed by no further atom byte. */
bool imap_keyword(struct imap_cursor *c, struct str word);
/* Up to the next space or the end, whatever it holds (response texts, SASL lines). */
bool imap_word(struct imap_cursor *c, struct str *ret);

bool imap_quoted(struct imap_cursor *c, struct arena *arena, struct str *ret);
bool imap_literal_bytes(struct imap_cursor *c, struct str *ret);
bool imap_string(struct imap_cursor *c, struct arena *arena, struct str *ret);
/* atom (']' allowed) or string */
bool imap_astring(struct imap_cursor *c, struct arena *arena, struct str *ret);
/* as astring, wildcards % and * allowed (LIST patterns) */
bool imap_list_mailbox(struct imap_cursor *c, struct arena *arena, struct str *ret);
/* NIL gives ptr NULL */
bool imap_nstring(struct imap_cursor *c, struct arena *arena, struct str *ret);

bool imap_number(struct imap_cursor *c, uint32_t *ret);
bool imap_number64(struct imap_cursor *c, uint64_t *ret);

/* Steps over one value of any kind: atom, number, string, NIL, nested list (depth
   limited). For response items that we do not read. */
bool imap_skip_value(struct imap_cursor *c);

/* A list that may follow behind a space, with its parentheses, as it stands there. Where
   none follows nothing is taken, ret is left alone, and the answer is true. */
bool imap_optional_list(struct imap_cursor *c, struct str *ret);

#endif
