/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a worker does for its sessions (session/host.h). */
#include "base/clock.h"
#include "base/log.h"
#include "interceptor/worker/handoff.h"
#include "interceptor/worker/keeper.h"
#include "interceptor/worker/verify.h"
#include "interceptor/worker/worker.h"
#include "registry/retire.h"
#include "settings/milter.h"
#include "wire/smtp/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t now(const struct host *h)
{
	return loop_now(&((const struct worker *)h)->loop);
}

/* ---- connections ---- */

static int connect_filter(struct host *h, const char *where, struct stream **ret)
{
	int fd = milter_connect(where), r = fd;

	if (fd >= 0)
		r = stream_plain_new(&worker_of(h)->loop, fd, ret);
	if (r < 0 && fd >= 0)
		close(fd);
	return r;
}

static enum crowd crowd(struct host *h, const struct session *s)
{
	return prelogin_crowd(
		worker_of(h)->limits, &h->settings->limits, &s->networks, now(h) / 1000);
}

static void count_connection(struct host *h, const struct session *s, int change)
{
	struct worker *w = worker_of(h);

	(void)s;
	connection_limits_add_connection(w->limits, w->index, change);
}

static void count_waiting(struct host *h, const struct session *s, int change)
{
	struct worker *w = worker_of(h);

	prelogin_add_waiting(w->limits, w->index, &s->networks, change);
}

static void count_places(struct host *h, const struct session *s, int change)
{
	struct worker *w = worker_of(h);

	prelogin_add_places(w->limits, w->index, s->is_from_known, change);
}

static void note_attempt(struct host *h, struct session *s, bool right)
{
	struct worker *w = worker_of(h);

	if (right)
		prelogin_succeeded(w->limits, w->index, &s->networks, now(h) / 1000);
	else
		prelogin_failed(w->limits, w->index, &s->networks, now(h) / 1000);
	connection_limits_count_login(w->limits, w->index,
		!right                    ? LOGIN_FAILED
		: s->route == ROUTE_LOCAL ? LOGIN_TO_LOCAL
					  : LOGIN_TO_SOURCE);
	if (s->held_at)
		connection_limits_count_hold(w->limits, w->index, now(h) - s->held_at);
	s->held_at = 0;
}

/* ---- accounts ---- */

static void report_live(struct host *h, const struct session *s, bool live)
{
	const struct message m = {
		.type = live ? MESSAGE_SESSION_BEGIN : MESSAGE_SESSION_END,
		.number = s->route == ROUTE_LOCAL ? ROUTE_LOCAL : ROUTE_SOURCE,
		.account = str_from(s->account),
	};

	worker_report(worker_of(h), &m);
}

static void learnt_login(struct worker *w, const char *session, const char *account,
	const struct account_route *route, bool became_due)
{
	if (!route->id)
		log_warning(session, "new-accounts",
			"login=%s: above `limits.new_accounts`, moved later", account);
	if (became_due) {
		log_info(session, "due", "account=%s", route->name);
		worker_poke_transfer(w, route->name);
	}
}

/* Its first login was under another of the account's names, at the same moment. */
static void rename_session(struct worker *w, const char *session, const char *was,
	const struct account_route *route)
{
	struct session *s;
	char id[SESSION_ID_MAX];
	bool live;

	LIST_FOREACH(s, &w->host.sessions, all)
	{
		if (!session_is_of(s, str_from(was)) ||
			strcmp(session_id(s, id), session) != 0)
			continue;
		live = s->live;
		if (session_set_account(s, str_from(route->name), route->id))
			session_set_live(s, live);
		return;
	}
}

void worker_learnt(void *worker, const char *session, const char *was,
	const struct account_route *route, bool became_due)
{
	if (route->id && strcmp(route->name, was) != 0)
		rename_session(worker, session, was, route);
	learnt_login(worker, session, was, route, became_due);
}

/* The user is in; what this login taught is kept until the registry takes it. */
static int learn_later(struct host *h, const struct session *s,
	const struct proven_login *login, const char *account)
{
	struct worker *w = worker_of(h);
	char id[SESSION_ID_MAX];
	int r = late_logins_add(&w->late_logins, session_id(s, id), account, login);

	if (r < 0)
		log_error(id, "capture", "error=\"the registry is busy\" code=%d", r);
	return r;
}

static int learn_now(struct host *h, struct session *s, const struct proven_login *login,
	struct account_route *ret, struct error *err)
{
	char id[SESSION_ID_MAX];
	bool due;
	int r = keeper_learn(worker_of(h), login, ret, &due, err);

	if (r == -EBUSY)
		(void)learn_later(h, s, login, s->account ? s->account : "");
	if (r == 0)
		learnt_login(worker_of(h), session_id(s, id), ret->name, ret, due);
	return r;
}

/* A user who lives here teaches nothing, so after the first login the route is enough. */
static bool foresee(
	struct host *h, const struct proven_login *login, struct account_route *ret)
{
	struct account_route remembered;

	if (registry_remembers_route(h->registry, login->name, &remembered) &&
		remembered.route == ROUTE_LOCAL) {
		*ret = remembered;
		return true;
	}
	if (keeper_foresee(worker_of(h), login, ret, NULL) < 0)
		return false;
	if (ret->route == ROUTE_LOCAL)
		(void)registry_route(h->registry, login->name, &remembered, NULL);
	return true;
}

static int learn(struct host *h, struct session *s, const struct proven_login *login,
	struct account_route *ret)
{
	struct worker *w = worker_of(h);
	struct error err = { 0 };
	char id[SESSION_ID_MAX];
	bool is_news = true;
	int r = 0;

	/* a client that may be held has to know whether its account is due */
	if (h->settings->strategy == STRATEGY_IMMEDIATE) {
		r = learn_now(h, s, login, ret, &err);
	} else {
		r = keeper_look(w, login, ret, &is_news, &err);
		if (r == 0 && is_news &&
			(!timer_runs(w->learning) ||
				learn_later(h, s, login, ret->name) < 0)) {
			r = learn_now(h, s, login, ret, &err);
			timer_start(w->learning, LEARN_LATER_MS);
		}
	}
	if (r < 0 && r != -EBUSY)
		log_error(session_id(s, id), "capture", "error=\"%s\"", err.text);
	return r;
}

static bool knows(struct host *h, const struct session *s,
	const struct account_route *route, struct str password)
{
	(void)s;
	return keeper_knows(worker_of(h), route->id, password);
}

static void ask_to_verify(
	struct host *h, struct session *s, const struct question *q, verify_fn *done)
{
	verify_password(worker_of(h), s, q, done);
}

static void forget(struct host *h, struct session *s)
{
	verify_forget(worker_of(h), s);
}

static int close_password(
	struct host *h, const struct session *s, struct str password, struct buf *out)
{
	struct worker *w = worker_of(h);
	char id[SESSION_ID_MAX], name[BOX_NAME_MAX];
	struct str of;
	int r = box_name_of_session(str_from(session_id(s, id)), name, &of);

	if (r == 0 && !vault_link_is_ready(w))
		r = -ENOTCONN;
	return r < 0 ? r : box_close(&w->vault.closer, of, password, out);
}

/* For the admin alone: a registry that is busy is not waited for. */
static void note_crossing(struct host *h, const struct session *s, bool handed)
{
	char client[ADDRESS_TEXT_MAX], detail[ADDRESS_TEXT_MAX + 16];
	char id[SESSION_ID_MAX];

	endpoint_text(&s->peer, client);
	(void)snprintf(detail, sizeof(detail), "%s %s", service_name(s->service), client);
	if (!s->account_id || !crossing_notes_add(&worker_of(h)->crossings, s->account_id,
				      handed, detail))
		log_warning(session_id(s, id), "crossing-not-noted", "account=%s",
			s->account);
}

static bool is_slow(struct host *h, int64_t account)
{
	return connection_limits_is_slow(worker_of(h)->limits, account);
}

static void remember_slow(struct host *h, int64_t account)
{
	struct worker *w = worker_of(h);

	connection_limits_remember_slow(w->limits, w->index, account);
}

static void follow_login(struct host *h, const struct session *s)
{
	char client[ADDRESS_TEXT_MAX];

	endpoint_address_text(&s->peer, client);
	worker_tell_transfer(
		worker_of(h), &(struct message){ .type = MESSAGE_LOGGED_IN,
				      .account = str_from(s->account),
				      .client = str_from(client),
				      .service = str_from(service_name(s->service)) });
}

/* ---- the source ---- */

static bool is_retired(struct host *h)
{
	struct error err;
	uint64_t since = 0;

	if (registry_retired(h->registry, &since, &err) < 0)
		log_error(NULL, "registry", "error=\"%s\"", err.text);
	return since != 0;
}

static struct offer *offer(struct host *h, enum service_id service)
{
	return worker_of(h)->offers[service];
}

static void learnt(struct host *h, enum service_id service, const struct learnt *shown)
{
	struct error err;
	bool changed;

	if (offer_store(h->registry, service, OFFER_OURS, shown, &changed, &err) < 0)
		log_error(NULL, "offer", "service=%s error=\"%s\"", service_name(service),
			err.text);
	worker_load_offer(worker_of(h), service);
}

static void learnt_refusal(struct host *h, enum service_id service, struct str text)
{
	const struct offer *o = offer(h, service);
	struct error err;

	if (o && str_eq(o->refusal, text))
		return;
	if (offer_store_refusal(h->registry, service, text, &err) < 0)
		log_error(NULL, "offer", "service=%s error=\"%s\"", service_name(service),
			err.text);
	worker_load_offer(worker_of(h), service);
}

static void offer_is_stale(struct host *h, enum service_id service)
{
	struct message m = { .type = MESSAGE_FACTS_CHANGED,
		.service = str_from(service_name(service)) };

	(void)message_send(&worker_of(h)->master, &m, -1); /* another refusal will come */
}

/* ---- mail ---- */

static int reach_mailstore(struct host *h)
{
	return handoff_connect(worker_of(h));
}

static int tell_mailstore(struct host *h, const struct message *m, int fd)
{
	return message_send(&worker_of(h)->mailstore, m, fd);
}

static void count_recipient(
	struct host *h, const struct smtp_address *to, struct str client, bool accepted)
{
	struct worker *w = worker_of(h);
	uint64_t at = clock_wall_ms();

	if (recipient_counts_add(
		    &w->recipients, to->local, to->domain, client, accepted, at))
		return;
	worker_hand_over_recipients(w);
	(void)recipient_counts_add(
		&w->recipients, to->local, to->domain, client, accepted, at);
}

static bool source_agreed(struct host *h, struct str question)
{
	return source_answers_has(worker_of(h)->limits->answers, question, now(h) / 1000,
		h->settings->smtp_policy_ttl_s);
}

static void note_source_agreed(struct host *h, struct str question)
{
	source_answers_add(worker_of(h)->limits->answers, question, now(h) / 1000);
}

static void forget_source_agreed(struct host *h, struct str question)
{
	source_answers_drop(worker_of(h)->limits->answers, question);
}

static void note_relayed(struct host *h, struct str local, struct str domain)
{
	recently_relayed_note(&worker_of(h)->recently_relayed, local, domain, now(h));
}

/* ---- TLS ---- */

static int tls_context(
	struct host *h, const struct session *s, const char *name, SSL_CTX **ret)
{
	char wanted[ADDRESS_TEXT_MAX];

	endpoint_address_text(&s->destination, wanted);
	return tls_keys_context(&worker_of(h)->tls, name, wanted, ret);
}

/* For `flows`, `status` and `report`. */
static void unseen_why(enum service_tls tls, const char *name, char why[UNSEEN_WHY_MAX])
{
	if (tls != SERVICE_TLS_AUTO)
		(void)snprintf(why, UNSEEN_WHY_MAX, "tls = \"%s\"%s%s",
			service_tls_name(tls), *name ? " for " : "", name);
	else if (*name)
		(void)snprintf(why, UNSEEN_WHY_MAX, "no key for %s", name);
	else
		(void)snprintf(why, UNSEEN_WHY_MAX, "no key (the name is not known)");
}

static int begin_unseen(struct worker *w, struct session *s, const char *name)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX], why[UNSEEN_WHY_MAX];

	unseen_why(w->host.settings->services[s->service].tls, name, why);
	s->unseen = unseen_flows_begin(&w->unseen, &s->peer, s->service, why);
	if (!s->unseen)
		return -ENOMEM;
	endpoint_text(&s->peer, client);
	log_info(session_id(s, id), "unseen", "service=%s client=%s name=%s why=\"%s\"",
		service_name(s->service), client, *name ? name : "-", why);
	return 0;
}

/* One whose registry is broken, not busy, moves no account either: its users go on. */
static int pass_unseen(struct host *h, struct session *s, const char *name)
{
	struct worker *w = worker_of(h);
	int r = s->unseen ? 0 : begin_unseen(w, s, name);

	if (r < 0 || unseen_flow_is_written(s->unseen))
		return r;
	return worker_write_unseen(w) == -EBUSY ? -EBUSY : 0;
}

static void unseen_over(struct host *h, struct session *s)
{
	unseen_flows_end(&worker_of(h)->unseen, s->unseen);
	s->unseen = NULL;
}

/* ---- an account switches ---- */

static bool recently_relayed(struct host *h, struct str account)
{
	return recently_relayed_has(
		&worker_of(h)->recently_relayed, h->registry, account, now(h));
}

static void quiesced(struct host *h, struct str account, uint64_t request, bool settled)
{
	struct message m = { .type = MESSAGE_QUIESCED,
		.account = account,
		.number = settled,
		.number2 = request };

	(void)worker_write_unseen(worker_of(h)); /* the transfer looks at it next */
	worker_reply(worker_of(h), &m);
}

const struct host_ops worker_host_ops = {
	.now = now,
	.connect = worker_connect,
	.connect_filter = connect_filter,
	.connect_destination = worker_connect_destination,
	.hand_off = handoff,
	.crowd = crowd,
	.count_connection = count_connection,
	.count_waiting = count_waiting,
	.count_places = count_places,
	.note_attempt = note_attempt,
	.report_live = report_live,
	.foresee = foresee,
	.learn = learn,
	.knows = knows,
	.verify = ask_to_verify,
	.forget = forget,
	.close_password = close_password,
	.follow_login = follow_login,
	.note_crossing = note_crossing,
	.is_slow = is_slow,
	.remember_slow = remember_slow,
	.is_retired = is_retired,
	.offer = offer,
	.learnt = learnt,
	.learnt_refusal = learnt_refusal,
	.reach_mailstore = reach_mailstore,
	.tell_mailstore = tell_mailstore,
	.count_recipient = count_recipient,
	.note_relayed = note_relayed,
	.offer_is_stale = offer_is_stale,
	.tls_context = tls_context,
	.pass_unseen = pass_unseen,
	.unseen_over = unseen_over,
	.recently_relayed = recently_relayed,
	.source_agreed = source_agreed,
	.note_source_agreed = note_source_agreed,
	.forget_source_agreed = forget_source_agreed,
	.quiesced = quiesced,
};
