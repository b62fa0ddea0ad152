/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/host_port.h"

#include "base/address.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

int host_read(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a;
	const struct in6_addr *v6 = &((struct sockaddr_in6 *)&a)->sin6_addr;

	if (!address_read(text, &a))
		return -EINVAL;
	if (a.ss_family == AF_INET) {
		uint32_t host = ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr);

		if (host >> 24 == 0 || host >> 28 >= 0xe)
			return -EINVAL;
	} else if (IN6_IS_ADDR_UNSPECIFIED(v6) || IN6_IS_ADDR_MULTICAST(v6) ||
		   IN6_IS_ADDR_V4MAPPED(v6) || IN6_IS_ADDR_LINKLOCAL(v6)) {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

/* "", or ":25". */
static int take_port(const char *text, uint16_t *port)
{
	uint32_t number;

	if (!*text)
		return 0;
	if (*text != ':' || !str_to_u32(str_from(text + 1), &number) || !number ||
		number > 65535)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

/* A bare IPv6 address has no port: its colons are its own. */
int host_port_parse(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	char host[INET6_ADDRSTRLEN];
	bool is_quoted = *text == '[';
	size_t len = strcspn(text, is_quoted ? "]" : ":");
	bool is_open = is_quoted && !text[len];
	const char *rest = text + len + (is_quoted && !is_open);

	if (!is_quoted && host_read(text, ret) == 0) {
		address_set_port(ret, port);
		return 0;
	}
	text += is_quoted;
	len -= is_quoted;
	if (is_open || len >= sizeof(host) || take_port(rest, &port) < 0)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (host_read(host, ret) < 0 || (ret->ss_family == AF_INET6) != is_quoted)
		return -EINVAL;
	address_set_port(ret, port);
	return 0;
}
