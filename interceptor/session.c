/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "interceptor/login.h"
#include "interceptor/session_parts.h"
#include "interceptor/source.h"
#include "interceptor/worker.h"
#include "nft-rules/marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TO_CLIENT_MAX 262144 /* unread replies before login: he only sends */
#define CLOSING_MS 5000      /* for the last words to be taken */
#define LINGER_MS 2000       /* for the client to have read them */
#define GREETING_MS 10000    /* for the source to show itself */

static const char *const state_names[] = {
	[SESSION_GREETING] = "greeting",
	[SESSION_PRELOGIN] = "prelogin",
	[SESSION_UPGRADING] = "upgrading",
	[SESSION_LOGGING_IN] = "logging-in",
	[SESSION_EXCHANGE] = "exchange",
	[SESSION_PROVED] = "proved",
	[SESSION_BUSY] = "busy",
	[SESSION_VERIFYING] = "verifying",
	[SESSION_REFUSING] = "refusing",
	[SESSION_TALKING] = "talking",
	[SESSION_RELAY] = "relay",
	[SESSION_DRAINING] = "draining",
	[SESSION_LOCAL] = "local",
	[SESSION_CLOSING] = "closing",
	[SESSION_LINGERING] = "lingering",
	[SESSION_GONE] = "gone",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SESSION_STATE_COUNT,
	"a name for each state");

const char *session_state_name(enum session_state s)
{
	return (unsigned)s < SESSION_STATE_COUNT ? state_names[s] : "unknown";
}

const char *session_id(const struct session *s, char id[static SESSION_ID_MAX])
{
	(void)snprintf(id, SESSION_ID_MAX, "%x-%x", s->worker->pid, s->number);
	return id;
}

/* ---- what is asked of the loop ---- */

/* Which events matter in each state; writing is asked for when there is something. */
static const struct interest {
	int client, upstream;
} interests[SESSION_STATE_COUNT] = {
	[SESSION_GREETING] = { UV_DISCONNECT, UV_READABLE },
	[SESSION_PRELOGIN] = { UV_READABLE, UV_READABLE },
	[SESSION_UPGRADING] = { UV_DISCONNECT, UV_READABLE },
	[SESSION_LOGGING_IN] = { UV_DISCONNECT, UV_READABLE },
	[SESSION_EXCHANGE] = { UV_READABLE, UV_READABLE },
	[SESSION_PROVED] = { UV_DISCONNECT, 0 },
	[SESSION_BUSY] = { UV_DISCONNECT, 0 },
	[SESSION_VERIFYING] = { UV_DISCONNECT, UV_READABLE },
	[SESSION_REFUSING] = { UV_DISCONNECT, UV_READABLE },
	[SESSION_CLOSING] = { 0, 0 },
	[SESSION_LINGERING] = { UV_READABLE, 0 },
};

void session_want_events(struct session *s)
{
	const struct interest *i = &interests[s->state];
	int client = i->client, upstream = i->upstream;

	if (s->relay || s->state == SESSION_GONE)
		return; /* the relay asks for itself */
	if (s->state == SESSION_TALKING) {
		s->lane->talk->want_events(s);
		return;
	}
	if (s->ended)
		client &= ~UV_READABLE;
	if (s->hung || s->ended)
		client &= ~UV_DISCONNECT;
	if (s->pre && buf_len(&s->pre->to_client))
		client |= UV_WRITABLE;
	/* the source speaks first, so that the connect is noticed by its greeting */
	if (s->upstream_state == UPSTREAM_CONNECTING)
		upstream = UV_READABLE;
	else if (s->pre && buf_len(&s->pre->to_upstream))
		upstream |= UV_WRITABLE;
	stream_want(s->client, client);
	stream_want(s->upstream, upstream);
}

void session_set_state(struct session *s, enum session_state state, uint64_t timeout_ms)
{
	char id[SESSION_ID_MAX];

	if (s->state == SESSION_GONE)
		return;
	if (s->state != state)
		log_debug(session_id(s, id), "state", "from=%s to=%s",
			session_state_name(s->state), session_state_name(state));
	s->state = state;
	if (s->deadline)
		LIST_REMOVE(s, timed);
	s->deadline = timeout_ms ? worker_now(s->worker) + timeout_ms : 0;
	if (s->deadline)
		LIST_INSERT_HEAD(&s->worker->timed, s, timed);
	session_want_events(s);
}

/* ---- memory ---- */

void session_free_pre(struct session *s)
{
	struct pre *p = s->pre;
	struct buf *bufs[5];

	if (!p)
		return;
	if (s->lane->talk && p->front)
		s->lane->talk->end(s);
	bufs[0] = &p->from_client;
	bufs[1] = &p->to_client;
	bufs[2] = &p->from_upstream;
	bufs[3] = &p->to_upstream;
	bufs[4] = &p->answer;
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		buf_wipe(bufs[i]);
		buf_fini(bufs[i]);
	}
	arena_fini(&p->arena);
	offer_unref(p->offer);
	free(p);
	s->pre = NULL;
}

static void init_pre(struct session *s, struct pre *p)
{
	size_t login_bytes = s->worker->settings->limits.login_bytes;
	struct offer *offer = s->worker->offers[s->service];

	arena_init(&p->arena);
	buf_init(&p->from_client, login_bytes + SESSION_READ_CHUNK);
	buf_init(&p->to_client, TO_CLIENT_MAX);
	buf_init(&p->from_upstream, TO_CLIENT_MAX);
	buf_init(&p->to_upstream, login_bytes + SESSION_READ_CHUNK);
	buf_init(&p->answer, TO_CLIENT_MAX);
	p->offer = offer ? offer_ref(offer) : NULL;
}

bool session_reads_client(const struct session *s)
{
	return interests[s->state].client & UV_READABLE;
}

bool session_want_pre(struct session *s)
{
	struct pre *p;

	if (s->pre || s->state == SESSION_GONE)
		return s->pre != NULL;
	p = calloc(1, sizeof(*p));
	if (!p) {
		session_close(s, "no memory");
		return false;
	}
	init_pre(s, p);
	s->pre = p;
	p->front = arena_alloc(&p->arena, s->lane->front_size);
	if (!p->front) {
		session_close(s, "no memory");
		return false;
	}
	s->lane->front_begin(s);
	return true;
}

void *session_front(struct session *s)
{
	return s->pre->front;
}

void session_free(struct session *s)
{
	free(s->account);
	free(s);
}

/* ---- the end ---- */

void session_count_waiting(struct session *s, bool waiting)
{
	if (s->waiting == waiting)
		return;
	s->waiting = waiting;
	tally_add_waiting(
		s->worker->tally, s->worker->index, s->bucket, waiting ? 1 : -1);
}

static void log_end(struct session *s, const char *why)
{
	char id[SESSION_ID_MAX];

	log_info(session_id(s, id), "end",
		"reason=\"%s\" in=%s account=%s bytes_in=%llu bytes_out=%llu", why,
		session_state_name(s->state), s->account ? s->account : "-",
		(unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out);
}

void session_end_relay(struct session *s)
{
	if (!s->relay)
		return;
	s->bytes_in = s->relay->up.bytes;
	s->bytes_out = s->relay->down.bytes;
	relay_fini(s->relay);
	free(s->relay);
	s->relay = NULL;
}

void session_close(struct session *s, const char *why)
{
	struct worker *w = s->worker;

	if (s->state == SESSION_GONE)
		return;
	session_end_relay(s);
	log_end(s, s->why ? s->why : why);
	if (s->state == SESSION_VERIFYING)
		verify_forget(&w->verify, s);
	if (s->state == SESSION_LOCAL)
		LIST_REMOVE(s, numbered);
	if (s->live)
		worker_tell_master(w, s, MESSAGE_SESSION_END);
	session_count_waiting(s, false);
	tally_add_connection(w->tally, w->index, -1);
	session_drop_upstream(s);
	stream_free(s->client);
	s->client = NULL;
	session_free_pre(s);
	session_set_state(s, SESSION_GONE, 0);
	LIST_REMOVE(s, all);
	LIST_INSERT_HEAD(&w->gone, s, all);
	worker_check_quiesced(w);
}

void session_finish(struct session *s, const char *why)
{
	if (s->state == SESSION_GONE)
		return;
	session_drop_upstream(s);
	if (!s->why)
		s->why = why;
	if (s->pre && buf_len(&s->pre->to_client)) {
		session_set_state(s, SESSION_CLOSING, CLOSING_MS);
		return;
	}
	if (s->ended || s->state == SESSION_GREETING) {
		session_close(s, why);
		return;
	}
	/* with unread bytes in the socket close() is a reset, and the last words would
	   be lost on their way: let him close first */
	stream_shutdown(s->client, SHUT_WR);
	session_set_state(s, SESSION_LINGERING, LINGER_MS);
}

void session_farewell(struct session *s, enum farewell why)
{
	static const char *const reasons[FAREWELL_COUNT] = {
		[FAREWELL_TIMEOUT] = "timeout",
		[FAREWELL_TOO_MUCH] = "sent too much before login",
		[FAREWELL_CROWDED] = "too many connections",
		[FAREWELL_UNAVAILABLE] = "source unavailable",
		[FAREWELL_MOVED] = "account is moving",
	};

	session_say(s, s->lane->farewell(why));
	session_finish(s, reasons[why]);
}

/* ---- whose it is ---- */

bool session_set_account(struct session *s, struct str name, int64_t id)
{
	char *copy = name.len ? str_dup_c(name) : NULL;

	if (name.len && !copy) {
		session_close(s, "no memory");
		return false;
	}
	if (s->live && !(copy && str_eq(str_from(s->account), name)))
		session_goes_off(s); /* it was another one's */
	free(s->account);
	s->account = copy;
	s->account_id = id;
	return true;
}

void session_set_route(struct session *s, enum route route)
{
	static const uint32_t marks[ROUTE_COUNT] = {
		[ROUTE_SOURCE] = MARK_SOURCE,
		[ROUTE_BUSY] = MARK_BUSY,
		[ROUTE_LOCAL] = MARK_LOCAL,
	};

	if (s->route == route || route == ROUTE_COUNT)
		return;
	if (route == ROUTE_LOCAL)
		session_goes_off(s); /* of the source */
	s->route = route;
	stream_mark(s->client, marks[route]);
}

void session_is_known(struct session *s)
{
	session_count_waiting(s, false);
}

void session_goes_live(struct session *s)
{
	session_count_waiting(s, false);
	if (s->live || !s->account)
		return;
	s->live = true;
	worker_tell_master(s->worker, s, MESSAGE_SESSION_BEGIN);
}

void session_goes_off(struct session *s)
{
	if (s->live)
		worker_tell_master(s->worker, s, MESSAGE_SESSION_END);
	s->live = false;
}

/* ---- the beginning ---- */

static struct session *make(struct worker *w, enum service_id service,
	const union endpoint *peer, const union endpoint *destination)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->worker = w;
	s->lane = lane_of(service);
	s->service = service;
	s->route = ROUTE_COUNT;
	s->number = w->next_number++;
	s->peer = *peer;
	s->destination = *destination;
	s->started_ms = clock_wall_ms();
	s->login_deadline =
		worker_now(w) + w->settings->limits.login_timeout_s * UINT64_C(1000);
	s->bucket = tally_bucket(w->tally, &peer->any);
	return s;
}

static bool is_crowded(const struct session *s)
{
	const struct limits *limits = &s->worker->settings->limits;
	const struct tally *t = s->worker->tally;

	return tally_connections(t) > limits->connections ||
	       tally_waiting(t, s->bucket) > limits->connections_per_ip;
}

static void log_begin(const struct session *s)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];

	endpoint_text(&s->peer, client);
	endpoint_text(&s->destination, to);
	log_debug(session_id(s, id), "connect", "service=%s client=%s to=%s",
		service_name(s->service), client, to);
}

static bool may_greet(const struct session *s)
{
	const struct offer *o = s->worker->offers[s->service];

	return o && !(s->lane->is_personal && s->lane->is_personal(&o->shown));
}

static void begin(struct session *s)
{
	int r;

	if (s->lane->talk) {
		s->lane->talk->begin(s);
		return;
	}
	if (may_greet(s)) {
		s->lane->greet(s);
		session_resume(s);
		return;
	}
	session_set_state(s, SESSION_GREETING, GREETING_MS);
	if (!session_want_pre(s))
		return;
	r = session_connect_upstream(s);
	if (r < 0)
		login_upstream_lost(s, r);
}

void session_accept(struct worker *w, enum service_id service, int fd,
	const union endpoint *peer, const union endpoint *destination)
{
	struct session *s = make(w, service, peer, destination);

	if (!s || stream_plain_new(&w->loop, fd, &s->client) < 0) {
		free(s);
		close(fd);
		return;
	}
	stream_set_owner(s->client, session_client_ready, s);
	stream_mark(s->client, MARK_UNDECIDED);
	LIST_INSERT_HEAD(&w->sessions, s, all);
	tally_add_connection(w->tally, w->index, 1);
	session_count_waiting(s, true);
	log_begin(s);
	if (is_crowded(s)) {
		session_say(s, s->lane->farewell(FAREWELL_CROWDED));
		session_close(s, "too many connections");
		return;
	}
	begin(s);
}

void session_timeout(struct session *s)
{
	if (s->state != SESSION_TALKING && session_upstream_only_slow(s))
		return;
	switch (s->state) {
	case SESSION_GREETING:
	case SESSION_UPGRADING:
	case SESSION_LOGGING_IN:
		login_upstream_lost(s, -ETIMEDOUT);
		break;
	case SESSION_PRELOGIN:
	case SESSION_EXCHANGE:
		session_farewell(s, FAREWELL_TIMEOUT);
		break;
	case SESSION_PROVED:
	case SESSION_BUSY:
		login_recheck(s, true);
		break;
	case SESSION_REFUSING:
		login_refuse(s, REFUSAL_WRONG_PASSWORD);
		break;
	case SESSION_TALKING:
		s->lane->talk->timeout(s);
		break;
	case SESSION_RELAY:
	case SESSION_DRAINING:
	case SESSION_CLOSING:
	case SESSION_LINGERING:
	case SESSION_VERIFYING:
	case SESSION_LOCAL:
		session_close(s, "timeout");
		break;
	case SESSION_GONE:
	case SESSION_STATE_COUNT:
		break;
	}
}
