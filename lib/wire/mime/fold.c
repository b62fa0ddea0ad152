/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* Bytes; of an Arabic ligature: mail that is full of it must not cost more. */
#define FOLDED_MAX 33
#define EIGHT sizeof(uint64_t)
#define EACH UINT64_C(0x0101010101010101) /* of eight bytes: 1 */
#define KNOWN 1024                        /* characters, of 40 bytes each */

/* What one character folds to. libunistring takes a text as a whole, and some 150 ns for
   each of its bytes; most characters fold alone. */
struct folded {
	ucs4_t c;    /* 0: no entry */
	uint8_t len; /* 0: not alone: its place depends on what stands beside it */
	uint8_t bytes[FOLDED_MAX];
};

static uint8_t *fold_text(struct str s, size_t *ret_len)
{
	*ret_len = 0;
	return u8_casefold(
		(const uint8_t *)s.ptr, s.len, NULL, UNINORM_NFKD, NULL, ret_len);
}

/* NFKD moves marks behind a character into an order of their own, and stops at what is
   no mark: such a character, when it does not become a mark, folds alone. */
static void look_up(struct str one, ucs4_t c, struct folded *ret)
{
	size_t len;
	uint8_t *bytes = fold_text(one, &len);
	ucs4_t first = 0;

	*ret = (struct folded){ .c = c };
	if (bytes && len && len <= sizeof(ret->bytes) && uc_combining_class(c) == 0 &&
		u8_mbtouc(&first, bytes, len) > 0 && uc_combining_class(first) == 0) {
		memcpy(ret->bytes, bytes, len);
		ret->len = (uint8_t)len;
	}
	free(bytes);
}

/* The character that `s` begins with, its bytes into *ret_len. */
static const struct folded *fold_one(struct str s, size_t *ret_len)
{
	static _Thread_local struct folded known[KNOWN];
	struct folded *f;
	ucs4_t c;
	int n = u8_mbtouc(&c, (const uint8_t *)s.ptr, s.len);

	*ret_len = n > 0 ? (size_t)n : 1;
	f = &known[c % KNOWN];
	if (f->c != c || c == 0)
		look_up(str_take(s, *ret_len), c, f);
	return f;
}

size_t mime_ascii_length(struct str s)
{
	size_t n = 0;
	uint64_t bytes;

	for (; n + EIGHT <= s.len; n += EIGHT) {
		memcpy(&bytes, s.ptr + n, EIGHT);
		if (bytes & 0x80 * EACH)
			break;
	}
	while (n < s.len && (unsigned char)s.ptr[n] < 0x80)
		n++;
	return n;
}

/* Of eight bytes of ASCII: 0x80 in those that are "A" to "Z". */
static uint64_t capitals(uint64_t bytes)
{
	return (bytes + (0x80 - 'A') * EACH) & ~(bytes + (0x80 - 'Z' - 1) * EACH) &
	       0x80 * EACH;
}

static int fold_ascii(struct str s, struct buf *out)
{
	char *space;
	size_t i = 0;
	int r = buf_reserve(out, s.len, &space);

	if (r < 0)
		return r;
	for (; i + EIGHT <= s.len; i += EIGHT) {
		uint64_t bytes;

		memcpy(&bytes, s.ptr + i, EIGHT);
		bytes |= capitals(bytes) >> 2;
		memcpy(space + i, &bytes, EIGHT);
	}
	for (; i < s.len; i++)
		space[i] = (char)(s.ptr[i] | (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') << 5);
	buf_commit(out, s.len);
	return 0;
}

/* How many bytes at the front are of characters that do not fold alone. */
static size_t marks_length(struct str s)
{
	size_t n = 0, one;

	while (n < s.len && (unsigned char)s.ptr[n] >= 0x80 &&
		!fold_one(str_skip(s, n), &one)->len)
		n += one;
	return n;
}

/* One character, and the marks behind it. */
static int fold_next(struct str *s, struct buf *out)
{
	size_t len, marks;
	const struct folded f = *fold_one(*s, &len);
	uint8_t *folded;
	int r;

	marks = marks_length(str_skip(*s, len));
	if (f.len && !marks) {
		r = buf_append(out, str_of(f.bytes, f.len));
	} else {
		size_t n;

		folded = fold_text(str_take(*s, len + marks), &n);
		r = folded ? buf_append(out, str_of(folded, n)) : -errno;
		free(folded);
	}
	*s = str_skip(*s, len + marks);
	return r;
}

int mime_fold(struct str utf8, struct buf *out)
{
	int r = 0;

	while (utf8.len && r == 0) {
		size_t plain = mime_ascii_length(utf8);

		/* the last may have marks behind it */
		if (plain && plain < utf8.len)
			plain--;
		r = fold_ascii(str_take(utf8, plain), out);
		utf8 = str_skip(utf8, plain);
		if (utf8.len && r == 0)
			r = fold_next(&utf8, out);
	}
	return r;
}

static int titlecase(struct str utf8, struct buf *out)
{
	while (utf8.len) {
		uint8_t encoded[6];
		ucs4_t c;
		int n = u8_mbtouc(&c, (const uint8_t *)utf8.ptr, utf8.len), r;

		n = n < 1 ? 1 : n;
		utf8 = str_skip(utf8, (size_t)n);
		n = u8_uctomb(encoded, uc_totitle(c), sizeof(encoded));
		r = n > 0 ? buf_append(out, str_of(encoded, (size_t)n)) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ASCII is decomposed already, and its titlecase are the capitals. */
static int casemap_ascii(struct str s, struct buf *out)
{
	char *space;
	int r = buf_reserve(out, s.len, &space);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s.len; i++)
		space[i] = (char)(s.ptr[i] - (s.ptr[i] >= 'a' && s.ptr[i] <= 'z') * 0x20);
	buf_commit(out, s.len);
	return 0;
}

int mime_casemap(struct str utf8, struct buf *out)
{
	struct buf title;
	uint8_t *decomposed;
	size_t len = 0;
	int r;

	if (mime_ascii_length(utf8) == utf8.len)
		return casemap_ascii(utf8, out);
	buf_init(&title, 0);
	r = titlecase(utf8, &title);
	if (r == 0 && buf_len(&title)) {
		decomposed =
			u8_normalize(UNINORM_NFKD, (const uint8_t *)buf_view(&title).ptr,
				buf_len(&title), NULL, &len);
		r = decomposed ? buf_append(out, str_of(decomposed, len)) : -errno;
		free(decomposed);
	}
	buf_fini(&title);
	return r;
}

/* ── finding ───────────────────────────────────────────────────────────────────────── */

static int find_in(struct mime_listener *l, struct str utf8)
{
	struct mime_finder *f = (struct mime_finder *)l;
	struct str window;
	int r;

	if (l->done)
		return 0;
	r = mime_fold(utf8, &f->window);
	if (r < 0)
		return r;
	window = buf_view(&f->window);
	l->done = !f->needle.len ||
	          memmem(window.ptr, window.len, f->needle.ptr, f->needle.len);
	if (window.len >= f->needle.len && f->needle.len)
		buf_consume(&f->window, window.len - f->needle.len + 1);
	return 0;
}

static void forget_window(struct mime_listener *l)
{
	buf_clear(&((struct mime_finder *)l)->window);
}

void mime_finder_init(struct mime_finder *f, struct str folded_needle)
{
	*f = (struct mime_finder){ .listener = { .hear = find_in,
					   .pause = forget_window },
		.needle = folded_needle };
	buf_init(&f->window, 0);
}

void mime_finder_fini(struct mime_finder *f)
{
	buf_fini(&f->window);
}
