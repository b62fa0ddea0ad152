/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login/proof.h"

#include "base/log.h"
#include "interceptor/session/unseen_flows.h"

bool login_is_moving(const struct account_route *route)
{
	return route->pin != PIN_SOURCE && route->stage != STAGE_IDLE &&
	       route->stage != STAGE_DONE && route->stage != STAGE_FAILED;
}

bool login_should_hold(const struct session *s, const struct account_route *route)
{
	const struct settings *settings = s->host->settings;
	const struct attempt *a = &login_of(s)->attempt;

	return settings->strategy == STRATEGY_IMMEDIATE && settings->hold_s > 0 &&
	       a->password.ptr && !a->why_not.len && login_is_moving(route) &&
	       !s->host->ops->is_slow(s->host, route->id);
}

bool login_foresee(const struct session *s, struct account_route *ret)
{
	const struct attempt *a = &login_of(s)->attempt;
	struct proven_login login = {
		.name = a->user,
		.password = a->password,
		.service = str_from(service_name(s->service)),
	};
	char client[CLIENT_TEXT_MAX];

	if (!a->user.ptr || !a->password.ptr || a->why_not.len)
		return false;
	client_text(&s->peer, client);
	login.client = str_from(client);
	return s->host->ops->foresee(s->host, &login, ret);
}

int login_learn(struct session *s, struct account_route *ret)
{
	const struct attempt *a = &login_of(s)->attempt;
	struct proven_login login = {
		.name = a->user,
		.why = a->why_not,
		.service = str_from(service_name(s->service)),
	};
	char id[SESSION_ID_MAX], client[CLIENT_TEXT_MAX];

	client_text(&s->peer, client);
	login.client = str_from(client);
	if (login.why.len)
		log_info(session_id(s, id), "uncapturable", "account=%s why=\"%.*s\"",
			s->account ? s->account : "-", STR_ARG(login.why));
	else
		login.password = a->password;
	return s->host->ops->learn(s->host, s, &login, ret);
}
