/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session's bytes before login: between the client and the front, and between the front
   and the source. */
#include "base/log.h"
#include "interceptor/login.h"
#include "interceptor/session.h"
#include "interceptor/session_parts.h"
#include "interceptor/source.h"
#include "interceptor/worker.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS 10000 /* to reach the source */
#define RESUME_MS 5000   /* for another try, after a hold took all the time there was */

/* 0, or the session is closed. */
static int write_out(struct buf *b, struct stream *to)
{
	ssize_t n = 1;

	while (to && buf_len(b) && n > 0)
		n = stream_write_buf(to, b);
	return n < 0 && n != -EAGAIN ? (int)n : 0;
}

void session_flush(struct session *s)
{
	if (s->state == SESSION_GONE || !s->pre || s->relay)
		return;
	if (write_out(&s->pre->to_client, s->client) < 0) {
		session_close(s, "client is gone");
		return;
	}
	if (s->upstream_state == UPSTREAM_OPEN &&
		write_out(&s->pre->to_upstream, s->upstream) < 0) {
		login_upstream_lost(s, -EPIPE);
		return;
	}
	if (s->state == SESSION_CLOSING && !buf_len(&s->pre->to_client)) {
		session_finish(s, "closed");
		return;
	}
	session_want_events(s);
}

void session_say(struct session *s, struct str bytes)
{
	ssize_t n;

	if (s->state == SESSION_GONE)
		return;
	if (!s->pre) {
		n = stream_write(s->client, bytes, false);
		if (n == (ssize_t)bytes.len)
			return;
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
		if (!session_want_pre(s))
			return;
	}
	if (buf_append(&s->pre->to_client, bytes) < 0) {
		session_close(s, "client does not read");
		return;
	}
	session_flush(s);
}

void session_run_front(struct session *s)
{
	if (s->pre->in_front)
		return;
	s->pre->in_front = true;
	s->lane->client_bytes(s);
	if (!s->pre)
		return;
	s->pre->in_front = false;
	if (s->state == SESSION_PRELOGIN && s->ended)
		session_finish(s, "client left");
	else
		session_flush(s);
}

void session_resume(struct session *s)
{
	uint64_t now = worker_now(s->worker);

	if (s->state == SESSION_GONE)
		return;
	/* who was held may have no time left: give him some for the next try */
	session_set_state(s, SESSION_PRELOGIN,
		s->login_deadline > now + RESUME_MS ? s->login_deadline - now
						    : RESUME_MS);
	if (s->pre)
		session_run_front(s);
}

/* He was told the end; what he still says goes nowhere. */
static void discard(struct session *s)
{
	ssize_t n = stream_read(s->client, s->worker->relay.scratch, RELAY_SCRATCH);

	if (n <= 0 && n != -EAGAIN)
		session_close(s, "closed");
}

static void read_client(struct session *s)
{
	uint32_t limit = s->worker->settings->limits.login_bytes;
	ssize_t n;

	if (!session_want_pre(s))
		return;
	n = stream_read_buf(s->client, &s->pre->from_client, SESSION_READ_CHUNK);
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		session_close(s, "client is gone");
		return;
	}
	s->ended = n == 0;
	s->received += (uint32_t)n;
	if (s->received > limit)
		session_farewell(s, FAREWELL_TOO_MUCH);
	else
		session_run_front(s);
}

void session_client_ready(void *context, int events, int error)
{
	struct session *s = context;

	if (s->relay) {
		session_relay_event(s, s->client, events, error);
		return;
	}
	if (s->state == SESSION_TALKING) {
		s->lane->talk->ready(s, s->client, events, error);
		return;
	}
	if (error) {
		session_close(s, "client is gone");
		return;
	}
	if (events & UV_DISCONNECT)
		s->hung = true;
	if (events & UV_WRITABLE)
		session_flush(s);
	if (events & UV_READABLE && s->state == SESSION_LINGERING)
		discard(s);
	else if (events & UV_READABLE && session_reads_client(s))
		read_client(s);
	session_want_events(s);
}

/* ---- the source's side ---- */

static void read_upstream(struct session *s)
{
	ssize_t n =
		stream_read_buf(s->upstream, &s->pre->from_upstream, SESSION_READ_CHUNK);

	if (n == -EAGAIN)
		return;
	if (n > 0)
		s->lane->upstream_bytes(s);
	else
		login_upstream_lost(s, n == 0 ? -ECONNRESET : (int)n);
}

static void upstream_connected(struct session *s)
{
	s->upstream_state = UPSTREAM_OPEN;
	if (s->state == SESSION_LOGGING_IN || s->state == SESSION_EXCHANGE ||
		s->state == SESSION_UPGRADING) {
		session_set_state(s, s->state, SESSION_ANSWER_MS);
		s->lane->send_attempt(s);
	}
}

static void upstream_failed(struct session *s)
{
	int r = stream_connected(s->upstream);

	login_upstream_lost(s, r < 0 && r != -EINPROGRESS ? r : -ECONNRESET);
}

bool session_upstream_only_slow(struct session *s)
{
	if (s->upstream_state != UPSTREAM_CONNECTING || stream_connected(s->upstream) < 0)
		return false;
	upstream_connected(s);
	return true;
}

static void upstream_ready(void *context, int events, int error)
{
	struct session *s = context;

	if (s->relay) {
		session_relay_event(s, s->upstream, events, error);
		return;
	}
	if (s->state == SESSION_TALKING) {
		s->lane->talk->ready(s, s->upstream, events, error);
		return;
	}
	if (s->upstream_state == UPSTREAM_CONNECTING && error) {
		upstream_failed(s);
		return;
	}
	if (s->upstream_state == UPSTREAM_CONNECTING)
		upstream_connected(s);
	if (error || events & UV_READABLE)
		read_upstream(s);
	session_flush(s);
}

int session_connect_upstream(struct session *s)
{
	if (s->upstream_state == UPSTREAM_NONE && worker_is_retired(s->worker))
		return -ECONNREFUSED; /* nobody goes there any more */
	return session_reach_source(s);
}

int session_reach_source(struct session *s)
{
	union endpoint source;
	int fd, r;

	if (s->upstream_state != UPSTREAM_NONE)
		return 0;
	r = source_address(s->worker->settings, s->service, &s->destination, &source);
	if (r < 0)
		return r;
	fd = source_connect(&source, &s->peer);
	if (fd < 0)
		return fd;
	r = stream_plain_new(&s->worker->loop, fd, &s->upstream);
	if (r < 0) {
		close(fd);
		return r;
	}
	stream_set_owner(s->upstream, upstream_ready, s);
	s->upstream_state = UPSTREAM_CONNECTING;
	s->pre->upstream_tries = 0;
	s->lane->upstream_begin(s);
	session_set_state(s, s->state, CONNECT_MS);
	return 0;
}

void session_drop_upstream(struct session *s)
{
	stream_free(s->upstream);
	s->upstream = NULL;
	s->upstream_state = UPSTREAM_NONE;
	if (s->pre) {
		buf_wipe(&s->pre->from_upstream);
		buf_wipe(&s->pre->to_upstream);
	}
}
