/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/shared/known_networks.h"

#include "interceptor/shared/connection_limits.h"
#include "registry/registry.h"
#include "settings/settings.h"

#include <string.h>

#define WAYS 4
#define RECALLED_MS (UINT64_C(90) * 86400000) /* a summer, a leave */

static uint64_t *first_way(const struct connection_limits *t, uint64_t site)
{
	return &t->known->sites[site / 2 % (KNOWN_NETWORKS / WAYS) * WAYS];
}

bool network_is_known(const struct connection_limits *t, const struct client_networks *n)
{
	const uint64_t *way = first_way(t, n->site);

	for (int i = 0; i < WAYS; i++)
		if (__atomic_load_n(&way[i], __ATOMIC_RELAXED) == n->site)
			return true;
	return false;
}

/* Where all ways are taken, the newest is kept first: the oldest goes. */
void network_remember(struct connection_limits *t, const struct client_networks *n)
{
	uint64_t *way = first_way(t, n->site);

	if (network_is_known(t, n))
		return;
	for (int i = WAYS - 1; i > 0; i--)
		__atomic_store_n(&way[i], way[i - 1], __ATOMIC_RELAXED);
	__atomic_store_n(&way[0], n->site, __ATOMIC_RELAXED);
}

/* As client_text() writes it: "192.0.2.1", "2001:db8::/64". */
static bool read_address(struct str text, struct sockaddr_storage *ret)
{
	struct str host = str_split(&text, '/');
	char name[INET6_ADDRSTRLEN];

	if (host.len >= sizeof(name))
		return false;
	memcpy(name, host.ptr, host.len);
	name[host.len] = '\0';
	return address_read(name, ret);
}

struct recall {
	struct connection_limits *limits;
	int n;
};

static int recall(void *context, struct str address)
{
	struct recall *all = context;
	struct sockaddr_storage client = { 0 };
	struct client_networks n;

	if (!read_address(address, &client))
		return 0;
	n = client_networks(all->limits->key, (const struct sockaddr *)&client);
	network_remember(all->limits, &n);
	all->n++;
	return 0;
}

int networks_recall(struct connection_limits *t, struct registry *r, struct error *err)
{
	struct recall all = { t, 0 };
	int code =
		registry_each_client(r, RECALLED_MS, KNOWN_NETWORKS, recall, &all, err);

	return code < 0 ? code : all.n;
}
