/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/charset.h"
#include "wire/mime/fold.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <unistr.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Made by cmake/one_byte_tables.c. To open a converter of iconv's is to load a library:
   all of them were a fifth of what it costs to start an account's process. */
#include "wire/mime/one_byte.inc"

/* iconv's name, and the spellings that mail uses for it, without "-" and "_". Labels lie:
   text that says iso-8859-1 and has C1 controls is windows-1252, Outlook's ks_c_5601-1987
   is CP949. */
static const struct row {
	const char *name;
	const char *labels;
	/* what bytes from 128 on mean, 0: nothing; NULL: ask iconv */
	const uint16_t *high;
} rows[] = {
	{ "CP1252", "iso88591 windows1252 cp1252 latin1 l1 cp819 ibm819", CP1252 },
	{ "CP1250", "windows1250 cp1250 xcp1250", CP1250 },
	{ "CP1251", "windows1251 cp1251 xcp1251", CP1251 },
	{ "CP1253", "windows1253 cp1253", CP1253 },
	{ "CP1254", "windows1254 cp1254 iso88599 latin5", CP1254 },
	{ "CP1255", "windows1255 cp1255", NULL },
	{ "CP1256", "windows1256 cp1256", CP1256 },
	{ "CP1257", "windows1257 cp1257", CP1257 },
	{ "CP1258", "windows1258 cp1258", NULL },
	{ "ISO-8859-2", "iso88592 latin2", ISO_8859_2 },
	{ "ISO-8859-3", "iso88593 latin3", ISO_8859_3 },
	{ "ISO-8859-4", "iso88594 latin4", ISO_8859_4 },
	{ "ISO-8859-5", "iso88595 cyrillic", ISO_8859_5 },
	{ "ISO-8859-6", "iso88596 iso88596i iso88596e arabic", ISO_8859_6 },
	{ "ISO-8859-7", "iso88597 greek", ISO_8859_7 },
	{ "ISO-8859-8", "iso88598 iso88598i iso88598e hebrew", ISO_8859_8 },
	{ "ISO-8859-10", "iso885910 latin6", ISO_8859_10 },
	{ "CP874", "iso885911 tis620 windows874 cp874", CP874 },
	{ "ISO-8859-13", "iso885913", ISO_8859_13 },
	{ "ISO-8859-14", "iso885914 latin8", ISO_8859_14 },
	{ "ISO-8859-15", "iso885915 latin9", ISO_8859_15 },
	{ "ISO-8859-16", "iso885916 latin10", ISO_8859_16 },
	{ "KOI8-R", "koi8r", KOI8_R },
	{ "KOI8-U", "koi8u koi8ru", KOI8_U },
	{ "GB18030", "gb2312 gbk gb18030 cp936 xgbk euccn", NULL },
	{ "BIG5-HKSCS", "big5hkscs", NULL },
	{ "BIG5", "big5 cp950 xbig5", NULL },
	{ "ISO-2022-JP", "iso2022jp", NULL },
	{ "CP932", "shiftjis sjis xsjis cp932 windows31j mskanji", NULL },
	{ "EUC-JP", "eucjp xeucjp", NULL },
	{ "CP949", "euckr ksc56011987 ksc5601 cp949 uhc windows949", NULL },
	{ "ISO-2022-KR", "iso2022kr", NULL },
	{ "CP437", "cp437 ibm437", CP437 },
	{ "CP850", "cp850 ibm850", CP850 },
	{ "CP852", "cp852 ibm852", CP852 },
	{ "CP866", "cp866 ibm866", CP866 },
	{ "MACINTOSH", "macintosh mac xmacroman macroman", MACINTOSH },
	{ "UTF-16", "utf16", NULL },
	{ "UTF-16LE", "utf16le", NULL },
	{ "UTF-16BE", "utf16be", NULL },
	{ "UTF-7", "utf7 unicode11utf7", NULL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
#define LABEL_MAX 32
#define HIGH_PIECE 64 /* bytes */
#define UTF8_MAX 3    /* bytes: none of them is beyond the first plane */

struct mime_charsets {
	iconv_t converters[N_ROWS]; /* (iconv_t)-1: a table, or this system has none */
};

struct mime_charsets *mime_charsets_new(void)
{
	struct mime_charsets *c = malloc(sizeof(*c));

	for (size_t i = 0; c && i < N_ROWS; i++)
		c->converters[i] =
			rows[i].high ? (iconv_t)-1 : iconv_open("UTF-8", rows[i].name);
	return c;
}

void mime_charsets_free(struct mime_charsets *c)
{
	for (size_t i = 0; c && i < N_ROWS; i++)
		if (c->converters[i] != (iconv_t)-1)
			(void)iconv_close(c->converters[i]);
	free(c);
}

static bool is_there(const struct mime_charsets *c, size_t row)
{
	return rows[row].high || c->converters[row] != (iconv_t)-1;
}

uint64_t mime_charsets_there(const struct mime_charsets *c)
{
	uint64_t there = 0;

	_Static_assert(N_ROWS <= 64, "a bit for each");
	for (size_t i = 0; c && i < N_ROWS; i++)
		if (is_there(c, i))
			there |= UINT64_C(1) << i;
	return there;
}

static struct str normal_label(struct str label, char space[static LABEL_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < label.len && len < LABEL_MAX; i++)
		if (label.ptr[i] != '-' && label.ptr[i] != '_')
			space[len++] = label.ptr[i];
	return str_of(space, len);
}

/* Most of mail; no label of a row. */
static bool is_utf8(struct str label)
{
	return str_ieq(label, STR_LIT("utf-8")) || str_ieq(label, STR_LIT("us-ascii"));
}

/* NULL: it is read as UTF-8. */
static const struct row *find_row(const struct mime_charsets *c, struct str label)
{
	char space[LABEL_MAX];
	struct str normal = normal_label(label, space);

	if (is_utf8(label))
		return NULL;
	for (size_t i = 0; c && i < N_ROWS; i++)
		if (str_has_word(str_from(rows[i].labels), normal))
			return is_there(c, i) ? &rows[i] : NULL;
	return NULL;
}

bool mime_charset_is_known(struct mime_charsets *c, struct str charset)
{
	char space[LABEL_MAX];

	return find_row(c, charset) ||
	       str_has_word(STR_LIT("utf8 usascii ascii ansix341968"),
		       normal_label(charset, space));
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
		size_t plain = mime_ascii_length(bytes);
		const uint8_t *bad = u8_check(start + plain, bytes.len - plain);
		size_t good = bad ? (size_t)(bad - start) : bytes.len;

		r = buf_append(out, str_take(bytes, good));
		if (bad && r == 0)
			r = put_replacement(out);
		bytes = str_skip(bytes, bad ? good + 1 : good);
	}
	return r;
}

/* The bytes above ASCII at its beginning. */
static int put_high(const uint16_t *high, struct str *bytes, struct buf *out)
{
	char *to;
	size_t n = 0, len = 0;
	int r = buf_reserve(out, HIGH_PIECE * UTF8_MAX, &to);

	for (; r == 0 && n < HIGH_PIECE && n < bytes->len && bytes->ptr[n] & 0x80; n++) {
		ucs4_t c = high[bytes->ptr[n] & 0x7f];

		len += (size_t)u8_uctomb((uint8_t *)to + len, c ? c : 0xfffd, UTF8_MAX);
	}
	if (r == 0)
		buf_commit(out, len);
	*bytes = str_skip(*bytes, n);
	return r;
}

static int put_table(const uint16_t *high, struct str bytes, struct buf *out)
{
	int r = 0;

	while (bytes.len && r == 0) {
		size_t plain = mime_ascii_length(bytes);

		r = buf_append(out, str_take(bytes, plain));
		bytes = str_skip(bytes, plain);
		if (bytes.len && r == 0)
			r = put_high(high, &bytes, out);
	}
	return r;
}

/* One call of iconv() with room for all that can come of it. from NULL: what the
   converter has held back (an accent may follow a letter in CP1255 and CP1258). */
static int convert_piece(iconv_t converter, char **from, size_t *left, struct buf *out)
{
	size_t want = *left + 16, room = want, n;
	char *to;
	int r = buf_reserve(out, want, &to);

	if (r < 0)
		return r;
	n = iconv(converter, from, left, &to, &room);
	buf_commit(out, want - room);
	return n == (size_t)-1 && errno != E2BIG ? -EILSEQ : 0;
}

static int convert(iconv_t converter, struct str bytes, struct buf *out)
{
	char *from = (char *)(uintptr_t)bytes.ptr;
	size_t left = bytes.len, none = 0;
	int r = 0;

	(void)iconv(converter, NULL, NULL, NULL, NULL);
	while (left && r == 0) {
		r = convert_piece(converter, &from, &left, out);
		if (r == -EILSEQ) { /* invalid, or cut short */
			r = put_replacement(out);
			from++;
			left--;
		}
	}
	return r < 0 ? r : convert_piece(converter, NULL, &none, out);
}

int mime_to_utf8(
	struct mime_charsets *c, struct str charset, struct str bytes, struct buf *out)
{
	const struct row *row = find_row(c, charset);

	if (!row)
		return put_utf8(bytes, out);
	return row->high ? put_table(row->high, bytes, out)
	                 : convert(c->converters[row - rows], bytes, out);
}
