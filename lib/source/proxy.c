/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* ---- version 1: a line ---- */

static unsigned port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6
			     ? ((const struct sockaddr_in6 *)a)->sin6_port
			     : ((const struct sockaddr_in *)a)->sin_port);
}

static size_t write_line(const struct sockaddr_storage *client,
	const struct sockaddr_storage *wanted, char ret[static SOURCE_PROXY_MAX])
{
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	int n;

	if (!client) {
		n = snprintf(ret, SOURCE_PROXY_MAX, "PROXY UNKNOWN\r\n");
	} else {
		address_text(client, from);
		address_text(wanted, to);
		n = snprintf(ret, SOURCE_PROXY_MAX, "PROXY TCP%c %s %s %u %u\r\n",
			client->ss_family == AF_INET6 ? '6' : '4', from, to,
			port_of(client), port_of(wanted));
	}
	return n > 0 && n < SOURCE_PROXY_MAX ? (size_t)n : 0;
}

/* ---- version 2: bytes ---- */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n"; /* without a NUL behind it */

enum command { LOCAL = 0x20, PROXY = 0x21 };           /* version and command */
enum kind { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21 }; /* family and protocol */

static char *put(char *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static char *put_addresses(char *at, const struct sockaddr_storage *client,
	const struct sockaddr_storage *wanted)
{
	const struct sockaddr_in6 *from6 = (const void *)client,
				  *to6 = (const void *)wanted;
	const struct sockaddr_in *from4 = (const void *)client,
				 *to4 = (const void *)wanted;
	bool is_v6 = client->ss_family == AF_INET6;

	if (is_v6) {
		at = put(at, &from6->sin6_addr, sizeof(from6->sin6_addr));
		at = put(at, &to6->sin6_addr, sizeof(to6->sin6_addr));
		at = put(at, &from6->sin6_port, sizeof(from6->sin6_port));
		return put(at, &to6->sin6_port, sizeof(to6->sin6_port));
	}
	at = put(at, &from4->sin_addr, sizeof(from4->sin_addr));
	at = put(at, &to4->sin_addr, sizeof(to4->sin_addr));
	at = put(at, &from4->sin_port, sizeof(from4->sin_port));
	return put(at, &to4->sin_port, sizeof(to4->sin_port));
}

static size_t write_bytes(const struct sockaddr_storage *client,
	const struct sockaddr_storage *wanted, char ret[static SOURCE_PROXY_MAX])
{
	char *at = put(ret, signature, sizeof(signature)), *block = at + 4, *end = block;

	at[0] = client ? PROXY : LOCAL;
	at[1] = !client ? UNSPEC : client->ss_family == AF_INET6 ? TCP6 : TCP4;
	if (client)
		end = put_addresses(block, client, wanted);
	at[2] = 0; /* the length of what follows, below 256 */
	at[3] = (char)(end - block);
	return (size_t)(end - ret);
}

size_t source_proxy_header(enum source_proxy version,
	const struct sockaddr_storage *client, const struct sockaddr_storage *wanted,
	char ret[static SOURCE_PROXY_MAX])
{
	switch (version) {
	case SOURCE_PROXY_V1:
		return write_line(client, wanted, ret);
	case SOURCE_PROXY_V2:
		return write_bytes(client, wanted, ret);
	case SOURCE_PROXY_NO:
		break;
	}
	return 0;
}

int source_proxy_begin(const struct settings *s, enum service_id service,
	const struct sockaddr_storage *client, const struct sockaddr_storage *wanted,
	struct stream *plain)
{
	enum source_proxy version = s->services[service].source_proxy;
	char header[SOURCE_PROXY_MAX];
	size_t len;

	if (version == SOURCE_PROXY_NO)
		return 0;
	len = source_proxy_header(version, client, wanted, header);
	return len ? stream_plain_open_with(plain, str_of(header, len)) : -EINVAL;
}
