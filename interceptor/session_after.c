/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a session once it is known where it goes: relayed, or given away. */
#include "base/log.h"
#include "interceptor/login.h"
#include "interceptor/session.h"
#include "interceptor/session_parts.h"
#include "interceptor/source.h"
#include "interceptor/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HALF_CLOSED_MS 60000 /* without a byte, after one side has ended */
#define DRAIN_MS 5000        /* for the source to finish what it was told */

static void judge(struct session *s, enum relay_result result)
{
	if (result == RELAY_OVER) {
		session_close(s, "over");
		return;
	}
	/* a server that has said its last word has ended that login, however long the
	   client takes to notice: he is logged off; what he still says is passed on */
	if (relay_source_ended(s->relay))
		session_goes_off(s);
	/* each event gives it the full time again */
	if (relay_half_closed(s->relay))
		session_set_state(s, s->state, HALF_CLOSED_MS);
}

/* The client is gone or told to go; what the source still says is thrown away until it
   ends, since only then has it done all that it was told. */
static void drain(struct session *s, int events, int error)
{
	ssize_t n = 0;

	if (!error && !(events & UV_READABLE))
		return;
	do {
		n = stream_read(s->upstream, s->worker->relay.scratch, RELAY_SCRATCH);
	} while (n > 0);
	if (n != -EAGAIN)
		session_close(s, "drained");
}

void session_relay_event(
	struct session *s, const struct stream *which, int events, int error)
{
	if (s->state == SESSION_DRAINING)
		drain(s, events, error);
	else
		judge(s, relay_event(
				 s->relay, which, events, error, worker_now(s->worker)));
}

/* Everything that is to reach the client before the first relayed byte. */
static int gather(struct pre *p)
{
	int r = buf_append(&p->to_client, buf_view(&p->answer));

	return r < 0 ? r : buf_append(&p->to_client, buf_view(&p->from_upstream));
}

static int gather_up(struct pre *p)
{
	return buf_append(&p->to_upstream, buf_view(&p->from_client));
}

void session_relay(struct session *s)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct pre *p = s->pre;

	if (!r || gather(p) < 0 || gather_up(p) < 0) {
		free(r);
		session_close(s, "no memory");
		return;
	}
	relay_begin(r, &s->worker->relay, s->client, s->upstream, &p->to_upstream,
		&p->to_client);
	s->relay = r;
	session_free_pre(s);
	session_set_state(s, SESSION_RELAY, 0);
	session_goes_live(s);
	judge(s, relay_start(r, worker_now(s->worker)));
}

void session_drain(struct session *s, enum farewell why)
{
	char id[SESSION_ID_MAX];
	struct str words = s->lane->farewell(why);

	if (s->state != SESSION_RELAY)
		return;
	log_info(session_id(s, id), "quiesce", "account=%s",
		s->account ? s->account : "-");
	/* in the middle of an answer the words would become part of a message */
	if (relay_between_lines(s->relay, worker_now(s->worker)) &&
		stream_write(s->client, words, false) < 0)
		log_debug(id, "quiesce", "client=gone");
	stream_shutdown(s->client, SHUT_RDWR);
	stream_want(s->client, 0);
	stream_shutdown(s->upstream, SHUT_WR);
	session_set_state(s, SESSION_DRAINING, DRAIN_MS);
	stream_want(s->upstream, UV_READABLE);
}

void session_give_away(struct session *s)
{
	stream_free(s->client);
	s->client = NULL;
	session_drop_upstream(s);
	session_free_pre(s);
	session_set_state(s, SESSION_LOCAL, 0);
	session_goes_live(s);
	LIST_INSERT_HEAD(&s->worker->local[s->number % LOCAL_BUCKETS], s, numbered);
}
