/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/compared.h"

#include <stdlib.h>

#define NEAR 8 /* a number lies in one of so many places: a cache line or two */

/* size is a power of 2. */
static size_t place_of(const struct compared *c, uint64_t number, size_t n)
{
	uint64_t spread = number * 0x9e3779b97f4a7c15u >> 32;

	return (size_t)(spread + n) & (c->size - 1);
}

bool compared_has(const struct compared *c, uint64_t number)
{
	for (size_t n = 0; n < NEAR && c->size; n++)
		if (c->numbers[place_of(c, number, n)] == number)
			return true;
	return false;
}

/* When all its places are taken, the first one is given to it. */
static void put(struct compared *c, uint64_t number)
{
	uint64_t *first = &c->numbers[place_of(c, number, 0)];

	for (size_t n = 0; n < NEAR; n++) {
		uint64_t *at = &c->numbers[place_of(c, number, n)];

		if (*at == number)
			return;
		if (*at)
			continue;
		*at = number;
		c->count++;
		return;
	}
	*first = number;
}

static void grow(struct compared *c)
{
	struct compared larger = { .size = c->size ? c->size * 4 : COMPARED_MIN };

	if (c->size == COMPARED_MAX)
		return;
	if (larger.size > COMPARED_MAX)
		larger.size = COMPARED_MAX;
	larger.numbers = calloc(larger.size, sizeof(*larger.numbers));
	if (!larger.numbers)
		return;
	for (size_t i = 0; i < c->size; i++)
		if (c->numbers[i])
			put(&larger, c->numbers[i]);
	free(c->numbers);
	*c = larger;
}

void compared_add(struct compared *c, uint64_t number)
{
	if (c->count >= c->size / 2)
		grow(c);
	if (c->size)
		put(c, number);
}

void compared_expect(const struct compared *c, uint64_t number)
{
	if (c->size)
		__builtin_prefetch(&c->numbers[place_of(c, number, 0)]);
}

void compared_free(struct compared *c)
{
	free(c->numbers);
	*c = (struct compared){ 0 };
}
