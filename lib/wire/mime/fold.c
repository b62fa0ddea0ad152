/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

static size_t ascii_length(struct str s)
{
	size_t n = 0;

	while (n < s.len && (unsigned char)s.ptr[n] < 0x80)
		n++;
	return n;
}

static int fold_ascii(struct str s, struct buf *out)
{
	char *space;
	int r = buf_reserve(out, s.len, &space);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s.len; i++) {
		space[i] = s.ptr[i];
		if (space[i] >= 'A' && space[i] <= 'Z')
			space[i] |= 0x20;
	}
	buf_commit(out, s.len);
	return 0;
}

static int fold_unicode(struct str s, struct buf *out)
{
	size_t len = 0;
	uint8_t *folded = u8_casefold(
		(const uint8_t *)s.ptr, s.len, NULL, UNINORM_NFKD, NULL, &len);
	int r = folded ? buf_append(out, str_of(folded, len)) : -errno;

	free(folded);
	return r;
}

int mime_fold(struct str utf8, struct buf *out)
{
	int r = 0;

	while (utf8.len && r == 0) { /* a character and what combines with it stay in
		                        one line */
		size_t line = str_index(utf8, '\n');
		struct str piece = str_take(utf8, line < utf8.len ? line + 1 : line);

		r = ascii_length(piece) == piece.len ? fold_ascii(piece, out)
		                                     : fold_unicode(piece, out);
		utf8 = str_skip(utf8, piece.len);
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

int mime_casemap(struct str utf8, struct buf *out)
{
	struct buf title;
	uint8_t *decomposed;
	size_t len = 0;
	int r;

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

void mime_finder_init(struct mime_finder *f, struct str folded_needle)
{
	*f = (struct mime_finder){ .needle = folded_needle };
	buf_init(&f->window, 0);
}

void mime_finder_fini(struct mime_finder *f)
{
	buf_fini(&f->window);
}

int mime_finder_add(struct mime_finder *f, struct str utf8)
{
	struct str window;
	int r;

	if (f->found)
		return 0;
	r = mime_fold(utf8, &f->window);
	if (r < 0)
		return r;
	window = buf_view(&f->window);
	f->found = !f->needle.len ||
	           memmem(window.ptr, window.len, f->needle.ptr, f->needle.len);
	if (window.len >= f->needle.len && f->needle.len)
		buf_consume(&f->window, window.len - f->needle.len + 1);
	return 0;
}

void mime_finder_break(struct mime_finder *f)
{
	buf_clear(&f->window);
}
