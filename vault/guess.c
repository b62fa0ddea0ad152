/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vault/guess.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 65536u /* 1.5 MiB a table; so many share a place, then the oldest goes */
#define WAYS 8u
#define HALF_LIFE_MS 300000u
#define SCORE_MAX 40u
#define STEP_MS 250u     /* the first wait; then twice as long each time */
#define AGAIN_MS 600000u /* a wrong password is known for that long */

/* What is counted. */
enum scope {
	SCOPE_ADDRESS,
	SCOPE_NETWORK,
	SCOPE_WIDER,
	SCOPE_ACCOUNT,
	SCOPE_PAIR,
	SCOPE_LOGGED_IN,
	SCOPE_WRONG,
	SCOPE_COMPARED,
	SCOPE_COUNT
};
static const struct scope_row {
	uint8_t bytes_v4, bytes_v6; /* of the address; 0: none of it */
	bool of_account;
	uint32_t free; /* failures that cost nothing: typing errors, and a phone */
	uint64_t most_ms;
} scopes[] = {
	[SCOPE_ADDRESS] = { 4, 8, false, 10, GUESS_WAIT_MAX_MS },
	[SCOPE_NETWORK] = { 3, 7, false, 30, 1000 },
	[SCOPE_WIDER] = { 3, 6, false, 60, 1000 },
	[SCOPE_ACCOUNT] = { 0, 0, true, 10, 4000 },
	[SCOPE_PAIR] = { 3, 8, true, 5, GUESS_WAIT_MAX_MS },
	[SCOPE_LOGGED_IN] = { 3, 8, true, 0, 0 },
	[SCOPE_WRONG] = { 3, 8, true, 0, 0 },
	[SCOPE_COMPARED] = { 0, 0, true, 10, GUESS_WAIT_MAX_MS },
};
_Static_assert(sizeof(scopes) / sizeof(scopes[0]) == SCOPE_COUNT, "a row for each");

struct slot {
	uint64_t key; /* 0: empty */
	uint64_t at;  /* of the last failure */
	uint32_t score;
	uint32_t wait_ms; /* from then on */
};

struct guesses {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct slot failures[SLOTS];
	struct slot
		users[SLOTS]; /* apart: no number of failures drives out who logged in */
};

struct guesses *guesses_new(void)
{
	struct guesses *g = sodium_init() < 0 ? NULL : calloc(1, sizeof(*g));

	if (g)
		randombytes_buf(g->key, sizeof(g->key));
	return g;
}

void guesses_free(struct guesses *g)
{
	free(g);
}

/* ── who it is ─────────────────────────────────────────────────────────────────────── */

struct address {
	bool is_v6;
	uint8_t bytes[16];
};

static bool parse(struct str client, struct address *ret)
{
	char text[INET6_ADDRSTRLEN + 2];
	struct str host = client;

	if (client.len && client.ptr[0] == '[') {
		ret->is_v6 = true;
		host = str_skip(client, 1);
		host = str_take(host, str_index(host, ']'));
	} else {
		host = str_take(host, str_index(host, ':'));
	}
	if (host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr ? host.ptr : "", host.len);
	text[host.len] = '\0';
	return inet_pton(ret->is_v6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1;
}

/* "::ffff:192.0.2.1" is that address. */
static struct address address_of(struct str client)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address a = { 0 };

	if (!parse(client, &a))
		return (struct address){ .is_v6 = true };
	if (a.is_v6 && memcmp(a.bytes, mapped, sizeof(mapped)) == 0) {
		memmove(a.bytes, a.bytes + sizeof(mapped), 4);
		a.is_v6 = false;
	}
	return a;
}

static uint64_t key_of(const struct guesses *g, enum scope scope, const struct guess *a)
{
	const struct scope_row *row = &scopes[scope];
	struct address address = address_of(a->client);
	uint8_t bytes[1 + 1 + 8 + 8 + 8] = { (uint8_t)scope, address.is_v6 };
	uint64_t key, password = 0;

	memcpy(bytes + 2, address.bytes, address.is_v6 ? row->bytes_v6 : row->bytes_v4);
	if (row->of_account)
		memcpy(bytes + 10, &a->account, sizeof(a->account));
	if (scope == SCOPE_WRONG)
		(void)crypto_shorthash((unsigned char *)&password,
			(const unsigned char *)a->password.ptr, a->password.len, g->key);
	memcpy(bytes + 18, &password, sizeof(password));
	(void)crypto_shorthash((unsigned char *)&key, bytes, sizeof(bytes), g->key);
	return key ? key : 1;
}

_Static_assert(SCOPE_ADDRESS == 0 && SCOPE_WIDER == GUESS_NETWORKS - 1, "its scopes");

void guess_networks(
	const struct guesses *g, struct str client, uint64_t ret[static GUESS_NETWORKS])
{
	const struct guess a = { .client = client };

	for (int scope = SCOPE_ADDRESS; scope <= SCOPE_WIDER; scope++)
		ret[scope] = key_of(g, (enum scope)scope, &a);
}

/* ── the table ─────────────────────────────────────────────────────────────────────── */

static struct slot *find(struct slot table[static SLOTS], uint64_t key)
{
	struct slot *first = &table[key % (SLOTS / WAYS) * WAYS];

	for (unsigned i = 0; i < WAYS; i++)
		if (first[i].key == key)
			return &first[i];
	return NULL;
}

static struct slot *take(struct slot table[static SLOTS], uint64_t key)
{
	struct slot *first = &table[key % (SLOTS / WAYS) * WAYS], *oldest = first;
	struct slot *there = find(table, key);

	if (there)
		return there;
	for (unsigned i = 1; i < WAYS; i++)
		if (first[i].at < oldest->at)
			oldest = &first[i];
	*oldest = (struct slot){ .key = key };
	return oldest;
}

static uint32_t score_at(const struct slot *s, uint64_t now)
{
	uint64_t halves = (now - s->at) / HALF_LIFE_MS;

	return halves < 32 ? s->score >> halves : 0;
}

static uint64_t wait_in(
	struct guesses *g, enum scope scope, const struct guess *a, uint64_t now)
{
	const struct slot *s = find(g->failures, key_of(g, scope, a));

	return s && s->at + s->wait_ms > now ? s->at + s->wait_ms - now : 0;
}

static void count_in(
	struct guesses *g, enum scope scope, const struct guess *a, uint64_t now)
{
	const struct scope_row *row = &scopes[scope];
	struct slot *s = take(g->failures, key_of(g, scope, a));
	uint32_t score = score_at(s, now) + 1, over;
	uint64_t wait = 0;

	s->score = score < SCORE_MAX + row->free ? score : SCORE_MAX + row->free;
	over = s->score > row->free ? s->score - row->free : 0;
	if (over)
		wait = over > 20 ? row->most_ms : (uint64_t)STEP_MS << (over - 1);
	s->wait_ms = (uint32_t)(wait < row->most_ms ? wait : row->most_ms);
	s->at = now;
}

/* ── an attempt ────────────────────────────────────────────────────────────────────── */

bool guess_is_users(struct guesses *g, const struct guess *a)
{
	return find(g->users, key_of(g, SCOPE_LOGGED_IN, a)) != NULL;
}

static bool is_known_wrong(struct guesses *g, const struct guess *a, uint64_t now)
{
	const struct slot *s = find(g->failures, key_of(g, SCOPE_WRONG, a));

	return s && now - s->at < AGAIN_MS;
}

uint64_t guess_wait(struct guesses *g, const struct guess *a, uint64_t now)
{
	uint64_t most;

	if (is_known_wrong(g, a, now))
		return 0;
	most = wait_in(g, SCOPE_PAIR, a, now);
	if (guess_is_users(g, a))
		return most;
	for (int scope = SCOPE_ADDRESS; scope <= SCOPE_ACCOUNT; scope++) {
		uint64_t wait = wait_in(g, (enum scope)scope, a, now);

		most = wait > most ? wait : most;
	}
	return most;
}

void guess_was_wrong(struct guesses *g, const struct guess *a, uint64_t now)
{
	bool known = is_known_wrong(g, a, now);

	take(g->failures, key_of(g, SCOPE_WRONG, a))->at = now;
	if (known)
		return;
	for (int scope = SCOPE_ADDRESS; scope <= SCOPE_PAIR; scope++)
		count_in(g, (enum scope)scope, a, now);
}

void guess_was_right(struct guesses *g, const struct guess *a, uint64_t now)
{
	take(g->users, key_of(g, SCOPE_LOGGED_IN, a))->at = now;
}

bool guess_may_compare(struct guesses *g, int64_t account, uint64_t now)
{
	const struct guess a = { .account = account };

	return wait_in(g, SCOPE_COMPARED, &a, now) == 0;
}

void guess_compared_in_vain(struct guesses *g, int64_t account, uint64_t now)
{
	const struct guess a = { .account = account };

	count_in(g, SCOPE_COMPARED, &a, now);
}
