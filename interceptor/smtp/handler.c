/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: one machine between client and source for the whole session (smtp.h).
 */
#include "base/log.h"
#include "interceptor/protocols/offer.h"
#include "interceptor/session/quiesce.h"
#include "interceptor/smtp/smtp.h"
#include "settings/smart_host.h"
#include "source/smart_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#define READ_SIZE 32768 /* in one turn; the others have theirs */
#define READ_MAX 32768  /* unread by the proxy: then the sender waits */
/* Written and not taken: what makes a session congested, one reply, and portions of a
   message. */
#define WRITE_MAX (65536 + SMTP_REPLY_MAX + 2 * SMTP_PROXY_PORTION)
#define IDLE_MS                                                                          \
	900000 /* RFC 5321, 4.5.3.2: 10 minutes for a final dot; the source's            \
	          own time-outs are shorter, and its answer passes */
#define ENDED_MS 60000 /* a client that ended before the greeting may still want it */

/* ---- memory ---- */

/* Then its offer stands as it is. Later only what we speak: of DSN (RFC 3461) nothing
   without a smart host, as reports could not be sent; the server before us says
   "relayed" then, which is true (5.2.2 there). */
bool smtp_is_nobody_here(struct session *s)
{
	bool any_local = true;

	return registry_any_local(s->host->registry, &any_local, NULL) == 0 && !any_local;
}

static enum smtp_relay relay_of(const struct settings *settings)
{
	struct smart_host h = { .kind = SMART_HOST_NONE };

	if (!settings->smart_host || smart_host_parse(settings->smart_host, &h) < 0 ||
		h.kind == SMART_HOST_NONE)
		return SMTP_RELAY_BY_NONE;
	return h.kind == SMART_HOST_LMTP ? SMTP_RELAY_BY_LMTP : SMTP_RELAY_BY_SMTP;
}

static void init(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	const struct settings *settings = s->host->settings;
	const struct offer *o = s->host->ops->offer(s->host, s->service);
	struct session_memory *m = s->memory;

	/* copied: the offer may be another one soon */
	if (o) {
		f->offer.greeting = arena_str(&m->arena, o->shown.greeting);
		f->offer.ehlo = arena_str(&m->arena,
			s->is_secure ? o->secure.capability : o->shown.capability);
		f->ehlo_secure = arena_str(&m->arena, o->secure.capability);
		f->offer.unknown_user = arena_str(&m->arena, o->refusal);
	}
	f->offer.name = protocol_greeted_name(f->offer.greeting, f->name);
	f->offer.nobody_here = smtp_is_nobody_here(s);
	f->offer.tls = smtp_tls_of(s);
	f->offer.source_is_secure = smtp_is_source_secure(s);
	f->offer.policy = settings->smtp_policy == SMTP_POLICY_SOURCE;
	f->offer.retired = s->host->ops->is_retired(s->host);
	f->offer.from_us = s->host->legs.of[s->service].from != LEG_CLIENT;
	f->offer.relay = relay_of(settings);
	f->offer.reports = f->offer.relay != SMTP_RELAY_BY_NONE;
	f->offer.is_secure = s->is_secure;
	f->offer.size_max = settings->limits.message_bytes;
	smtp_proxy_init(&f->proxy, &f->offer, &m->to_client, &m->to_source);
	arena_init(&f->arena);
	tls_hello_init(&f->hello);
	m->from_client.limit = READ_MAX + READ_SIZE;
	m->from_source.limit = SMTP_REPLY_MAX + READ_SIZE;
	m->to_client.limit = m->to_source.limit = WRITE_MAX;
}

static void end(struct session *s)
{
	struct smtp_session *f = smtp_of(s);

	smtp_abort(s);
	smtp_forget_check(s);
	tls_hello_fini(&f->hello);
	smtp_proxy_fini(&f->proxy);
	arena_fini(&f->arena);
}

/* ---- the proxy's turn ---- */

static enum smtp_proxy_action step(struct session *s)
{
	struct session_memory *m = s->memory;
	struct smtp_proxy_io io = { .client = STR(""),
		.source = buf_view(&m->from_source) };
	enum smtp_proxy_action action;

	if (!session_is_congested(s))
		io.client = buf_view(&m->from_client);
	action = smtp_proxy_next(&smtp_of(s)->proxy, &io);
	/* views into them stay good until bytes are appended */
	buf_consume(&m->from_client, io.client_used);
	buf_consume(&m->from_source, io.source_used);
	return action;
}

/* Actions that are about what the source is asked, and what it has said. */
static void act_on_source(struct session *s, enum smtp_proxy_action action)
{
	if (action == SMTP_PROXY_AT_SOURCE)
		smtp_count_recipient(s);
	else if (action == SMTP_PROXY_KNOWN_SENDER)
		smtp_recall_sender(s);
	else if (action == SMTP_PROXY_REMEMBER)
		smtp_remember_answer(s);
	else if (action == SMTP_PROXY_FORGET)
		smtp_forget_sender(s);
	else
		smtp_renew_source(s);
}

/* false: the proxy stops here. */
static bool act(struct session *s, enum smtp_proxy_action action)
{
	switch (action) {
	case SMTP_PROXY_NEED_MORE:
		return false;
	case SMTP_PROXY_AGAIN:
		break;
	case SMTP_PROXY_ROUTE:
		smtp_route_recipient(s);
		break;
	case SMTP_PROXY_AT_SOURCE:
	case SMTP_PROXY_KNOWN_SENDER:
	case SMTP_PROXY_REMEMBER:
	case SMTP_PROXY_FORGET:
	case SMTP_PROXY_RENEW_SOURCE:
		act_on_source(s, action);
		break;
	case SMTP_PROXY_STAGE_BEGIN:
		smtp_stage_begin(s);
		break;
	case SMTP_PROXY_STAGE_BYTES:
		smtp_stage_bytes(s);
		break;
	case SMTP_PROXY_STAGE_END:
		smtp_stage_end(s);
		break;
	case SMTP_PROXY_COMMIT:
	case SMTP_PROXY_REPORT:
		smtp_commit(s);
		break;
	case SMTP_PROXY_ABORT:
		smtp_abort(s);
		break;
	case SMTP_PROXY_CONNECT_RELAY:
		smtp_connect_relay(s);
		break;
	case SMTP_PROXY_TRACE:
		smtp_trace_relayed(s);
		break;
	case SMTP_PROXY_CHECK:
		smtp_check_login(s);
		break;
	case SMTP_PROXY_AUTHENTICATED:
		smtp_authenticated(s);
		break;
	case SMTP_PROXY_LOGIN_REFUSED:
		smtp_login_refused(s);
		break;
	case SMTP_PROXY_START_TLS:
		smtp_start_tls(s);
		break;
	case SMTP_PROXY_UPGRADE:
		smtp_upgrade(s);
		return false;
	case SMTP_PROXY_DROP_SOURCE:
		session_drop_source(s);
		break;
	case SMTP_PROXY_CLOSE:
		session_finish(s, "over");
		break;
	}
	return session_is_handled(s);
}

/* ---- both sides ---- */

static struct session_events wants(const struct session *s)
{
	const struct session_memory *m = s->memory;
	bool client = buf_len(&m->from_client) < READ_MAX && !session_is_congested(s);
	bool source = buf_len(&m->to_client) <= READ_MAX;

	return (struct session_events){ client ? UV_READABLE : UV_DISCONNECT,
		source ? UV_READABLE : 0 };
}

/* All that the client has sent is read, and nothing of it waits: there will be no more.
 */
static bool is_at_end(const struct session *s)
{
	return s->client_ended && !s->client_dead && !session_is_congested(s) &&
	       smtp_proxy_awaits_client(&smtp_of(s)->proxy);
}

static void client_lost(struct session *s)
{
	if (smtp_of(s)->proxy.state == SMTP_PROXY_BLIND) {
		session_close(s, "client left");
		return;
	}
	s->client_dead = true;
	smtp_proxy_client_gone(&smtp_of(s)->proxy);
	session_again(s);
}

/* It can still read: the last replies are for it, as at the source. */
static void client_ended(struct session *s)
{
	smtp_proxy_client_gone(&smtp_of(s)->proxy);
	session_again(s);
}

/* Nothing of a transaction that is over is on its way. */
static void look_after_recipients(struct session *s)
{
	if (smtp_proxy_is_idle(&smtp_of(s)->proxy)) {
		smtp_forget_at_source(s);
		smtp_of(s)->must_end = false;
	}
	quiesce_check(s->host);
}

/* In the middle of a STARTTLS that no word in clear may come behind. */
static bool awaits_hello(const struct session *s)
{
	return smtp_of(s)->proxy.state == SMTP_PROXY_TLS_HELLO ||
	       smtp_of(s)->proxy.state == SMTP_PROXY_BLIND;
}

/* An SMTP session goes on for long behind its login. */
static void wipe_login(struct session *s)
{
	struct smtp_session *f = smtp_of(s);
	struct session_memory *m = s->memory;

	if (smtp_proxy_is_logging_in(&f->proxy)) {
		f->is_to_wipe = true;
	} else if (f->is_to_wipe && !buf_len(&m->from_client) &&
		   !buf_len(&m->to_source)) {
		buf_wipe(&m->from_client);
		buf_wipe(&m->to_source);
		f->is_to_wipe = false;
	}
}

static uint64_t patience(const struct session *s)
{
	return s->client_ended && !s->bytes_out ? ENDED_MS : IDLE_MS;
}

static void run(struct session *s)
{
	if (awaits_hello(s))
		smtp_read_hello(s);
	if (session_is_handled(s) && smtp_of(s)->proxy.state == SMTP_PROXY_BLIND)
		return;
	while (session_is_handled(s) && act(s, step(s)))
		;
	if (!session_is_handled(s))
		return;
	if (is_at_end(s))
		client_ended(s);
	look_after_recipients(s);
	wipe_login(s);
	if (smtp_of(s)->is_kicked && smtp_proxy_is_idle(&smtp_of(s)->proxy)) {
		smtp_say_bye(s, CLOSE_KICKED);
		return;
	}
	if (!smtp_of(s)->must_end && s->source_state != SOURCE_CONNECTING)
		session_set_deadline(s, patience(s));
}

/* A client that the source does not want is no trouble of the source. */
static void log_lost(const struct session *s, const char *state, int code)
{
	char id[SESSION_ID_MAX];
	const char *why = s->connects_to == SERVER_SMART_HOST ? smart_host_trouble(code)
	                                                      : strerror(-code);

	if (smtp_of(s)->proxy.source_state == SMTP_PEER_HUNG_UP)
		log_info(session_id(s, id), "source-refused", "in=\"%s\"", state);
	else
		log_warning(session_id(s, id), session_server_name(s->connects_to),
			"error=\"%s\" in=\"%s\"", why, state);
}

static void source_lost(struct session *s, int code)
{
	bool was_open = s->source_state == SOURCE_OPEN;
	const char *state;

	if (smtp_of(s)->proxy.state == SMTP_PROXY_BLIND) {
		session_close(s, "source lost");
		return;
	}
	run(s); /* its last words */
	if (!session_is_handled(s) || s->source_state == SOURCE_NONE ||
		(was_open && s->source_state != SOURCE_OPEN))
		return;
	state = smtp_proxy_state_name(smtp_of(s)->proxy.state);
	session_drop_source(s);
	smtp_proxy_source_lost(&smtp_of(s)->proxy);
	log_lost(s, state, code);
	run(s);
}

/* A source that makes clients wait for its greeting (a tarpit) has more time than one
   that does not answer at all. */
static void source_connected(struct session *s)
{
	if (!smtp_of(s)->must_end)
		session_set_deadline(s, patience(s));
	session_is_known(s); /* the source's own limits hold for it now */
	smtp_proxy_source_connected(&smtp_of(s)->proxy);
}

/* ---- beginning and end ---- */

static void begin(struct session *s)
{
	int r;

	session_set_deadline(s, IDLE_MS);
	session_set_route(s, ROUTE_SOURCE);
	if (!session_memory(s))
		return;
	s->connects_in_clear = smtp_of(s)->offer.tls == SMTP_TLS_PASS;
	r = smtp_of(s)->offer.retired ? -ECONNREFUSED : session_connect(s);
	if (r < 0) {
		smtp_proxy_source_lost(&smtp_of(s)->proxy);
		run(s);
	}
}

void smtp_say_bye(struct session *s, enum close_reason why)
{
	smtp_abort(s);
	if (awaits_hello(s))
		session_close(s, "no TLS behind STARTTLS");
	else
		session_say_bye(s, why);
	quiesce_check(s->host);
}

static void timeout(struct session *s)
{
	if (s->source_state == SOURCE_CONNECTING) {
		s->host->notes[NOTE_UNANSWERED]++;
		source_lost(s, -ETIMEDOUT);
	} else
		smtp_say_bye(s, smtp_of(s)->must_end ? CLOSE_MOVED : CLOSE_TIMEOUT);
}

static struct str words(const void *protocol, enum close_reason reason)
{
	static const struct str texts[CLOSE_REASON_COUNT] = {
		[CLOSE_TIMEOUT] = STR("421 4.4.2 Too slow; closing\r\n"),
		[CLOSE_TOO_MUCH] = STR("421 4.7.0 Too much\r\n"),
		[CLOSE_CROWDED] = STR("421 4.7.0 Too many connections\r\n"),
		[CLOSE_UNAVAILABLE] =
			STR("421 4.4.1 The mail server is not available; please try "
			    "again later\r\n"),
		[CLOSE_MOVED] = STR("421 4.2.1 A mailbox is being moved; please try "
				    "again in a moment\r\n"),
		[CLOSE_KICKED] = STR("421 4.3.2 Closed by the administrator; please try "
				     "again\r\n"),
	};

	(void)protocol;
	return texts[reason];
}

/* A sender that has nothing under way comes again. */
static bool is_idle(const struct session *s)
{
	return smtp_proxy_is_idle(&smtp_of(s)->proxy) &&
	       s->source_state != SOURCE_CONNECTING;
}

static bool awaits(const struct session *s, struct str account)
{
	return smtp_of(s)->is_held && str_eq(str_from(smtp_of(s)->routed.name), account);
}

static const char *state_name(const struct session *s)
{
	(void)s;
	return "talking";
}

const struct handler smtp_handler = {
	.state_size = sizeof(struct smtp_session),
	.read_size = READ_SIZE,
	.begin = begin,
	.init = init,
	.end = end,
	.is_idle = is_idle,
	.wants = wants,
	.client_ready = run,
	.client_lost = client_lost,
	.source_connected = source_connected,
	.source_ready = run,
	.source_lost = source_lost,
	.timeout = timeout,
	.tick = smtp_route_held,
	.awaits = awaits,
	.kick = smtp_kick,
	.quiesce = smtp_quiesce,
	.is_ending = smtp_is_ending,
	.words = words,
	.state_name = state_name,
};
