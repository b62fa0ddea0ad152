/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SEARCH compares: decoded, in UTF-8, folded. */
#include "wire/mime/charset.h"
#include "wire/mime/date.h"
#include "wire/mime/decode.h"
#include "wire/mime/fold.h"
#include "wire/mime/search.h"

#include "lib/wire/wire_test.h"

static struct mime_charsets *charsets;

static int load(void **state)
{
	(void)state;
	charsets = mime_charsets_new();
	return charsets ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	mime_charsets_free(charsets);
	return 0;
}

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
		{ "raw latin-1", STR("Gr\xfc\xdf"), STR("Gr\xef\xbf\xbd\xef\xbf\xbd") },
		{ "unfinished", STR("=?utf-8?q?a"), STR("=?utf-8?q?a") },
		{ "equals", STR("a==?b"), STR("a==?b") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(mime_decode_words(charsets, rows[i].value, &out), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].text);
		buf_fini(&out);
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
		assert_int_equal(mime_finder_add(&f, str_take(text, piece)), 0);
	found = f.found;
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
		assert_int_equal(mime_search_message(charsets, sample,
					 rows[i].with_header, rows[i].folded, &found),
			0);
		if (found != rows[i].found)
			fail_msg("%.*s", STR_ARG(rows[i].folded));
	}
	assert_int_equal(mime_search_header(
				 charsets, sample, STR_LIT("TO"), STR_LIT("a@"), &found),
		0);
	assert_true(found);
	assert_int_equal(
		mime_search_header(charsets, sample, STR_LIT("Cc"), STR_LIT(""), &found),
		0);
	assert_false(found);
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
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_day),
		cmocka_unit_test(test_date_time),
		cmocka_unit_test(test_arrival),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
