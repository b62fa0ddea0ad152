/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (4096 - sizeof(struct arena_chunk)) /* a page with its header */

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t bytes[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void arena_fini(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *chunk = a->chunks;

		a->chunks = chunk->next;
		explicit_bzero(chunk->bytes, chunk->used);
		free(chunk);
	}
	a->used = 0;
}

static struct arena_chunk *chunk_new(struct arena *a, size_t need)
{
	size_t size = need > CHUNK_SIZE ? need : CHUNK_SIZE;
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->used = 0;
	chunk->size = size;
	chunk->next = a->chunks;
	a->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t rounded =
		(size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	struct arena_chunk *chunk = a->chunks;
	char *place;

	if (rounded < size || rounded > SIZE_MAX / 2)
		return NULL;
	if (!chunk || chunk->size - chunk->used < rounded)
		chunk = chunk_new(a, rounded);
	if (!chunk)
		return NULL;
	place = (char *)chunk->bytes + chunk->used;
	chunk->used += rounded;
	a->used += rounded;
	return memset(place, 0, rounded);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *copy = s.len < SIZE_MAX ? arena_alloc(a, s.len + 1) : NULL;

	if (!copy)
		return (struct str){ 0 };
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return str_of(copy, s.len);
}
