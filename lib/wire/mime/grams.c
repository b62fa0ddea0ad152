/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/grams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRAM_MASK UINT32_C(0xffffff)
#define PAIRS 65536

/* A bit for each trigram there is, 2 MB of which a text uses few pages; whoever writes a
   text finds none that take longer than others. By their first two bytes: which of these
   are in use, too. */
struct mime_gram_set {
	uint64_t pairs[PAIRS / 64];
	uint64_t thirds[PAIRS][256 / 64];
};

/* ── gathering ─────────────────────────────────────────────────────────────────────── */

static bool put_bit(uint64_t *words, uint32_t n)
{
	uint64_t bit = UINT64_C(1) << n % 64;
	bool is_new = !(words[n / 64] & bit);

	words[n / 64] |= bit;
	return is_new;
}

/* Of the bits, from the lowest on: takes it away. */
static uint32_t take_lowest(uint64_t *bits)
{
	uint32_t n = (uint32_t)__builtin_ctzll(*bits);

	*bits &= *bits - 1;
	return n;
}

int mime_grams_add(struct mime_grams *g, struct str folded)
{
	int r = 0;

	for (size_t i = 0; i < folded.len && r == 0; i++) {
		g->last = (g->last << 8 | (uint8_t)folded.ptr[i]) & GRAM_MASK;
		if (g->n_last < MIME_GRAM_SIZE - 1) {
			g->n_last++;
			continue;
		}
		if (!put_bit(g->set->thirds[g->last >> 8], g->last & 0xff))
			continue;
		(void)put_bit(g->set->pairs, g->last >> 8);
		r = ++g->count > MIME_GRAMS_MAX ? -EFBIG : 0;
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
	*g = (struct mime_grams){ .listener = { .hear = hear, .pause = forget_last } };
	buf_init(&g->folded, 0);
	g->set = calloc(1, sizeof(*g->set));
	return g->set ? 0 : -ENOMEM;
}

/* A tenth of the time that 2 MB of zeros take. */
void mime_grams_clear(struct mime_grams *g)
{
	struct mime_gram_set *set = g->set;

	for (uint32_t i = 0; i < PAIRS / 64; i++)
		while (set->pairs[i]) {
			uint32_t pair = i * 64 + take_lowest(&set->pairs[i]);

			memset(set->thirds[pair], 0, sizeof(set->thirds[pair]));
		}
	g->count = g->heard = 0;
	g->n_last = 0;
}

void mime_grams_fini(struct mime_grams *g)
{
	buf_fini(&g->folded);
	free(g->set);
	g->set = NULL;
}

/* ── the list ──────────────────────────────────────────────────────────────────────── */

static char *put_thirds(const struct mime_gram_set *set, uint32_t pair, char *out)
{
	for (uint32_t i = 0; i < 256 / 64; i++)
		for (uint64_t bits = set->thirds[pair][i]; bits; out += MIME_GRAM_SIZE) {
			out[0] = (char)(pair >> 8);
			out[1] = (char)pair;
			out[2] = (char)(i * 64 + take_lowest(&bits));
		}
	return out;
}

int mime_grams_put(const struct mime_grams *g, struct buf *out)
{
	char *space;
	int r;

	if (!g->count)
		return 0;
	r = buf_reserve(out, g->count * MIME_GRAM_SIZE, &space);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < PAIRS / 64; i++)
		for (uint64_t bits = g->set->pairs[i]; bits;)
			space = put_thirds(g->set, i * 64 + take_lowest(&bits), space);
	buf_commit(out, g->count * MIME_GRAM_SIZE);
	return 0;
}
