/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SHARED_KNOWN_NETWORKS_H
#define INTERCEPTOR_SHARED_KNOWN_NETWORKS_H
/*
 * The networks that somebody logged in from: where accounts live. Nothing but a login
 * that was right makes one known.
 *
 * They are in the memory that the workers share. The registry keeps the addresses
 * (registry_each_client()), by which the master fills it when it starts: on the morning
 * after a restart an office is no stranger.
 */
#include "base/error.h"
#include "interceptor/shared/client_networks.h"

struct connection_limits;
struct registry;

#define KNOWN_NETWORKS 16384 /* 128 KiB */

/* By client_networks.site. All workers write. */
struct known_networks {
	uint64_t sites[KNOWN_NETWORKS];
};

bool network_is_known(const struct connection_limits *t, const struct client_networks *n);
void network_remember(struct connection_limits *t, const struct client_networks *n);

/* Those of the last months, as many as fit; how many addresses that were, or -errno. */
int networks_recall(struct connection_limits *t, struct registry *r, struct error *err);

#endif
