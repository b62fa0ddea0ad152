/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/connection.h"

#include "event/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536 /* an APPEND's bytes go to the store in such pieces */
#define TURN_RUNS 16    /* pieces of work in one turn, then the others have theirs */
#define ENDING_MS 30000 /* a client that does not take our last words is cut off */

enum connection_state {
	CONNECTION_LIVE,
	CONNECTION_ENDING, /* only its last output is sent */
	CONNECTION_STATE_COUNT
};

struct connection {
	struct session session;
	struct connections *all;
	enum connection_state state;
	struct watch *watch;
	struct timer *timer;
	uint64_t bytes_in;
	struct connection *next, **place;
};

static void close_connection(struct connection *c, const char *reason)
{
	struct connection_end end = { .session = str_from(c->session.id),
		.bytes_in = c->bytes_in,
		.bytes_out = c->session.out.sent,
		.reason = c->session.end ? c->session.end : reason };

	*c->place = c->next;
	if (c->next)
		c->next->place = c->place;
	(void)shutdown(c->watch->fd, SHUT_RDWR);
	watch_free(c->watch);
	timer_free(c->timer);
	session_close(&c->session);
	c->all->ended(c->all->context, &end);
	free(c);
}

/* In the loop's next turn, after the others. */
static void want_turn(struct connection *c)
{
	watch_soon(c->watch, 0);
}

static void restart_timer(struct connection *c)
{
	uint64_t ms = c->state == CONNECTION_ENDING ? ENDING_MS : CONNECTION_IDLE_MS;

	timer_start(c->timer, ms);
}

/* 0, -EAGAIN, or what broke it. */
static int flush(struct connection *c)
{
	uint64_t before = c->session.out.sent;
	int r = output_send(&c->session.out, c->watch->fd);

	if (c->session.out.sent != before)
		restart_timer(c);
	return r;
}

static void end(struct connection *c)
{
	if (c->state == CONNECTION_LIVE) {
		c->state = CONNECTION_ENDING;
		restart_timer(c);
	}
	if (flush(c) == -EAGAIN)
		watch_want(c->watch, UV_WRITABLE);
	else
		close_connection(c, "ended");
}

/* Pieces of work until the session waits, or its turn is over. */
static enum service_need run(struct connection *c, int *ret_sent)
{
	enum service_need need = SERVICE_AGAIN;

	for (int i = 0; i < TURN_RUNS; i++) {
		need = session_run(&c->session);
		if (need == SERVICE_AGAIN)
			continue;
		*ret_sent = flush(c);
		if (need != SERVICE_OUTPUT || *ret_sent < 0)
			return need;
	}
	*ret_sent = flush(c);
	return need;
}

static void pump(struct connection *c)
{
	int sent = 0;
	enum service_need need;

	if (c->state == CONNECTION_ENDING) {
		end(c);
		return;
	}
	need = run(c, &sent);
	if (sent < 0 && sent != -EAGAIN) {
		close_connection(c, strerror(-sent));
		return;
	}
	if (need == SERVICE_END) {
		end(c);
		return;
	}
	if (need == SERVICE_INPUT)
		session_rest(&c->session);
	else if (sent == 0)
		want_turn(c);
	/* while the client does not take our answers, its next commands can wait */
	watch_want(c->watch, (need == SERVICE_INPUT ? UV_READABLE : 0) |
				     (sent == -EAGAIN ? UV_WRITABLE : 0));
}

static bool read_some(struct connection *c)
{
	ssize_t n = buf_read(&c->session.in, c->watch->fd, READ_SIZE);

	if (n > 0) {
		c->bytes_in += (uint64_t)n;
		restart_timer(c);
	}
	if (n > 0 || n == -EAGAIN)
		return true;
	close_connection(c, n == 0 ? "client closed" : strerror((int)-n));
	return false;
}

static void on_ready(void *context, int events, int error)
{
	struct connection *c = context;

	if (error < 0) {
		close_connection(c, strerror(-error));
		return;
	}
	if ((events & UV_READABLE) && c->state == CONNECTION_LIVE && !read_some(c))
		return;
	pump(c);
}

static void on_timeout(void *context)
{
	struct connection *c = context;

	if (c->state == CONNECTION_ENDING) {
		close_connection(c, "timeout");
		return;
	}
	session_bye(&c->session, "Idle for too long.");
	pump(c);
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static void wake(void *context, struct session *s)
{
	(void)context;
	want_turn(s->owner);
}

void connections_init(struct connections *all, struct loop *loop, struct serve *serve)
{
	all->loop = loop;
	all->serve = serve;
	all->first = NULL;
	serve->wake = wake;
}

static void link_first(struct connections *all, struct connection *c)
{
	c->next = all->first;
	c->place = &all->first;
	if (c->next)
		c->next->place = &c->next;
	all->first = c;
}

/* A peer that vanished is found out by the kernel; small answers go at once. */
static void tune(int socket)
{
	int on = 1;

	(void)fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
	(void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int watch_socket(struct connection *c, int socket)
{
	int r = timer_new(c->all->loop, on_timeout, c, &c->timer);

	tune(socket);
	if (r == 0)
		r = watch_new(c->all->loop, socket, on_ready, c, &c->watch);
	return r;
}

int connection_start(struct connections *all, const struct service_ops *ops,
	const struct login *login, int socket)
{
	struct connection *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (c) {
		c->all = all;
		r = watch_socket(c, socket);
	}
	if (r < 0) {
		(void)close(socket);
		if (c)
			timer_free(c->timer);
		free(c);
		return r;
	}
	link_first(all, c);
	r = session_open(&c->session, ops, all->serve, login);
	c->session.owner = c;
	if (r < 0) {
		close_connection(c, "no memory");
		return 0; /* its end has been told */
	}
	restart_timer(c);
	want_turn(c);
	return 0;
}

void connections_bye(struct connections *all, const char *why)
{
	struct connection *next;

	for (struct connection *c = all->first; c; c = next) {
		next = c->next;
		if (c->state == CONNECTION_LIVE) {
			session_bye(&c->session, why);
			end(c);
		}
	}
}

size_t connections_count(const struct connections *all)
{
	size_t count = 0;

	for (const struct connection *c = all->first; c; c = c->next)
		count++;
	return count;
}

void connections_fini(struct connections *all)
{
	while (all->first)
		close_connection(all->first, "ended");
}
