/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session's bytes, between its streams and its buffers, and when its handler is called.
 */
#include "base/log.h"
#include "interceptor/session/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define CONNECT_MS 10000 /* to reach the source */
#define CONGESTED 65536  /* bytes that are not written */

/* ---- memory ---- */

bool session_memory(struct session *s)
{
	struct session_memory *m;

	if (s->memory || s->state == SESSION_GONE)
		return s->memory != NULL;
	m = calloc(1, sizeof(*m));
	if (m) {
		arena_init(&m->arena);
		m->state = arena_alloc(&m->arena, s->handler->state_size);
	}
	if (!m || !m->state) {
		free(m);
		session_close(s, "no memory");
		return false;
	}
	buf_init(&m->from_client, 0);
	buf_init(&m->to_client, 0);
	buf_init(&m->from_source, 0);
	buf_init(&m->to_source, 0);
	s->memory = m;
	s->handler->init(s);
	return s->state != SESSION_GONE;
}

static void drop(struct buf *b)
{
	buf_wipe(b);
	buf_fini(b);
}

void session_free_memory(struct session *s)
{
	struct session_memory *m = s->memory;

	if (!m)
		return;
	s->handler->end(s);
	drop(&m->from_client);
	drop(&m->to_client);
	drop(&m->from_source);
	drop(&m->to_source);
	arena_fini(&m->arena);
	free(m);
	s->memory = NULL;
}

/* ---- what is asked of the loop ---- */

static struct session_events wanted(const struct session *s)
{
	static const struct session_events table[SESSION_STATE_COUNT] = {
		[SESSION_LINGERING] = { UV_READABLE, 0 },
	};

	return s->state == SESSION_HANDLED ? s->handler->wants(s) : table[s->state];
}

void session_want_events(struct session *s)
{
	struct session_events e = wanted(s);

	if (s->relay || s->state == SESSION_GONE)
		return; /* the relay asks for itself */
	if (s->client_ended)
		e.client &= ~UV_READABLE;
	if (s->hung_up || s->client_ended)
		e.client &= ~UV_DISCONNECT;
	if (s->memory && buf_len(&s->memory->to_client))
		e.client |= UV_WRITABLE;
	/* the source speaks first, so that the connect is noticed by its greeting, but
	   for a client that does not wait for that */
	if (s->source_state == SOURCE_CONNECTING)
		e.source |= UV_READABLE;
	if (s->memory && buf_len(&s->memory->to_source))
		e.source |= UV_WRITABLE;
	stream_want(s->client, e.client);
	stream_want(s->source, e.source);
}

/* ---- writing ---- */

static void lose_client(struct session *s)
{
	if (s->client_dead || s->state == SESSION_GONE)
		return;
	s->client_dead = s->client_ended = true;
	if (s->memory)
		buf_clear(&s->memory->to_client);
	if (s->state == SESSION_HANDLED && s->handler->client_lost && s->memory)
		s->handler->client_lost(s);
	else
		session_close(s, "client is gone");
}

static void write_client(struct session *s)
{
	struct buf *b = &s->memory->to_client;
	ssize_t n = 1;

	if (s->client_dead)
		buf_clear(b);
	while (buf_len(b) && n > 0) {
		n = stream_write_buf(s->client, b);
		s->bytes_out += n > 0 ? (uint64_t)n : 0;
	}
	if (n < 0 && n != -EAGAIN)
		lose_client(s);
}

static void write_source(struct session *s)
{
	struct buf *b = &s->memory->to_source;
	ssize_t n = 1;

	if (s->source_state != SOURCE_OPEN)
		return;
	while (buf_len(b) && n > 0)
		n = stream_write_buf(s->source, b);
	/* what it still has to say is read before it counts as lost */
	if (n < 0 && n != -EAGAIN)
		buf_clear(b);
}

void session_say(struct session *s, struct str bytes)
{
	ssize_t n;

	if (s->state == SESSION_GONE)
		return;
	if (!s->memory) {
		n = stream_write(s->client, bytes, false);
		if (n > 0)
			s->bytes_out += (uint64_t)n;
		if (n == (ssize_t)bytes.len)
			return;
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	if (session_memory(s) && buf_append(&s->memory->to_client, bytes) < 0)
		session_close(s, "client does not read");
}

bool session_flush(struct session *s)
{
	if (s->state == SESSION_HANDLED && s->memory)
		write_client(s);
	return s->state == SESSION_HANDLED &&
	       !(s->memory && buf_len(&s->memory->to_client));
}

bool session_is_congested(const struct session *s)
{
	const struct session_memory *m = s->memory;

	return m &&
	       (buf_len(&m->to_source) > CONGESTED || buf_len(&m->to_client) > CONGESTED);
}

/* ---- changes of hands ---- */

int session_start_tls(struct session *s, SSL_CTX *context)
{
	struct stream *secure;
	int r = stream_tls_accept(
		s->client, context, buf_view(&s->memory->from_client), &secure);

	if (r < 0)
		return r;
	buf_wipe(&s->memory->from_client);
	s->client = secure;
	s->is_secure = true;
	stream_set_owner(secure, session_client_event, s);
	return 0;
}

void session_hand_to(struct session *s, struct service_handler next)
{
	s->next = next;
}

static void take_over(struct session *s)
{
	struct service_handler next = s->next;

	s->next = (struct service_handler){ 0 };
	if (s->state != SESSION_HANDLED)
		return;
	session_free_memory(s);
	s->handler = next.handler;
	s->protocol = next.protocol;
	s->step = 0;
	s->again = false;
	session_set_deadline(s, 0);
	s->handler->begin(s);
}

/* ---- calls of the handler ---- */

void session_enter(struct session *s)
{
	s->calls++;
}

void session_again(struct session *s)
{
	s->again = true;
}

/* true: the handler was called, and there may be more to write. */
static bool settle(struct session *s)
{
	bool congested = session_is_congested(s);

	if (!s->memory || (s->state != SESSION_HANDLED && s->state != SESSION_CLOSING))
		return false;
	if (!s->again || s->state == SESSION_CLOSING) {
		write_client(s);
		if (s->state == SESSION_HANDLED)
			write_source(s);
		s->again = congested && !session_is_congested(s);
	}
	if (!s->again || s->state != SESSION_HANDLED)
		return false;
	s->again = false;
	s->handler->client_ready(s);
	return true;
}

/* All is said: with unread bytes in the socket close() is a reset, and the last words
   would be lost on their way; so the client is to close first. */
static void close_politely(struct session *s)
{
	if (s->memory && buf_len(&s->memory->to_client))
		return;
	stream_shutdown(s->client, SHUT_WR);
	if (s->client_ended) {
		session_close(s, s->why);
		return;
	}
	session_set_state(s, SESSION_LINGERING);
}

void session_leave(struct session *s)
{
	while (s->calls == 1 && (s->next.handler || settle(s)))
		if (s->next.handler)
			take_over(s);
	if (s->calls == 1)
		session_recount(s);
	if (--s->calls)
		return;
	if (s->state == SESSION_CLOSING)
		close_politely(s);
	if (s->state == SESSION_RELAY && !s->relay)
		session_relay_begin(s);
	if (s->state != SESSION_HANDLED && s->state != SESSION_CLOSING)
		session_free_memory(s);
	session_want_events(s);
}

/* ---- the client's side ---- */

/* The client was told the end; what it still says goes nowhere. */
static void discard(struct session *s)
{
	char *space = s->host->relay.scratch;
	ssize_t n = stream_read(s->client, space, STREAM_BULK);

	if (n > 0)
		explicit_bzero(space, (size_t)n); /* a late login, perhaps */
	else if (n != -EAGAIN)
		session_close(s, "closed");
}

static void read_client(struct session *s)
{
	ssize_t n;

	if (!session_memory(s))
		return;
	n = stream_read_buf(s->client, &s->memory->from_client, s->handler->read_size);
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		lose_client(s);
		return;
	}
	s->client_ended = n == 0;
	s->bytes_in += (uint64_t)n;
	s->handler->client_ready(s);
}

void session_client_event(void *context, int events, int error)
{
	struct session *s = context;

	if (s->relay) {
		session_relay_event(s, s->client, events, error);
		return;
	}
	session_enter(s);
	if (error)
		lose_client(s);
	if (events & UV_DISCONNECT)
		s->hung_up = true;
	if (events & UV_READABLE && s->state == SESSION_LINGERING)
		discard(s);
	else if (events & UV_READABLE && s->state == SESSION_HANDLED)
		read_client(s);
	session_leave(s);
}

/* ---- the source's side ---- */

void session_connected(struct session *s)
{
	s->source_state = SOURCE_OPEN;
	s->handler->source_connected(s);
}

static int begin_introduction(struct session *s)
{
	char address[ADDRESS_TEXT_MAX];

	s->introduction = arena_alloc(&s->memory->arena, sizeof(*s->introduction));
	if (!s->introduction)
		return -ENOMEM;
	endpoint_address_text(&s->peer, address);
	introduction_begin(
		s->introduction, s->introduces, address, endpoint_port(&s->peer));
	return 0;
}

/* Says for whom we connect, before the handler hears of it. false: there is more to come.
   *ret_n: the bytes for the handler, or why the source is lost. */
static bool introduce(struct session *s, ssize_t *ret_n)
{
	enum introduction_is is = INTRODUCTION_FAILED;
	struct buf words;

	buf_init(&words, 0);
	if (s->introduction || begin_introduction(s) == 0)
		is = introduction_feed(s->introduction, &s->memory->from_source, &words);
	/* one line: a new connection has room for it */
	if (buf_len(&words) && stream_write(s->source, buf_view(&words), false) !=
				       (ssize_t)buf_len(&words))
		is = INTRODUCTION_FAILED;
	buf_fini(&words);
	if (is == INTRODUCTION_MORE)
		return false;
	s->introduces = INTRODUCTION_NONE;
	*ret_n = is == INTRODUCTION_OVER ? (ssize_t)buf_len(&s->memory->from_source)
	                                 : -EPROTO;
	return true;
}

/* A server speaks first, so that its first bytes tell that it is connected. */
static void read_source(struct session *s)
{
	ssize_t n = stream_read_buf(
		s->source, &s->memory->from_source, s->handler->read_size);

	if (n == -EAGAIN)
		return;
	if (n > 0 && s->introduces && !introduce(s, &n))
		return;
	if (n >= 0 && s->source_state == SOURCE_CONNECTING)
		session_connected(s);
	if (n > 0)
		s->handler->source_ready(s);
	else
		s->handler->source_lost(s, n == 0 ? -ECONNRESET : (int)n);
}

void session_source_event(void *context, int events, int error)
{
	struct session *s = context;

	if (s->relay) {
		session_relay_event(s, s->source, events, error);
		return;
	}
	session_enter(s);
	if (events & UV_WRITABLE && s->source_state == SOURCE_CONNECTING &&
		!s->introduces && stream_connected(s->source) == 0)
		session_connected(s);
	if (s->source && (error || events & UV_READABLE))
		read_source(s);
	session_leave(s);
}

int session_connect(struct session *s)
{
	int r;

	if (s->source_state != SOURCE_NONE)
		return 0;
	r = s->host->ops->connect(s->host, s, &s->source);
	if (r < 0)
		return r;
	stream_set_owner(s->source, session_source_event, s);
	s->source_state = SOURCE_CONNECTING;
	session_set_deadline(s, CONNECT_MS);
	return 0;
}

void session_drop_source(struct session *s)
{
	stream_free(s->source);
	s->source = NULL;
	s->source_state = SOURCE_NONE;
	s->introduction = NULL;
	s->introduces = INTRODUCTION_NONE;
	if (s->memory) {
		buf_wipe(&s->memory->from_source);
		buf_wipe(&s->memory->to_source);
	}
}
