/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

socklen_t address_length(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_UNIX)
		return sizeof(struct sockaddr_un);
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
	                               : sizeof(struct sockaddr_in6);
}

bool address_read(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a = { 0 };

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) == 1)
		a.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr) == 1)
		a.ss_family = AF_INET6;
	else
		return false;
	*ret = a;
	return true;
}

bool address_from_socket(const struct sockaddr *a, struct sockaddr_storage *ret)
{
	struct sockaddr_storage copy = { .ss_family = a->sa_family };

	if (a->sa_family != AF_INET && a->sa_family != AF_INET6)
		return false;
	memcpy(&copy, a, address_length(&copy));
	*ret = copy;
	return true;
}

void address_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

struct str address_bytes(const struct sockaddr_storage *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

	return a->ss_family == AF_INET ? str_of(&v4->sin_addr, sizeof(v4->sin_addr))
	                               : str_of(&v6->sin6_addr, sizeof(v6->sin6_addr));
}

void address_from_bytes(int family, const void *bytes, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };
	struct str to = address_bytes(&a);

	memcpy((void *)(uintptr_t)to.ptr, bytes, to.len);
	*ret = a;
}

bool address_is_same_host(
	const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	return a->ss_family == b->ss_family && str_eq(address_bytes(a), address_bytes(b));
}

bool address_from_path(const char *path, struct sockaddr_storage *ret)
{
	struct sockaddr_un *to = (struct sockaddr_un *)ret;
	size_t len = strlen(path);

	if (*path != '/' || len < 2 || len >= sizeof(to->sun_path))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
			return false;
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, path, len + 1);
	return true;
}
