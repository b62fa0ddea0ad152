/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the master asks of a worker. */
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/flow.h"
#include "interceptor/login.h"
#include "interceptor/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void reply(struct worker *w, const struct message *m)
{
	/* the master is our parent: without it, or with 64 MiB unread, nothing works */
	if (message_send(&w->master, m, -1) < 0)
		abort();
}

static bool is_of(const struct session *s, struct str account)
{
	return s->account && str_eq(str_from(s->account), account);
}

/* ---- quiesce ---- */

/* true: this session is still at the source, and is left there. */
static bool quiesce_one(struct session *s, bool force)
{
	switch (s->state) {
	case SESSION_LOGGING_IN:
		/* nobody is in yet: he waits, as those do who come now */
		login_hold(s);
		return false;
	case SESSION_PROVED:
		/* logged in, and has asked for nothing; but his maildrop is locked */
		if (s->lane->is_in_use && s->pre->attempt.password.ptr)
			login_hold(s);
		return false;
	case SESSION_EXCHANGE:
		if (force)
			login_refuse(s, REFUSAL_BUSY);
		return !force;
	case SESSION_RELAY:
		/* the source has ended it: only the client has not noticed yet */
		if (force || relay_source_ended(s->relay))
			session_drain(s, FAREWELL_MOVED);
		return s->state == SESSION_RELAY;
	case SESSION_DRAINING:
	case SESSION_GREETING:
	case SESSION_PRELOGIN:
	case SESSION_UPGRADING:
	case SESSION_TALKING: /* its own ops judge it */
	case SESSION_BUSY:
	case SESSION_VERIFYING:
	case SESSION_REFUSING:
	case SESSION_LOCAL:
	case SESSION_CLOSING:
	case SESSION_LINGERING:
	case SESSION_GONE:
	case SESSION_STATE_COUNT:
		break;
	}
	return false;
}

/* Something of his is on its way to the source, or was a moment ago. */
static bool is_unsettled(const struct worker *w, const char *account)
{
	const struct session *s;

	if (passed_lately(&w->passed, w->registry, str_from(account), worker_now(w)))
		return true;
	LIST_FOREACH(s, &w->sessions, all)
	{
		if (s->state == SESSION_DRAINING && is_of(s, str_from(account)))
			return true;
		if (s->state == SESSION_TALKING &&
			s->lane->talk->has_business(s, str_from(account)))
			return true;
	}
	return false;
}

static void quiesced(struct worker *w, struct str account, uint64_t request, bool empty)
{
	struct message m = { .type = MESSAGE_QUIESCED,
		.account = account,
		.number = empty,
		.number2 = request };

	reply(w, &m);
}

static void answer_when_settled(struct worker *w, const struct message *m)
{
	struct quiesce *q = calloc(1, sizeof(*q) + m->account.len + 1);

	if (!q)
		abort();
	q->request = m->number2;
	memcpy(q->account, m->account.ptr, m->account.len);
	LIST_INSERT_HEAD(&w->quiescing, q, all);
}

void worker_check_quiesced(struct worker *w)
{
	struct quiesce *q, *next;

	for (q = LIST_FIRST(&w->quiescing); q; q = next) {
		next = LIST_NEXT(q, all);
		if (is_unsettled(w, q->account))
			continue;
		quiesced(w, str_from(q->account), q->request, true);
		LIST_REMOVE(q, all);
		free(q);
	}
}

static void on_quiesce(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	char account[sizeof(((struct account_route *)0)->name)] = "";
	struct session *s, *next;
	bool left = false;

	(void)fd;
	if (m->account.len >= sizeof(account)) {
		quiesced(w, m->account, m->number2, true);
		return;
	}
	memcpy(account, m->account.ptr, m->account.len);
	for (s = LIST_FIRST(&w->sessions); s; s = next) {
		next = LIST_NEXT(s, all);
		if (s->state == SESSION_TALKING)
			(void)s->lane->talk->quiesce(s, m->account);
		else if (is_of(s, m->account))
			left |= quiesce_one(s, m->number == 1);
	}
	if (!left && is_unsettled(w, account))
		answer_when_settled(w, m);
	else
		quiesced(w, m->account, m->number2, !left);
}

/* ---- the others ---- */

static void on_route_changed(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	struct session *s, *next;

	(void)fd;
	for (s = LIST_FIRST(&w->timed); s; s = next) {
		next = LIST_NEXT(s, timed);
		if (is_of(s, m->account))
			login_recheck(s, false);
	}
}

static void on_flows(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	struct message flow = { .type = MESSAGE_FLOW, .number2 = m->number2 };
	struct session *s;

	(void)fd;
	LIST_FOREACH(s, &w->sessions, all)
	{
		char *json = flow_json(s);

		if (!json)
			continue;
		flow.payload = str_from(json);
		reply(w, &flow);
		free(json);
	}
	flow = (struct message){ .type = MESSAGE_FLOWS_END, .number2 = m->number2 };
	reply(w, &flow);
}

static void on_facts(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	char *name = str_dup_c(m->service);
	enum service_id service = name ? service_by_name(name) : SERVICE_COUNT;

	(void)fd;
	free(name);
	if (lane_of(service))
		worker_load_offer(w, service);
}

static const struct message_row messages[] = {
	{ MESSAGE_QUIESCE, false, on_quiesce },
	{ MESSAGE_ROUTE_CHANGED, false, on_route_changed },
	{ MESSAGE_FLOWS, false, on_flows },
	{ MESSAGE_FACTS_CHANGED, false, on_facts },
};

static void on_message(void *context, struct channel *c, struct packet *p)
{
	(void)c;
	worker_handle(
		context, "master", messages, sizeof(messages) / sizeof(messages[0]), p);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct worker *w = context;

	log_error(NULL, "master", "connection=lost code=%d", code);
	channel_close(c);
	loop_stop(&w->loop);
}

const struct channel_ops worker_master_ops = {
	.message = on_message, .lost = on_lost, .bytes_max = WORKER_QUEUE_MAX
};
