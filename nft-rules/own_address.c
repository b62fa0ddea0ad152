/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/own_address.h"

#include "nft-rules/gateway.h"
#include "settings/settings.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

static const void *address_of(const struct sockaddr *a)
{
	return a->sa_family == AF_INET
	               ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
	               : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;
}

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
	size_t len = a->sa_family == AF_INET ? sizeof(struct in_addr)
	                                     : sizeof(struct in6_addr);

	return a->sa_family == b->sa_family &&
	       (a->sa_family == AF_INET || a->sa_family == AF_INET6) &&
	       !memcmp(address_of(a), address_of(b), len);
}

static const struct ifaddrs *find(
	const struct ifaddrs *all, const struct sockaddr *source)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		if (i->ifa_addr && is_same(i->ifa_addr, source))
			return i;
	return NULL;
}

int own_address_refuse(const struct ruleset *r, struct error *err)
{
	struct ifaddrs *all;
	int code = 0;

	if (r->n_upstreams)
		return 0; /* taken over; the source has another one */
	if (getifaddrs(&all) < 0)
		return error_errno(err, -errno, "reading this host's addresses");
	for (size_t i = 0; i < r->n_sources && !code; i++) {
		const struct sockaddr *source = (const struct sockaddr *)&r->sources[i];
		const struct ifaddrs *own = find(all, source);
		char text[ADDRESS_TEXT_MAX];

		address_text(&r->sources[i], text);
		if (own)
			code = error_set(err, -EADDRINUSE,
				"source %s is an address of this host (%s): set `source` "
				"to the address that the old server has itself, behind "
				"any DNAT",
				text, own->ifa_name);
	}
	freeifaddrs(all);
	return code;
}

static bool is_within(
	const struct sockaddr *a, const struct sockaddr *own, const struct sockaddr *mask)
{
	const unsigned char *x = address_of(a), *y = address_of(own);
	const unsigned char *m = address_of(mask);
	size_t len = a->sa_family == AF_INET ? sizeof(struct in_addr)
	                                     : sizeof(struct in6_addr);

	for (size_t i = 0; i < len; i++)
		if ((x[i] ^ y[i]) & m[i])
			return false;
	return true;
}

unsigned own_interface_near(const struct sockaddr_storage *a)
{
	const struct sockaddr *address = (const struct sockaddr *)a;
	struct ifaddrs *all;
	unsigned number = 0;

	if (gateway_interface_to(a, &number) == 0)
		return number;
	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i && !number; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_netmask &&
			i->ifa_addr->sa_family == address->sa_family &&
			is_within(address, i->ifa_addr, i->ifa_netmask) &&
			gateway_has_links(if_nametoindex(i->ifa_name)))
			number = if_nametoindex(i->ifa_name);
	freeifaddrs(all);
	return number;
}
