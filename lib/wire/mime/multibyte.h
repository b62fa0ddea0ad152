/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_MULTIBYTE_H
#define WIRE_MIME_MULTIBYTE_H
/*
 * Charsets whose characters have several bytes, or depend on what stands before them.
 *
 * Their tables are made by the build and shared by all processes: iconv would load a
 * library for each, before the sandbox closes and whether it is needed or not.
 */
#include "base/buf.h"
#include "base/str.h"

enum mime_multibyte {
	MIME_GB18030,
	MIME_BIG5,
	MIME_BIG5_HKSCS,
	MIME_CP932, /* Shift_JIS of Windows */
	MIME_CP949, /* EUC-KR of Windows */
	MIME_EUC_JP,
	MIME_ISO_2022_JP, /* with what its successors 1 and 2 have in G0, and of CP932 */
	MIME_ISO_2022_KR,
	MIME_HZ,
	MIME_UTF_7,
	MIME_UTF_16, /* little-endian without a mark */
	MIME_UTF_16LE,
	MIME_UTF_16BE,
	MIME_UTF_32,
	MIME_UTF_32LE,
	MIME_UTF_32BE,
	MIME_CP1255,
	MIME_CP1258,
	MIME_MULTIBYTES
};

/* Appends UTF-8. A byte that begins no character becomes U+FFFD, and reading goes on with
   the next one; so does a unit of UTF-16 and UTF-32, and a pair in a set of ISO 2022 that
   has no such character. */
int mime_put_multibyte(enum mime_multibyte charset, struct str bytes, struct buf *out);

size_t mime_multibyte_unit(enum mime_multibyte charset); /* bytes */
uint64_t mime_multibyte_sum(void);                       /* of all tables */

#endif
