/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login/maildrop_wait.h"

#include "base/log.h"
#include "interceptor/login/proof.h"

/* The transfer looks once a second; then the source has to notice that it has left, over
   a line that is full of what was on its way. A login that is in by another way, or from
   another device, is told so after that. */
#define WAIT_MS 10000

void login_ask_for_maildrop(struct session *s, const struct account_route *route)
{
	struct str password = login_of(s)->attempt.password;

	if (login_protocol_of(s)->is_in_use && password.ptr && login_is_moving(route) &&
		s->host->ops->knows(s->host, s, route, password))
		session_set_live(s, true);
}

/* A proof without a password is good for this connection only, and mailutils, for one,
   accepts no other login on a connection on which it has said so. */
static bool is_refused_for_another(const struct session *s)
{
	const struct login_protocol *p = login_protocol_of(s);
	const struct login *l = login_of(s);

	return s->account && p->is_in_use && l->attempt.password.ptr &&
	       p->is_in_use(buf_view(&l->answer));
}

bool login_waits_for_maildrop(struct session *s)
{
	uint64_t now = s->host->ops->now(s->host);
	struct login *l = login_of(s);
	struct account_route route;
	char id[SESSION_ID_MAX];

	if (!is_refused_for_another(s))
		return false;
	if (!l->wait_ends)
		l->wait_ends = now + WAIT_MS;
	if (now >= l->wait_ends ||
		registry_route(s->host->registry, str_from(s->account), &route, NULL) <
			0 ||
		route.route == ROUTE_LOCAL || !login_is_moving(&route))
		return false;
	log_info(session_id(s, id), "in-use", "account=%s", s->account);
	session_set_live(s, true);
	session_drop_source(s);
	buf_clear(&l->answer);
	login_set_step(s, LOGIN_IN_BUSY, l->wait_ends - now);
	return true;
}
