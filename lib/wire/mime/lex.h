/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_LEX_H
#define WIRE_MIME_LEX_H
/*
 * Tokens of structured header fields (RFC 5322, 3.2; RFC 2045, 5.1), for any bytes.
 *
 * Each function takes its token off the front of *rest and answers true, or leaves *rest
 * and answers false. What is not terminated ends with the field: mail is read, not
 * checked. Folding (CR, LF) inside tokens is dropped.
 */
#include "base/arena.h"
#include "base/str.h"

/* White space and comments. *ret_comment (may be NULL): what the last one said, without
   its parentheses; left alone when there was none. */
void mime_skip_space(struct str *rest, struct str *ret_comment);

bool mime_take(struct str *rest, char c);

/* Up to white space, a control, or one of `stops`; 8-bit bytes belong to it. */
bool mime_atom(struct str *rest, struct str stops, struct str *ret);
#define MIME_TOKEN_STOPS STR_LIT("()<>@,;:\\\"/[]?=") /* RFC 2045 tspecials */
#define MIME_ATOM_STOPS STR_LIT("()<>@,;:\\\"[].")    /* RFC 5322 specials */

/* "..." with \x undone; in arena where bytes had to go (false: no memory, too). */
bool mime_quoted(struct str *rest, struct arena *arena, struct str *ret);

/* "(...)" taken off the front as mime_skip_space() gives it: its quoted pairs undone (RFC
   5322, 3.2.1). ptr NULL: no memory. */
struct str mime_comment_text(struct str comment, struct arena *arena);

/* Each fold as one space, NULs as 0x80 (no IMAP string may hold one), at most `most`
   bytes. White space around it stays: a quoted value may begin with it. ptr NULL: no
   memory. One pass: anybody can send a field of 64 KiB of blanks. */
struct str mime_flatten(struct str value, struct arena *arena, size_t most);
/* The same without the white space around it. */
struct str mime_unfold(struct str value, struct arena *arena, size_t most);

#endif
