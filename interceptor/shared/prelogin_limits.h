/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SHARED_PRELOGIN_LIMITS_H
#define INTERCEPTOR_SHARED_PRELOGIN_LIMITS_H
/*
 * What connections that have not logged in may take, over all workers. Failures are
 * limited, not numbers: an office behind one address is not an attack.
 *
 * Memory is one budget (`limits.prelogin_bytes`) in places of 16 KiB. A connection takes
 * one with its first byte, or more when it needs more, until its login was right. A
 * quarter of the places, and of all connections (`limits.connections`), is kept for known
 * networks (known_networks.h). What is left goes to those who come: the oldest in which
 * nothing is under way makes room.
 *
 * A network that is not known has at most `limits.connections_per_ip` connections that
 * have not logged in, by address (IPv6: /64); the networks around it (/24; /56 and /48)
 * have four times as many. Failures (a wrong password, a connection that let its time run
 * out) make that less, down to a few; right logins count against them, and half is
 * forgotten every five minutes. From a known network an address is limited only when it
 * fails many times more often than it succeeds, and never to a few. Those that are held
 * while their account switches are not counted.
 */
#include "interceptor/shared/known_networks.h"

struct connection_limits;
struct limits;

#define PRELOGIN_PLACE 16384 /* bytes */

/* What a worker counts: a row of the shared memory, which only it writes. */
struct prelogin_counts {
	uint32_t places;         /* taken */
	uint32_t unknown_places; /* of them, from networks that are not known */
	uint32_t waiting[NETWORK_BUCKETS];
	uint64_t failures[NETWORK_BUCKETS]; /* second of the last one << 32, how many */
};

enum crowd {
	CROWD_NONE,
	CROWD_NETWORK, /* that network has its share */
	CROWD_ALL,     /* there are as many connections as there may be */
	CROWD_MEMORY,  /* there is no place left for it */
};

/* Whether one more may stay that is counted already. now: s. */
enum crowd prelogin_crowd(const struct connection_limits *t, const struct limits *limits,
	const struct client_networks *n, uint64_t now);

/* Changes of the worker's own row. */
void prelogin_add_places(
	struct connection_limits *t, unsigned worker, bool known, int change);
void prelogin_add_waiting(struct connection_limits *t, unsigned worker,
	const struct client_networks *n, int change);
/* A connection has failed, or has logged in. now: s. */
void prelogin_failed(struct connection_limits *t, unsigned worker,
	const struct client_networks *n, uint64_t now);
void prelogin_succeeded(struct connection_limits *t, unsigned worker,
	const struct client_networks *n, uint64_t now);

#endif
