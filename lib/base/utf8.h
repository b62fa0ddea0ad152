/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H
/* UTF-8 (RFC 3629), and what of it may be shown to a person. */
#include "base/str.h"

#define UTF8_BAD UINT32_C(0xfffd)

/* One character off the front of *s, which is not empty. UTF8_BAD: none begins there;
   then the bytes that could have been the beginning of one are off, at least one. */
uint32_t utf8_next(struct str *s);

/* What came from outside must not steer the terminal that it is shown in. Not harmless
   are control characters of both sets (ISO 6429: U+009B begins a command as ESC [ does),
   what turns the direction of text or ends a line (U+2028), and bytes that are no
   UTF-8. */
bool utf8_is_harmless(uint32_t c);
/* In place: of what is not harmless each byte becomes '?', so that the length stays. */
void utf8_make_harmless(char *text, size_t len);

#endif
