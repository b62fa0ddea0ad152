/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/sockets/source.h"

#include "base/fd.h"
#include "source/client_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096       /* a morning's worth of phones; the kernel caps it */
#define KEEPALIVE_IDLE 600 /* s; clients that vanished must not keep an account here */
#define KERNEL_TRIES 3     /* with ports of the kernel's, which may be the client's own */

socklen_t endpoint_length(const union endpoint *e)
{
	return e->any.sa_family == AF_INET6 ? sizeof(e->v6) : sizeof(e->v4);
}

static in_port_t *port_of(union endpoint *e)
{
	return e->any.sa_family == AF_INET6 ? &e->v6.sin6_port : &e->v4.sin_port;
}

uint16_t endpoint_port(const union endpoint *e)
{
	union endpoint copy = *e;

	return ntohs(*port_of(&copy));
}

static struct sockaddr_storage storage_of(const union endpoint *e)
{
	struct sockaddr_storage a = { 0 };

	memcpy(&a, e, endpoint_length(e));
	return a;
}

void endpoint_text(const union endpoint *e, char text[static ADDRESS_TEXT_MAX])
{
	struct sockaddr_storage a = storage_of(e);

	if (a.ss_family == AF_UNIX)
		(void)snprintf(text, ADDRESS_TEXT_MAX, "local");
	else
		address_port_text(&a, text);
}

void endpoint_address_text(const union endpoint *e, char text[static ADDRESS_TEXT_MAX])
{
	struct sockaddr_storage a = storage_of(e);

	address_text(&a, text);
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static void tune(int fd)
{
	/* none of these failing is worth losing the connection */
	(void)set_option(fd, SOL_TCP, TCP_NODELAY, 1);
	(void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	(void)set_option(fd, SOL_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
}

static int listener_options(int fd, int family, uint32_t mark)
{
	int r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r == 0)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0 && family == AF_INET6)
		r = set_option(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	if (r == 0)
		r = client_address_allow(fd, family);
	if (r == 0)
		r = set_option(fd, SOL_SOCKET, SO_MARK, (int)mark);
	if (r == 0)
		tune(fd); /* accepted sockets inherit it */
	return r;
}

static union endpoint any_address(int family, uint16_t port)
{
	union endpoint e = { 0 };

	e.any.sa_family = (sa_family_t)family;
	if (family == AF_INET6)
		e.v6.sin6_port = htons(port);
	else
		e.v4.sin_port = htons(port);
	return e;
}

int source_listen(int family, uint16_t port, uint32_t mark, struct error *err)
{
	CLEANUP(fd_closep)
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	union endpoint here = any_address(family, port);
	int r;

	if (fd < 0)
		return error_errno(err, -errno, "cannot make a socket");
	r = listener_options(fd, family, mark);
	if (r == -EPERM)
		return error_set(err, r,
			"no right to intercept connections: run as root, or with "
			"CAP_NET_RAW (Linux 5.17 or newer)");
	if (r < 0)
		return error_errno(err, r, "cannot prepare a transparent listener");
	if (bind(fd, &here.any, endpoint_length(&here)) < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(err, -errno, "cannot listen on port %u", port);
	/* A client's first words are acknowledged with their answer, or 40 ms later, as
	   all others are: a packet less. Accepted sockets inherit it, if it comes after
	   listen(). */
	(void)set_option(fd, SOL_TCP, TCP_QUICKACK, 0);
	return fd_steal(&fd);
}

static bool same_address(const union endpoint *e, const struct sockaddr_storage *a)
{
	union endpoint other;

	if (e->any.sa_family != a->ss_family)
		return false;
	memcpy(&other, a, sizeof(other));
	if (a->ss_family == AF_INET6)
		return memcmp(&e->v6.sin6_addr, &other.v6.sin6_addr,
			       sizeof(other.v6.sin6_addr)) == 0;
	return e->v4.sin_addr.s_addr == other.v4.sin_addr.s_addr;
}

bool source_is(const struct settings *settings, const union endpoint *destination)
{
	for (size_t i = 0; i < settings->n_sources; i++)
		if (same_address(destination, &settings->sources[i]))
			return true;
	return false;
}

int source_address(const struct settings *settings, enum service_id service,
	const union endpoint *destination, union endpoint *ret)
{
	const char *moved = settings->source_moved_to;
	union endpoint e = *destination;

	if (moved && *moved) {
		struct sockaddr_storage a;

		if (!address_read(moved, &a))
			return -EINVAL;
		memcpy(&e, &a, sizeof(e));
	}
	*port_of(&e) = htons(settings->services[service].upstream_port);
	*ret = e;
	return 0;
}

static int bind_as(int fd, const union endpoint *client, unsigned nth)
{
	struct sockaddr_storage from = storage_of(client);

	return client_address_bind(fd, &from, nth);
}

/* Whether the kernel chose the client's own port. */
static bool port_clashes(int fd, const union endpoint *client)
{
	union endpoint here = { 0 };
	socklen_t len = sizeof(here);

	return getsockname(fd, &here.any, &len) == 0 &&
	       endpoint_port(&here) == endpoint_port(client);
}

static int connect_once(
	const union endpoint *source, const union endpoint *client, unsigned nth)
{
	CLEANUP(fd_closep)
	int fd = socket(
		source->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && client)
		r = bind_as(fd, client, nth);
	if (r < 0)
		return r;
	tune(fd);
	if (connect(fd, &source->any, endpoint_length(source)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	if (client && nth >= CLIENT_ADDRESS_TRIES && port_clashes(fd, client))
		return -EADDRINUSE;
	return fd_steal(&fd);
}

int source_connect(const union endpoint *source, const union endpoint *client)
{
	int r = -EADDRINUSE;

	for (unsigned i = 0; i < CLIENT_ADDRESS_TRIES + KERNEL_TRIES &&
			     (r == -EADDRINUSE || r == -EADDRNOTAVAIL);
		i++)
		r = connect_once(source, client, i);
	return r;
}
