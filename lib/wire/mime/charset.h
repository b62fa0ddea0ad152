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

struct mime_charsets;

struct mime_charsets *mime_charsets_new(void); /* NULL: no memory */
void mime_charsets_free(struct mime_charsets *c);

/* Another one when another build has other tables. */
uint64_t mime_charsets_version(const struct mime_charsets *c);
bool mime_charset_is_known(struct mime_charsets *c, struct str charset);

/* Appends `bytes` as valid UTF-8. What is invalid, and 8-bit bytes of an unknown
   charset, become U+FFFD. c may be NULL: UTF-8 only. */
int mime_to_utf8(
	struct mime_charsets *c, struct str charset, struct str bytes, struct buf *out);

/* A header value with folding undone and encoded words decoded (RFC 2047). */
int mime_decode_words(struct mime_charsets *c, struct str value, struct buf *out);

#endif
