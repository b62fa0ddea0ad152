/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H
/* Addresses of sockets: IPv4, IPv6, and the path of a UNIX socket. */
#include "base/str.h"

#include <sys/socket.h>

/* As bind(2) and connect(2) want it. */
socklen_t address_length(const struct sockaddr_storage *a);
/* "192.0.2.1" or "2001:db8::1", without a port; false: it is neither. */
bool address_read(const char *text, struct sockaddr_storage *ret);
/* False: it is not absolute, too long for a socket, or has control characters. */
bool address_from_path(const char *path, struct sockaddr_storage *ret);

/* ---- IPv4 and IPv6 alone ---- */

/* Of what the kernel or the resolver tells; false: it is of another family. */
bool address_from_socket(const struct sockaddr *a, struct sockaddr_storage *ret);
void address_set_port(struct sockaddr_storage *a, uint16_t port);
/* Its 4 or 16 bytes, in network order: a view into it. */
struct str address_bytes(const struct sockaddr_storage *a);
/* Of so many bytes, without a port. */
void address_from_bytes(int family, const void *bytes, struct sockaddr_storage *ret);
/* Whether both are one host's, whatever their ports. */
bool address_is_same_host(
	const struct sockaddr_storage *a, const struct sockaddr_storage *b);

#endif
