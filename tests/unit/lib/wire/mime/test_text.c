/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SEARCH compares: decoded, in UTF-8, folded. */
#include "wire/mime/charset.h"
#include "wire/mime/date.h"
#include "wire/mime/decode.h"
#include "wire/mime/fold.h"
#include "wire/mime/search.h"

#include "lib/wire/wire_test.h"

#include <errno.h>
#include <iconv.h>

static void test_decode(void **state)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
		struct str coded, plain;
	} rows[] = {
		{ "identity", MIME_IDENTITY, STR("=41\0"), STR("=41\0") },
		{ "hex", MIME_QUOTED_PRINTABLE, STR("a=3Db=c3=a4"), STR("a=b\xc3\xa4") },
		{ "soft breaks", MIME_QUOTED_PRINTABLE, STR("a=\r\nb=\nc\r\n"),
			STR("abc\r\n") },
		{ "no code", MIME_QUOTED_PRINTABLE, STR("a=xb =4"), STR("a=xb ") },
		{ "blanks at a line's end", MIME_QUOTED_PRINTABLE,
			STR("a \t\r\nb \nc  d\t=20\r\n \r\n"),
			STR("a\r\nb\nc  d\t \r\n\r\n") },
		{ "and at the end", MIME_QUOTED_PRINTABLE, STR("a \t"), STR("a") },
		{ "blanks behind a soft break", MIME_QUOTED_PRINTABLE,
			STR("a= \t\r\nb=\t\nc"), STR("abc") },
		{ "no soft break", MIME_QUOTED_PRINTABLE, STR("a= \tb= =41"),
			STR("a= \tb= A") },
		{ "a CR alone", MIME_QUOTED_PRINTABLE, STR("a \r b\r\r\nc"),
			STR("a \r b\r\r\nc") },
		{ "base64", MIME_BASE64, STR("aGVs\r\nbG8="), STR("hello") },
		{ "two stretches", MIME_BASE64, STR("aGk=aGk="), STR("hihi") },
		{ "rubbish between", MIME_BASE64, STR("a!G\0k"), STR("hi") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].coded.len; cut++) {
			struct mime_decoder d;
			struct buf out;

			buf_init(&out, 0);
			mime_decoder_init(&d, rows[i].encoding);
			assert_int_equal(
				mime_decode(&d, str_take(rows[i].coded, cut), &out), 0);
			assert_int_equal(
				mime_decode(&d, str_skip(rows[i].coded, cut), &out), 0);
			SAME(rows[i].name, buf_view(&out), rows[i].plain);
			buf_fini(&out);
		}
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *name;
		struct str value, text;
	} rows[] = {
		{ "none", STR("plain text"), STR("plain text") },
		{ "Q", STR("=?utf-8?q?Gr=C3=BC=C3=9Fe_an?= alle"), STR("Grüße an alle") },
		{ "B", STR("=?UTF-8?B?w6Q=?="), STR("ä") },
		{ "two joined", STR("=?utf-8?q?a?=\r\n =?utf-8?q?b?="), STR("ab") },
		{ "beside text", STR("=?utf-8?q?a?= b =?utf-8?q?c?="), STR("a b c") },
		{ "latin-1", STR("=?iso-8859-1?q?=E4=80?="), STR("ä€") },
		{ "koi8", STR("=?KOI8-R?B?8NLJ18XU?="), STR("Привет") },
		{ "japanese", STR("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?="), STR("日本") },
		{ "language", STR("=?utf-8*en?q?a?="), STR("a") },
		{ "unknown", STR("=?x-none?q?a=FF?="), STR("a\xef\xbf\xbd") },
		{ "folded", STR("one\r\n two"), STR("one two") },
		{ "folded with a tab", STR("one\r\n\ttwo"), STR("one two") },
		{ "folded, wide", STR("one \t\r\n   two  three"), STR("one two  three") },
		{ "folded twice", STR("one\r\n \r\n two"), STR("one two") },
		{ "folded before a word", STR("one\r\n\t=?utf-8?q?two?="),
			STR("one two") },
		{ "folded after a word", STR("=?utf-8?q?one?=\r\n\ttwo"),
			STR("one two") },
		{ "raw latin-1", STR("Gr\xfc\xdf"), STR("Gr\xef\xbf\xbd\xef\xbf\xbd") },
		{ "unfinished", STR("=?utf-8?q?a"), STR("=?utf-8?q?a") },
		{ "equals", STR("a==?b"), STR("a==?b") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(mime_decode_words(rows[i].value, &out), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].text);
		buf_fini(&out);
	}
}

/* Eight bytes at a time or one: the same. */
static void test_long_ascii(void **state)
{
	struct buf whole[3], apart[3];
	char text[40];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		buf_init(&whole[i], 0);
		buf_init(&apart[i], 0);
	}
	for (unsigned n = 0; n < 4000; n++) {
		size_t len = n % sizeof(text);

		for (size_t i = 0; i < len; i++)
			text[i] = (char)((n * 37 + i * 11 + n / 40) % 128);
		if (len && n % 3 == 0)
			text[n / 3 % len] = (char)0xff; /* no UTF-8 */
		for (size_t i = 0; i < 3; i++) {
			buf_clear(&whole[i]);
			buf_clear(&apart[i]);
		}
		assert_int_equal(
			mime_to_utf8(STR_LIT("utf-8"), str_of(text, len), &whole[0]), 0);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(mime_to_utf8(STR_LIT("utf-8"),
						 str_of(text + i, 1), &apart[0]),
				0);
		SAME("utf-8", buf_view(&whole[0]), buf_view(&apart[0]));
		assert_int_equal(mime_fold(buf_view(&whole[0]), &whole[1]), 0);
		assert_int_equal(mime_casemap(buf_view(&whole[0]), &whole[2]), 0);
		for (struct str left = buf_view(&whole[0]); left.len;) {
			size_t one = (unsigned char)left.ptr[0] < 0x80 ? 1 : 3;

			assert_int_equal(mime_fold(str_take(left, one), &apart[1]), 0);
			assert_int_equal(mime_casemap(str_take(left, one), &apart[2]), 0);
			left = str_skip(left, one);
		}
		SAME("fold", buf_view(&whole[1]), buf_view(&apart[1]));
		SAME("casemap", buf_view(&whole[2]), buf_view(&apart[2]));
	}
	for (size_t i = 0; i < 3; i++) {
		buf_fini(&whole[i]);
		buf_fini(&apart[i]);
	}
}

static bool finds(struct str text, struct str needle, size_t piece)
{
	struct buf folded;
	struct mime_finder f;
	bool found;

	buf_init(&folded, 0);
	assert_int_equal(mime_fold(needle, &folded), 0);
	mime_finder_init(&f, buf_view(&folded));
	for (; text.len; text = str_skip(text, piece))
		assert_int_equal(f.listener.hear(&f.listener, str_take(text, piece)), 0);
	found = f.listener.done;
	mime_finder_fini(&f);
	buf_fini(&folded);
	return found;
}

static void test_find(void **state)
{
	static const struct {
		struct str text, needle;
		bool found;
	} rows[] = {
		{ STR("Hello World"), STR("o w"), true },
		{ STR("Hello World"), STR("ow"), false },
		{ STR("die Straße"), STR("STRASSE"), true },
		{ STR("\xef\xac\x81nal"), STR("FINAL"), true },
		{ STR("GRÜSSE"), STR("grüße"), true },
		{ STR("u\xcc\x88"), STR("Ü"), true },
		{ STR("Привет"), STR("пРИВ"), true },
		{ STR("aaab"), STR("aab"), true },
		{ STR("a"), STR("aa"), false },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		if (finds(rows[i].text, rows[i].needle, rows[i].text.len) !=
			rows[i].found)
			fail_msg("row %zu", i);
	}
	for (size_t piece = 1; piece < 5; piece++)
		assert_true(finds(STR_LIT("say Hello World"), STR_LIT("lo wor"), piece));
}

static const struct str sample =
	STR("Subject: =?utf-8?q?=C3=9Cbung?=\r\nTo: a@b\r\nContent-Type: "
	    "multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; "
	    "charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "Stra=DFe nach M=\r\n=FCnchen\r\n--b\r\nContent-Type: application/pdf\r\n\r\n"
	    "secret\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\nVmVyc3RlY2t0\r\n--b--\r\n");

static void test_search(void **state)
{
	static const struct {
		struct str folded;
		bool with_header, found;
	} rows[] = {
		{ STR("strasse nach mu\xcc\x88nchen"), false, true },
		{ STR("versteckt"), false, true },
		{ STR("secret"), false, false },
		{ STR("u\xcc\x88"
		      "bung"),
			false, false },
		{ STR("u\xcc\x88"
		      "bung"),
			true, true },
		{ STR("to: a@b"), true, true },
		{ STR("application/pdf"), false, true },
		{ STR(""), false, true },
	};
	bool found;

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		assert_int_equal(mime_search_message(sample, rows[i].with_header,
					 rows[i].folded, &found),
			0);
		if (found != rows[i].found)
			fail_msg("%.*s", STR_ARG(rows[i].folded));
	}
	assert_int_equal(
		mime_search_header(sample, STR_LIT("TO"), STR_LIT("a@"), &found), 0);
	assert_true(found);
	assert_int_equal(
		mime_search_header(sample, STR_LIT("Cc"), STR_LIT(""), &found), 0);
	assert_false(found);
}

/* Spellings that mail in the wild uses; unknown ones would give U+FFFD. */
static const struct {
	const char *label;
	struct str bytes, utf8;
} charset_rows[] = {
	{ "windows-1256", STR("\xd3\xe1\xc7\xe3"),
		STR("\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85") },
	{ "windows-1257", STR("\xe0\xfe\x75\x6f\x6c\x61\x73"),
		STR("\xc4\x85\xc5\xbeuolas") },
	{ "cp874", STR("\xca\xc7\xd1\xca\xb4\xd5"),
		STR("\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94"
		    "\xe0\xb8\xb5") },
	{ "tis-620", STR("\xca\xc7\xd1\xca\xb4\xd5"),
		STR("\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94"
		    "\xe0\xb8\xb5") },
	{ "iso-8859-3", STR("\xe6\x75"), STR("\xc4\x89u") },
	{ "iso-8859-4", STR("\xf1\x65\x6d\x74"),
		STR("\xc5\x86"
		    "emt") },
	{ "iso-8859-6", STR("\xd3\xe4\xc7\xe5"),
		STR("\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85") },
	{ "iso-8859-8", STR("\xf9\xec\xe5\xed"),
		STR("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d") },
	{ "iso-8859-8-i", STR("\xf9\xec\xe5\xed"),
		STR("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d") },
	{ "windows-1255", STR("\xf9\xec\xe5\xed"),
		STR("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d") },
	{ "windows-1258", STR("\xf0\xf4\xcc\x6e\x67"), STR("\xc4\x91\xe1\xbb\x93ng") },
	{ "iso-8859-10", STR("\xfe\x69\xf0"), STR("\xc3\xbei\xc3\xb0") },
	{ "iso-8859-11", STR("\xca\xc7\xd1\xca\xb4\xd5"),
		STR("\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94"
		    "\xe0\xb8\xb5") },
	{ "iso-8859-13", STR("\xe0\xfe\x75\x6f\x6c\x61\x73"),
		STR("\xc4\x85\xc5\xbeuolas") },
	{ "iso-8859-14", STR("\xf0\x79\x72"), STR("\xc5\xb5yr") },
	{ "iso-8859-16", STR("\xba\x63\x6f\x61\x6c\xe3"),
		STR("\xc8\x99"
		    "coal\xc4\x83") },
	{ "cp1251", STR("\xef\xf0\xe8\xe2\xe5\xf2"),
		STR("\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82") },
	{ "cp1250", STR("\x9e\x6c\x75\x9d"), STR("\xc5\xbelu\xc5\xa5") },
	{ "windows-31j", STR("\x87\x40\xee\xe0"), STR("\xe2\x91\xa0\xe9\xab\x99") },
	{ "x-sjis", STR("\xee\xe0\x82\xa2"), STR("\xe9\xab\x99\xe3\x81\x84") },
	{ "cp949", STR("\x8c\x63\xb9\xe6"), STR("\xeb\x98\xa0\xeb\xb0\xa9") },
	{ "ks_c_5601-1987", STR("\x8c\x63\xb9\xe6"), STR("\xeb\x98\xa0\xeb\xb0\xa9") },
	{ "iso-2022-kr", STR("\x1b\x24\x29\x43\x0e\x3e\x48\x33\x67\x0f"),
		STR("\xec\x95\x88\xeb\x85\x95") },
	{ "big5-hkscs", STR("\xad\xbb\xb4\xe4"), STR("\xe9\xa6\x99\xe6\xb8\xaf") },
	{ "ibm850", STR("\x73\x74\x72\x61\xe1\x65"),
		STR("stra\xc3\x9f"
		    "e") },
	{ "ibm852", STR("\xa7\x6c\x75\x9c"), STR("\xc5\xbelu\xc5\xa5") },
	{ "ibm866", STR("\xaf\xe0\xa8\xa2\xa5\xe2"),
		STR("\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82") },
	{ "cp437", STR("\x73\x74\x72\x61\xe1\x65"),
		STR("stra\xc3\x9f"
		    "e") },
	{ "macintosh", STR("\x73\x74\x72\x61\xa7\x65"),
		STR("stra\xc3\x9f"
		    "e") },
	{ "utf-16", STR("\xff\xfe\x73\x00\x74\x00\x72\x00\x61\x00\xdf\x00\x65\x00"),
		STR("stra\xc3\x9f"
		    "e") },
	{ "utf-16le", STR("\x73\x00\x74\x00\x72\x00\x61\x00\xdf\x00\x65\x00"),
		STR("stra\xc3\x9f"
		    "e") },
	{ "utf-7", STR("\x73\x74\x72\x61\x2b\x41\x4e\x38\x2d\x65"),
		STR("stra\xc3\x9f"
		    "e") },
	{ "x-euc-jp", STR("\xc6\xfc\xcb\xdc"), STR("\xe6\x97\xa5\xe6\x9c\xac") },
	{ "x-gbk", STR("\xd6\xd0\xce\xc4"), STR("\xe4\xb8\xad\xe6\x96\x87") },
};

static void test_charsets(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(charset_rows); i++) {
		struct buf text;

		buf_init(&text, 0);
		assert_int_equal(mime_to_utf8(str_from(charset_rows[i].label),
					 charset_rows[i].bytes, &text),
			0);
		SAME(charset_rows[i].label, buf_view(&text), charset_rows[i].utf8);
		buf_fini(&text);
	}
}

static const struct {
	const char *label, *name;
} one_byte[] = {
	{ "iso-8859-1", "CP1252" },
	{ "windows-1250", "CP1250" },
	{ "windows-1251", "CP1251" },
	{ "windows-1253", "CP1253" },
	{ "iso-8859-9", "CP1254" },
	{ "windows-1256", "CP1256" },
	{ "windows-1257", "CP1257" },
	{ "iso-8859-2", "ISO-8859-2" },
	{ "iso-8859-3", "ISO-8859-3" },
	{ "iso-8859-4", "ISO-8859-4" },
	{ "iso-8859-5", "ISO-8859-5" },
	{ "iso-8859-6", "ISO-8859-6" },
	{ "iso-8859-7", "ISO-8859-7" },
	{ "iso-8859-8", "ISO-8859-8" },
	{ "iso-8859-10", "ISO-8859-10" },
	{ "tis-620", "CP874" },
	{ "iso-8859-13", "ISO-8859-13" },
	{ "iso-8859-14", "ISO-8859-14" },
	{ "iso-8859-15", "ISO-8859-15" },
	{ "iso-8859-16", "ISO-8859-16" },
	{ "koi8-r", "KOI8-R" },
	{ "koi8-u", "KOI8-U" },
	{ "cp437", "CP437" },
	{ "cp850", "CP850" },
	{ "cp852", "CP852" },
	{ "cp866", "CP866" },
	{ "macintosh", "MACINTOSH" },
};

/* What iconv makes of it, or the replacement. */
static struct str by_iconv(iconv_t converter, char byte, char space[static 8])
{
	char *from = &byte, *to = space;
	size_t left = 1, room = 8;

	if (iconv(converter, &from, &left, &to, &room) != (size_t)-1)
		return str_of(space, 8 - room);
	assert_int_equal(errno, EILSEQ);
	return STR_LIT("\xef\xbf\xbd");
}

static void compare_one_byte(const char *label, const char *name)
{
	iconv_t converter = iconv_open("UTF-8", name);
	char all[256], space[8];
	struct buf got, want;

	assert_true(converter != (iconv_t)-1);
	buf_init(&got, 0);
	buf_init(&want, 0);
	for (unsigned byte = 0; byte < 256; byte++) {
		struct str is = by_iconv(converter, (char)byte, space);

		all[byte] = (char)byte;
		buf_clear(&got);
		assert_int_equal(buf_append(&want, is), 0);
		assert_int_equal(
			mime_to_utf8(str_from(label), str_of(&all[byte], 1), &got), 0);
		if (!str_eq(buf_view(&got), is))
			fail_msg("%s 0x%02x", label, byte);
	}
	buf_clear(&got);
	assert_int_equal(
		mime_to_utf8(str_from(label), str_of(all, sizeof(all)), &got), 0);
	assert_true(str_eq(buf_view(&got), buf_view(&want)));
	buf_fini(&got);
	buf_fini(&want);
	(void)iconv_close(converter);
}

/* The tables of the build and this system's iconv: each byte alone, and all in a row. */
static void test_one_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(one_byte) / sizeof(one_byte[0]); i++)
		compare_one_byte(one_byte[i].label, one_byte[i].name);
}

/* Parts that clients show as text are found as text. */
static void test_search_shown_text(void **state)
{
	static const struct {
		const char *name;
		struct str message, folded;
		bool found;
	} rows[] = {
		{ "delivery status",
			STR("Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
			    "Content-Type: "
			    "message/delivery-status\r\n\r\nFinal-Recipient: "
			    "rfc822; bob@b.example\r\n--b--\r\n"),
			STR("bob@b.example"), true },
		{ "multipart without a boundary",
			STR("Content-Type: multipart/mixed\r\n\r\nneedle\r\n"),
			STR("needle"), true },
		{ "charset in RFC 2231 form",
			STR("Content-Type: text/plain; "
			    "charset*=''windows-1251\r\n\r\n\xef\r\n"),
			STR("\xd0\xbf"), true },
		{ "encoding of two words is none",
			STR("Content-Type: text/plain\r\nContent-Transfer-Encoding: "
			    "base64 x"
			    "\r\n\r\nneedle"),
			STR("needle"), true },
		{ "attachment", STR("Content-Type: application/x\r\n\r\nneedle\r\n"),
			STR("needle"), false },
	};
	bool found;

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		assert_int_equal(mime_search_message(
					 rows[i].message, false, rows[i].folded, &found),
			0);
		if (found != rows[i].found)
			fail_msg("%s", rows[i].name);
	}
}

static void test_day(void **state)
{
	static const struct {
		struct str value;
		int64_t day; /* -1: none */
	} rows[] = {
		{ STR(" Mon, 7 Feb 1994 21:52:25 -0800 (PST)"), 760579200 },
		{ STR("7 Feb 94 21:52 GMT"), 760579200 },
		{ STR("Tue, 1 Jan 1970 00:00:00 +0000"), 0 },
		{ STR("Sat,\r\n 31 (last) Dec 2022 23:59:59"), 1672444800 },
		{ STR("01-Jan-2020 10:00"), 1577836800 },
		{ STR("1 Jan 120"), 1577836800 },
		{ STR("yesterday"), -1 },
		{ STR("32 Jan 2020"), -1 },
		{ STR(""), -1 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		int64_t day = -1;
		bool ok = mime_day(rows[i].value, &day);

		if (ok != (rows[i].day >= 0) || (ok && day != rows[i].day))
			fail_msg("%.*s: %lld", STR_ARG(rows[i].value), (long long)day);
	}
}

static void test_date_time(void **state)
{
	static const struct {
		struct str value;
		int64_t seconds; /* -1: none */
		int16_t zone;
	} rows[] = {
		{ STR(" Mon, 7 Feb 1994 21:52:25 -0800 (PST)"), 760686745, -480 },
		{ STR("7 Feb 94 21:52 GMT"), 760657920, 0 },
		{ STR("Tue, 5 Mar 2019 10:11:12 +0100"), 1551777072, 60 },
		{ STR("Tue,\r\n\t5 Mar 2019 10:11:12+0545 (x)"), 1551759972, 345 },
		{ STR("5 Mar 2019 10:11:12 EST"), 1551798672, -300 },
		{ STR("5 Mar 2019 10:11:12 \"A\""), 1551780672, 0 },
		{ STR("5 Mar 2019 10:11:12 +9999"), 1551780672, 0 },
		{ STR("5 Mar 2019 10:11:60"), 1551780720, 0 },
		{ STR("5 Mar 2019"), -1, 0 },
		{ STR("5 Mar 2019 25:00"), -1, 0 },
		{ STR("5 Mar 2019 10"), -1, 0 },
		{ STR(""), -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct mime_date date = { .seconds = -1 };
		bool ok = mime_date_time(rows[i].value, &date);

		if (ok != (rows[i].seconds >= 0) || date.seconds != rows[i].seconds ||
			date.zone != rows[i].zone)
			fail_msg("%.*s: %lld, %d", STR_ARG(rows[i].value),
				(long long)date.seconds, date.zone);
	}
}

static void test_arrival(void **state)
{
	static const struct {
		struct str header;
		int64_t seconds; /* -1: none */
	} rows[] = {
		{ STR("Received: from a by b;\r\n\tTue, 5 Mar 2019 10:11:12 +0100\r\n"
		      "Received: from c by d; Mon, 4 Mar 2019 00:00:00 +0000\r\n"
		      "Date: Sun, 3 Mar 2019 00:00:00 +0000\r\n\r\n"),
			1551777072 },
		{ STR("Return-Path: <x>\r\nreceived: (x; y) by b; Mon, 4 Mar 2019 "
		      "00:00:00 +0000 (a;b)\r\n\r\n"),
			1551657600 },
		{ STR("Received: from nowhere\nDate: Sun, 3 Mar 2019 01:02:03 "
		      "-0200\n\n"),
			1551582123 },
		{ STR("Received: x; y\r\nDate: today\r\n\r\n"), -1 },
		{ STR("Subject: x\r\n\r\nDate: Sun, 3 Mar 2019 00:00:00 +0000\r\n"), -1 },
		{ STR(""), -1 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct mime_date date = { .seconds = -1 };
		bool ok = mime_arrival(rows[i].header, &date);

		if (ok != (rows[i].seconds >= 0) || date.seconds != rows[i].seconds)
			fail_msg("%.*s: %lld", STR_ARG(rows[i].header),
				(long long)date.seconds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_long_ascii),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_one_byte),
		cmocka_unit_test(test_search_shown_text),
		cmocka_unit_test(test_day),
		cmocka_unit_test(test_date_time),
		cmocka_unit_test(test_arrival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
