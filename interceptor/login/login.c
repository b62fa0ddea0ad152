/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login/login.h"

#include "base/log.h"
#include "interceptor/login/maildrop_wait.h"
#include "interceptor/login/proof.h"
#include "interceptor/protocols/offer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERIFY_MS 30000 /* for the helper thread; its queue is 3 s long */

/* Whose mailbox the source opens by it is the source's business: Dovecot takes it for a
   master's, Courier for the prover's own. It passes, and nothing is learnt of anybody. */
static bool is_by_another(const struct attempt *a)
{
	return str_eq(a->why_not, LOGIN_BY_MASTER);
}

static uint64_t hold_ms(const struct session *s)
{
	return s->host->settings->hold_s * UINT64_C(1000);
}

void login_count_refusal(struct session *s)
{
	s->host->notes[NOTE_REFUSED]++;
	session_has_failed(s);
}

void login_refuse(struct session *s, enum refusal_reason why)
{
	static const char *const names[REFUSAL_REASON_COUNT] = {
		[REFUSAL_BUSY] = "busy",
		[REFUSAL_UNAVAILABLE] = "unavailable",
		[REFUSAL_WRONG_PASSWORD] = "wrong-password",
		[REFUSAL_MECHANISM] = "mechanism",
	};
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);

	if (!session_is_handled(s))
		return;
	if (why == REFUSAL_WRONG_PASSWORD)
		login_count_refusal(s);
	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "refused",
		"account=%s reason=%s service=%s client=%s",
		s->account ? s->account : "-", names[why], service_name(s->service),
		client);
	session_set_live(s, false);
	buf_wipe(&l->answer);
	if (p->refuse(l->machine, why, l->offer->refusal, &s->memory->to_client) < 0) {
		session_close(s, "client does not read");
		return;
	}
	p->answered(l->machine);
	session_drop_source(s); /* an open login at the source is nobody's now */
	login_resume(s);
}

/* ---- the route ---- */

/* How an account is called that the registry does not know: as typed, folded as it would
   be (registry.h). */
static void name_unknown_user(struct str typed, char *name, size_t size)
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
	int r = registry_route(s->host->registry, name, ret, &err);
	char id[SESSION_ID_MAX];

	if (r == -ENOENT) {
		name_unknown_user(name, ret->name, sizeof(ret->name));
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

int login_look_up(struct session *s, struct account_route *ret)
{
	return look_up(s, login_of(s)->attempt.account, ret);
}

static int route_attempt(struct session *s, struct account_route *ret)
{
	int r = login_foresee(s, ret) ? 0 : login_look_up(s, ret);

	return r < 0 ? r : is_of(s, ret);
}

/* Of a login by another both must live at the source: either's mailbox may be opened. */
static int route_both(struct session *s, struct account_route *ret)
{
	struct account_route other = { 0 };
	struct str prover = login_of(s)->attempt.prover;
	int r = route_attempt(s, ret);

	if (r == 0 && prover.len)
		r = look_up(s, prover, &other);
	if (r == 0 && prover.len && ret->route == ROUTE_SOURCE)
		ret->route = other.route;
	return r;
}

/* A digest is right on the connection whose challenge it answers, and wrong on any other:
   the user would be asked for a password that is right. */
static bool is_stale(const struct session *s)
{
	return login_of(s)->attempt.proof.kind != CHALLENGE_NONE &&
	       (s->source_state != SOURCE_OPEN || !login_of(s)->is_challenged);
}

static void at_source(struct session *s)
{
	login_of(s)->elsewhere.kind = LOGIN_NONE;
	if (is_stale(s)) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	login_set_step(s, LOGIN_IN_LOGGING_IN, LOGIN_ANSWER_MS);
	login_send(s);
}

static bool can_be_judged(const struct attempt *a)
{
	if (is_by_another(a))
		return false;
	return a->proof.kind != CHALLENGE_NONE || (a->password.ptr && !a->why_not.len);
}

static void verified(struct session *s, enum verdict verdict, struct str ticket);

static void at_mailstore(struct session *s)
{
	const struct attempt *a = &login_of(s)->attempt;
	struct question q = { .password = a->password, .proof = a->proof };

	session_drop_source(s);
	login_of(s)->elsewhere.kind = LOGIN_NONE;
	if (!can_be_judged(a)) {
		login_refuse(s, REFUSAL_MECHANISM);
		return;
	}
	login_set_step(s, LOGIN_IN_VERIFYING, VERIFY_MS);
	s->host->ops->verify(s->host, s, &q, verified);
}

void login_hold(struct session *s)
{
	session_is_held(s);
	session_drop_source(s);
	buf_wipe(&login_of(s)->answer);
	session_set_route(s, ROUTE_BUSY);
	login_set_step(s, LOGIN_IN_BUSY, hold_ms(s) + 1);
}

static bool is_refused_by_another(struct session *s, const struct account_route *route)
{
	if (!is_by_another(&login_of(s)->attempt) || route->route == ROUTE_SOURCE)
		return false;
	login_refuse(s, route->route == ROUTE_BUSY ? REFUSAL_BUSY : REFUSAL_MECHANISM);
	return true;
}

/* Served here, or by the server that the account has moved to. */
static void at_home(struct session *s, const struct account_route *route)
{
	if (route->is_elsewhere)
		login_elsewhere(s, route);
	else
		at_mailstore(s);
}

void login_go(struct session *s, const struct account_route *route)
{
	if (is_refused_by_another(s, route))
		return;
	switch (route->route) {
	case ROUTE_SOURCE:
		/* without a source, an unknown user gets the same answer as a wrong
		   password */
		if (route->retired) {
			login_set_step(s, LOGIN_IN_REFUSING, LOGIN_REFUSE_MS);
		} else {
			login_ask_for_maildrop(s, route);
			at_source(s);
		}
		break;
	case ROUTE_BUSY:
		login_hold(s);
		break;
	case ROUTE_LOCAL:
		at_home(s, route);
		break;
	case ROUTE_COUNT:
		break;
	}
}

static void log_attempt(struct session *s, const struct account_route *route)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];
	struct str why_not = login_of(s)->attempt.why_not;

	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "login",
		"service=%s client=%s account=%s route=%s mechanism=\"%.*s\"",
		service_name(s->service), client, route->name, route_name(route->route),
		STR_ARG(why_not.len ? why_not : STR_LIT("password")));
}

void login_attempt(struct session *s)
{
	struct account_route route;

	login_of(s)->wait_ends = 0;
	if (route_both(s, &route) < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	log_attempt(s, &route);
	login_go(s, &route);
}

bool login_exchange_allowed(struct session *s)
{
	struct account_route route;
	int r;

	login_set_step(s, LOGIN_IN_EXCHANGE, LOGIN_ANSWER_MS);
	if (!login_of(s)->attempt.user.ptr)
		return true;
	r = route_both(s, &route);
	if (r == 0 && route.route == ROUTE_SOURCE)
		return true;
	if (r < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
	} else if (login_of(s)->attempt.proof.kind != CHALLENGE_NONE) {
		log_attempt(s, &route);
		login_go(s, &route);
	} else {
		login_refuse(
			s, route.route == ROUTE_BUSY ? REFUSAL_BUSY : REFUSAL_MECHANISM);
	}
	return false;
}

/* ---- the source's answer ---- */

static void hold_proven(struct session *s, uint64_t ms)
{
	session_set_live(s, false); /* it waits for the transfer, not the reverse */
	login_set_step(s, LOGIN_IN_PROVED, ms);
}

/* What nobody has shown a password for opens no mailbox here, and no other server takes
   over a session. */
static void read_along(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	const struct attempt *a = &login_of(s)->attempt;

	if (s->host->settings->live && p->follow &&
		!destination_is_elsewhere(&s->host->settings->destination) &&
		a->user.ptr && a->password.ptr && !a->why_not.len && s->account)
		p->follow(s, a->password);
}

static void relay_to_source(struct session *s)
{
	read_along(s);
	session_set_route(s, ROUTE_SOURCE);
	session_say(s, buf_view(&login_of(s)->answer));
	session_relay(s);
}

/* The password was right at the source, wherever the account is served now: here the
   source's word is not enough. */
static void proven(struct session *s, const struct account_route *route)
{
	if (is_refused_by_another(s, route))
		return;
	switch (route->route) {
	case ROUTE_SOURCE:
		if (login_should_hold(s, route))
			hold_proven(s, hold_ms(s));
		else
			relay_to_source(s);
		break;
	case ROUTE_BUSY:
		hold_proven(s, hold_ms(s) + 1);
		break;
	case ROUTE_LOCAL:
		at_home(s, route); /* the source's word opens no mailbox here */
		break;
	case ROUTE_COUNT:
		break;
	}
}

static void accepted(struct session *s)
{
	const struct attempt *a = &login_of(s)->attempt;
	struct account_route route;
	int r;

	session_is_proven(s);
	if (!a->user.ptr) {
		relay_to_source(s);
		return;
	}
	if (is_by_another(a)) {
		r = route_both(s, &route);
	} else {
		r = login_learn(s, &route);
		r = r < 0 ? route_attempt(s, &route) : is_of(s, &route);
	}
	if (r < 0)
		relay_to_source(s); /* the registry is away; the user is in already */
	else
		proven(s, &route);
}

static void refused(struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);
	struct str text;
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];

	if (login_waits_for_maildrop(s))
		return;
	session_set_live(s, false);
	login_count_refusal(s);
	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "refused",
		"account=%s by=source service=%s client=%s",
		s->account ? s->account : "-", service_name(s->service), client);
	if (l->attempt.password.ptr &&
		p->refusal_text(buf_view(&l->answer), l->attempt.user, &text))
		s->host->ops->learnt_refusal(s->host, s->service, text);
	if (login_wire(s)->kind != LOGIN_PASSWORD)
		s->host->ops->offer_is_stale(s->host, s->service);
	session_say(s, buf_view(&l->answer));
	buf_clear(&l->answer);
	p->answered(l->machine);
	session_drop_source(s); /* it is good for one attempt */
	login_resume(s);
}

void login_answered(struct session *s, bool ok)
{
	if (login_is_elsewhere(s))
		login_elsewhere_answered(s, ok);
	else if (ok)
		accepted(s);
	else
		refused(s);
}

static void source_gone(struct session *s)
{
	/* what it said before it went (a BYE with the reason) is its answer */
	if (buf_len(&login_of(s)->answer)) {
		session_say(s, buf_view(&login_of(s)->answer));
		session_finish(s, "source ended it");
	} else if (s->step == LOGIN_IN_LOGGING_IN) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
	} else if (s->step != LOGIN_IN_GREETING || !login_greet_alone(s)) {
		session_say_bye(s, CLOSE_UNAVAILABLE);
	}
}

void login_source_lost(struct session *s, int code)
{
	char id[SESSION_ID_MAX];

	session_drop_source(s);
	if (login_of(s)->is_tls_promised) {
		session_close(s, "source unavailable");
		return;
	}
	if (s->step != LOGIN_IN_LOGGING_IN && s->step != LOGIN_IN_EXCHANGE &&
		s->step != LOGIN_IN_UPGRADING && s->step != LOGIN_IN_GREETING)
		return; /* the next attempt connects anew */
	log_warning(session_id(s, id), session_server_name(s->connects_to),
		"error=\"%s\" in=%s", strerror(-code), session_state_name(s));
	/* what a source says that was not asked belongs to nobody: both sides end */
	if (code == -EPROTO && s->step != LOGIN_IN_GREETING)
		session_say_bye(s, CLOSE_UNAVAILABLE);
	else
		source_gone(s);
}

/* ---- here ---- */

/* The password was judged a while ago: the account may be on its way back since, and then
   nothing of this session may get to the mailstore behind the quiesce. */
static void enter(struct session *s)
{
	struct account_route route;
	char id[SESSION_ID_MAX];
	int r;

	if (login_look_up(s, &route) < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	if (route.route != ROUTE_LOCAL || route.is_elsewhere) {
		session_drop_source(s);
		session_set_route(s, route.route);
		login_go(s, &route);
		return;
	}
	session_set_route(s, ROUTE_LOCAL);
	/* to a client that does not read, our bytes would come after the mailstore's */
	r = session_flush(s)
	            ? s->host->ops->hand_off(s->host, s, login_of(s)->attempt.tag,
			      login_of(s)->ticket, NULL)
	            : -EAGAIN;
	if (r == 0) {
		if (s->host->settings->pop_before_smtp)
			s->host->ops->follow_login(s->host, s);
		session_give_away(s);
		return;
	}
	log_error(session_id(s, id), "hand-off", "error=\"%s\"", strerror(-r));
	login_refuse(s, REFUSAL_UNAVAILABLE);
}

static void verified(struct session *s, enum verdict verdict, struct str ticket)
{
	session_enter(s);
	switch (verdict) {
	case VERDICT_RIGHT:
		session_is_proven(s);
		login_of(s)->ticket = arena_str(&s->memory->arena, ticket);
		enter(s);
		break;
	case VERDICT_WRONG:
		login_set_step(s, LOGIN_IN_REFUSING, LOGIN_REFUSE_MS);
		break;
	case VERDICT_NO_PASSWORD:
		login_refuse(s, REFUSAL_MECHANISM);
		break;
	case VERDICT_UNKNOWN:
	case VERDICT_COUNT:
		login_refuse(s, REFUSAL_UNAVAILABLE);
		break;
	}
	session_leave(s);
}

/* ---- held sessions ---- */

static void recheck_proved(struct session *s, const struct account_route *route)
{
	if (route->route == ROUTE_LOCAL)
		at_home(s, route);
	else if (route->route == ROUTE_SOURCE && !login_is_moving(route))
		relay_to_source(s);
}

static void recheck_busy(struct session *s, const struct account_route *route)
{
	if (route->route == ROUTE_BUSY && s->route != ROUTE_BUSY)
		login_hold(s); /* it waited for the maildrop */
	if (route->route == ROUTE_BUSY)
		return;
	/* once is enough: the next wait would be as long again */
	if (s->route == ROUTE_BUSY && route->route == ROUTE_SOURCE)
		s->host->ops->remember_slow(s->host, route->id);
	login_go(s, route);
}

/* It waited in vain. A switch that is under way gets as much time once more. */
static void hold_is_over(struct session *s, const struct account_route *route)
{
	char id[SESSION_ID_MAX];

	log_info(session_id(s, id), "hold", "account=%s expired in=%s", s->account,
		session_state_name(s));
	if (route->route == ROUTE_SOURCE) {
		s->host->ops->remember_slow(s->host, route->id);
		relay_to_source(s);
	} else if (s->route != ROUTE_BUSY) {
		session_set_route(s, ROUTE_BUSY);
		login_set_step(s, LOGIN_IN_PROVED, hold_ms(s) + 1);
	} else {
		login_refuse(s, REFUSAL_BUSY);
	}
}

void login_recheck(struct session *s, bool expired)
{
	struct account_route route;
	enum login_step was = (enum login_step)s->step;

	if (was != LOGIN_IN_BUSY && was != LOGIN_IN_PROVED)
		return;
	if (login_look_up(s, &route) < 0) {
		if (expired)
			login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	/* another login of the user may have made the account meanwhile */
	if (!s->account_id && route.id &&
		!session_set_account(s, str_from(route.name), route.id))
		return;
	if (was == LOGIN_IN_PROVED)
		recheck_proved(s, &route);
	else
		recheck_busy(s, &route);
	if (!expired || s->step != was || !session_is_handled(s))
		return;
	if (was == LOGIN_IN_PROVED)
		hold_is_over(s, &route);
	else
		login_refuse(s, REFUSAL_BUSY);
}
