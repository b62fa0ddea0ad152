/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IMAP in front of the login: glue between the two sans-I/O machines
 * (wire/imap/prelogin.h towards the client, wire/imap/upstream.h towards the source) and
 * the session.
 */
#include "interceptor/login.h"
#include "interceptor/session.h"
#include "interceptor/worker.h"
#include "wire/imap/cursor.h"
#include "wire/imap/upstream.h"

#include "base/log.h"

#include <errno.h>
#include <stddef.h>

#define UPGRADE_MS 30000 /* for the source to answer STARTTLS */

struct imap_front {
	struct imap_offer offer;
	struct imap_prelogin client;
	struct imap_upstream source;
	struct imap_probe probe; /* in GREETING: the source shows itself to the client */
};

/* ---- what the source shows ---- */

static void probe_begin(void *probe, struct arena *arena)
{
	imap_probe_init(probe, arena);
}

static enum lane_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	struct str response;

	switch (imap_probe_next(probe, input, &response, ret_used, to_source)) {
	case IMAP_PROBE_NEED_MORE:
		return LANE_PROBE_NEED_MORE;
	case IMAP_PROBE_AGAIN:
		return LANE_PROBE_AGAIN;
	case IMAP_PROBE_DONE:
		return LANE_PROBE_DONE;
	case IMAP_PROBE_BYE:
	case IMAP_PROBE_BROKEN:
		break;
	}
	return LANE_PROBE_FAILED;
}

static struct learnt probe_result(const void *probe)
{
	const struct imap_probe *p = probe;

	return (struct learnt){
		.greeting = p->greeting, .capability = p->capability, .id = p->id
	};
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	bool starttls = tls == SERVICE_TLS_PASS;
	struct buf greeting, capability;
	int r;

	buf_init(&greeting, IMAP_RESPONSE_MAX);
	buf_init(&capability, IMAP_RESPONSE_MAX);
	r = imap_greeting_filter(learnt->greeting, starttls, &greeting);
	if (r == 0)
		r = imap_capability_filter(learnt->capability, starttls, &capability);
	if (r == 0) {
		ret_shown->greeting = arena_str(arena, buf_view(&greeting));
		ret_shown->capability = arena_str(arena, buf_view(&capability));
		ret_shown->id = arena_str(arena, learnt->id);
		r = ret_shown->greeting.ptr && ret_shown->capability.ptr &&
		                    ret_shown->id.ptr
		            ? 0
		            : -ENOMEM;
	}
	buf_fini(&greeting);
	buf_fini(&capability);
	return r;
}

/* ---- the client's side ---- */

static void take_offer(struct session *s, struct imap_front *f)
{
	const struct offer *o = s->pre->offer;

	f->offer = (struct imap_offer){ .greeting = o->shown.greeting,
		.capability = o->shown.capability,
		.id = o->shown.id,
		.starttls =
			o->tls == SERVICE_TLS_PASS &&
			imap_capability_has(o->shown.capability, STR_LIT("STARTTLS")) };
}

static void front_begin(struct session *s)
{
	struct imap_front *f = session_front(s);

	imap_prelogin_init(&f->client, &f->offer, &s->pre->arena,
		s->worker->settings->limits.login_bytes);
	imap_probe_init(&f->probe, &s->pre->arena);
	if (s->pre->offer)
		take_offer(s, f);
}

static void greet(struct session *s)
{
	session_say(s, s->worker->offers[s->service]->shown.greeting);
	session_say(s, STR_LIT("\r\n"));
}

static void set_attempt(struct session *s, const struct imap_login *l)
{
	struct attempt *a = &s->pre->attempt;

	*a = (struct attempt){ .user = l->user, .password = l->password, .tag = l->tag };
	if (l->master.len)
		a->why_not = STR_LIT("master user");
	else if (!l->password.ptr)
		a->why_not = l->mechanism;
}

/* Connects, or sends at once when the connection is there. */
static void to_source(struct session *s)
{
	int r = session_connect_upstream(s);

	if (r < 0)
		login_upstream_lost(s, r);
	else if (s->upstream_state == UPSTREAM_OPEN)
		s->lane->send_attempt(s);
}

static void exchange_line(struct session *s, struct imap_front *f)
{
	set_attempt(s, &f->client.login);
	if (!login_exchange_may_go_on(s))
		return;
	if (buf_append(&s->pre->to_upstream, f->client.line) < 0)
		session_close(s, "no memory");
	else
		session_flush(s);
}

/* false: the front stops here. */
static bool act(struct session *s, struct imap_front *f, enum imap_prelogin_action action)
{
	switch (action) {
	case IMAP_PRELOGIN_NEED_MORE:
		return false;
	case IMAP_PRELOGIN_AGAIN:
		break;
	case IMAP_PRELOGIN_LOGIN:
		set_attempt(s, &f->client.login);
		login_attempt(s);
		break;
	case IMAP_PRELOGIN_EXCHANGE:
		set_attempt(s, &f->client.login);
		if (login_exchange_may_go_on(s))
			to_source(s);
		break;
	case IMAP_PRELOGIN_EXCHANGE_LINE:
		exchange_line(s, f);
		break;
	case IMAP_PRELOGIN_STARTTLS:
		session_set_state(s, SESSION_UPGRADING, UPGRADE_MS);
		to_source(s);
		break;
	case IMAP_PRELOGIN_CLOSE:
		session_finish(s, "logout");
		break;
	}
	return s->state == SESSION_PRELOGIN || s->state == SESSION_EXCHANGE;
}

static void client_bytes(struct session *s)
{
	struct imap_front *f = session_front(s);
	enum imap_prelogin_action action;
	size_t used;

	do {
		struct pre *p = s->pre;

		action = imap_prelogin_next(
			&f->client, buf_view(&p->from_client), &used, &p->to_client);
		/* views into it stay good until bytes are appended */
		buf_consume(&p->from_client, used);
	} while (act(s, f, action));
}

/* ---- the source's side ---- */

static void upstream_begin(struct session *s)
{
	struct imap_front *f = session_front(s);

	imap_upstream_init(&f->source);
}

static void send_attempt(struct session *s)
{
	struct imap_front *f = session_front(s);
	bool exchange = s->state == SESSION_EXCHANGE;

	if (f->source.state != IMAP_UPSTREAM_IN_READY)
		return; /* its greeting will bring us here again */
	if (imap_upstream_login(
		    &f->source, &f->client.login, exchange, &s->pre->to_upstream) < 0)
		session_close(s, "no memory");
	else
		session_flush(s);
}

static void answered(struct session *s)
{
	struct imap_front *f = session_front(s);

	imap_prelogin_answered(&f->client);
}

static void upgraded(struct session *s, bool ok)
{
	struct pre *p = s->pre;
	char id[SESSION_ID_MAX];

	if (ok) {
		/* what came behind STARTTLS in clear was never meant to be inside TLS */
		buf_wipe(&p->from_client);
		log_info(session_id(s, id), "uncapturable", "why=TLS");
		session_set_route(s, ROUTE_SOURCE);
		session_relay(s);
		return;
	}
	session_say(s, buf_view(&p->answer));
	if (s->state == SESSION_GONE)
		return;
	buf_clear(&p->answer);
	answered(s);
	session_resume(s);
}

static void tagged(struct session *s, struct str response, bool ok)
{
	if (buf_append(&s->pre->answer, response) < 0)
		session_close(s, "source says too much");
	else if (s->state == SESSION_UPGRADING)
		upgraded(s, ok);
	else
		login_answered(s, ok);
}

static void keep_answer(struct session *s, struct str response)
{
	if (s->state != SESSION_PRELOGIN && s->state != SESSION_GREETING &&
		buf_append(&s->pre->answer, response) < 0)
		session_close(s, "source says too much");
}

static void source_says(
	struct session *s, enum imap_upstream_event event, struct str response)
{
	switch (event) {
	case IMAP_UPSTREAM_GREETED:
		if (s->state != SESSION_PRELOGIN)
			send_attempt(s);
		break;
	case IMAP_UPSTREAM_AGAIN:
		session_flush(s);
		break;
	case IMAP_UPSTREAM_UNTAGGED:
		keep_answer(s, response);
		break;
	case IMAP_UPSTREAM_CONTINUE:
		session_say(s, response);
		break;
	case IMAP_UPSTREAM_OK:
		tagged(s, response, true);
		break;
	case IMAP_UPSTREAM_NO:
		tagged(s, response, false);
		break;
	case IMAP_UPSTREAM_BYE:
		keep_answer(s, response);
		login_upstream_lost(s, -ECONNREFUSED);
		break;
	case IMAP_UPSTREAM_BROKEN:
		login_upstream_lost(s, -EPROTO);
		break;
	case IMAP_UPSTREAM_NEED_MORE:
		break;
	}
}

/* In GREETING: what it shows to this client is what all will be shown. */
static bool learn(struct session *s, struct imap_front *f)
{
	struct pre *p = s->pre;
	struct learnt learnt;
	size_t used;
	enum lane_probe is = probe_bytes(
		&f->probe, buf_view(&p->from_upstream), &used, &p->to_upstream);

	if (is == LANE_PROBE_FAILED && used) /* a BYE with the reason */
		(void)buf_append(&p->answer, str_take(buf_view(&p->from_upstream), used));
	buf_consume(&p->from_upstream, used);
	session_flush(s);
	if (s->state == SESSION_GONE || is == LANE_PROBE_NEED_MORE)
		return false;
	if (is == LANE_PROBE_FAILED) {
		login_upstream_lost(s, -EPROTO);
		return false;
	}
	if (is == LANE_PROBE_AGAIN)
		return true;
	learnt = probe_result(&f->probe);
	worker_learn(s->worker, s->service, &learnt);
	if (!s->worker->offers[s->service]) {
		session_farewell(s, FAREWELL_UNAVAILABLE);
		return false;
	}
	p->offer = offer_ref(s->worker->offers[s->service]);
	take_offer(s, f);
	f->source.state = IMAP_UPSTREAM_IN_READY; /* greeted already */
	greet(s);
	session_resume(s);
	return false;
}

static void upstream_bytes(struct session *s)
{
	struct imap_front *f = session_front(s);
	enum imap_upstream_event event;
	struct str response;
	size_t used;

	while (s->state == SESSION_GREETING)
		if (!learn(s, f))
			return;
	do {
		struct pre *p = s->pre;

		event = imap_upstream_next(&f->source, buf_view(&p->from_upstream),
			&response, &used, &p->to_upstream);
		buf_consume(&p->from_upstream, used);
		source_says(s, event, response);
	} while (event != IMAP_UPSTREAM_NEED_MORE && s->pre &&
		 s->upstream_state == UPSTREAM_OPEN && s->state != SESSION_PROVED);
}

/* ---- words ---- */

static void refuse(struct session *s, enum refusal why)
{
	static const char *const texts[REFUSAL_COUNT] = {
		/* RFC 5530: a client that knows it does not ask for a new password */
		[REFUSAL_BUSY] = "NO [UNAVAILABLE] Your mailbox is being moved; please "
				 "try again in a moment.",
		[REFUSAL_UNAVAILABLE] = "NO [UNAVAILABLE] The mail server is not "
					"available; please try again later.",
		[REFUSAL_WRONG_PASSWORD] =
			"NO [AUTHENTICATIONFAILED] Authentication failed.",
		[REFUSAL_MECHANISM] = "NO This login method is not available for your "
				      "mailbox any more; please use your password.",
	};
	struct imap_front *f = session_front(s);
	struct str text = str_from(texts[why]), learnt = s->pre->offer->refusal;
	struct str tag = f->client.login.tag;

	if (why == REFUSAL_WRONG_PASSWORD && learnt.len)
		text = learnt;
	if (buf_printf(&s->pre->to_client, "%.*s %.*s\r\n", STR_ARG(tag), STR_ARG(text)) <
		0)
		session_close(s, "client does not read");
	else
		imap_prelogin_answered(&f->client);
}

static struct str farewell(enum farewell why)
{
	static const struct str texts[FAREWELL_COUNT] = {
		[FAREWELL_TIMEOUT] = STR("* BYE Too slow; please log in again.\r\n"),
		[FAREWELL_TOO_MUCH] = STR("* BYE Too much before login.\r\n"),
		[FAREWELL_CROWDED] = STR("* BYE [UNAVAILABLE] Too many connections.\r\n"),
		[FAREWELL_UNAVAILABLE] =
			STR("* BYE [UNAVAILABLE] The mail server is not available; "
			    "please try again later.\r\n"),
		[FAREWELL_MOVED] =
			STR("* BYE Your mailbox has moved; please log in again.\r\n"),
	};

	return texts[why];
}

/* "tag NO [AUTHENTICATIONFAILED] text", or without a code. Other codes say something else
   (RFC 5530: EXPIRED, UNAVAILABLE, LIMIT...). */
static bool refusal_text(struct str answer, struct str user, struct str *ret_text)
{
	struct imap_cursor c = imap_cursor(str_trim(answer));
	const struct str code = STR("[AUTHENTICATIONFAILED]");
	struct str tag, text;

	if (str_index(c.rest, '\n') < c.rest.len || !imap_tag(&c, &tag) ||
		!imap_space(&c) || !str_istarts(c.rest, STR_LIT("NO ")))
		return false;
	text = str_skip(c.rest, 3);
	if (text.len && text.ptr[0] == '[' && !str_istarts(text, code))
		return false;
	for (size_t i = 0; user.len && i + user.len <= text.len; i++)
		if (str_istarts(str_skip(text, i), user))
			return false; /* it speaks of him: nothing for others */
	*ret_text = c.rest;
	return true;
}

const struct lane lane_imap = {
	.name = "imap",
	.probe_size = sizeof(struct imap_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("probe3 LOGOUT\r\n"),
	.show = show,
	.front_size = sizeof(struct imap_front),
	.front_begin = front_begin,
	.greet = greet,
	.client_bytes = client_bytes,
	.upstream_bytes = upstream_bytes,
	.upstream_begin = upstream_begin,
	.send_attempt = send_attempt,
	.refuse = refuse,
	.answered = answered,
	.farewell = farewell,
	.refusal_text = refusal_text,
};
