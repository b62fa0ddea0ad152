/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client of the relay bench. Prints one JSON object.
 *
 *   bench_client ADDRESS PORT bulk MIB            one session, one FETCH of MIB MiB
 *   bench_client ADDRESS PORT ping COUNT          one session, COUNT NOOPs, p50/p99
 *   bench_client ADDRESS PORT logins COUNT AT_ONCE USERS
 *       COUNT times connect, LOGIN, LOGOUT, close; AT_ONCE side by side; names u0..uUSERS
 */
#include "bench_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SPACE (1024 * 1024)
#define EVENTS 256

static char space[READ_SPACE];

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

/* Reads until the tail of what was read ends with a line that starts with `tag`. Returns
   all bytes read. */
static uint64_t until_tagged(int fd, const char *tag)
{
	size_t kept = 0; /* of the newest, unfinished line */
	uint64_t total = 0;

	for (;;) {
		ssize_t n = read(fd, space + kept, sizeof(space) - kept);
		char *start;

		if (n <= 0)
			die("the session ended");
		total += (uint64_t)n;
		kept += (size_t)n;
		if (space[kept - 1] == '\n') {
			start = memrchr(space, '\n', kept - 1);
			start = start ? start + 1 : space;
			if (strncmp(start, tag, strlen(tag)) == 0)
				return total;
		}
		start = memrchr(space, '\n', kept);
		start = start ? start + 1 : space;
		if (kept > sizeof(space) / 2) {
			kept -= (size_t)(start - space);
			memmove(space, start, kept);
		}
	}
}

static int log_in(const char *address, const char *port)
{
	int fd = connect_to(address, port);

	(void)until_tagged(fd, "* OK");
	say(fd, "a LOGIN bench secret\r\n");
	(void)until_tagged(fd, "a ");
	return fd;
}

static int bulk(const char *address, const char *port, const char *mib)
{
	int fd = log_in(address, port);
	char line[64];
	uint64_t begin, bytes, took;

	(void)snprintf(line, sizeof(line), "b UID FETCH %s BULK\r\n", mib);
	begin = now_us();
	say(fd, line);
	bytes = until_tagged(fd, "b ");
	took = now_us() - begin;
	(void)printf("{\"bytes\": %llu, \"seconds\": %.3f, \"mb_per_s\": %.1f}\n",
		(unsigned long long)bytes, (double)took / 1e6,
		(double)bytes / (double)took);
	close(fd);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int ping(const char *address, const char *port, size_t count)
{
	int fd = log_in(address, port);
	uint64_t *took = calloc(count, sizeof(*took));

	if (!took)
		die("out of memory");
	for (size_t i = 0; i < count; i++) {
		uint64_t begin = now_ns();

		say(fd, "c NOOP\r\n");
		(void)until_tagged(fd, "c ");
		took[i] = now_ns() - begin;
	}
	qsort(took, count, sizeof(*took), by_value);
	(void)printf("{\"count\": %zu, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", count,
		(double)took[count / 2] / 1e3, (double)took[count * 99 / 100] / 1e3);
	free(took);
	close(fd);
	return 0;
}

/* ── logins: one epoll loop, each connection a small dialogue ─────────────────────── */

enum step { GREETED, LOGGED_IN, LOGGED_OUT };

struct dialogue {
	int fd;
	size_t user;
	enum step waits_for;
	size_t have;
	char in[1024];
};

struct run {
	const char *address, *port;
	size_t to_start, users, started, done, failed;
	int epoll;
};

static void start(struct run *r)
{
	struct dialogue *d = calloc(1, sizeof(*d));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = d };

	if (!d)
		die("out of memory");
	d->fd = connect_to(r->address, r->port);
	d->user = r->started++ % r->users;
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, d->fd, &event) < 0)
		die("epoll_ctl");
}

static void end(struct run *r, struct dialogue *d, bool good)
{
	close(d->fd);
	free(d);
	if (good)
		r->done++;
	else
		r->failed++;
	if (r->started < r->to_start)
		start(r);
}

static void line_came(struct dialogue *d, const char *line)
{
	char text[96];

	if (d->waits_for == GREETED && strncmp(line, "* OK", 4) == 0) {
		(void)snprintf(text, sizeof(text), "a LOGIN u%zu secret%zu\r\n", d->user,
			d->user);
		say(d->fd, text);
		d->waits_for = LOGGED_IN;
	} else if (d->waits_for == LOGGED_IN && strncmp(line, "a OK", 4) == 0) {
		say(d->fd, "b LOGOUT\r\n");
		d->waits_for = LOGGED_OUT;
	}
}

static void readable(struct run *r, struct dialogue *d)
{
	ssize_t n = read(d->fd, d->in + d->have, sizeof(d->in) - 1 - d->have);
	char *line = d->in, *newline;

	if (n <= 0) {
		end(r, d, n == 0 && d->waits_for == LOGGED_OUT);
		return;
	}
	d->have += (size_t)n;
	d->in[d->have] = '\0';
	while ((newline = strchr(line, '\n'))) {
		line_came(d, line);
		line = newline + 1;
	}
	d->have -= (size_t)(line - d->in);
	memmove(d->in, line, d->have);
}

static int logins(struct run *r, size_t at_once)
{
	struct epoll_event events[EVENTS];
	uint64_t begin = now_us(), took;

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	while (r->started < at_once && r->started < r->to_start)
		start(r);
	while (r->done + r->failed < r->to_start) {
		int n = epoll_wait(r->epoll, events, EVENTS, 30000);

		if (n <= 0)
			die("no answer for 30 s");
		for (int i = 0; i < n; i++)
			readable(r, events[i].data.ptr);
	}
	took = now_us() - begin;
	(void)printf("{\"logins\": %zu, \"failed\": %zu, \"seconds\": %.3f, "
		     "\"logins_per_s\": %.0f}\n",
		r->done, r->failed, (double)took / 1e6,
		(double)r->done * 1e6 / (double)took);
	return r->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[3], "bulk") == 0)
		return bulk(argv[1], argv[2], argv[4]);
	if (argc == 5 && strcmp(argv[3], "ping") == 0)
		return ping(argv[1], argv[2], strtoul(argv[4], NULL, 10));
	if (argc == 7 && strcmp(argv[3], "logins") == 0) {
		struct run r = { .address = argv[1],
			.port = argv[2],
			.to_start = strtoul(argv[4], NULL, 10),
			.users = strtoul(argv[6], NULL, 10) };

		return logins(&r, strtoul(argv[5], NULL, 10));
	}
	(void)fprintf(stderr, "usage: bench_client ADDRESS PORT bulk MIB | ping COUNT | "
			      "logins COUNT AT_ONCE USERS\n");
	return 2;
}
