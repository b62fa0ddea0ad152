/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/sort_cache.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGES_MIN 1024
#define MESSAGES_MAX 131072              /* with their places 6 MiB; a power of 2 */
#define NEAR 8                           /* a UID lies in one of so many places */
#define TEXTS_MAX ((size_t)8 << 20)      /* of ordinary mail 40,000 messages */
#define TEXTS_OF_ONE_MAX ((size_t)65536) /* longer ones are read each time */

/* ── places ────────────────────────────────────────────────────────────────────────── */

/* Where that UID is or could be put: half of the places are free. NULL: the source has
   given UIDs that fall together, so this one is not kept. */
static uint32_t *place_of(const struct sort_cache *c, uint32_t uid)
{
	for (uint32_t n = 0; n < NEAR && c->n_places; n++) {
		uint32_t *place = &c->places[(uid + n) & (c->n_places - 1)];

		if (!*place || c->messages[*place - 1].uid == uid)
			return place;
	}
	return NULL;
}

static void put_all(struct sort_cache *c)
{
	for (uint32_t i = 0; i < c->count; i++) {
		uint32_t *place = place_of(c, c->messages[i].uid);

		if (place)
			*place = i + 1;
	}
}

static bool grow(struct sort_cache *c)
{
	uint32_t cap = c->cap ? c->cap * 2 : MESSAGES_MIN;
	struct sort_cached *messages;
	uint32_t *places;

	if (c->cap == MESSAGES_MAX)
		return false;
	messages = realloc(c->messages, cap * sizeof(*messages));
	if (!messages)
		return false;
	c->messages = messages;
	places = calloc((size_t)cap * 2, sizeof(*places));
	if (!places)
		return false;
	free(c->places);
	c->places = places;
	c->n_places = cap * 2;
	c->cap = cap;
	put_all(c);
	return true;
}

/* ── texts ─────────────────────────────────────────────────────────────────────────── */

static size_t size_of(const struct sort_texts *t)
{
	size_t size = sizeof(*t) + t->subject.len + t->id.len;

	for (size_t i = 0; i < t->n_references; i++)
		size += sizeof(*t->references) + t->references[i].len;
	return size;
}

int sort_texts_copy(
	const struct sort_texts *from, struct arena *arena, struct sort_texts *ret)
{
	*ret = (struct sort_texts){ .subject = arena_str(arena, from->subject),
		.id = arena_str(arena, from->id),
		.references =
			arena_alloc(arena, (from->n_references + 1) * sizeof(struct str)),
		.n_references = from->n_references };
	if (!ret->subject.ptr || !ret->id.ptr || !ret->references)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_references; i++) {
		ret->references[i] = arena_str(arena, from->references[i]);
		if (!ret->references[i].ptr)
			return -ENOMEM;
	}
	return 0;
}

static const struct sort_texts *keep_texts(
	struct sort_cache *c, const struct sort_texts *texts)
{
	struct sort_texts *copy;
	size_t size = texts ? size_of(texts) : 0;

	if (!texts || size > TEXTS_OF_ONE_MAX || c->texts.used + size > TEXTS_MAX)
		return NULL;
	copy = arena_alloc(&c->texts, sizeof(*copy));
	return copy && sort_texts_copy(texts, &c->texts, copy) == 0 ? copy : NULL;
}

/* ── the cache ─────────────────────────────────────────────────────────────────────── */

void sort_cache_begin(struct sort_cache *c, int64_t mailbox, uint32_t uidvalidity)
{
	if (c->mailbox == mailbox && c->uidvalidity == uidvalidity)
		return;
	sort_cache_fini(c);
	c->mailbox = mailbox;
	c->uidvalidity = uidvalidity;
}

const struct sort_cached *sort_cache_find(const struct sort_cache *c, uint32_t uid)
{
	const uint32_t *place = place_of(c, uid);

	return place && *place ? &c->messages[*place - 1] : NULL;
}

/* NULL: no room. */
static struct sort_cached *own_of(struct sort_cache *c, const struct sort_cached *m)
{
	uint32_t *place;

	if (!sort_cache_find(c, m->uid) && c->count == c->cap && !grow(c))
		return NULL;
	place = place_of(c, m->uid);
	if (place && !*place) {
		c->messages[c->count] = *m;
		c->messages[c->count].texts = NULL;
		*place = ++c->count;
	}
	return place ? &c->messages[*place - 1] : NULL;
}

void sort_cache_add(struct sort_cache *c, const struct sort_cached *m)
{
	struct sort_cached *own = own_of(c, m);

	if (!own || own->texts)
		return;
	own->texts = keep_texts(c, m->texts);
	own->is_reply = m->is_reply;
}

void sort_cache_give_back(struct sort_cache *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		c->messages[i].texts = NULL;
	arena_fini(&c->texts);
}

void sort_cache_fini(struct sort_cache *c)
{
	arena_fini(&c->texts);
	free(c->messages);
	free(c->places);
	*c = (struct sort_cache){ 0 };
}
