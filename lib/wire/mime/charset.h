/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_CHARSET_H
#define WIRE_MIME_CHARSET_H
/*
 * Text in the charsets of mail, as UTF-8, for searching.
 *
 * All are tables of the build, shared by all processes. iconv would load a library for
 * each from the file system, which is out of sight later (chroot).
 */
#include "base/buf.h"
#include "base/str.h"

/* Another one when another build has other tables. */
uint64_t mime_charsets_version(void);
bool mime_charset_is_known(struct str charset);
/* Bytes; 2 and 4 are those of UTF-16 and UTF-32, where an LF is a part of a character. */
size_t mime_charset_unit(struct str charset);

/* Appends `bytes` as valid UTF-8. What is invalid, and 8-bit bytes of an unknown
   charset, become U+FFFD. */
int mime_to_utf8(struct str charset, struct str bytes, struct buf *out);

/* A header value with folding undone and encoded words decoded (RFC 2047). */
int mime_decode_words(struct str value, struct buf *out);

/* The same in pieces, for values of any length: what is left of it. */
struct mime_words {
	struct str rest;
	bool after_word;
};

int mime_words_next(struct mime_words *w, struct buf *out); /* some KiB more */

#endif
