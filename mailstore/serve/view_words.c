/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words that a mailbox's messages have: they may be thousands. */
#include "mailstore/serve/view_parts.h"

#include <stdlib.h>

#define KEYWORDS_BYTES_MAX 65536 /* a FLAGS answer that clients still read */
#define WORDS_LONG 1024          /* bytes of them that are not looked through */
#define WORDS_FEW 256            /* places, a power of two */

static uint32_t word_hash(struct str word)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		hash = (hash ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * 16777619u;
	}
	return hash;
}

static struct str word_at(const struct view *v, size_t at)
{
	struct str rest = str_skip(buf_view(&v->keywords), at);

	return str_take(rest, str_index(rest, ' '));
}

/* Of that word, or a free one. */
static uint32_t *word_place(struct view *v, struct str word)
{
	struct view_words *w = &v->words;
	uint32_t i = word_hash(word) & (w->cap - 1);

	while (w->places[i] && !str_ieq(word_at(v, w->places[i] - 1), word))
		i = (i + 1) & (w->cap - 1);
	return &w->places[i];
}

void view_forget_words(struct view_words *w)
{
	free(w->places);
	*w = (struct view_words){ 0 };
}

/* Half of it stays free. */
static bool words_grow(struct view_words *w)
{
	uint32_t cap = w->cap ? w->cap * 2 : WORDS_FEW;

	view_forget_words(w);
	w->places = calloc(cap, sizeof(*w->places));
	w->cap = w->places ? cap : 0;
	return w->places;
}

/* false: there is no memory for it. */
static bool words_index(struct view *v)
{
	struct view_words *w = &v->words;
	size_t len = buf_len(&v->keywords);

	while (w->until < len || !w->cap) {
		struct str word = word_at(v, w->until);
		uint32_t *place;

		if (w->count * 2 >= w->cap) {
			if (!words_grow(w))
				return false;
			continue; /* from the first one on */
		}
		place = word_place(v, word);
		if (word.len && !*place) {
			*place = (uint32_t)w->until + 1;
			w->count++;
		}
		w->until += word.len + 1;
	}
	return true;
}

static struct str find_word(struct view *v, struct str word, bool *ret_known)
{
	uint32_t place = *word_place(v, word);

	*ret_known = place;
	return place ? word_at(v, place - 1) : word;
}

struct str view_spelling(struct view *v, struct str word, bool *ret_known)
{
	struct str words = buf_view(&v->keywords);

	if (words.len > WORDS_LONG && words_index(v))
		return find_word(v, word, ret_known);
	while (words.len) {
		struct str known = str_split(&words, ' ');

		if (str_ieq(known, word)) {
			*ret_known = true;
			return known;
		}
	}
	*ret_known = false;
	return word;
}

bool view_add_keywords(struct view *v, struct str keywords, int *ret)
{
	bool known, added = false;

	*ret = 0;
	while (keywords.len && *ret == 0) {
		struct str word = str_split(&keywords, ' ');

		(void)view_spelling(v, word, &known);
		if (known || buf_len(&v->keywords) + word.len > KEYWORDS_BYTES_MAX)
			continue;
		*ret = buf_len(&v->keywords) ? buf_byte(&v->keywords, ' ') : 0;
		if (*ret == 0)
			*ret = buf_append(&v->keywords, word);
		added = true;
	}
	return added;
}
