/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/prefix.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_zero_behind(const struct prefix *p, size_t bytes)
{
	for (size_t bit = p->len; bit < bytes * 8; bit++)
		if (p->address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	struct prefix p = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	size_t bytes = p.family == AF_INET ? 4 : 16;
	struct str rest = str_from(text), address = str_split(&rest, '/');
	char copy[PREFIX_TEXT_MAX];
	uint32_t len = (uint32_t)bytes * 8;

	if (address.len >= sizeof(copy))
		return -EINVAL;
	(void)snprintf(copy, sizeof(copy), "%.*s", STR_ARG(address));
	if (inet_pton(p.family, copy, p.address) != 1)
		return -EINVAL;
	if (strchr(text, '/') && (!str_to_u32(rest, &len) || len > bytes * 8))
		return -EINVAL;
	p.len = (uint8_t)len;
	if (!is_zero_behind(&p, bytes))
		return -EINVAL;
	*ret = p;
	return 0;
}

void prefix_text(const struct prefix *p, char ret[static PREFIX_TEXT_MAX])
{
	char address[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(p->family, p->address, address, sizeof(address));
	(void)snprintf(ret, PREFIX_TEXT_MAX, "%s/%u", address, p->len);
}
