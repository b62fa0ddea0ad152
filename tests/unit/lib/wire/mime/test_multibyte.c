/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of the build beside this system's iconv, one sequence after the other. */
#include "wire/mime/charset.h"
#include "wire/mime/multibyte.h"
#include "wire/mime/search.h"

#include "lib/wire/wire_test.h"

#include <errno.h>
#include <iconv.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define TEXT_MAX 12
#define TEXTS 3000
#define TOKENS 8
#define TOKEN_MAX 12 /* with its NUL */

/* With a fixed seed: the same texts in each run. */
static unsigned random_below(unsigned limit)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % limit;
}

struct compared {
	const char *name; /* iconv's */
	enum mime_multibyte charset;
	iconv_t converter;
	bool only_valid; /* what is invalid has rules of our own */
	bool is_valid;   /* the last one was */
	bool has_memory; /* iconv's: of the byte order of the text before */
	struct buf got, want;
};

static void begin(struct compared *c)
{
	c->converter = iconv_open("UTF-8", c->name);
	if (c->converter == (iconv_t)-1)
		fail_msg("iconv has no %s", c->name);
	buf_init(&c->got, 0);
	buf_init(&c->want, 0);
}

static void end(struct compared *c)
{
	(void)iconv_close(c->converter);
	buf_fini(&c->got);
	buf_fini(&c->want);
}

/* 0, or what it says. NULL: what it has held back. */
static int ask_iconv(struct compared *c, char **from, size_t *left)
{
	char space[256], *to = space;
	size_t room = sizeof(space), n = iconv(c->converter, from, left, &to, &room);

	assert_return_code(buf_append(&c->want, str_of(space, sizeof(space) - room)), 0);
	return n == (size_t)-1 ? errno : 0;
}

/* A byte that begins no character is U+FFFD, and the next one is looked at. */
static void read_by_iconv(struct compared *c, struct str bytes)
{
	char *from = (char *)(uintptr_t)bytes.ptr;
	size_t left = bytes.len;

	buf_clear(&c->want);
	c->is_valid = true;
	(void)iconv(c->converter, NULL, NULL, NULL, NULL);
	while (left) {
		int error = ask_iconv(c, &from, &left);

		if (error == 0 || error == E2BIG)
			continue;
		if (!c->only_valid) /* what is held back stands before it */
			(void)ask_iconv(c, NULL, NULL);
		assert_return_code(buf_append_c(&c->want, REPLACEMENT), 0);
		c->is_valid = false;
		from++;
		left--;
	}
	(void)ask_iconv(c, NULL, NULL);
}

/* glibc's CP949 takes this pair and says then that it is invalid. */
static bool is_misread(const struct compared *c, struct str bytes)
{
	return c->charset == MIME_CP949 && memmem(bytes.ptr, bytes.len, "\xa2\xe8", 2);
}

static void compare(struct compared *c, const void *ptr, size_t len)
{
	struct str bytes = exact_copy(str_of(ptr, len));

	if (is_misread(c, bytes)) {
		exact_free(bytes);
		return;
	}
	if (c->has_memory) {
		end(c);
		begin(c);
	}
	read_by_iconv(c, bytes);
	buf_clear(&c->got);
	assert_return_code(mime_put_multibyte(c->charset, bytes, &c->got), 0);
	if ((c->is_valid || !c->only_valid) &&
		!str_eq(buf_view(&c->got), buf_view(&c->want))) {
		for (size_t i = 0; i < len; i++)
			print_error("%02x ", (unsigned char)bytes.ptr[i]);
		fail_msg("%s: \"%.*s\", iconv: \"%.*s\"", c->name,
			STR_ARG(buf_view(&c->got)), STR_ARG(buf_view(&c->want)));
	}
	exact_free(bytes);
}

/* Each text cut at each byte. */
static void compare_cut(struct compared *c, const void *ptr, size_t len)
{
	for (size_t cut = 0; cut <= len; cut++)
		compare(c, ptr, cut);
}

static void compare_all_pairs(struct compared *c)
{
	for (unsigned a = 0; a < 256; a++) {
		const unsigned char one = (unsigned char)a;

		compare(c, &one, 1);
		for (unsigned b = 0; b < 256; b++) {
			const unsigned char two[] = { one, (unsigned char)b };

			compare(c, two, 2);
		}
	}
}

/* Bytes that are likely to meet, and cut at each. */
static void compare_random(struct compared *c)
{
	unsigned char text[TEXT_MAX];

	for (unsigned i = 0; i < TEXTS; i++) {
		for (size_t k = 0; k < TEXT_MAX; k++)
			text[k] = (unsigned char)(random_below(4)
							  ? 0x80 + random_below(0x80)
							  : random_below(0x80));
		compare_cut(c, text, TEXT_MAX);
	}
}

static void test_pairs(void **state)
{
	static struct compared rows[] = {
		{ .name = "GB18030", .charset = MIME_GB18030 },
		{ .name = "BIG5", .charset = MIME_BIG5 },
		{ .name = "BIG5-HKSCS", .charset = MIME_BIG5_HKSCS },
		{ .name = "CP932", .charset = MIME_CP932 },
		{ .name = "CP949", .charset = MIME_CP949 },
		{ .name = "EUC-JP", .charset = MIME_EUC_JP },
		{ .name = "CP1255", .charset = MIME_CP1255 },
		{ .name = "CP1258", .charset = MIME_CP1258 },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		begin(&rows[i]);
		compare_all_pairs(&rows[i]);
		compare_random(&rows[i]);
		end(&rows[i]);
	}
}

/* All of JIS X 0212, and what is no such character. */
static void test_three_bytes(void **state)
{
	struct compared c = { .name = "EUC-JP", .charset = MIME_EUC_JP };

	(void)state;
	begin(&c);
	for (unsigned a = 0x9f; a < 256; a++)
		for (unsigned b = 0x9f; b < 256; b++) {
			const unsigned char text[] = { 0x8f, (unsigned char)a,
				(unsigned char)b, 'x' };

			compare(&c, text, sizeof(text));
		}
	end(&c);
}

static void compare_four(struct compared *c, unsigned i)
{
	const unsigned char text[] = { (unsigned char)(0x81 + i / 12600),
		(unsigned char)(0x30 + i / 1260 % 10),
		(unsigned char)(0x81 + i / 10 % 126), (unsigned char)(0x30 + i % 10) };

	compare(c, text, sizeof(text));
}

/* All of the first plane, and some of the others; letters and marks of Hebrew. */
static void test_longer(void **state)
{
	struct compared gb = { .name = "GB18030", .charset = MIME_GB18030 };
	struct compared hebrew = { .name = "CP1255", .charset = MIME_CP1255 };

	(void)state;
	begin(&gb);
	for (unsigned i = 0; i < 40000; i++)
		compare_four(&gb, i);
	for (unsigned i = 40000; i < 126 * 12600; i += 97)
		compare_four(&gb, i);
	end(&gb);
	begin(&hebrew);
	for (unsigned a = 0xc0; a < 0xd4; a++)
		for (unsigned b = 0xc0; b < 0xd4; b++)
			for (unsigned letter = 0xd4; letter < 256; letter++) {
				const unsigned char text[] = { 'x', (unsigned char)letter,
					(unsigned char)a, (unsigned char)b };

				compare(&hebrew, text, sizeof(text));
			}
	end(&hebrew);
}

/* Sets that are switched: all pairs of each, and texts of several sets. */
static void compare_set(struct compared *c, const char *switched)
{
	char text[16];
	size_t len = strlen(switched);

	memcpy(text, switched, len + 1);
	for (unsigned a = 0; a < 0x80; a++)
		for (unsigned b = 0; b < 0x80; b++) {
			text[len] = (char)a;
			text[len + 1] = (char)b;
			compare(c, text, len + 2);
		}
}

static void compare_switching(struct compared *c, const char *const tokens[], size_t n)
{
	for (unsigned i = 0; i < TEXTS; i++) {
		char text[TOKENS * TOKEN_MAX];
		size_t len = 0;

		for (unsigned k = 0; k < TOKENS; k++) {
			const char *token = tokens[random_below((unsigned)n)];

			memcpy(text + len, token, strlen(token) + 1);
			len += strlen(token);
		}
		compare_cut(c, text, len);
	}
}

static void test_sets(void **state)
{
	static const char *const japanese[] = { "\x1b(B", "\x1b(J", "\x1b(I", "\x1b$@",
		"\x1b$B", "\x1b$(D", "\x1b$(C", "F|", "K\\", "1!", "a", "~\\", "\r\n",
		" " };
	static const char *const korean[] = { "\x1b$)C", "\x0e", "\x0f", ">H", "3g", "a",
		"\r\n", "\x1b", "0!" };
	struct compared jp = {
		.name = "ISO-2022-JP-2", .charset = MIME_ISO_2022_JP, .only_valid = true
	};
	struct compared kr = {
		.name = "ISO-2022-KR", .charset = MIME_ISO_2022_KR, .only_valid = true
	};

	(void)state;
	begin(&jp);
	compare_set(&jp, "\x1b(B");
	compare_set(&jp, "\x1b(J");
	compare_set(&jp, "\x1b(I");
	compare_set(&jp, "\x1b$@");
	compare_set(&jp, "\x1b$B");
	compare_set(&jp, "\x1b$(D");
	compare_set(&jp, "\x1b$(C");
	compare_switching(&jp, japanese, N_ROWS(japanese));
	end(&jp);
	begin(&kr);
	compare_set(&kr, "\x1b$)C\x0e");
	compare_switching(&kr, korean, N_ROWS(korean));
	end(&kr);
}

static void test_unicode(void **state)
{
	static struct compared rows[] = {
		{ .name = "UTF-16", .charset = MIME_UTF_16, .has_memory = true },
		{ .name = "UTF-16LE", .charset = MIME_UTF_16LE },
		{ .name = "UTF-16BE", .charset = MIME_UTF_16BE },
		{ .name = "UTF-32", .charset = MIME_UTF_32, .has_memory = true },
		{ .name = "UTF-32LE", .charset = MIME_UTF_32LE },
		{ .name = "UTF-32BE", .charset = MIME_UTF_32BE },
	};
	static const unsigned char likely[] = { 0xd8, 0xdc, 0xdb, 0xdf, 0xfe, 0xff, 0, 0,
		0, 1, 0x10, 0x20 };

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		rows[i].only_valid = true;
		begin(&rows[i]);
		for (unsigned n = 0; n < TEXTS / 8; n++) {
			unsigned char text[TEXT_MAX];

			for (size_t k = 0; k < TEXT_MAX; k++)
				text[k] = likely[random_below(sizeof(likely))];
			compare_cut(&rows[i], text, TEXT_MAX);
		}
		end(&rows[i]);
	}
}

static void test_utf_7(void **state)
{
	static const char *const tokens[] = { "+", "-", "AN8-", "+AN8", "+2D3cAA-",
		"2D3c", "A", "/", "a b", "+-", "\r\n", "\xe4", "~", "+ZeVnLIqe-" };
	struct compared c = {
		.name = "UTF-7", .charset = MIME_UTF_7, .only_valid = true
	};

	(void)state;
	begin(&c);
	compare_switching(&c, tokens, N_ROWS(tokens));
	end(&c);
}

/* What is ours: names, what no iconv here has, and what is invalid. */
static void test_texts(void **state)
{
	static const struct {
		const char *label;
		struct str bytes, utf8;
	} rows[] = {
		{ "csISO2022JP", STR("\x1b$BF|K\\\x1b(B."), STR("日本.") },
		{ "iso-2022-jp", STR("\x1b$B-!F|\x1b(B"), STR("①日") },
		{ "iso-2022-jp", STR("\x1b$B-jF|\x1b(B"), STR("㈱日") },
		{ "iso-2022-jp-ms", STR("\x1b(I1\x1b(B!"), STR("ｱ!") },
		{ "iso-2022-jp", STR("\x1b$B/!F|\x1b(B"), STR(REPLACEMENT "日") },
		{ "iso-2022-jp-1", STR("\x1b$(D0!\x1b(B"), STR("丂") },
		{ "hz-gb-2312", STR("a~{VPND~}b~~c~\nd~"), STR("a中文b~cd~") },
		{ "HZ", STR("~{VP\nVP"), STR("中\nVP") },
		{ "csGB2312", STR("\xd6\xd0\xce\xc4"), STR("中文") },
		{ "ms936", STR("\xd6\xd0\xce\xc4"), STR("中文") },
		{ "csBig5", STR("\xa4\xa4\xa4\xe5"), STR("中文") },
		{ "ms950", STR("\xa4\xa4\xa4\xe5"), STR("中文") },
		{ "csShiftJIS", STR("\x93\xfa\x96\x7b"), STR("日本") },
		{ "csEUCKR", STR("\xb9\xe6"), STR("방") },
		{ "ks_c_5601", STR("\xb9\xe6"), STR("방") },
		{ "euc-kr", STR("\xa2\xe8"), STR("㉾") },
		{ "utf-32", STR("\0\0\xfe\xff\0\1\xf6\0"), STR("😀") },
		{ "utf-32le", STR("\0\0\x11\0a\0\0\0"), STR(REPLACEMENT "a") },
		{ "utf-16be", STR("\xd8\x3d\0a"), STR(REPLACEMENT "a") },
		{ "utf-16be", STR("\0a\xd8\x3d"), STR("a" REPLACEMENT) },
		{ "utf-16be", STR("\xdc\0\0a"), STR(REPLACEMENT "a") },
		{ "utf-7", STR("+AN8A b"), STR("ß" REPLACEMENT " b") },
		{ "utf-7", STR("+2D0- b"), STR(REPLACEMENT " b") },
		{ "utf-7", STR("+3AA- b"), STR(REPLACEMENT " b") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str bytes = exact_copy(rows[i].bytes);
		struct buf text;

		buf_init(&text, 0);
		assert_true(mime_charset_is_known(str_from(rows[i].label)));
		assert_return_code(
			mime_to_utf8(str_from(rows[i].label), bytes, &text), 0);
		SAME(rows[i].label, buf_view(&text), rows[i].utf8);
		buf_fini(&text);
		exact_free(bytes);
	}
}

static void put_units(struct buf *out, struct str bytes, size_t unit)
{
	assert_return_code(buf_append(out, str_take(bytes, unit)), 0);
}

/* A text longer than a piece whose characters have bytes that look like an LF. */
static void test_units_are_not_cut(void **state)
{
	static const struct {
		const char *charset;
		size_t unit;
	} rows[] = { { "utf-16le", 2 }, { "ucs-2", 2 }, { "utf-32", 4 } };
	struct buf message;
	bool found;

	(void)state;
	buf_init(&message, 0);
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		buf_clear(&message);
		assert_return_code(buf_printf(&message,
					   "Content-Type: text/plain; charset=%s\r\n"
					   "Content-Transfer-Encoding: binary\r\n\r\n",
					   rows[i].charset),
			0);
		for (int n = 0; n < 40000; n++) /* U+410A */
			put_units(&message, STR_LIT("\n\x41\0\0"), rows[i].unit);
		put_units(&message, STR_LIT("z\0\0\0"), rows[i].unit);
		assert_return_code(mime_search_message(buf_view(&message), false,
					   STR_LIT(REPLACEMENT), &found),
			0);
		if (found)
			fail_msg("%s: cut", rows[i].charset);
		assert_return_code(mime_search_message(buf_view(&message), false,
					   STR_LIT("\xe4\x84\x8a\xe4\x84\x8az"), &found),
			0);
		assert_true(found);
	}
	buf_fini(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_three_bytes),
		cmocka_unit_test(test_longer),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_unicode),
		cmocka_unit_test(test_utf_7),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_units_are_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
