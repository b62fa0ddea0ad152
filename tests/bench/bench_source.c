/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An old server that answers at once: what the relay bench puts behind each contender, so
 * that only the contender's work differs.
 *
 *   bench_source ADDRESS PORT
 *
 * Speaks just enough IMAP: any LOGIN or AUTHENTICATE PLAIN is right, NOOP is OK, and
 * "UID FETCH n BULK" answers with a literal of n MiB. Bound to an IPv4 or IPv6 address;
 * one process, epoll, ends by SIGTERM.
 */
#include "bench_net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING                                                                         \
	"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN] ready\r\n"
#define CAPABILITIES "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN\r\n"
#define LINE_SPACE 4096    /* our own client's commands are short */
#define PIECE (256 * 1024) /* of a bulk answer: one write */
#define EVENTS 256

struct peer {
	int fd;
	size_t have;
	uint64_t bulk_left; /* bytes of the literal still to send */
	bool continues;     /* inside a command with a synchronizing literal */
	char tag[32];
	char in[LINE_SPACE];
};

static char piece[PIECE];

static void answer(const struct peer *p, const char *text)
{
	if (write(p->fd, text, strlen(text)) < 0)
		return; /* the next read tells */
}

static void tagged(const struct peer *p, const char *text)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "%s OK %s\r\n", p->tag, text);
	answer(p, line);
}

static void send_bulk(struct peer *p)
{
	while (p->bulk_left) {
		size_t n = p->bulk_left < PIECE ? (size_t)p->bulk_left : PIECE;
		ssize_t sent = write(p->fd, piece, n);

		if (sent < 0)
			return; /* EAGAIN: EPOLLOUT calls again */
		p->bulk_left -= (uint64_t)sent;
	}
	answer(p, ")\r\n");
	tagged(p, "done");
}

static void begin_bulk(struct peer *p, const char *arguments)
{
	char line[96];

	p->bulk_left = strtoull(arguments, NULL, 10) << 20;
	(void)snprintf(line, sizeof(line), "* 1 FETCH (UID 1 BODY[] {%llu}\r\n",
		(unsigned long long)p->bulk_left);
	answer(p, line);
	send_bulk(p);
}

/* A line that ends in {n} (nginx logs in so): "+", and the next line belongs to it. */
static bool is_continued(struct peer *p, const char *line)
{
	size_t len = strlen(line);

	if (!len || line[len - 1] != '}' || line[len - 2] == '+')
		return false;
	answer(p, "+ OK\r\n");
	p->continues = true;
	return true;
}

static void command(struct peer *p, char *line)
{
	char *name = p->continues ? NULL : strchr(line, ' ');
	bool more = is_continued(p, line);

	if (!name) {
		if (p->continues && !more) {
			p->continues = false;
			tagged(p, "done");
		}
		return;
	}
	*name++ = '\0';
	(void)snprintf(p->tag, sizeof(p->tag), "%.31s", line);
	if (more)
		return;
	if (strncasecmp(name, "UID FETCH ", 10) == 0) {
		begin_bulk(p, name + 10);
	} else if (strncasecmp(name, "CAPABILITY", 10) == 0) {
		answer(p, CAPABILITIES);
		tagged(p, "done");
	} else if (strncasecmp(name, "LOGOUT", 6) == 0) {
		answer(p, "* BYE bye\r\n");
		tagged(p, "done");
		(void)shutdown(p->fd, SHUT_WR);
	} else {
		tagged(p, "done");
	}
}

/* false: the peer is gone. */
static bool readable(struct peer *p)
{
	ssize_t n = read(p->fd, p->in + p->have, sizeof(p->in) - 1 - p->have);
	char *line = p->in, *end;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	p->have += (size_t)n;
	p->in[p->have] = '\0';
	while ((end = strstr(line, "\r\n"))) {
		*end = '\0';
		command(p, line);
		line = end + 2;
	}
	p->have -= (size_t)(line - p->in);
	memmove(p->in, line, p->have);
	return p->have < sizeof(p->in) - 1;
}

static void welcome(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));
		struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
			.data.ptr = p };

		if (!p)
			die("out of memory");
		p->fd = fd;
		no_delay(fd);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			die("epoll_ctl");
		answer(p, GREETING);
	}
}

static void serve(struct peer *p, uint32_t events)
{
	bool alive = true;

	if (events & EPOLLIN)
		alive = readable(p);
	if (alive && (events & EPOLLOUT) && p->bulk_left)
		send_bulk(p);
	if (!alive || (events & (EPOLLHUP | EPOLLERR))) {
		close(p->fd);
		free(p);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct epoll_event event = { .events = EPOLLIN };
	int listener, epoll;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: bench_source ADDRESS PORT\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a client that has gone */
	listener = listen_on(argv[1], argv[2]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		die("epoll");
	memset(piece, 'x', sizeof(piece));
	for (size_t i = 77; i < sizeof(piece); i += 78)
		piece[i] = '\n';
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(events[i].data.ptr, events[i].events);
			else
				welcome(epoll, listener);
		}
	}
}
