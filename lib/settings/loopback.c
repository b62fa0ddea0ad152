/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/loopback.h"

#include "base/address.h"
#include "settings/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define UNIX_BEGIN "unix:"

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 ==
		       IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* IPv6 stands in brackets, since its colons are its own. */
static int take_address(const char *text, struct sockaddr_storage *ret)
{
	char host[INET6_ADDRSTRLEN];
	bool is_quoted = *text == '[';
	const char *begin = text + is_quoted;
	const char *end = begin + strcspn(begin, is_quoted ? "]" : ":");
	const char *colon = end + (is_quoted && *end == ']');
	uint32_t port;

	if ((size_t)(end - begin) >= sizeof(host) || *colon != ':' ||
		!str_to_u32(str_from(colon + 1), &port) || !port || port > 65535)
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (!address_read(host, ret) || (ret->ss_family == AF_INET6) != is_quoted)
		return -EINVAL;
	address_set_port(ret, (uint16_t)port);
	return is_loopback(ret) ? 0 : -EACCES;
}

int loopback_parse(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	int r = 0;

	if (strncmp(text, UNIX_BEGIN, strlen(UNIX_BEGIN)) == 0)
		r = address_from_path(text + strlen(UNIX_BEGIN), &a) ? 0 : -EINVAL;
	else if (*text)
		r = take_address(text, &a);
	if (r == 0)
		*ret = a;
	return r;
}
