/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/login_turn.h"

#include "base/log.h"
#include "interceptor/login_proof.h"
#include "interceptor/worker.h"

/* The transfer looks once a second; then the source has to notice that it has left, over
   a line that is full of what was on its way. Who is in by another way, or from another
   device, is told so after that. */
#define TURN_MS 10000

void login_asks_for_turn(struct session *s, const struct account_route *route)
{
	if (s->lane->is_in_use && s->pre->attempt.password.ptr &&
		login_is_moving(route) &&
		registry_knows_password(
			s->worker->registry, route->id, s->pre->attempt.password, false))
		session_goes_live(s);
}

/* A proof without a password is good for this connection only, and mailutils, for one,
   takes nobody any more on a connection on which it has said so. */
static bool is_refused_for_another(const struct session *s)
{
	return s->account && s->lane->is_in_use && s->pre->attempt.password.ptr &&
	       s->lane->is_in_use(buf_view(&s->pre->answer));
}

bool login_waits_its_turn(struct session *s)
{
	uint64_t now = worker_now(s->worker);
	struct pre *p = s->pre;
	struct account_route route;
	char id[SESSION_ID_MAX];

	if (!is_refused_for_another(s))
		return false;
	if (!p->turn_ends)
		p->turn_ends = now + TURN_MS;
	if (now >= p->turn_ends ||
		registry_route(s->worker->registry, str_from(s->account), &route, NULL) <
			0 ||
		route.route == ROUTE_LOCAL || !login_is_moving(&route))
		return false;
	log_info(session_id(s, id), "in-use", "account=%s", s->account);
	session_goes_live(s);
	session_drop_upstream(s);
	buf_clear(&p->answer);
	session_set_state(s, SESSION_BUSY, p->turn_ends - now);
	return true;
}
