/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/shared/source_answers.h"

#include <sodium.h>
#include <string.h>

#define TIME_BITS 28
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)

_Static_assert(ANSWERS_KEY_SIZE == crypto_shorthash_KEYBYTES, "a key of libsodium's");

static uint64_t hash_of(const struct source_answers *a, struct str question)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash;

	(void)crypto_shorthash(
		out, (const unsigned char *)question.ptr, question.len, a->key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

static uint64_t *set_of(struct source_answers *a, uint64_t hash)
{
	return a->places[hash % ANSWERS_SETS];
}

static uint64_t age(uint64_t place, uint64_t now)
{
	return (now - place) & TIME_MASK;
}

/* NULL: it is not there. */
static uint64_t *find(struct source_answers *a, uint64_t hash, uint64_t *ret_place)
{
	uint64_t *set = set_of(a, hash);

	for (size_t i = 0; i < ANSWERS_WAYS; i++) {
		*ret_place = __atomic_load_n(&set[i], __ATOMIC_RELAXED);
		if (*ret_place && (*ret_place | TIME_MASK) == (hash | TIME_MASK))
			return &set[i];
	}
	return NULL;
}

bool source_answers_has(
	struct source_answers *a, struct str question, uint64_t now, uint32_t ttl)
{
	uint64_t place;

	return find(a, hash_of(a, question), &place) && age(place, now) < ttl;
}

/* Its own place, else a free one, else the oldest. */
void source_answers_add(struct source_answers *a, struct str question, uint64_t now)
{
	uint64_t hash = hash_of(a, question), place;
	uint64_t *set = set_of(a, hash), *at = find(a, hash, &place);

	for (size_t i = 0; i < ANSWERS_WAYS && !at; i++)
		if (!__atomic_load_n(&set[i], __ATOMIC_RELAXED))
			at = &set[i];
	for (size_t i = 0; !at && i < ANSWERS_WAYS; i++) {
		bool oldest = true;

		for (size_t k = 0; k < ANSWERS_WAYS; k++)
			oldest = oldest && age(set[i], now) >= age(set[k], now);
		if (oldest)
			at = &set[i];
	}
	if (!at)
		at = set; /* another worker wrote meanwhile */
	__atomic_store_n(at, (hash & ~TIME_MASK) | (now & TIME_MASK), __ATOMIC_RELAXED);
}

void source_answers_drop(struct source_answers *a, struct str question)
{
	uint64_t place, *at = find(a, hash_of(a, question), &place);

	if (at)
		__atomic_store_n(at, 0, __ATOMIC_RELAXED);
}
