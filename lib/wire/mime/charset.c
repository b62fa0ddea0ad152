/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/charset.h"

#include "base/hash.h"
#include "wire/mime/fold.h"
#include "wire/mime/multibyte.h"

#include <unistr.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Made by cmake/one_byte_tables.c. */
#include "wire/mime/one_byte.inc"

/* The spellings that mail uses, without "-" and "_". Labels lie: text that says
   iso-8859-1 and has C1 controls is windows-1252, Outlook's ks_c_5601-1987 is CP949. */
static const struct row {
	const char *labels;
	/* what bytes from 128 on mean, 0: nothing; NULL: of several bytes */
	const uint16_t *high;
	enum mime_multibyte multibyte;
} rows[] = {
	{ "iso88591 windows1252 cp1252 latin1 l1 cp819 ibm819 csisolatin1 "
	  "isoir100 xcp1252",
		CP1252, 0 },
	{ "windows1250 cp1250 xcp1250 ms1250", CP1250, 0 },
	{ "windows1251 cp1251 xcp1251 ms1251", CP1251, 0 },
	{ "windows1253 cp1253 xcp1253 ms1253", CP1253, 0 },
	{ "windows1254 cp1254 iso88599 latin5 l5 csisolatin5 isoir148 xcp1254 "
	  "ms1254",
		CP1254, 0 },
	{ "windows1255 cp1255 xcp1255 ms1255", NULL, MIME_CP1255 },
	{ "windows1256 cp1256 xcp1256 ms1256", CP1256, 0 },
	{ "windows1257 cp1257 xcp1257 ms1257", CP1257, 0 },
	{ "windows1258 cp1258 xcp1258 ms1258", NULL, MIME_CP1258 },
	{ "iso88592 latin2 l2 csisolatin2 isoir101", ISO_8859_2, 0 },
	{ "iso88593 latin3 l3 csisolatin3 isoir109", ISO_8859_3, 0 },
	{ "iso88594 latin4 l4 csisolatin4 isoir110", ISO_8859_4, 0 },
	{ "iso88595 cyrillic csisolatincyrillic isoir144", ISO_8859_5, 0 },
	{ "iso88596 iso88596i iso88596e arabic csisolatinarabic isoir127 "
	  "ecma114 asmo708",
		ISO_8859_6, 0 },
	{ "iso88597 greek greek8 csisolatingreek isoir126 ecma118 elot928", ISO_8859_7,
		0 },
	{ "iso88598 iso88598i iso88598e hebrew csisolatinhebrew isoir138", ISO_8859_8,
		0 },
	{ "iso885910 latin6 l6 csisolatin6 isoir157", ISO_8859_10, 0 },
	{ "iso885911 tis620 windows874 cp874 dos874", CP874, 0 },
	{ "iso885913 latin7 l7", ISO_8859_13, 0 },
	{ "iso885914 latin8 l8", ISO_8859_14, 0 },
	{ "iso885915 latin9 l9", ISO_8859_15, 0 },
	{ "iso885916 latin10 l10", ISO_8859_16, 0 },
	{ "koi8r cskoi8r koi8 koi", KOI8_R, 0 },
	{ "koi8u koi8ru", KOI8_U, 0 },
	{ "gb2312 gbk gb18030 cp936 xgbk euccn xeuccn csgb2312 csgbk "
	  "csgb18030 gb231280 gb23121980 csiso58gb231280 chinese isoir58 "
	  "ms936 windows936",
		NULL, MIME_GB18030 },
	{ "big5hkscs xbig5hkscs csbig5hkscs big5hkscs2004 big5hkscs2008", NULL,
		MIME_BIG5_HKSCS },
	{ "big5 cp950 xbig5 xxbig5 csbig5 cnbig5 ms950 windows950 big5eten", NULL,
		MIME_BIG5 },
	{ "iso2022jp csiso2022jp iso2022jp1 iso2022jp2 csiso2022jp2 "
	  "iso2022jpms cp50220 cp50221 cp50222",
		NULL, MIME_ISO_2022_JP },
	{ "shiftjis sjis xsjis cp932 windows31j mskanji csshiftjis "
	  "cswindows31j ms932 windows932",
		NULL, MIME_CP932 },
	{ "eucjp xeucjp cseucpkdfmtjapanese eucjpms eucjpwin ujis", NULL, MIME_EUC_JP },
	{ "euckr ksc56011987 ksc56011989 ksc5601 xksc5601 cp949 uhc "
	  "windows949 xwindows949 ms949 cseuckr csksc56011987 korean isoir149",
		NULL, MIME_CP949 },
	{ "iso2022kr csiso2022kr", NULL, MIME_ISO_2022_KR },
	{ "hzgb2312 hz xhz", NULL, MIME_HZ },
	{ "cp437 ibm437", CP437, 0 },
	{ "cp850 ibm850", CP850, 0 },
	{ "cp852 ibm852", CP852, 0 },
	{ "cp866 ibm866 csibm866", CP866, 0 },
	{ "macintosh mac xmacroman macroman csmacintosh", MACINTOSH, 0 },
	{ "utf16 csutf16 ucs2 iso10646ucs2 unicode csunicode", NULL, MIME_UTF_16 },
	{ "utf16le csutf16le ucs2le", NULL, MIME_UTF_16LE },
	{ "utf16be csutf16be ucs2be unicodefffe", NULL, MIME_UTF_16BE },
	{ "utf32 csutf32", NULL, MIME_UTF_32 },
	{ "utf32le csutf32le", NULL, MIME_UTF_32LE },
	{ "utf32be csutf32be", NULL, MIME_UTF_32BE },
	{ "utf7 csutf7 unicode11utf7 csunicode11utf7 unicode20utf7 "
	  "xunicode20utf7",
		NULL, MIME_UTF_7 },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
#define LABEL_MAX 32
#define HIGH_PIECE 64 /* bytes */
#define UTF8_MAX 3    /* bytes: none of them is beyond the first plane */

uint64_t mime_charsets_version(void)
{
	return hash_mix(hash_mix(HASH_FIRST, ONE_BYTE_SUM), mime_multibyte_sum());
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
static const struct row *find_row(struct str label)
{
	char space[LABEL_MAX];
	struct str normal = normal_label(label, space);

	if (is_utf8(label))
		return NULL;
	for (size_t i = 0; i < N_ROWS; i++)
		if (str_has_word(str_from(rows[i].labels), normal))
			return &rows[i];
	return NULL;
}

bool mime_charset_is_known(struct str charset)
{
	char space[LABEL_MAX];

	return find_row(charset) ||
	       str_has_word(STR_LIT("utf8 usascii ascii ansix341968 csascii csutf8"),
		       normal_label(charset, space));
}

size_t mime_charset_unit(struct str charset)
{
	const struct row *row = find_row(charset);

	return row && !row->high ? mime_multibyte_unit(row->multibyte) : 1;
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
	int r = buf_reserve(out, (size_t)HIGH_PIECE * UTF8_MAX, &to);

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

int mime_to_utf8(struct str charset, struct str bytes, struct buf *out)
{
	const struct row *row = find_row(charset);

	if (!row)
		return put_utf8(bytes, out);
	return row->high ? put_table(row->high, bytes, out)
	                 : mime_put_multibyte(row->multibyte, bytes, out);
}
