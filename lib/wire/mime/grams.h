/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_GRAMS_H
#define WIRE_MIME_GRAMS_H
/*
 * Which trigrams a text has: each three bytes that follow one another in its folded form.
 * A text that has not all trigrams of a needle does not contain the needle; one that has
 * them may.
 *
 *   "Hello" → "hel" "ell" "llo"      as a list: "ellhelllo", three bytes each, in order
 */
#include "wire/mime/fold.h"

#define MIME_GRAM_SIZE 3
/* A text with more, or a longer one, is not listed. Mail has some 3,000. */
#define MIME_GRAMS_MAX ((size_t)65536)
#define MIME_GRAMS_TEXT_MAX ((size_t)4 << 20) /* 20 ms of work; of rare letters, 2 s */

struct mime_grams {
	struct mime_listener listener; /* hear(): -EFBIG when there is too much */
	struct buf folded;
	struct mime_gram_set *set; /* owned */
	size_t count, heard;
	uint32_t last;   /* the bytes before */
	unsigned n_last; /* of them; up to 2 */
};
int mime_grams_init(struct mime_grams *g); /* 0 or -ENOMEM; fini in either case */
void mime_grams_fini(struct mime_grams *g);
/* As it was at first: for the next text. */
void mime_grams_clear(struct mime_grams *g);
/* Bytes that are folded already. */
int mime_grams_add(struct mime_grams *g, struct str folded);
/* Appends the list. */
int mime_grams_put(const struct mime_grams *g, struct buf *out);

#endif
