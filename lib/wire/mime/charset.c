/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <unistr.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

enum converter {
	CP1250,
	CP1251,
	CP1252,
	CP1253,
	CP1254,
	LATIN2,
	CYRILLIC,
	GREEK,
	LATIN9,
	KOI8R,
	KOI8U,
	GB18030,
	BIG5,
	ISO2022JP,
	SHIFTJIS,
	EUCJP,
	EUCKR,
	CONVERTER_COUNT
};

/* What iconv calls them. */
static const char *const names[CONVERTER_COUNT] = {
	[CP1250] = "CP1250",
	[CP1251] = "CP1251",
	[CP1252] = "CP1252",
	[CP1253] = "CP1253",
	[CP1254] = "CP1254",
	[LATIN2] = "ISO-8859-2",
	[CYRILLIC] = "ISO-8859-5",
	[GREEK] = "ISO-8859-7",
	[LATIN9] = "ISO-8859-15",
	[KOI8R] = "KOI8-R",
	[KOI8U] = "KOI8-U",
	[GB18030] = "GB18030",
	[BIG5] = "BIG5",
	[ISO2022JP] = "ISO-2022-JP",
	[SHIFTJIS] = "SHIFT_JIS",
	[EUCJP] = "EUC-JP",
	[EUCKR] = "EUC-KR",
};

/* Spellings without "-" and "_". Labels lie: what says iso-8859-1 and has C1 controls
   is windows-1252. */
static const struct row {
	struct str label;
	enum converter converter;
} rows[] = {
	{ STR("iso88591"), CP1252 },
	{ STR("windows1252"), CP1252 },
	{ STR("cp1252"), CP1252 },
	{ STR("latin1"), CP1252 },
	{ STR("iso88592"), LATIN2 },
	{ STR("iso88595"), CYRILLIC },
	{ STR("iso88597"), GREEK },
	{ STR("iso88599"), CP1254 },
	{ STR("iso885915"), LATIN9 },
	{ STR("windows1250"), CP1250 },
	{ STR("windows1251"), CP1251 },
	{ STR("windows1253"), CP1253 },
	{ STR("windows1254"), CP1254 },
	{ STR("koi8r"), KOI8R },
	{ STR("koi8u"), KOI8U },
	{ STR("gb2312"), GB18030 },
	{ STR("gbk"), GB18030 },
	{ STR("gb18030"), GB18030 },
	{ STR("big5"), BIG5 },
	{ STR("iso2022jp"), ISO2022JP },
	{ STR("shiftjis"), SHIFTJIS },
	{ STR("eucjp"), EUCJP },
	{ STR("euckr"), EUCKR },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
#define LABEL_MAX 32

struct mime_charsets {
	iconv_t converters[CONVERTER_COUNT]; /* (iconv_t)-1: this system has it not */
};

struct mime_charsets *mime_charsets_new(void)
{
	struct mime_charsets *c = malloc(sizeof(*c));

	for (size_t i = 0; c && i < CONVERTER_COUNT; i++)
		c->converters[i] = iconv_open("UTF-8", names[i]);
	return c;
}

void mime_charsets_free(struct mime_charsets *c)
{
	for (size_t i = 0; c && i < CONVERTER_COUNT; i++)
		if (c->converters[i] != (iconv_t)-1)
			(void)iconv_close(c->converters[i]);
	free(c);
}

static struct str normal_label(struct str label, char space[static LABEL_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < label.len && len < LABEL_MAX; i++)
		if (label.ptr[i] != '-' && label.ptr[i] != '_')
			space[len++] = label.ptr[i];
	return str_of(space, len);
}

static iconv_t find_converter(struct mime_charsets *c, struct str label)
{
	char space[LABEL_MAX];
	struct str normal = normal_label(label, space);

	for (size_t i = 0; c && i < N_ROWS; i++)
		if (str_ieq(normal, rows[i].label))
			return c->converters[rows[i].converter];
	return (iconv_t)-1;
}

static int put_replacement(struct buf *out)
{
	return buf_append_c(out, REPLACEMENT);
}

static int put_utf8(struct str bytes, struct buf *out)
{
	int r = 0;

	while (bytes.len && r == 0) {
		const uint8_t *start = (const uint8_t *)bytes.ptr;
		const uint8_t *bad = u8_check(start, bytes.len);
		size_t good = bad ? (size_t)(bad - start) : bytes.len;

		r = buf_append(out, str_take(bytes, good));
		if (bad && r == 0)
			r = put_replacement(out);
		bytes = str_skip(bytes, bad ? good + 1 : good);
	}
	return r;
}

static int convert(iconv_t converter, struct str bytes, struct buf *out)
{
	char *from = (char *)(uintptr_t)bytes.ptr, *to;
	size_t left = bytes.len, room;
	int r = 0;

	(void)iconv(converter, NULL, NULL, NULL, NULL);
	while (left && r == 0) {
		size_t want = left + 16, n;

		r = buf_reserve(out, want, &to);
		if (r < 0)
			return r;
		room = want;
		n = iconv(converter, &from, &left, &to, &room);
		buf_commit(out, want - room);
		if (n == (size_t)-1 && errno != E2BIG) { /* invalid, or cut short */
			r = put_replacement(out);
			from++;
			left--;
		}
	}
	return r;
}

int mime_to_utf8(
	struct mime_charsets *c, struct str charset, struct str bytes, struct buf *out)
{
	iconv_t converter = find_converter(c, charset);

	return converter == (iconv_t)-1 ? put_utf8(bytes, out)
	                                : convert(converter, bytes, out);
}
