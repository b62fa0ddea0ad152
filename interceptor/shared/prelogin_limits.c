/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/shared/prelogin_limits.h"

#include "interceptor/shared/connection_limits.h"
#include "settings/settings.h"

#define HALF_LIFE_S 300
#define FEWEST 4          /* connections of a network that only fails */
#define KNOWN_FEWEST 128  /* of a known one: others in it wait beside the guesser */
#define FAILURES_A_STEP 8 /* that halve what a network may have */
#define KNOWN_FREE 16     /* times as many are free for a known network */
#define KEPT_PART 4       /* of the places, for known networks: one in so many */

static const struct scope_row {
	uint32_t shares; /* of limits.connections_per_ip: neighbours are others */
	uint32_t free;   /* failures: typing errors, a phone with an old password */
} scopes[NETWORK_SCOPES] = {
	[NETWORK_HOST] = { 1, 10 },
	[NETWORK_SITE] = { 4, 30 },
	[NETWORK_WIDE] = { 4, 60 },
};

/* Relaxed: a decision may be one connection late. */
static uint32_t look(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void change_by(uint32_t *counter, int change)
{
	__atomic_store_n(counter, (uint32_t)((int)look(counter) + change),
		__ATOMIC_RELAXED); /* only its worker writes it */
}

/* ---- failures ---- */

static uint32_t failures_in(const uint64_t *cell, uint64_t now)
{
	uint64_t value = __atomic_load_n(cell, __ATOMIC_RELAXED);
	uint64_t halves = ((now & UINT32_MAX) - (value >> 32)) / HALF_LIFE_S;

	return halves < 32 ? (uint32_t)value >> halves : 0;
}

static void set_failures(uint64_t *cell, uint32_t n, uint64_t now)
{
	__atomic_store_n(cell, now << 32 | n, __ATOMIC_RELAXED);
}

static uint32_t failures(const struct connection_limits *t, uint32_t bucket, uint64_t now)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < t->n_rows; i++)
		sum += failures_in(&t->rows[i].prelogin.failures[bucket], now);
	return sum;
}

void prelogin_failed(struct connection_limits *t, unsigned worker,
	const struct client_networks *n, uint64_t now)
{
	for (int i = 0; i < NETWORK_SCOPES; i++) {
		uint64_t *cell = &t->rows[worker].prelogin.failures[n->bucket[i]];

		set_failures(cell, failures_in(cell, now) + 1, now);
	}
}

void prelogin_succeeded(struct connection_limits *t, unsigned worker,
	const struct client_networks *n, uint64_t now)
{
	for (int i = 0; i < NETWORK_SCOPES; i++) {
		uint64_t *cell = &t->rows[worker].prelogin.failures[n->bucket[i]];
		uint32_t was = failures_in(cell, now);

		if (was)
			set_failures(cell, was - 1, now);
	}
	network_remember(t, n);
}

/* ---- who may stay ---- */

static uint32_t waiting(const struct connection_limits *t, uint32_t bucket)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < t->n_rows; i++)
		sum += look(&t->rows[i].prelogin.waiting[bucket]);
	return sum;
}

/* How many connections of a network may wait, after so many failures that count. */
static uint32_t share(uint32_t most, uint32_t fewest, uint32_t n_failures)
{
	uint32_t steps = n_failures / FAILURES_A_STEP;
	uint32_t left = steps < 32 ? most >> steps : 0;

	if (left < fewest)
		left = fewest < most ? fewest : most;
	return left;
}

/* Numbers alone are nothing, and what neighbours do is nothing to those who are known. */
static bool known_has_its_share(const struct connection_limits *t, uint32_t most,
	const struct client_networks *n, uint64_t now)
{
	uint32_t bucket = n->bucket[NETWORK_HOST];
	uint32_t n_failures = failures(t, bucket, now);
	uint32_t free = scopes[NETWORK_HOST].free * KNOWN_FREE;

	return n_failures > free &&
	       waiting(t, bucket) > share(most, KNOWN_FEWEST, n_failures - free);
}

static bool has_its_share(const struct connection_limits *t, uint32_t most,
	const struct client_networks *n, uint64_t now)
{
	for (int i = 0; i < NETWORK_SCOPES; i++) {
		uint32_t n_failures = failures(t, n->bucket[i], now);
		uint32_t free = scopes[i].free;

		if (waiting(t, n->bucket[i]) >
			share(most * scopes[i].shares, FEWEST,
				n_failures > free ? n_failures - free : 0))
			return true;
	}
	return false;
}

static uint32_t without_kept(uint32_t most)
{
	return most - most / KEPT_PART;
}

static bool is_full(
	const struct connection_limits *t, const struct limits *limits, bool known)
{
	uint32_t most = limits->prelogin_bytes / PRELOGIN_PLACE;
	uint32_t taken = 0, unknown = 0;

	for (unsigned i = 0; i < t->n_rows; i++) {
		taken += look(&t->rows[i].prelogin.places);
		unknown += look(&t->rows[i].prelogin.unknown_places);
	}
	return taken > most || (!known && unknown > without_kept(most));
}

enum crowd prelogin_crowd(const struct connection_limits *t, const struct limits *limits,
	const struct client_networks *n, uint64_t now)
{
	bool known = network_is_known(t, n);

	if (connections_counted(t) >
		(known ? limits->connections : without_kept(limits->connections)))
		return CROWD_ALL;
	if (known ? known_has_its_share(t, limits->connections_per_ip, n, now)
		  : has_its_share(t, limits->connections_per_ip, n, now))
		return CROWD_NETWORK;
	return is_full(t, limits, known) ? CROWD_MEMORY : CROWD_NONE;
}

void prelogin_add_places(
	struct connection_limits *t, unsigned worker, bool known, int change)
{
	struct prelogin_counts *row = &t->rows[worker].prelogin;

	change_by(&row->places, change);
	if (!known)
		change_by(&row->unknown_places, change);
}

void prelogin_add_waiting(struct connection_limits *t, unsigned worker,
	const struct client_networks *n, int change)
{
	for (int i = 0; i < NETWORK_SCOPES; i++)
		change_by(&t->rows[worker].prelogin.waiting[n->bucket[i]], change);
}
