/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 256
#define WORDS_LENGTH_MAX 65535 /* what two bytes hold; far above IMAP_KEYWORDS_MAX */

void listing_init(struct listing *l)
{
	*l = (struct listing){ .rows = NULL };
	buf_init(&l->words, UINT32_MAX);
}

void listing_fini(struct listing *l)
{
	free(l->rows);
	buf_fini(&l->words);
	listing_init(l);
}

static struct str words_at(const struct listing *l, uint32_t at)
{
	struct str all = buf_view(&l->words);
	uint16_t len;

	if (!at)
		return STR_LIT("");
	memcpy(&len, all.ptr + at, sizeof(len));
	return str_of(all.ptr + at + sizeof(len), len);
}

/* Neighbours often have the same ones: then they share them. Offset 0 is "none". */
static int keep_words(struct listing *l, struct str words, uint32_t *ret_at)
{
	uint32_t last = l->count ? l->rows[l->count - 1].keywords : 0;
	uint16_t len = (uint16_t)words.len;
	size_t at = buf_len(&l->words);
	int r = 0;

	*ret_at = 0;
	if (!words.len)
		return 0;
	if (words.len > WORDS_LENGTH_MAX)
		return -E2BIG;
	*ret_at = last;
	if (last && str_eq(words_at(l, last), words))
		return 0;
	if (!at) {
		r = buf_byte(&l->words, '\0');
		at = 1;
	}
	if (r == 0)
		r = buf_append(&l->words, str_of(&len, sizeof(len)));
	if (r == 0)
		r = buf_append(&l->words, words);
	*ret_at = (uint32_t)at;
	return r;
}

static int grow(struct listing *l)
{
	size_t cap = l->cap ? l->cap * 2 : ROWS_FIRST;
	struct listing_row *rows = reallocarray(l->rows, cap, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	l->rows = rows;
	l->cap = cap;
	return 0;
}

int listing_add(struct listing *l, const struct mail *m)
{
	uint32_t words;
	int r = l->count == l->cap ? grow(l) : 0;

	if (r == 0)
		r = keep_words(l, m->keywords, &words);
	if (r < 0)
		return r;
	l->unsorted = l->unsorted || (l->count && l->rows[l->count - 1].uid >= m->uid);
	l->rows[l->count++] = (struct listing_row){ .date = m->date,
		.size = m->size,
		.uid = m->uid,
		.keywords = words,
		.pop3_order = m->pop3_order,
		.zone = m->zone,
		.flags = (uint8_t)m->flags };
	return 0;
}

/* By UID; the keywords' place grows, so of two with one UID the later one is last only
   when it has any: hence a merge sort, which keeps the order of equals. */
static void merge(struct listing_row *rows, struct listing_row *spare, size_t n)
{
	size_t half = n / 2, a = 0, b = half;

	if (n < 2)
		return;
	merge(rows, spare, half);
	merge(rows + half, spare, n - half);
	memcpy(spare, rows, n * sizeof(*rows));
	for (size_t i = 0; i < n; i++)
		rows[i] = b == n || (a < half && spare[a].uid <= spare[b].uid)
		                  ? spare[a++]
		                  : spare[b++];
}

static void drop_doubles(struct listing *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (i + 1 == l->count || l->rows[i].uid != l->rows[i + 1].uid)
			l->rows[kept++] = l->rows[i];
	l->count = kept;
}

int listing_finish(struct listing *l)
{
	struct listing_row *spare;

	if (!l->unsorted)
		return 0;
	spare = reallocarray(NULL, l->count, sizeof(*spare));
	if (!spare)
		return -ENOMEM;
	merge(l->rows, spare, l->count);
	free(spare);
	drop_doubles(l);
	l->unsorted = false;
	return 0;
}

struct mail listing_at(const struct listing *l, size_t index)
{
	const struct listing_row *row = &l->rows[index];

	return (struct mail){ .uid = row->uid,
		.flags = row->flags,
		.keywords = words_at(l, row->keywords),
		.date = row->date,
		.zone = row->zone,
		.size = row->size,
		.pop3_order = row->pop3_order };
}

size_t listing_find(const struct listing *l, uint32_t uid)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->rows[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->count && l->rows[low].uid == uid ? low : LISTING_NONE;
}
