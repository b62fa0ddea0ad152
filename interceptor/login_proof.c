/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login_proof.h"

#include "base/log.h"
#include "interceptor/worker.h"

#include <errno.h>

bool login_is_moving(const struct account_route *route)
{
	return route->pin != PIN_SOURCE && route->stage != STAGE_IDLE &&
	       route->stage != STAGE_DONE && route->stage != STAGE_FAILED;
}

bool login_should_hold(const struct session *s, const struct account_route *route)
{
	const struct settings *settings = s->worker->settings;

	return settings->strategy == STRATEGY_IMMEDIATE && settings->hold_s > 0 &&
	       s->pre->attempt.password.ptr && !s->pre->attempt.why_not.len &&
	       login_is_moving(route) && !tally_is_slow(s->worker->tally, route->id);
}

/* The source took it, and it is not the one with which the move failed. */
static bool is_another(
	struct registry *r, const struct account_route *route, struct str password)
{
	struct arena arena;
	struct str old;
	bool another;

	arena_init(&arena);
	another = registry_password(r, route->id, &arena, &old, NULL) < 0 ||
	          !str_eq(old, password);
	arena_fini(&arena);
	return another;
}

/* An idle account becomes due at a login; a failed one waits for its next try, unless the
   password was what failed. Looked at before the capture, which makes them alike. */
static bool becomes_due(struct session *s, const struct account_route *route)
{
	if (route->pin == PIN_SOURCE || route->route != ROUTE_SOURCE)
		return false;
	return route->stage == STAGE_IDLE ||
	       (route->stage == STAGE_FAILED &&
		       is_another(s->worker->registry, route, s->pre->attempt.password));
}

static void make_due(struct session *s, int64_t account)
{
	struct worker *w = s->worker;
	struct account_route route;
	struct error err;
	char id[SESSION_ID_MAX];

	if (registry_transition(w->registry, account, EVENT_DUE, STR_LIT("interceptor"),
		    STR_LIT("login"), &err) < 0) {
		/* -EPERM: another worker was first */
		if (err.code != -EPERM)
			log_error(session_id(s, id), "due", "error=\"%s\"", err.text);
		return;
	}
	if (registry_route(w->registry, s->pre->attempt.user, &route, &err) < 0)
		return;
	log_info(session_id(s, id), "due", "account=%s", route.name);
	worker_poke_transfer(w, route.name);
}

static void capture(struct session *s)
{
	const struct attempt *a = &s->pre->attempt;
	struct worker *w = s->worker;
	struct account_route route;
	bool new_password, due;
	int64_t account;
	struct error err;
	char id[SESSION_ID_MAX];
	int r = registry_route(w->registry, a->user, &route, &err);

	due = r == -ENOENT || (r == 0 && becomes_due(s, &route));
	if (registry_capture(w->registry, a->user, a->password, &account, &new_password,
		    &err) < 0) {
		log_error(session_id(s, id), "capture", "error=\"%s\"", err.text);
		return;
	}
	if (registry_note_service(
		    w->registry, account, str_from(service_name(s->service)), &err) < 0)
		log_error(session_id(s, id), "capture", "error=\"%s\"", err.text);
	if (due)
		make_due(s, account);
}

void login_learn(struct session *s, bool by_master)
{
	const struct attempt *a = &s->pre->attempt;
	struct str why = by_master ? STR_LIT("master user") : a->why_not;
	int64_t account;
	struct error err;
	char id[SESSION_ID_MAX];

	if (!a->user.ptr || (a->password.ptr && !why.len)) {
		if (a->user.ptr)
			capture(s);
		return;
	}
	log_info(session_id(s, id), "uncapturable", "account=%s why=\"%.*s\"",
		s->account ? s->account : "-", STR_ARG(why));
	if (registry_note_uncapturable(
		    s->worker->registry, a->user, why, &account, &err) < 0)
		log_error(session_id(s, id), "uncapturable", "error=\"%s\"", err.text);
}
