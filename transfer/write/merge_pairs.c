/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/write/merge_pairs.h"

#include "mailstore/store/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a folder's messages have become ---- */

size_t pairs_place(const struct pairs *p, uint32_t from)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->at[middle].from < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct pair *pairs_find(const struct pairs *p, uint32_t from)
{
	size_t place = pairs_place(p, from);

	return place < p->count && p->at[place].from == from ? &p->at[place] : NULL;
}

int pairs_set(struct pairs *p, const struct pair *new)
{
	size_t place = pairs_place(p, new->from);

	if (place < p->count && p->at[place].from == new->from) {
		p->at[place] = *new;
		return 0;
	}
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		struct pair *at = reallocarray(p->at, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		p->at = at;
		p->cap = cap;
	}
	memmove(&p->at[place + 1], &p->at[place], (p->count - place) * sizeof(*p->at));
	p->at[place] = *new;
	p->count++;
	return 0;
}

int pairs_add(void *context, const struct mail *m)
{
	const struct pair itself = { m->uid, m->uid, m->zone };

	return pairs_set(context, &itself);
}

void pairs_remove(struct pairs *p, uint32_t from)
{
	size_t place = pairs_place(p, from);

	if (place == p->count || p->at[place].from != from)
		return;
	p->count--;
	memmove(&p->at[place], &p->at[place + 1], (p->count - place) * sizeof(*p->at));
}

/* ---- what was here before ---- */

static int by_looks(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->date != y->date)
		return x->date > y->date ? 1 : -1;
	if (x->size != y->size)
		return x->size > y->size ? 1 : -1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

int candidates_add(void *context, const struct mail *m)
{
	struct candidates *c = context;

	if (c->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct candidate *at = reallocarray(c->at, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		c->at = at;
		c->cap = cap;
	}
	c->at[c->count++] = (struct candidate){ m->date, m->body_len, m->uid, false };
	return 0;
}

void candidates_sort(struct candidates *c)
{
	if (c->count)
		qsort(c->at, c->count, sizeof(*c->at), by_looks);
}

size_t candidates_place(const struct candidates *c, int64_t date, uint64_t size)
{
	const struct candidate key = { .date = date, .size = size };
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_looks(&c->at[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int candidates_digest(void *digest, struct str whole)
{
	struct body_digest state;

	body_digest_begin(&state);
	body_digest_add(&state, whole);
	body_digest_end(&state, digest);
	return 0;
}

void pairs_fini(struct pairs *p)
{
	free(p->at);
	*p = (struct pairs){ 0 };
}

void candidates_fini(struct candidates *c)
{
	free(c->at);
	*c = (struct candidates){ 0 };
}
