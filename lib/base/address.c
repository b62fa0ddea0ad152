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

void address_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
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
