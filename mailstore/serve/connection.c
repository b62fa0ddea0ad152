/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/connection.h"

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
	CONNECTION_CLOSED, /* waiting for libuv to let go of the handles */
	CONNECTION_STATE_COUNT
};

struct connection {
	struct session session;
	struct connections *all;
	enum connection_state state;
	int socket;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* not yet closed */
	bool wants_turn;
	uint64_t bytes_in;
	struct connection *next, **place;
};

static void handle_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	if (--c->handles)
		return;
	(void)close(c->socket);
	free(c);
}

static void close_connection(struct connection *c, const char *reason)
{
	struct connection_end end = { .session = str_from(c->session.id),
		.bytes_in = c->bytes_in,
		.bytes_out = c->session.out.sent,
		.reason = c->session.end ? c->session.end : reason };

	if (c->state == CONNECTION_CLOSED)
		return;
	c->state = CONNECTION_CLOSED;
	*c->place = c->next;
	if (c->next)
		c->next->place = c->place;
	(void)uv_poll_stop(&c->poll);
	(void)shutdown(c->socket, SHUT_RDWR);
	uv_close((uv_handle_t *)&c->poll, handle_closed);
	uv_close((uv_handle_t *)&c->timer, handle_closed);
	session_close(&c->session);
	c->all->ended(c->all->context, &end);
}

static void on_turn(uv_idle_t *handle);

static void want_turn(struct connection *c)
{
	c->wants_turn = true;
	(void)uv_idle_start(&c->all->turn, on_turn);
}

static void on_timeout(uv_timer_t *timer);

static void restart_timer(struct connection *c)
{
	uint64_t ms = c->state == CONNECTION_ENDING ? ENDING_MS : CONNECTION_IDLE_MS;

	(void)uv_timer_start(&c->timer, on_timeout, ms, 0);
}

/* 0, -EAGAIN, or what broke it. */
static int flush(struct connection *c)
{
	uint64_t before = c->session.out.sent;
	int r = output_send(&c->session.out, c->socket);

	if (c->session.out.sent != before)
		restart_timer(c);
	return r;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void wait_for(struct connection *c, int events)
{
	if (events)
		(void)uv_poll_start(&c->poll, events, on_ready);
	else
		(void)uv_poll_stop(&c->poll);
}

static void end(struct connection *c)
{
	if (c->state == CONNECTION_LIVE) {
		c->state = CONNECTION_ENDING;
		restart_timer(c);
	}
	if (flush(c) == -EAGAIN)
		wait_for(c, UV_WRITABLE);
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

	c->wants_turn = false;
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
	wait_for(c, (need == SERVICE_INPUT ? UV_READABLE : 0) |
			    (sent == -EAGAIN ? UV_WRITABLE : 0));
}

static bool read_some(struct connection *c)
{
	ssize_t n = buf_read(&c->session.in, c->socket, READ_SIZE);

	if (n > 0) {
		c->bytes_in += (uint64_t)n;
		restart_timer(c);
	}
	if (n > 0 || n == -EAGAIN)
		return true;
	close_connection(c, n == 0 ? "client closed" : strerror((int)-n));
	return false;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct connection *c = poll->data;

	if (status < 0) {
		close_connection(c, uv_strerror(status));
		return;
	}
	if ((events & UV_READABLE) && c->state == CONNECTION_LIVE && !read_some(c))
		return;
	pump(c);
}

static void on_timeout(uv_timer_t *timer)
{
	struct connection *c = timer->data;

	if (c->state == CONNECTION_ENDING) {
		close_connection(c, "timeout");
		return;
	}
	session_bye(&c->session, "Idle for too long.");
	pump(c);
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static void on_turn(uv_idle_t *handle)
{
	struct connections *all = handle->data;
	struct connection *next;
	bool more = false;

	for (struct connection *c = all->first; c; c = next) {
		next = c->next;
		if (c->wants_turn)
			pump(c);
	}
	for (struct connection *c = all->first; c; c = c->next)
		more |= c->wants_turn;
	if (!more)
		(void)uv_idle_stop(&all->turn);
}

static void wake(void *context, struct session *s)
{
	(void)context;
	want_turn(s->owner);
}

int connections_init(struct connections *all, uv_loop_t *loop, struct serve *serve)
{
	all->loop = loop;
	all->serve = serve;
	all->first = NULL;
	serve->wake = wake;
	all->turn.data = all;
	return uv_idle_init(loop, &all->turn);
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

int connection_start(struct connections *all, const struct service_ops *ops,
	const struct login *login, int socket)
{
	struct connection *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (r == 0) {
		tune(socket);
		r = uv_poll_init(all->loop, &c->poll, socket);
	}
	if (r < 0) {
		(void)close(socket);
		free(c);
		return r;
	}
	(void)uv_timer_init(all->loop, &c->timer);
	c->poll.data = c->timer.data = c;
	c->handles = 2;
	c->all = all;
	c->socket = socket;
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
	(void)uv_idle_stop(&all->turn);
	if (!uv_is_closing((uv_handle_t *)&all->turn))
		uv_close((uv_handle_t *)&all->turn, NULL);
}
