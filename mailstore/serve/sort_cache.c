/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/sort_cache.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGES_MIN 1024
#define MESSAGES_MAX 131072              /* with their places 7 MiB; a power of 2 */
#define NEAR 8                           /* a UID lies in one of so many places */
#define TEXTS_MAX ((size_t)8 << 20)      /* of ordinary mail 40,000 messages */
#define TEXTS_OF_ONE_MAX ((size_t)65536) /* longer ids are read each time */

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

/* Whether so much more is kept. */
static bool has_room(const struct sort_cache *c, size_t size)
{
	return size <= TEXTS_OF_ONE_MAX && c->texts.used + size <= TEXTS_MAX;
}

struct str sort_cached_text(const struct sort_cached *m, enum imap_sort_kind kind)
{
	for (const struct sort_text *t = m->texts; t; t = t->next)
		if (t->kind == kind)
			return t->text;
	return (struct str){ 0 };
}

/* Whether it is kept now. */
static bool keep_text(
	struct sort_cache *c, struct sort_cached *own, const struct sort_text *text)
{
	struct sort_text *copy;

	if (!has_room(c, sizeof(*copy) + text->text.len))
		return false;
	copy = arena_alloc(&c->texts, sizeof(*copy));
	if (!copy)
		return false;
	copy->next = own->texts;
	copy->kind = text->kind;
	copy->text = arena_str(&c->texts, text->text);
	if (copy->text.ptr)
		own->texts = copy;
	return copy->text.ptr;
}

static size_t size_of(const struct sort_ids *ids)
{
	size_t size = sizeof(*ids) + ids->id.len;

	for (size_t i = 0; i < ids->n_references; i++)
		size += sizeof(*ids->references) + ids->references[i].len;
	return size;
}

int sort_ids_copy(const struct sort_ids *from, struct arena *arena, struct sort_ids *ret)
{
	*ret = (struct sort_ids){ .id = arena_str(arena, from->id),
		.references =
			arena_alloc(arena, (from->n_references + 1) * sizeof(struct str)),
		.n_references = from->n_references };
	if (!ret->id.ptr || !ret->references)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_references; i++) {
		ret->references[i] = arena_str(arena, from->references[i]);
		if (!ret->references[i].ptr)
			return -ENOMEM;
	}
	return 0;
}

/* Whether they are kept now. */
static bool keep_ids(
	struct sort_cache *c, struct sort_cached *own, const struct sort_ids *ids)
{
	struct sort_ids *copy;

	if (!has_room(c, size_of(ids)))
		return false;
	copy = arena_alloc(&c->texts, sizeof(*copy));
	if (copy && sort_ids_copy(ids, &c->texts, copy) == 0)
		own->ids = copy;
	return own->ids;
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
		c->messages[c->count] = (struct sort_cached){ .uid = m->uid,
			.arrived = m->arrived,
			.sent = m->sent,
			.size = m->size };
		*place = ++c->count;
		c->fresh[IMAGE_DATES]++;
	}
	return place ? &c->messages[*place - 1] : NULL;
}

void sort_cache_add(struct sort_cache *c, const struct sort_cached *m)
{
	struct sort_cached *own = own_of(c, m);
	bool more = false;

	if (!own)
		return;
	for (const struct sort_text *text = m->texts; text; text = text->next) {
		if (sort_cached_text(own, text->kind).ptr)
			continue;
		more |= keep_text(c, own, text);
		if (text->kind == IMAP_SORT_SUBJECT)
			own->is_reply = m->is_reply;
	}
	if (m->ids && !own->ids)
		c->fresh[IMAGE_IDS] += keep_ids(c, own, m->ids);
	c->fresh[IMAGE_TEXTS] += more;
}

void sort_cache_give_back(struct sort_cache *c)
{
	for (uint32_t i = 0; i < c->count; i++) {
		c->messages[i].texts = NULL;
		c->messages[i].ids = NULL;
	}
	arena_fini(&c->texts);
	c->fresh[IMAGE_TEXTS] = c->fresh[IMAGE_IDS] = 0;
	c->has_looked[IMAGE_TEXTS] = c->has_looked[IMAGE_IDS] = false;
}

void sort_cache_fini(struct sort_cache *c)
{
	arena_fini(&c->texts);
	free(c->messages);
	free(c->places);
	*c = (struct sort_cache){ 0 };
}
