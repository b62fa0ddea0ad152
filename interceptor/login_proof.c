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

/* Idle accounts become due at a login; failed ones when the password is another one. */
static void make_due(struct session *s, int64_t account, bool new_password)
{
	struct worker *w = s->worker;
	struct account_route route;
	struct error err;
	char id[SESSION_ID_MAX];

	if (registry_route(w->registry, s->pre->attempt.user, &route, &err) < 0 ||
		route.pin == PIN_SOURCE || route.route != ROUTE_SOURCE ||
		!route.has_password)
		return;
	if (route.stage != STAGE_IDLE && !(route.stage == STAGE_FAILED && new_password))
		return;
	if (registry_transition(w->registry, account, EVENT_DUE, STR_LIT("interceptor"),
		    STR_LIT("login"), &err) < 0) {
		/* -EPERM: another worker was first */
		if (err.code != -EPERM)
			log_error(session_id(s, id), "due", "error=\"%s\"", err.text);
		return;
	}
	log_info(session_id(s, id), "due", "account=%s", route.name);
	worker_poke_transfer(w, route.name);
}

static void capture(struct session *s)
{
	const struct attempt *a = &s->pre->attempt;
	struct worker *w = s->worker;
	bool new_password = false;
	int64_t account;
	struct error err;
	char id[SESSION_ID_MAX];

	if (registry_capture(w->registry, a->user, a->password, &account, &new_password,
		    &err) < 0) {
		log_error(session_id(s, id), "capture", "error=\"%s\"", err.text);
		return;
	}
	if (registry_note_service(
		    w->registry, account, str_from(service_name(s->service)), &err) < 0)
		log_error(session_id(s, id), "capture", "error=\"%s\"", err.text);
	make_due(s, account, new_password);
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
