/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/rates.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#define SETS 16384u /* a power of two */
#define WAYS 4
#define PRECISION 2000 /* parts of a token: half of one is whole in each millisecond */

struct bucket {
	uint64_t network; /* 0: none */
	uint64_t seen_at; /* ms */
	uint64_t tokens;
};

struct rates {
	uint64_t per_second;
	uint64_t token;      /* what one second brings for each of per_second */
	uint64_t multiplier; /* random and odd: nobody outside knows who shares a place */
	struct bucket buckets[SETS][WAYS];
};

struct rates *rates_new(uint32_t per_second)
{
	struct rates *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->per_second = per_second;
	r->token = PRECISION;
	if (getrandom(&r->multiplier, sizeof(r->multiplier), 0) !=
		(ssize_t)sizeof(r->multiplier)) {
		free(r);
		return NULL;
	}
	r->multiplier |= 1;
	return r;
}

void rates_free(struct rates *r)
{
	free(r);
}

void rates_halve(struct rates *r, bool half)
{
	r->token = half ? PRECISION / 2 : PRECISION;
}

static uint64_t full(const struct rates *r)
{
	return r->per_second * RATES_BURST_S * r->token;
}

static struct bucket *bucket_of(struct rates *r, uint64_t network, uint64_t now_ms)
{
	struct bucket *set = r->buckets[(network * r->multiplier) >> 50];
	struct bucket *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].network == network)
			return &set[i];
		if (set[i].seen_at < oldest->seen_at)
			oldest = &set[i];
	}
	*oldest = (struct bucket){
		.network = network, .seen_at = now_ms, .tokens = full(r)
	};
	return oldest;
}

static void refill(const struct rates *r, struct bucket *b, uint64_t now_ms)
{
	uint64_t passed = now_ms > b->seen_at ? now_ms - b->seen_at : 0;

	if (passed > RATES_BURST_S * 1000u)
		passed = RATES_BURST_S * 1000u;
	b->tokens += passed * r->per_second * r->token / 1000;
	if (b->tokens > full(r))
		b->tokens = full(r);
	b->seen_at = now_ms;
}

bool rates_take(struct rates *r, uint64_t network, uint64_t now_ms)
{
	struct bucket *b;

	if (!r->per_second)
		return true;
	b = bucket_of(r, network, now_ms);
	refill(r, b, now_ms);
	if (b->tokens < PRECISION)
		return false;
	b->tokens -= PRECISION;
	return true;
}

uint64_t rates_network(unsigned version, const unsigned char *address)
{
	size_t bytes = version == 4 ? 3 : 7;
	uint64_t network = version;

	for (size_t i = 0; i < bytes; i++)
		network = network << 8 | address[i];
	return network;
}
