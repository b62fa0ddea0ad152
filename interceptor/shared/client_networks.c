/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/shared/client_networks.h"

#include <netinet/in.h>
#include <string.h>

static const struct scope_row {
	uint8_t bytes_v4, bytes_v6; /* of the address */
} scopes[NETWORK_SCOPES] = {
	[NETWORK_HOST] = { 4, 8 },
	[NETWORK_SITE] = { 3, 7 },
	[NETWORK_WIDE] = { 3, 6 },
};

struct address {
	const uint8_t *bytes;
	bool is_v6;
};

static struct address address_of(
	const struct sockaddr *client, struct sockaddr_in6 *v6, struct sockaddr_in *v4)
{
	if (client->sa_family != AF_INET6) {
		memcpy(v4, client, sizeof(*v4));
		return (struct address){ (const uint8_t *)&v4->sin_addr, false };
	}
	memcpy(v6, client, sizeof(*v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return (struct address){ v6->sin6_addr.s6_addr + 12, false };
	return (struct address){ v6->sin6_addr.s6_addr, true };
}

/* splitmix64: every bit of the address moves half of the result's. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t hash(uint64_t key, enum network_scope scope, struct address a)
{
	const struct scope_row *row = &scopes[scope];
	uint64_t part = 0;

	memcpy(&part, a.bytes, a.is_v6 ? row->bytes_v6 : row->bytes_v4);
	return mix(mix(key + (uint64_t)scope * 2 + a.is_v6) ^ part);
}

struct client_networks client_networks(uint64_t key, const struct sockaddr *client)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	struct address a = address_of(client, &v6, &v4);
	struct client_networks n = { .site = hash(key, NETWORK_SITE, a) | 1 };

	for (int i = 0; i < NETWORK_SCOPES; i++)
		n.bucket[i] =
			(uint32_t)(hash(key, (enum network_scope)i, a) % NETWORK_BUCKETS);
	return n;
}
