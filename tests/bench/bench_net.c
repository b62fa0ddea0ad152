/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench_net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG 4096 /* the login bench opens many at once */

_Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(address, port, &hints, &found) != 0) {
		(void)fprintf(stderr, "%s port %s: not an address\n", address, port);
		exit(2);
	}
	return found;
}

int listen_on(const char *address, const char *port)
{
	struct addrinfo *at = resolve(address, port);
	int on = 1;
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		die("listen");
	freeaddrinfo(at);
	return fd;
}

int connect_to(const char *address, const char *port)
{
	struct addrinfo *at = resolve(address, port);
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) < 0)
		die("connect");
	freeaddrinfo(at);
	no_delay(fd);
	return fd;
}

void be_transparent(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0)
		die("IP_TRANSPARENT");
}

/* A port that the client does not use itself: to connection tracking both connections
   would be one, and it would drop a SYN (lib/source/client_address.c). */
static void bind_to(int fd, const struct sockaddr_in *from)
{
	struct sockaddr_in at = *from;
	unsigned port = ntohs(from->sin_port), tries = 4;
	int on = 1, r = -1;

	be_transparent(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		die("SO_REUSEADDR");
	for (; r < 0 && tries; tries--, port += 7919) {
		at.sin_port = htons((in_port_t)(10000 + port % 22768));
		r = bind(fd, (const struct sockaddr *)&at, sizeof(at));
	}
	if (r < 0)
		die("bind");
}

int begin_connect(const struct sockaddr_in *from, const char *address, const char *port)
{
	struct addrinfo *at = resolve(address, port);
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	no_delay(fd);
	if (from)
		bind_to(fd, from);
	if (connect(fd, at->ai_addr, at->ai_addrlen) < 0 && errno != EINPROGRESS)
		die("connect");
	freeaddrinfo(at);
	return fd;
}

void no_delay(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("TCP_NODELAY");
}

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t now_us(void)
{
	return now_ns() / 1000;
}
