/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The least that an event loop can do: accept, connect, and for each event one recv()
 * and one send(). It has no timer, reads nothing along, and lets all wait for a slow
 * reader: no relay for anybody, but in the relay bench the limit for those that have a
 * socket on either side.
 *
 *   loop_relay ADDRESS PORT TO_ADDRESS TO_PORT [transparent]
 *
 * transparent: for diverted clients, and to the source from their addresses (IPv4).
 */
#include "bench_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 16384
#define EVENTS 256

struct end {
	int fd;
	struct end *other;
	struct pair *pair;
};

struct pair {
	struct end ends[2];
	bool is_over;
	struct pair *next_over;
};

static void watch(int epoll, struct end *e)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = e };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, e->fd, &event) < 0)
		die("epoll_ctl");
}

struct target {
	const char *address, *port;
	bool is_transparent;
};

static void welcome(int epoll, int listener, const struct target *to)
{
	struct sockaddr_in client;
	socklen_t len = sizeof(client);
	int fd = accept4(
		listener, (struct sockaddr *)&client, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct pair *p;

	if (fd < 0)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		die("out of memory");
	no_delay(fd);
	p->ends[0] = (struct end){ fd, &p->ends[1], p };
	p->ends[1] = (struct end){ begin_connect(to->is_transparent ? &client : NULL,
					   to->address, to->port),
		&p->ends[0], p };
	watch(epoll, &p->ends[0]);
	watch(epoll, &p->ends[1]);
}

static bool send_all(int fd, const char *bytes, size_t len)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0) {
			(void)poll(&room, 1, -1);
			continue;
		}
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* false: one side has ended. */
static bool pass(const struct end *e)
{
	static char piece[PIECE];
	ssize_t n = recv(e->fd, piece, sizeof(piece), 0);

	if (n > 0)
		return send_all(e->other->fd, piece, (size_t)n);
	return n < 0 && errno == EAGAIN;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct epoll_event event = { .events = EPOLLIN };
	struct target to = { .is_transparent = argc == 6 };
	int listener, epoll;

	if (argc != 5 && (argc != 6 || strcmp(argv[5], "transparent") != 0)) {
		(void)fprintf(stderr, "usage: loop_relay ADDRESS PORT TO_ADDRESS TO_PORT "
				      "[transparent]\n");
		return 2;
	}
	to.address = argv[3];
	to.port = argv[4];
	listener = listen_on(argv[1], argv[2]);
	if (to.is_transparent)
		be_transparent(listener);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		die("epoll");
	for (;;) {
		struct pair *over = NULL;
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct end *e = events[i].data.ptr;

			if (!e) {
				welcome(epoll, listener, &to);
			} else if (!e->pair->is_over && !pass(e)) {
				e->pair->is_over = true;
				e->pair->next_over = over;
				over = e->pair;
			}
		}
		while (over) {
			struct pair *p = over;

			over = p->next_over;
			close(p->ends[0].fd);
			close(p->ends[1].fd);
			free(p);
		}
	}
}
