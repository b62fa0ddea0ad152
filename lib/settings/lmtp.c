/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/lmtp.h"

#include "base/address.h"
#include "settings/loopback.h"

#include <errno.h>
#include <string.h>

#define TCP_PREFIX "inet:"

int lmtp_address_parse(const char *text, struct sockaddr_storage *ret)
{
	bool is_tcp = strncmp(text, TCP_PREFIX, strlen(TCP_PREFIX)) == 0;

	if (*text == '/')
		return address_from_path(text, ret) ? 0 : -EINVAL;
	if (is_tcp)
		text += strlen(TCP_PREFIX);
	if (!*text || listen_parse(text, ret) < 0 ||
		(is_tcp && ret->ss_family == AF_UNIX))
		return -EINVAL;
	return 0;
}

/* ---- clients ---- */

struct network {
	struct sockaddr_storage address;
	uint32_t bits;
};

static int read_network(const char *text, struct network *ret)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	uint32_t most;

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!address_read(host, &ret->address))
		return -EINVAL;
	most = ret->address.ss_family == AF_INET6 ? 128 : 32;
	ret->bits = most;
	if (text[len] &&
		(!str_to_u32(str_from(text + len + 1), &ret->bits) || ret->bits > most))
		return -EINVAL;
	return 0;
}

int lmtp_client_parse(const char *text)
{
	struct network n;

	return read_network(text, &n);
}

static bool is_in(const struct sockaddr_storage *a, const struct network *n)
{
	const unsigned char *x = (const void *)address_bytes(a).ptr;
	const unsigned char *y = (const void *)address_bytes(&n->address).ptr;
	size_t whole = n->bits / 8;
	unsigned rest = n->bits % 8;

	return a->ss_family == n->address.ss_family && memcmp(x, y, whole) == 0 &&
	       (!rest || ((x[whole] ^ y[whole]) >> (8 - rest)) == 0);
}

bool networks_have(const struct settings_files *list, const struct sockaddr_storage *a)
{
	struct network n;

	if (a->ss_family != AF_INET && a->ss_family != AF_INET6)
		return false;
	for (size_t i = 0; i < list->n; i++)
		if (read_network(list->paths[i], &n) == 0 && is_in(a, &n))
			return true;
	return false;
}

bool lmtp_may_connect(const struct settings *s, const struct sockaddr_storage *client)
{
	if (client->ss_family != AF_INET && client->ss_family != AF_INET6)
		return false;
	return address_is_loopback(client) || networks_have(&s->lmtp_clients, client);
}

int lmtp_check(const struct settings *s, struct error *err)
{
	struct sockaddr_storage a;

	for (size_t i = 0; i < s->lmtp.n; i++) {
		const char *text = s->lmtp.paths[i];

		if (lmtp_address_parse(text, &a) < 0 || a.ss_family == AF_UNIX ||
			address_is_loopback(&a) || s->lmtp_clients.n)
			continue;
		return error_set(err, -EINVAL,
			"`lmtp`: other hosts reach \"%s\"; name those that may hand "
			"over mail:  lmtp_clients = {\"192.0.2.20\"}",
			text);
	}
	return 0;
}
