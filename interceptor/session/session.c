/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/session.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "interceptor/session/internal.h"
#include "interceptor/session/quiesce.h"
#include "nft-rules/marks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define CLOSING_MS 5000 /* for the last words to be taken */
#define LINGER_MS 2000  /* for the client to have read them */

/* ---- states ---- */

#define TO(state) (1u << (state))

static const struct state {
	const char *name;
	unsigned next; /* what may follow */
	uint64_t ms;   /* it lasts at most; 0: as long as it takes */
} states[SESSION_STATE_COUNT] = {
	[SESSION_HANDLED] = { "handled", TO(SESSION_RELAY) | TO(SESSION_LOCAL) |
						 TO(SESSION_CLOSING) | TO(SESSION_GONE) },
	[SESSION_RELAY] = { "relay",
		TO(SESSION_HANDLED) | TO(SESSION_DRAINING) | TO(SESSION_GONE) },
	[SESSION_DRAINING] = { "draining", TO(SESSION_GONE), 5000 },
	[SESSION_LOCAL] = { "local", TO(SESSION_GONE) },
	[SESSION_CLOSING] = { "closing", TO(SESSION_LINGERING) | TO(SESSION_GONE),
		CLOSING_MS },
	[SESSION_LINGERING] = { "lingering", TO(SESSION_GONE), LINGER_MS },
	[SESSION_GONE] = { "gone", 0 },
};
#undef TO

const char *session_state_name(const struct session *s)
{
	return s->state == SESSION_HANDLED ? s->handler->state_name(s)
	                                   : states[s->state].name;
}

/* From the end; it is made several times in each login. */
static char *put_hex(char *end, unsigned number)
{
	do
		*--end = HEX_LOWER[number & 0xf];
	while (number >>= 4);
	return end;
}

const char *session_id(const struct session *s, char id[static SESSION_ID_MAX])
{
	char *end = id + SESSION_ID_MAX - 1, *at = end;

	*at = '\0';
	at = put_hex(at, s->number);
	*--at = '-';
	at = put_hex(at, s->host->pid);
	memmove(id, at, (size_t)(end - at) + 1);
	return id;
}

const char *session_server_name(enum session_server server)
{
	static const char *const names[SERVER_COUNT] = {
		[SERVER_SOURCE] = "source",
		[SERVER_SMART_HOST] = "smart-host",
		[SERVER_DESTINATION] = "destination",
	};

	return names[server];
}

bool session_is_handled(const struct session *s)
{
	return s->state == SESSION_HANDLED;
}

bool session_is_of(const struct session *s, struct str account)
{
	return s->account && str_eq(str_from(s->account), account);
}

void session_set_deadline(struct session *s, uint64_t ms)
{
	if (s->deadline)
		LIST_REMOVE(s, timed);
	s->deadline = ms ? s->host->ops->now(s->host) + ms : 0;
	if (s->deadline)
		LIST_INSERT_HEAD(&s->host->timed, s, timed);
}

void session_set_state(struct session *s, enum session_state state)
{
	char id[SESSION_ID_MAX];

	log_debug(session_id(s, id), "state", "from=%s to=%s", session_state_name(s),
		states[state].name);
	if (!(states[s->state].next & 1u << state)) {
		log_error(session_id(s, id), "state", "error=\"%s cannot follow\"",
			states[state].name);
		assert(!"a change of state that may not be");
	}
	s->state = state;
	session_set_deadline(s, states[state].ms);
}

void session_set_step(
	struct session *s, const struct session_step *steps, unsigned step, uint64_t ms)
{
	char id[SESSION_ID_MAX];

	if (!session_is_handled(s))
		return;
	if (s->step != step)
		log_debug(session_id(s, id), "state", "from=%s to=%s",
			steps[s->step].name, steps[step].name);
	if (!(steps[s->step].next & 1u << step)) {
		log_error(session_id(s, id), "state", "error=\"%s cannot follow %s\"",
			steps[step].name, steps[s->step].name);
		assert(!"a change of step that may not be");
	}
	s->step = step;
	session_set_deadline(s, ms);
}

/* ---- the end ---- */

static void log_end(struct session *s, const char *why)
{
	char id[SESSION_ID_MAX];
	unsigned long long in = s->bytes_in, out = s->bytes_out;

	if (s->account)
		log_info(session_id(s, id), "end",
			"reason=\"%s\" in=%s account=%s bytes_in=%llu bytes_out=%llu",
			why, session_state_name(s), s->account, in, out);
	else
		log_stranger(session_id(s, id), "end",
			"reason=\"%s\" in=%s account=- bytes_in=%llu bytes_out=%llu", why,
			session_state_name(s), in, out);
}

void session_close(struct session *s, const char *why)
{
	struct host *h = s->host;

	if (s->state == SESSION_GONE)
		return;
	session_relay_end(s);
	log_end(s, s->why ? s->why : why);
	if (s->state == SESSION_LOCAL || s->bridge == BRIDGE_LIVE)
		LIST_REMOVE(s, numbered);
	s->bridge = BRIDGE_NONE;
	session_set_live(s, false);
	session_is_known(s); /* not counted any more */
	h->ops->unseen_over(h, s);
	h->ops->count_connection(h, s, -1);
	session_drop_source(s);
	session_drop_follower(s);
	stream_free(s->client);
	s->client = NULL;
	session_set_state(s, SESSION_GONE);
	LIST_REMOVE(s, all);
	LIST_INSERT_HEAD(&h->gone, s, all);
	if (!s->calls)
		session_free_memory(s);
	quiesce_check(h);
}

void session_finish(struct session *s, const char *why)
{
	if (s->state != SESSION_HANDLED)
		return;
	session_drop_source(s);
	s->why = why;
	session_set_state(s, SESSION_CLOSING);
}

void session_say_bye(struct session *s, enum close_reason reason)
{
	static const char *const names[CLOSE_REASON_COUNT] = {
		[CLOSE_TIMEOUT] = "timeout",
		[CLOSE_TOO_MUCH] = "sent too much before login",
		[CLOSE_CROWDED] = "too many connections",
		[CLOSE_UNAVAILABLE] = "source unavailable",
		[CLOSE_MOVED] = "account is moving",
		[CLOSE_KICKED] = "kicked by the administrator",
	};

	if (reason == CLOSE_TIMEOUT || reason == CLOSE_TOO_MUCH)
		session_has_failed(s);
	session_say(s, s->handler->words(s->protocol, reason));
	session_finish(s, names[reason]);
}

void session_free(struct session *s)
{
	free(s->account);
	free(s);
}

/* ---- the account ---- */

bool session_set_account(struct session *s, struct str name, int64_t id)
{
	char *copy;

	if (session_is_of(s, name)) {
		s->account_id = id;
		return true;
	}
	copy = name.len ? str_dup_c(name) : NULL;
	if (name.len && !copy) {
		session_close(s, "no memory");
		return false;
	}
	session_set_live(s, false); /* it was another one's */
	free(s->account);
	s->account = copy;
	s->account_id = id;
	return true;
}

static void set_mark(struct session *s, enum mark mark)
{
	const struct settings *settings = s->host->settings;
	struct marks marks = marks_of(settings->mark_mask, settings->mark);

	/* no packet of it is for the rules to count, and a mark could route it */
	if (s->service == SERVICE_LMTP)
		return;
	stream_mark(s->client, mark_bits(&marks, mark));
}

void session_set_route(struct session *s, enum route route)
{
	static const enum mark marks[ROUTE_COUNT] = {
		[ROUTE_SOURCE] = MARK_SOURCE,
		[ROUTE_BUSY] = MARK_BUSY,
		[ROUTE_LOCAL] = MARK_LOCAL,
	};

	if (s->route == route || route == ROUTE_COUNT)
		return;
	if (route == ROUTE_LOCAL)
		session_set_live(s, false); /* at the source */
	s->route = route;
	if (s->client)
		set_mark(s, marks[route]);
}

void session_set_live(struct session *s, bool live)
{
	if (live)
		session_is_proven(s);
	if (s->live == live || !s->account)
		return;
	s->live = live;
	s->host->ops->report_live(s->host, s, live);
}

void session_add_numbered(struct session *s)
{
	LIST_INSERT_HEAD(&s->host->local[s->number % HOST_LOCAL_BUCKETS], s, numbered);
}

void session_give_away(struct session *s)
{
	if (s->state != SESSION_HANDLED)
		return;
	session_drop_follower(s);
	if (s->bridge) {
		session_set_state(s, SESSION_RELAY);
		return;
	}
	stream_free(s->client);
	s->client = NULL;
	session_drop_source(s);
	session_set_state(s, SESSION_LOCAL);
	session_set_live(s, true);
	session_add_numbered(s);
}

/* ---- the beginning ---- */

static struct session *make(struct host *h, const struct service_handler *service,
	const struct arrival *arrival, struct stream *client)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = h;
	s->handler = service->handler;
	s->protocol = service->protocol;
	s->service = arrival->service;
	s->networks = arrival->networks;
	s->is_from_known = arrival->is_from_known;
	s->peer = arrival->peer;
	s->destination = arrival->destination;
	s->route = ROUTE_COUNT;
	s->number = h->next_number++;
	s->started_ms = clock_wall_ms();
	s->accepted_at = h->ops->now(h);
	s->client = client;
	stream_set_owner(client, session_client_event, s);
	set_mark(s, MARK_UNDECIDED);
	return s;
}

static void log_begin(const struct session *s)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];

	if (!log_shows(LOG_LEVEL_DEBUG))
		return;
	endpoint_text(&s->peer, client);
	endpoint_text(&s->destination, to);
	log_debug(session_id(s, id), "connect", "service=%s client=%s to=%s",
		service_name(s->service), client, to);
}

/* One that does nothing makes room for one that may. Of memory it needs none yet. */
static bool is_one_too_many(const struct session *s)
{
	enum crowd crowd = s->host->ops->crowd(s->host, s);

	return crowd != CROWD_NONE && crowd != CROWD_MEMORY &&
	       !session_make_room(s->host, crowd);
}

void session_host_init(struct host *h)
{
	LIST_INIT(&h->sessions);
	LIST_INIT(&h->timed);
	LIST_INIT(&h->gone);
	TAILQ_INIT(&h->unproven);
	for (size_t i = 0; i < HOST_LOCAL_BUCKETS; i++)
		LIST_INIT(&h->local[i]);
	LIST_INIT(&h->quiescing);
	LIST_INIT(&h->mail_holds);
	LIST_INIT(&h->stagings);
	LIST_INIT(&h->couriers);
	LIST_INIT(&h->filters);
}

void session_accept(struct host *h, const struct service_handler *service,
	const struct arrival *arrival, struct stream *client)
{
	struct session *s = make(h, service, arrival, client);

	if (!s) {
		stream_free(client);
		return;
	}
	LIST_INSERT_HEAD(&h->sessions, s, all);
	h->ops->count_connection(h, s, 1);
	session_count_begin(s);
	log_begin(s);
	if (is_one_too_many(s)) {
		session_refuse(s, "too many connections");
		return;
	}
	session_enter(s);
	s->handler->begin(s);
	session_leave(s);
}

/* ---- what the host tells ---- */

void session_timeout(struct session *s)
{
	if (s->state == SESSION_GONE)
		return;
	session_enter(s);
	/* a server that is slow to greet has connected all the same */
	if (s->source_state == SOURCE_CONNECTING && stream_connected(s->source) == 0)
		session_connected(s);
	else if (s->state == SESSION_HANDLED)
		s->handler->timeout(s);
	else
		session_close(s, "timeout");
	session_leave(s);
}

bool session_awaits(const struct session *s, struct str account)
{
	return s->state == SESSION_HANDLED && s->memory && s->handler->awaits &&
	       s->handler->awaits(s, account);
}

void session_tick(struct session *s)
{
	if (s->state != SESSION_HANDLED || !s->handler->tick)
		return;
	session_enter(s);
	s->handler->tick(s);
	session_leave(s);
}

enum quiesce session_quiesce(
	struct session *s, struct str account, enum switch_manner manner)
{
	bool concerns = s->ends_at_switch || session_is_of(s, account);
	enum quiesce result;

	if (s->state == SESSION_DRAINING && concerns)
		return QUIESCE_ENDING;
	if (s->state == SESSION_RELAY && concerns)
		return session_relay_quiesce(
			s, s->ends_at_switch ? SWITCH_FORCED : manner);
	if (s->state != SESSION_HANDLED)
		return QUIESCE_NOTHING;
	session_enter(s);
	result = s->handler->quiesce(s, account, manner == SWITCH_FORCED);
	session_leave(s);
	return result;
}

void session_kick(struct session *s)
{
	char id[SESSION_ID_MAX];

	log_info(session_id(s, id), "kick", "account=%s", s->account ? s->account : "-");
	if (s->state == SESSION_RELAY)
		session_relay_leave(s, CLOSE_KICKED);
	if (s->state != SESSION_HANDLED)
		return;
	session_enter(s);
	if (s->handler->kick)
		s->handler->kick(s);
	else
		session_say_bye(s, CLOSE_KICKED);
	session_leave(s);
}

void session_retire(struct session *s, bool too_long)
{
	if (s->state == SESSION_RELAY && !too_long && !s->is_unseen &&
		!relay_between_lines(s->relay, s->host->ops->now(s->host)))
		return;
	if (s->state == SESSION_RELAY || s->state == SESSION_HANDLED)
		session_kick(s);
}

bool session_is_at_source(const struct session *s, struct str account)
{
	return s->state == SESSION_RELAY && session_is_of(s, account) &&
	       !(s->relay && relay_source_ended(s->relay));
}

bool session_is_stuck(const struct session *s, struct str account)
{
	return session_is_at_source(s, account) && !session_can_cross(s);
}

bool session_is_ending(const struct session *s, struct str account)
{
	if (s->state == SESSION_DRAINING)
		return s->ends_at_switch || session_is_of(s, account);
	return s->state == SESSION_HANDLED && s->handler->is_ending && s->memory &&
	       s->handler->is_ending(s, account);
}
