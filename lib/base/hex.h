/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_HEX_H
#define BASE_HEX_H
/* Bytes as hexadecimal digits. */
#include "base/str.h"

#define HEX_LOWER "0123456789abcdef"
#define HEX_UPPER "0123456789ABCDEF"

/* 0 to 15, either case; -1: it is none. */
int hex_digit(char c);
/* The same, of one case alone: where each value is to have one spelling. */
int hex_digit_of(const char *digits, char c);
/* The byte that two digits at the beginning of s mean, either case; -1: they are none. */
int hex_byte(struct str s);
/* The same, of one case alone. */
int hex_byte_of(const char *digits, struct str s);

/* All of text as a number, lower case; false: no digit, another character, too long. */
bool hex_to_u64(struct str text, uint64_t *ret);
/* Lower case. false: it is not exactly so many bytes. */
bool hex_read(struct str text, unsigned char *bytes, size_t len);
/* 2 * len digits, lower case, and a NUL. */
void hex_write(const unsigned char *bytes, size_t len, char *ret);

#endif
