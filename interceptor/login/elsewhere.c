/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A login of a user who has moved to another server (settings/destination.h). That server
 * judges it, over a connection of its own: nothing that the source says of it counts, and
 * what that server says is learnt of nobody. Never is the source asked instead.
 *
 * The login is written anew, by the name that the mailbox was copied for, as any server
 * takes it: which mechanisms the client has chosen from are the source's.
 */
#include "base/log.h"
#include "interceptor/login/login.h"
#include "interceptor/protocols/offer.h"
#include "interceptor/session/unseen_flows.h"
#include "source/destination.h"
#include "wire/sasl_login.h"

#include <errno.h>
#include <string.h>

/* ---- the attempt ---- */

static int check_home(const struct session *s, const struct account *a)
{
	char id[SESSION_ID_MAX];

	if (destination_is_home(s->host->settings, a->home))
		return 0;
	log_error(session_id(s, id), "destination",
		"account=%.*s error=\"it lives at %.*s, and `destination` is another "
		"server\"",
		STR_ARG(a->name), STR_ARG(a->home));
	return -ESTALE;
}

static int find(struct session *s, int64_t account, struct account *ret)
{
	char id[SESSION_ID_MAX];
	struct error err = { 0 };
	int r = registry_find_id(
		s->host->registry, account, &s->memory->arena, ret, &err);

	if (r < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"", err.text);
	return r < 0 ? r : check_home(s, ret);
}

static bool shows_password(const struct attempt *a)
{
	return a->password.ptr && !a->why_not.len;
}

void login_elsewhere(struct session *s, const struct account_route *route)
{
	struct login *l = login_of(s);
	const struct attempt *a = &l->attempt;
	struct account account;

	session_drop_source(s);
	buf_wipe(&l->answer);
	l->conclusion = (struct str){ 0 };
	if (!shows_password(a)) {
		login_refuse(s, REFUSAL_MECHANISM);
		return;
	}
	if (find(s, route->id, &account) < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
		return;
	}
	session_set_route(s, ROUTE_LOCAL);
	l->elsewhere = sasl_login_anew(account.login, a->password);
	if (l->elsewhere.kind == LOGIN_NONE) {
		login_set_step(s, LOGIN_IN_REFUSING, LOGIN_REFUSE_MS);
		return;
	}
	login_set_step(s, LOGIN_IN_LOGGING_IN, LOGIN_ANSWER_MS);
	login_send(s);
}

/* ---- its answer ---- */

bool login_waits_for_capability(struct session *s, struct str *response, bool *ok)
{
	const struct login_protocol *p = login_protocol_of(s);
	struct login *l = login_of(s);

	if (!login_is_elsewhere(s)) /* its OK answers no question to the source */
		return false;
	if (l->conclusion.ptr) { /* what is said of the question does not matter */
		*response = l->conclusion;
		*ok = true;
		return false;
	}
	if (!*ok || !p->asks_capability)
		return false;
	l->conclusion = arena_str(&s->memory->arena, *response);
	return l->conclusion.ptr && p->asks_capability(l->machine, buf_view(&l->answer),
					    *response, &s->memory->to_source);
}

/* For the admin alone: a registry that is busy is not waited for. */
static void note_login(const struct session *s)
{
	char client[CLIENT_TEXT_MAX];

	client_text(&s->peer, client);
	(void)registry_note_login(
		s->host->registry, s->account_id, str_from(client), NULL);
}

static void relay(struct session *s)
{
	char id[SESSION_ID_MAX];

	log_info(session_id(s, id), "destination", "account=%s login=accepted",
		s->account);
	note_login(s);
	if (s->host->settings->pop_before_smtp)
		s->host->ops->follow_login(s->host, s);
	session_say(s, buf_view(&login_of(s)->answer));
	session_relay(s);
}

/* It may be on its way back since it was asked. */
static void accepted(struct session *s)
{
	struct account_route route;

	session_is_proven(s);
	if (login_look_up(s, &route) < 0) {
		login_refuse(s, REFUSAL_UNAVAILABLE);
	} else if (route.route != ROUTE_LOCAL || !route.is_elsewhere) {
		session_drop_source(s);
		buf_wipe(&login_of(s)->answer);
		session_set_route(s, route.route);
		login_go(s, &route);
	} else {
		relay(s);
	}
}

static void refused(struct session *s)
{
	struct login *l = login_of(s);
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];

	login_count_refusal(s);
	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "refused",
		"account=%s by=destination service=%s client=%s", s->account,
		service_name(s->service), client);
	session_say(s, buf_view(&l->answer));
	buf_clear(&l->answer);
	login_protocol_of(s)->answered(l->machine);
	session_drop_source(s); /* it is good for one attempt */
	login_resume(s);
}

void login_elsewhere_answered(struct session *s, bool ok)
{
	if (ok)
		accepted(s);
	else
		refused(s);
}
