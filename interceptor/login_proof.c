/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login_proof.h"

#include "base/log.h"
#include "interceptor/worker.h"

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

int login_learn(struct session *s, bool by_master, struct account_route *ret)
{
	const struct attempt *a = &s->pre->attempt;
	struct proven_login login = {
		.name = a->user,
		.why = by_master ? STR_LIT("master user") : a->why_not,
		.service = str_from(service_name(s->service)),
	};
	bool due;
	struct error err;
	char id[SESSION_ID_MAX];
	int r;

	if (login.why.len)
		log_info(session_id(s, id), "uncapturable", "account=%s why=\"%.*s\"",
			s->account ? s->account : "-", STR_ARG(login.why));
	else
		login.password = a->password;
	r = registry_learn(s->worker->registry, &login, ret, &due, &err);
	if (r < 0) {
		log_error(session_id(s, id), "capture", "error=\"%s\"", err.text);
		return r;
	}
	if (!ret->id)
		log_warning(session_id(s, id), "new-accounts",
			"login=%.*s: above `limits.new_accounts`, moved later",
			STR_ARG(a->user));
	if (due) {
		log_info(session_id(s, id), "due", "account=%s", ret->name);
		worker_poke_transfer(s->worker, ret->name);
	}
	return 0;
}
