/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login.h"

#include "base/log.h"
#include "interceptor/front.h"
#include "interceptor/handoff.h"
#include "interceptor/login_proof.h"
#include "interceptor/login_turn.h"
#include "interceptor/source.h"
#include "interceptor/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERIFY_MS 30000 /* for the helper thread; its queue is 3 s long */
#define REFUSE_MS 2000  /* before a wrong password is answered */

/* "alice*master": the master's password opens alice's mailbox (Dovecot, Cyrus). What is
   behind the asterisk is no part of whose mailbox it is. */
#define MASTER_SEPARATOR '*'

static struct str account_of(const struct attempt *a)
{
	size_t at = str_index(a->user, MASTER_SEPARATOR);

	return at > 0 ? str_take(a->user, at) : a->user;
}

static bool is_by_master(const struct attempt *a)
{
	return account_of(a).len < a->user.len;
}

static uint64_t hold_ms(const struct session *s)
{
	return s->worker->settings->hold_s * UINT64_C(1000);
}

void login_refuse(struct session *s, enum refusal why)
{
	static const char *const names[REFUSAL_COUNT] = {
		[REFUSAL_BUSY] = "busy",
		[REFUSAL_UNAVAILABLE] = "unavailable",
		[REFUSAL_WRONG_PASSWORD] = "wrong-password",
		[REFUSAL_MECHANISM] = "mechanism",
	};
	char id[SESSION_ID_MAX];

	if (s->state == SESSION_GONE)
		return;
	log_info(session_id(s, id), "refused", "account=%s reason=%s",
		s->account ? s->account : "-", names[why]);
	session_goes_off(s);
	buf_wipe(&s->pre->answer);
	s->lane->refuse(s, why);
	session_drop_upstream(s); /* an open login at the source is nobody's now */
	session_resume(s);
}

/* ---- the route ---- */

/* How an account is called that the registry does not know: as typed, folded as it would
   be (registry.h). */
static void name_stranger(struct str typed, char *name, size_t size)
{
	struct str shown = str_take(str_trim(typed), size - 1);

	for (size_t i = 0; i < shown.len; i++) {
		name[i] = '?';
		if (shown.ptr[i])
			name[i] = shown.ptr[i];
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] | 0x20);
	}
}

static int look_up(struct session *s, struct str name, struct account_route *ret)
{
	struct error err;
	int r = registry_route(s->worker->registry, name, ret, &err);
	char id[SESSION_ID_MAX];

	if (r == -ENOENT) {
		name_stranger(name, ret->name, sizeof(ret->name));
		return 0;
	}
	if (r < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"", err.text);
	return r;
}

/* The session is known by its account before anything else happens in this callback: a
   quiesce that comes later finds it. */
static int is_of(struct session *s, const struct account_route *route)
{
	if (!session_set_account(s, str_from(route->name), route->id))
		return -ENOMEM;
	session_set_route(s, route->route);
	return 0;
}

static int route_attempt(struct session *s, struct account_route *ret)
{
	int r = look_up(s, account_of(&s->pre->attempt), ret);

	return r < 0 ? r : is_of(s, ret);
}

/* A digest is right on the connection whose challenge it answers, and wrong on any other:
   the user would be asked for a password that is right. */
static bool is_stale(const struct session *s)
{
	return s->pre->attempt.proof.kind != CHALLENGE_NONE &&
	       (s->upstream_state != UPSTREAM_OPEN || !s->pre->is_challenged);
}

static void at_source(struct session *s)
{
	int r;

	if (is_stale(s)) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	session_set_state(s, SESSION_LOGGING_IN, SESSION_ANSWER_MS);
	r = session_reach_source(s);
	if (r < 0)
		login_upstream_lost(s, r);
	else if (s->upstream_state == UPSTREAM_OPEN)
		s->lane->send_attempt(s);
}

static bool can_be_judged(const struct attempt *a)
{
	if (is_by_master(a))
		return false;
	return a->proof.kind != CHALLENGE_NONE || (a->password.ptr && !a->why_not.len);
}

static void at_home(struct session *s)
{
	session_drop_upstream(s);
	if (!can_be_judged(&s->pre->attempt)) {
		login_refuse(s, REFUSAL_MECHANISM);
		return;
	}
	session_set_state(s, SESSION_VERIFYING, VERIFY_MS);
	verify_password(&s->worker->verify, s);
}

void login_hold(struct session *s)
{
	session_drop_upstream(s);
	buf_wipe(&s->pre->answer);
	session_set_route(s, ROUTE_BUSY);
	session_set_state(s, SESSION_BUSY, hold_ms(s) + 1);
}

static void go(struct session *s, const struct account_route *route)
{
	switch (route->route) {
	case ROUTE_SOURCE:
		/* without a source, who does not live here is nobody; and nobody can
		   tell who he is from who has a wrong password */
		if (route->retired) {
			session_set_state(s, SESSION_REFUSING, REFUSE_MS);
		} else {
			login_asks_for_turn(s, route);
			at_source(s);
		}
		break;
	case ROUTE_BUSY:
		login_hold(s);
		break;
	case ROUTE_LOCAL:
		at_home(s);
		break;
	case ROUTE_COUNT:
		break;
	}
}

static void log_attempt(struct session *s, const struct account_route *route)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];

	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "login",
		"service=%s client=%s account=%s route=%s mechanism=\"%.*s\"",
		service_name(s->service), client, route->name, route_name(route->route),
		STR_ARG(s->pre->attempt.why_not.len ? s->pre->attempt.why_not
						    : STR_LIT("password")));
}

void login_attempt(struct session *s)
{
	struct account_route route;

	s->pre->turn_ends = 0;
	if (route_attempt(s, &route) < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	log_attempt(s, &route);
	go(s, &route);
}

bool login_exchange_may_go_on(struct session *s)
{
	struct account_route route;
	int r;

	session_set_state(s, SESSION_EXCHANGE, SESSION_ANSWER_MS);
	if (!s->pre->attempt.user.ptr)
		return true;
	r = route_attempt(s, &route);
	if (r == 0 && route.route == ROUTE_SOURCE)
		return true;
	if (r < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
	} else if (s->pre->attempt.proof.kind != CHALLENGE_NONE) {
		log_attempt(s, &route);
		go(s, &route);
	} else {
		login_refuse(
			s, route.route == ROUTE_BUSY ? REFUSAL_BUSY : REFUSAL_MECHANISM);
	}
	return false;
}

/* ---- the source's answer ---- */

static void hold_proven(struct session *s, uint64_t ms)
{
	session_goes_off(s); /* he waits for the transfer, not the reverse */
	session_set_state(s, SESSION_PROVED, ms);
}

/* The password was right at the source, whoever serves him now. */
static void proven(struct session *s, const struct account_route *route)
{
	switch (route->route) {
	case ROUTE_SOURCE:
		if (login_should_hold(s, route))
			hold_proven(s, hold_ms(s));
		else
			session_relay(s);
		break;
	case ROUTE_BUSY:
		hold_proven(s, hold_ms(s) + 1);
		break;
	case ROUTE_LOCAL:
		login_verified(s, VERDICT_RIGHT);
		break;
	case ROUTE_COUNT:
		break;
	}
}

static void relay_to_source(struct session *s)
{
	session_set_route(s, ROUTE_SOURCE);
	session_relay(s);
}

static void accepted(struct session *s)
{
	struct account_route route;
	bool by_master = is_by_master(&s->pre->attempt);
	int r;

	if (!s->pre->attempt.user.ptr) {
		relay_to_source(s);
		return;
	}
	r = login_learn(s, by_master, &route);
	/* what the master's login teaches is not whose mailbox it is */
	r = r < 0 || by_master ? route_attempt(s, &route) : is_of(s, &route);
	if (r < 0)
		relay_to_source(s); /* the registry is away; he is in already */
	else
		proven(s, &route);
}

static void refused(struct session *s)
{
	struct pre *p = s->pre;
	struct str text;
	char id[SESSION_ID_MAX];

	if (login_waits_its_turn(s))
		return;
	session_goes_off(s);
	log_info(session_id(s, id), "refused", "account=%s by=source",
		s->account ? s->account : "-");
	if (p->attempt.password.ptr &&
		s->lane->refusal_text(buf_view(&p->answer), p->attempt.user, &text))
		worker_learn_refusal(s->worker, s->service, text);
	session_set_state(s, SESSION_PRELOGIN, REFUSE_MS);
	session_say(s, buf_view(&p->answer));
	if (s->state == SESSION_GONE)
		return;
	buf_clear(&p->answer);
	s->lane->answered(s);
	session_drop_upstream(s); /* it is good for one attempt */
	session_resume(s);
}

void login_answered(struct session *s, bool ok)
{
	s->pre->upstream_tries++;
	if (ok)
		accepted(s);
	else
		refused(s);
}

static void upstream_gone(struct session *s)
{
	/* what it said before it went (a BYE with the reason) is its answer */
	if (s->pre && buf_len(&s->pre->answer)) {
		session_say(s, buf_view(&s->pre->answer));
		session_finish(s, "source ended it");
	} else if (s->state == SESSION_LOGGING_IN) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
	} else if (s->state != SESSION_GREETING || !front_greet_alone(s)) {
		session_farewell(s, FAREWELL_UNAVAILABLE);
	}
}

void login_upstream_lost(struct session *s, int code)
{
	bool was_used = s->pre && s->pre->upstream_tries > 0;
	char id[SESSION_ID_MAX];

	session_drop_upstream(s);
	if (s->state != SESSION_LOGGING_IN && s->state != SESSION_EXCHANGE &&
		s->state != SESSION_UPGRADING && s->state != SESSION_GREETING)
		return; /* it was idle between two attempts: the next one connects anew */
	/* the source may have closed it in the same moment in which we used it again */
	if (s->state == SESSION_LOGGING_IN && was_used && code != -ETIMEDOUT &&
		code != -EPROTO && !buf_len(&s->pre->answer)) {
		at_source(s);
		return;
	}
	log_warning(session_id(s, id), "source", "error=\"%s\" in=%s", strerror(-code),
		session_state_name(s->state));
	/* what a source says that was not asked belongs to nobody: both sides end */
	if (code == -EPROTO && s->state != SESSION_GREETING)
		session_farewell(s, FAREWELL_UNAVAILABLE);
	else
		upstream_gone(s);
}

/* ---- here ---- */

/* The password was judged a while ago: the account may be on its way back since, and then
   nothing of this session may get to the mailstore behind the quiesce. */
static void enter(struct session *s)
{
	struct account_route route;
	char id[SESSION_ID_MAX];
	int r;

	if (look_up(s, account_of(&s->pre->attempt), &route) < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	if (route.route != ROUTE_LOCAL) {
		session_set_route(s, route.route);
		go(s, &route);
		return;
	}
	session_set_route(s, ROUTE_LOCAL);
	r = handoff(s);
	if (r == 0)
		return;
	log_error(session_id(s, id), "hand-off", "error=\"%s\"", strerror(-r));
	login_refuse(s, REFUSAL_UNAVAILABLE);
}

void login_verified(struct session *s, enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_RIGHT:
		enter(s);
		break;
	case VERDICT_WRONG:
		session_set_state(s, SESSION_REFUSING, REFUSE_MS);
		break;
	case VERDICT_NO_PASSWORD:
		login_refuse(s, REFUSAL_MECHANISM);
		break;
	case VERDICT_UNKNOWN:
		login_refuse(s, REFUSAL_UNAVAILABLE);
		break;
	}
}

/* ---- held sessions ---- */

static void recheck_proved(struct session *s, const struct account_route *route)
{
	if (route->route == ROUTE_LOCAL)
		login_verified(s, VERDICT_RIGHT);
	else if (route->route == ROUTE_SOURCE && !login_is_moving(route))
		relay_to_source(s);
}

static void recheck_busy(struct session *s, const struct account_route *route)
{
	if (route->route == ROUTE_BUSY && s->route != ROUTE_BUSY)
		login_hold(s); /* he waited for the maildrop */
	if (route->route == ROUTE_BUSY)
		return;
	/* once is enough: the next wait would be as long again */
	if (s->route == ROUTE_BUSY && route->route == ROUTE_SOURCE)
		tally_remember_slow(s->worker->tally, s->worker->index, route->id);
	go(s, route);
}

/* He waited in vain. A switch that is under way gets as much time once more. */
static void hold_is_over(struct session *s, const struct account_route *route)
{
	char id[SESSION_ID_MAX];

	log_info(session_id(s, id), "hold", "account=%s expired in=%s", s->account,
		session_state_name(s->state));
	if (route->route == ROUTE_SOURCE) {
		tally_remember_slow(s->worker->tally, s->worker->index, route->id);
		relay_to_source(s);
	} else if (s->route != ROUTE_BUSY) {
		session_set_route(s, ROUTE_BUSY);
		session_set_state(s, SESSION_PROVED, hold_ms(s) + 1);
	} else {
		login_refuse(s, REFUSAL_BUSY);
	}
}

void login_recheck(struct session *s, bool expired)
{
	struct account_route route;
	enum session_state was = s->state;

	if (was != SESSION_BUSY && was != SESSION_PROVED)
		return;
	if (look_up(s, account_of(&s->pre->attempt), &route) < 0) {
		if (expired)
			login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	/* another login of his may have made the account meanwhile */
	if (!s->account_id && route.id &&
		!session_set_account(s, str_from(route.name), route.id))
		return;
	if (was == SESSION_PROVED)
		recheck_proved(s, &route);
	else
		recheck_busy(s, &route);
	if (!expired || s->state != was)
		return;
	if (was == SESSION_PROVED)
		hold_is_over(s, &route);
	else
		login_refuse(s, REFUSAL_BUSY);
}
