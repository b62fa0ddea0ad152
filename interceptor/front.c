/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/front.h"

#include "base/log.h"
#include "interceptor/login.h"
#include "interceptor/worker.h"

#include <errno.h>

#define UPGRADE_MS 30000 /* for the source to answer STARTTLS */

/* ---- the client's side ---- */

void front_greet(struct session *s)
{
	const struct offer *o =
		s->pre && s->pre->offer ? s->pre->offer : s->worker->offers[s->service];

	session_say(s, o->shown.greeting);
	session_say(s, STR_LIT("\r\n"));
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

static void take_attempt(struct session *s)
{
	const struct wire_login *l = s->lane->front->login(session_front(s));

	s->pre->attempt = (struct attempt){ .user = l->user,
		.password = l->password,
		.proof = l->proof,
		.why_not = l->master.len ? STR_LIT("master user") : STR_LIT(""),
		.tag = l->tag.len ? l->tag : STR_LIT("") };
	if (!l->master.len && !l->password.ptr)
		s->pre->attempt.why_not = l->mechanism;
}

static void exchange_line(struct session *s)
{
	const struct front_ops *ops = s->lane->front;
	struct pre *p = s->pre;
	struct str line = ops->exchange_line(p->front);

	take_attempt(s);
	p->attempt.proof = challenge_answer(
		ops->login(p->front)->mechanism, p->challenge, line, &p->arena);
	p->challenge = STR_LIT("");
	if (!login_exchange_may_go_on(s))
		return;
	if (ops->answer(p->front, &p->to_upstream) < 0)
		session_close(s, "no memory");
	else
		session_flush(s);
}

/* false: the front stops here. */
static bool act(struct session *s, enum prelogin_action action)
{
	switch (action) {
	case PRELOGIN_NEED_MORE:
		return false;
	case PRELOGIN_AGAIN:
		break;
	case PRELOGIN_LOGIN:
		take_attempt(s);
		login_attempt(s);
		break;
	case PRELOGIN_EXCHANGE:
		take_attempt(s);
		if (login_exchange_may_go_on(s))
			to_source(s);
		break;
	case PRELOGIN_EXCHANGE_LINE:
		exchange_line(s);
		break;
	case PRELOGIN_STARTTLS:
		session_set_state(s, SESSION_UPGRADING, UPGRADE_MS);
		to_source(s);
		break;
	case PRELOGIN_CLOSE:
		session_finish(s, "logout");
		break;
	}
	return s->state == SESSION_PRELOGIN || s->state == SESSION_EXCHANGE;
}

void front_client_bytes(struct session *s)
{
	enum prelogin_action action;
	size_t used;

	do {
		struct pre *p = s->pre;

		action = s->lane->front->client_next(
			p->front, buf_view(&p->from_client), &used, &p->to_client);
		/* views into it stay good until bytes are appended */
		buf_consume(&p->from_client, used);
	} while (act(s, action));
}

/* ---- the source's side ---- */

void front_send_attempt(struct session *s)
{
	const struct front_ops *ops = s->lane->front;
	void *front = session_front(s);

	if (!ops->source_is_ready(front))
		return; /* its greeting will bring us here again */
	if (buf_len(&s->pre->from_upstream)) {
		login_upstream_lost(s, -EPROTO); /* it speaks unasked */
		return;
	}
	if (ops->send(front, &s->pre->to_upstream) < 0)
		session_close(s, "no memory");
	else
		session_flush(s);
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
	s->lane->answered(s);
	session_drop_upstream(s);
	session_resume(s);
}

/* IMAP: under the client's own tag. The source was given another, so that nothing that
   the client sent can bring forth an answer that is taken for this one. */
static int keep_conclusion(struct session *s, struct str response)
{
	struct str tag = s->lane->front->login(session_front(s))->tag;
	struct buf *answer = &s->pre->answer;

	if (tag.len && (buf_append(answer, tag) < 0 || buf_byte(answer, ' ') < 0))
		return -ENOBUFS;
	return buf_append(answer, response);
}

static void concluded(struct session *s, struct str response, bool ok)
{
	if (keep_conclusion(s, response) < 0)
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

/* The client has the word, for one line; it may have sent it already. */
static void challenge(struct session *s, struct str line)
{
	s->pre->challenge = arena_str(&s->pre->arena, line);
	s->lane->front->challenged(session_front(s));
	session_say(s, line);
	if (s->state == SESSION_EXCHANGE)
		session_run_front(s);
}

static void source_says(struct session *s, enum upstream_event event, struct str response)
{
	switch (event) {
	case UPSTREAM_GREETED:
		if (s->state != SESSION_PRELOGIN)
			front_send_attempt(s);
		break;
	case UPSTREAM_AGAIN:
		session_flush(s);
		break;
	case UPSTREAM_UNTAGGED:
		keep_answer(s, response);
		break;
	case UPSTREAM_CONTINUE:
		challenge(s, response);
		break;
	case UPSTREAM_OK:
		concluded(s, response, true);
		break;
	case UPSTREAM_NO:
		concluded(s, response, false);
		break;
	case UPSTREAM_BYE:
		keep_answer(s, response);
		login_upstream_lost(s, -ECONNREFUSED);
		break;
	case UPSTREAM_BROKEN:
		/* whose answer it is cannot be told: both sides end */
		login_upstream_lost(s, -EPROTO);
		break;
	case UPSTREAM_NEED_MORE:
		break;
	}
}

/* ---- GREETING: the source shows itself to this client first ---- */

/* What it shows to him is what all will be shown, unless it is good for him alone. */
static struct offer *offer_from(struct session *s, const struct learnt *learnt)
{
	struct offer *mine = NULL, *common;

	worker_learn(s->worker, s->service, learnt);
	common = s->worker->offers[s->service];
	if (!common || !s->lane->is_personal || !s->lane->is_personal(&common->shown))
		return common ? offer_ref(common) : NULL;
	return offer_make(s->service, learnt, common, &mine) < 0 ? NULL : mine;
}

static void learnt_all(struct session *s)
{
	const struct front_ops *ops = s->lane->front;
	void *front = session_front(s);
	struct learnt learnt = s->lane->probe_result(ops->probe(front));

	offer_unref(s->pre->offer);
	s->pre->offer = offer_from(s, &learnt);
	if (!s->pre->offer) {
		session_farewell(s, FAREWELL_UNAVAILABLE);
		return;
	}
	ops->take_offer(front, s->pre->offer);
	ops->source_greeted(front);
	s->pre->is_challenged = true;
	s->lane->greet(s);
	session_resume(s);
}

static int own_offer(struct session *s, const struct offer *common, struct offer **ret)
{
	struct learnt learnt = common->shown;
	struct buf greeting;
	int r;

	buf_init(&greeting, 0);
	r = s->lane->own_greeting(
		learnt.greeting, worker_is_retired(s->worker), &greeting);
	learnt.greeting = buf_view(&greeting);
	if (r == 0)
		r = offer_make(s->service, &learnt, common, ret);
	buf_fini(&greeting);
	return r;
}

bool front_greet_alone(struct session *s)
{
	const struct offer *common = s->worker->offers[s->service];
	struct offer *mine;

	if (!common || !s->lane->own_greeting || own_offer(s, common, &mine) < 0)
		return false;
	offer_unref(s->pre->offer);
	s->pre->offer = mine;
	s->lane->front->take_offer(session_front(s), mine);
	s->lane->greet(s);
	session_resume(s);
	return true;
}

/* true: there may be more in what has come. */
static bool learn(struct session *s)
{
	struct pre *p = s->pre;
	size_t used;
	enum lane_probe is = s->lane->probe_bytes(s->lane->front->probe(p->front),
		buf_view(&p->from_upstream), &used, &p->to_upstream);

	if (is == LANE_PROBE_FAILED && used) /* a BYE with the reason */
		(void)buf_append(&p->answer, str_take(buf_view(&p->from_upstream), used));
	buf_consume(&p->from_upstream, used);
	session_flush(s);
	if (s->state == SESSION_GONE || is == LANE_PROBE_NEED_MORE)
		return false;
	if (is == LANE_PROBE_AGAIN)
		return true;
	if (is == LANE_PROBE_FAILED)
		login_upstream_lost(s, -EPROTO);
	else
		learnt_all(s);
	return false;
}

void front_upstream_bytes(struct session *s)
{
	enum upstream_event event;
	struct str response;
	size_t used;

	while (s->state == SESSION_GREETING)
		if (!learn(s))
			return;
	do {
		struct pre *p = s->pre;

		event = s->lane->front->source_next(p->front, buf_view(&p->from_upstream),
			&response, &used, &p->to_upstream);
		buf_consume(&p->from_upstream, used);
		source_says(s, event, response);
	} while (event != UPSTREAM_NEED_MORE && s->pre &&
		 s->upstream_state == UPSTREAM_OPEN && s->state != SESSION_PROVED);
}
