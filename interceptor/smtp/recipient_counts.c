/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/recipient_counts.h"

#include "base/hash.h"

#include <errno.h>

void recipient_counts_init(struct recipient_counts *all)
{
	all->n = 0;
	arena_init(&all->arena);
}

static uint64_t add_hash(uint64_t hash, struct str s)
{
	return hash_mix(hash_bytes(hash, s), 0);
}

static struct recipients_seen *find(struct recipient_counts *all, uint64_t hash,
	struct str local, struct str domain, struct str client)
{
	for (size_t i = 0; i < all->n; i++) {
		struct recipients_seen *seen = &all->seen[i];

		if (all->hashes[i] == hash && str_eq(seen->local, local) &&
			str_eq(seen->domain, domain) && str_eq(seen->client, client))
			return seen;
	}
	return NULL;
}

static struct recipients_seen *add(struct recipient_counts *all, uint64_t hash,
	struct str local, struct str domain, struct str client)
{
	struct recipients_seen *seen = &all->seen[all->n];

	if (all->n == RECIPIENT_COUNTS_HELD)
		return NULL;
	*seen = (struct recipients_seen){ .local = arena_str(&all->arena, local),
		.domain = arena_str(&all->arena, domain),
		.client = arena_str(&all->arena, client) };
	if (!seen->local.ptr || !seen->domain.ptr || !seen->client.ptr)
		return NULL;
	all->hashes[all->n++] = hash;
	return seen;
}

bool recipient_counts_add(struct recipient_counts *all, struct str local,
	struct str domain, struct str client, bool accepted, uint64_t wall_ms)
{
	uint64_t hash = add_hash(add_hash(add_hash(HASH_FIRST, local), domain), client);
	struct recipients_seen *seen = find(all, hash, local, domain, client);

	if (!seen)
		seen = add(all, hash, local, domain, client);
	if (!seen)
		return false;
	if (!seen->first_at)
		seen->first_at = wall_ms;
	if (!all->since_ms)
		all->since_ms = wall_ms;
	seen->last_at = wall_ms;
	if (accepted)
		seen->accepted++;
	else
		seen->refused++;
	return true;
}

int recipient_counts_hand_over(
	struct recipient_counts *all, struct registry *r, struct error *err)
{
	int code = 0;

	if (all->n)
		code = registry_count_recipients(r, all->seen, all->n, err);
	if (code == -EBUSY)
		return code; /* kept for the next time */
	all->n = 0;
	all->since_ms = 0;
	arena_fini(&all->arena);
	arena_init(&all->arena);
	return code;
}
