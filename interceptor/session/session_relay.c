/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session whose bytes pass, and the end of it that the client did not choose. */
#include "base/log.h"
#include "interceptor/session/internal.h"
#include "tls/stream_starttls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#define HALF_CLOSED_MS 60000 /* without a byte, after one side has ended */

static void judge(struct session *s, enum relay_result result)
{
	if (result == RELAY_OVER) {
		session_close(s, "over");
		return;
	}
	if (s->bridge == BRIDGE_ORPHANED && relay_source_drained(s->relay)) {
		session_close(s, "mailstore ended");
		return;
	}
	/* a server that has said its last word has ended that login, however long the
	   client takes to notice; what the client still says is passed on */
	if (relay_source_ended(s->relay))
		session_set_live(s, false);
	/* each event gives it the full time again */
	if (relay_half_closed(s->relay))
		session_set_deadline(s, HALF_CLOSED_MS);
}

/* What the source still says is thrown away until it ends, since only then has it done
   all that it was told. A piece in each turn of the loop: it may never stop. Of a
   connection that is broken there is no other turn, and no more than what it holds. */
static void drain(struct session *s, int events, int error)
{
	ssize_t n = 0;

	if (!error && !(events & UV_READABLE))
		return;
	do {
		n = stream_read(s->source, s->host->relay.scratch, STREAM_BULK);
	} while (n > 0 && error);
	if (n <= 0 && n != -EAGAIN)
		session_close(s, "drained");
}

void session_relay_event(
	struct session *s, const struct stream *which, int events, int error)
{
	if (s->state != SESSION_DRAINING)
		judge(s, relay_event(s->relay, which, events, error,
				 s->host->ops->now(s->host)));
	else if (which == s->source)
		drain(s, events, error);
}

/* ---- reading along ---- */

void session_follow(struct session *s, struct follower *f)
{
	session_drop_follower(s);
	s->follower = f;
}

void session_drop_follower(struct session *s)
{
	if (s->follower)
		s->follower->ops->free(s->follower);
	s->follower = NULL;
}

static void client_said(void *context, struct str bytes)
{
	struct follower *f = ((struct session *)context)->follower;

	f->ops->client_says(f, bytes);
}

static void source_said(void *context, struct str bytes)
{
	struct follower *f = ((struct session *)context)->follower;

	f->ops->source_says(f, bytes);
}

static uint64_t client_skips(void *context)
{
	struct follower *f = ((struct session *)context)->follower;

	return f->ops->client_skips(f);
}

static uint64_t source_skips(void *context)
{
	struct follower *f = ((struct session *)context)->follower;

	return f->ops->source_skips(f);
}

/* Only what is not read along at all is not seen of a client. */
static void client_skipped(void *context, uint64_t n)
{
	(void)context;
	(void)n;
}

static void source_skipped(void *context, uint64_t n)
{
	struct follower *f = ((struct session *)context)->follower;

	f->ops->source_skipped(f, n);
}

static void read_along(struct session *s, struct relay *r)
{
	const struct relay_reader up = { client_said, client_skips, client_skipped, s };
	const struct relay_reader down = { source_said, source_skips, source_skipped, s };

	if (!s->follower)
		return;
	s->follower->ops->client_says(s->follower, buf_view(&s->memory->from_client));
	s->follower->ops->source_says(s->follower, buf_view(&s->memory->from_source));
	relay_read_along(r, &up, &down);
}

bool session_can_cross(const struct session *s)
{
	return s->follower && s->source_state == SOURCE_OPEN &&
	       relay_can_pause(s->relay) && s->follower->ops->can_cross(s->follower);
}

/* The relay pauses, and the follower's handler has the session. */
static void cross(struct session *s)
{
	struct buf to_client;

	session_enter(s);
	buf_init(&to_client, 0);
	if (relay_pause(s->relay, &to_client) < 0) {
		session_close(s, "no memory");
	} else {
		session_relay_end(s);
		s->was_relayed = true;
		s->handler = s->follower->ops->crossing;
		session_set_state(s, SESSION_HANDLED);
		session_say(s, buf_view(&to_client));
		if (session_memory(s))
			s->handler->begin(s);
	}
	buf_fini(&to_client);
	session_leave(s);
}

void session_relay(struct session *s)
{
	if (s->state == SESSION_HANDLED)
		session_set_state(s, SESSION_RELAY);
}

void session_bridge(struct session *s, struct stream *near_end)
{
	session_drop_source(s);
	/* what the client has sent already is with the mailstore */
	buf_wipe(&s->memory->from_client);
	s->source = near_end;
	s->source_state = SOURCE_OPEN;
	s->bridge = BRIDGE_LIVE;
	session_add_numbered(s);
	stream_set_owner(near_end, session_source_event, s);
}

void session_bridge_ended(struct session *s, bool cleanly)
{
	if (s->state != SESSION_RELAY)
		return;
	if (cleanly) {
		judge(s, relay_pass_source_end(s->relay, s->host->ops->now(s->host)));
		return;
	}
	session_relay_event(s, s->source, UV_READABLE, 0); /* what came before */
	session_close(s, "mailstore failed");
}

void session_bridge_orphaned(struct session *s)
{
	LIST_REMOVE(s, numbered);
	s->bridge = BRIDGE_ORPHANED;
	if (s->state == SESSION_RELAY)
		judge(s, RELAY_GOES_ON);
}

/* Where the kernel can, it does their TLS from now on, and bulk is spliced. */
static bool offload(struct session *s)
{
	return stream_starttls_offload(&s->client) != -EIO &&
	       stream_starttls_offload(&s->source) != -EIO;
}

void session_relay_begin(struct session *s)
{
	struct session_memory *m = s->memory;
	struct relay *r;

	if (!offload(s)) {
		session_close(s, "kernel TLS failed");
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r || buf_append(&m->to_client, buf_view(&m->from_source)) < 0 ||
		buf_append(&m->to_source, buf_view(&m->from_client)) < 0) {
		free(r);
		session_close(s, "no memory");
		return;
	}
	relay_begin(
		r, &s->host->relay, s->client, s->source, &m->to_source, &m->to_client);
	read_along(s, r);
	if (s->was_relayed) {
		r->up.bytes = s->bytes_in;
		r->down.bytes = s->bytes_out;
	}
	s->relay = r;
	if (s->bridge)
		relay_hold_source_end(r);
	session_set_live(s, true);
	judge(s, relay_start(r, s->host->ops->now(s->host)));
}

void session_relay_end(struct session *s)
{
	if (!s->relay)
		return;
	s->bytes_in = s->relay->up.bytes;
	s->bytes_out = s->relay->down.bytes;
	relay_fini(s->relay);
	free(s->relay);
	s->relay = NULL;
}

void session_relay_leave(struct session *s, enum close_reason reason)
{
	char id[SESSION_ID_MAX];
	struct str words = s->handler->words(s->protocol, reason);

	/* in the middle of an answer the words would become part of a message */
	if (!s->is_unseen && relay_between_lines(s->relay, s->host->ops->now(s->host)) &&
		stream_write(s->client, words, false) < 0)
		log_debug(session_id(s, id), "leave", "client=gone");
	if (reason == CLOSE_MOVED)
		s->host->ops->note_crossing(s->host, s, false);
	stream_shutdown(s->client, SHUT_RDWR);
	stream_want(s->client, 0);
	stream_shutdown(s->source, SHUT_WR);
	session_set_state(s, SESSION_DRAINING);
	stream_want(s->source, UV_READABLE);
}

void session_look(struct session *s, struct str account)
{
	if (s->state != SESSION_RELAY || !session_is_of(s, account) ||
		!session_can_cross(s) || !s->follower->ops->can_look(s->follower))
		return;
	s->follower->must_go = false;
	s->follower->only_looks = true;
	cross(s);
}

enum quiesce session_relay_quiesce(struct session *s, enum switch_manner manner)
{
	bool force = manner == SWITCH_FORCED;
	char id[SESSION_ID_MAX];

	if ((force || manner == SWITCH_LIVE) && session_can_cross(s)) {
		s->follower->must_go = force;
		s->follower->only_looks = false;
		cross(s);
		return QUIESCE_ENDING;
	}
	/* the source may have ended it: only the client has not noticed yet */
	if (!force && !relay_source_ended(s->relay))
		return QUIESCE_LEFT;
	log_info(session_id(s, id), "quiesce", "account=%s",
		s->account ? s->account : "-");
	session_relay_leave(s, CLOSE_MOVED);
	return QUIESCE_ENDING;
}
