/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a session counts as until it has logged in (shared/prelogin_limits.h). */
#include "interceptor/session/internal.h"

#define TLS_BYTES 32768   /* of OpenSSL's, for one connection */
#define IDLE_MS 1000      /* a client that has just come is left the time to speak */
#define LOOKED_AT_MAX 256 /* of the oldest */

static void set_places(struct session *s, unsigned places)
{
	if (places != s->places)
		s->host->ops->count_places(s->host, s, (int)places - (int)s->places);
	s->places = places;
}

static void set_waiting(struct session *s, bool waiting)
{
	if (s->waiting == waiting)
		return;
	s->waiting = waiting;
	s->host->ops->count_waiting(s->host, s, waiting ? 1 : -1);
}

void session_count_begin(struct session *s)
{
	s->is_unproven = true;
	TAILQ_INSERT_TAIL(&s->host->unproven, s, unproven);
	set_waiting(s, true);
}

void session_is_held(struct session *s)
{
	set_waiting(s, false);
	if (!s->held_at)
		s->held_at = s->host->ops->now(s->host);
}

void session_is_known(struct session *s)
{
	if (!s->is_unproven)
		return;
	s->is_unproven = false;
	TAILQ_REMOVE(&s->host->unproven, s, unproven);
	set_waiting(s, false);
	set_places(s, 0);
}

void session_is_proven(struct session *s)
{
	if (s->is_unproven)
		s->host->ops->note_attempt(s->host, s, true);
	session_is_known(s);
}

void session_has_failed(struct session *s)
{
	if (s->is_unproven)
		s->host->ops->note_attempt(s->host, s, false);
}

/* A session that was never sent anything has no memory, and takes no place. */
static size_t bytes_of(const struct session *s)
{
	const struct session_memory *m = s->memory;

	if (!m)
		return 0;
	return sizeof(*s) + sizeof(*m) + m->arena.used + m->from_client.cap +
	       m->to_client.cap + m->from_source.cap + m->to_source.cap +
	       (s->is_secure ? TLS_BYTES : 0);
}

void session_refuse(struct session *s, const char *why)
{
	(void)stream_write(
		s->client, s->handler->words(s->protocol, CLOSE_CROWDED), false);
	session_close(s, why);
}

void session_recount(struct session *s)
{
	unsigned places = (unsigned)((bytes_of(s) + PRELOGIN_PLACE - 1) / PRELOGIN_PLACE);
	bool more = places > s->places;

	if (!s->is_unproven)
		return;
	set_places(s, places);
	if (more && s->host->ops->crowd(s->host, s) == CROWD_MEMORY &&
		!session_make_room(s->host, CROWD_MEMORY))
		session_refuse(s, "no memory is left before login");
}

/* Nothing is under way in it, and it had the time to begin. */
static bool can_go(const struct session *s, enum crowd crowd)
{
	if (s->state != SESSION_HANDLED || s->calls || !s->handler->is_idle ||
		s->host->ops->now(s->host) < s->accepted_at + IDLE_MS)
		return false;
	return s->handler->is_idle(s) && (s->places || crowd != CROWD_MEMORY);
}

bool session_make_room(struct host *h, enum crowd crowd)
{
	struct session *s = TAILQ_FIRST(&h->unproven);

	if (crowd == CROWD_NETWORK)
		return false;
	for (unsigned i = 0; s && i < LOOKED_AT_MAX; i++) {
		if (can_go(s, crowd)) {
			session_has_failed(s);
			session_refuse(s, "made room for others");
			return true;
		}
		s = TAILQ_NEXT(s, unproven);
	}
	return false;
}
