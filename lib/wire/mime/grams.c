/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/grams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP ((size_t)4096)
#define GRAM_MASK UINT32_C(0xffffff)

/* ── gathering ─────────────────────────────────────────────────────────────────────── */

/* Where it is, or where it belongs. */
static uint32_t *place_of(uint32_t *table, size_t cap, uint32_t gram)
{
	size_t at = (gram * UINT32_C(2654435761)) >> 8;

	while (table[at & (cap - 1)] && table[at & (cap - 1)] != gram + 1)
		at++;
	return &table[at & (cap - 1)];
}

/* A table of twice the size, so that half of it stays free. */
static int grow(struct mime_grams *g)
{
	size_t cap = g->cap * 2;
	uint32_t *table = calloc(cap, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < g->cap; i++)
		if (g->table[i])
			*place_of(table, cap, g->table[i] - 1) = g->table[i];
	free(g->table);
	g->table = table;
	g->cap = cap;
	return 0;
}

static int add_new(struct mime_grams *g, uint32_t *place, uint32_t gram)
{
	if (g->count == MIME_GRAMS_MAX)
		return -EFBIG;
	*place = gram + 1;
	return ++g->count * 2 > g->cap ? grow(g) : 0;
}

int mime_grams_add(struct mime_grams *g, struct str folded)
{
	int r = 0;

	for (size_t i = 0; i < folded.len && r == 0; i++) {
		uint32_t *place;

		g->last = (g->last << 8 | (uint8_t)folded.ptr[i]) & GRAM_MASK;
		if (g->n_last < MIME_GRAM_SIZE - 1) {
			g->n_last++;
			continue;
		}
		place = place_of(g->table, g->cap, g->last);
		if (!*place)
			r = add_new(g, place, g->last);
	}
	return r;
}

static int hear(struct mime_listener *l, struct str utf8)
{
	struct mime_grams *g = (struct mime_grams *)l;
	int r;

	g->heard += utf8.len;
	if (g->heard > MIME_GRAMS_TEXT_MAX)
		return -EFBIG;
	buf_clear(&g->folded);
	r = mime_fold(utf8, &g->folded);
	return r < 0 ? r : mime_grams_add(g, buf_view(&g->folded));
}

static void forget_last(struct mime_listener *l)
{
	((struct mime_grams *)l)->n_last = 0;
}

int mime_grams_init(struct mime_grams *g)
{
	*g = (struct mime_grams){ .listener = { .hear = hear, .pause = forget_last },
		.cap = FIRST_CAP };
	buf_init(&g->folded, 0);
	g->table = calloc(g->cap, sizeof(*g->table));
	return g->table ? 0 : -ENOMEM;
}

void mime_grams_fini(struct mime_grams *g)
{
	buf_fini(&g->folded);
	free(g->table);
	g->table = NULL;
}

/* ── the list ──────────────────────────────────────────────────────────────────────── */

/* By one byte of each, from one array to the other; equal ones stay in order. */
static void sort_by(unsigned shift, const uint32_t *from, uint32_t *to, size_t count)
{
	size_t begins[257] = { 0 };

	for (size_t i = 0; i < count; i++)
		begins[(from[i] >> shift & 0xff) + 1]++;
	for (size_t i = 1; i < 257; i++)
		begins[i] += begins[i - 1];
	for (size_t i = 0; i < count; i++)
		to[begins[from[i] >> shift & 0xff]++] = from[i];
}

static void put_sorted(const struct mime_grams *g, uint32_t *a, uint32_t *b, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < g->cap; i++)
		if (g->table[i])
			a[n++] = g->table[i] - 1;
	sort_by(0, a, b, n);
	sort_by(8, b, a, n);
	sort_by(16, a, b, n);
	for (size_t i = 0; i < n; i++) {
		out[i * 3] = (char)(b[i] >> 16);
		out[i * 3 + 1] = (char)(b[i] >> 8);
		out[i * 3 + 2] = (char)b[i];
	}
}

int mime_grams_put(const struct mime_grams *g, struct buf *out)
{
	char *space;
	uint32_t *sorted;
	int r;

	if (!g->count)
		return 0;
	r = buf_reserve(out, g->count * MIME_GRAM_SIZE, &space);
	if (r < 0)
		return r;
	sorted = calloc(2 * g->count, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	put_sorted(g, sorted, sorted + g->count, space);
	buf_commit(out, g->count * MIME_GRAM_SIZE);
	free(sorted);
	return 0;
}
