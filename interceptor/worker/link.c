/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the master asks of a worker. */
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/protocols/protocol.h"
#include "interceptor/session/flow.h"
#include "interceptor/session/quiesce.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_MAX (REGISTRY_NAME_MAX + 64) /* a name and the head of a message */

/* The master is our parent: without it, or with 64 MiB unread, nothing works. */
static void tell(struct worker *w, const struct message *m)
{
	if (message_send(&w->master, m, -1) < 0)
		abort();
}

void worker_report(struct worker *w, const struct message *m)
{
	char bytes[REPORT_MAX];
	ssize_t len = message_encode(m, bytes, sizeof(bytes));

	/* a wrong count would end a session that somebody is in */
	if (len < 0 || buf_append(&w->reports, str_of(bytes, (size_t)len)) < 0)
		abort();
	if (buf_len(&w->reports) > MESSAGE_SMALL_MAX)
		(void)worker_send_reports(w);
}

bool worker_send_reports(struct worker *w)
{
	if (!buf_len(&w->reports))
		return false;
	tell(w, &(struct message){
			.type = MESSAGE_REPORTS, .payload = buf_view(&w->reports) });
	buf_clear(&w->reports);
	return true;
}

void worker_reply(struct worker *w, const struct message *m)
{
	(void)worker_send_reports(w);
	tell(w, m);
}

static void on_quiesce(void *context, const struct message *m, int fd)
{
	struct worker *w = context;

	(void)fd;
	/* until then a session may be known by another name of its account */
	if (!worker_learn_late(w)) {
		w->host.ops->quiesced(&w->host, m->account, m->number2, false);
		return;
	}
	quiesce_begin(&w->host, m->account,
		m->number < SWITCH_MANNER_COUNT ? (enum switch_manner)m->number
						: SWITCH_LOGGED_OFF,
		m->number2);
}

static void on_route_changed(void *context, const struct message *m, int fd)
{
	struct worker *w = context;

	(void)fd;
	quiesce_route_changed(&w->host, m->account);
}

static void on_flows(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	struct message flow = { .type = MESSAGE_FLOW, .number2 = m->number2 };
	struct session *s;

	(void)fd;
	LIST_FOREACH(s, &w->host.sessions, all)
	{
		char *json = flow_json(s);

		if (!json)
			continue;
		flow.payload = str_from(json);
		worker_reply(w, &flow);
		free(json);
	}
	flow = (struct message){ .type = MESSAGE_FLOWS_END, .number2 = m->number2 };
	worker_reply(w, &flow);
}

static struct session *session_by_id(struct worker *w, struct str text)
{
	char id[SESSION_ID_MAX];
	struct session *s;

	LIST_FOREACH(s, &w->host.sessions, all)
	if (str_eq(str_from(session_id(s, id)), text))
		return s;
	return NULL;
}

static void on_kick(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	struct session *s = session_by_id(w, m->session);
	struct message kicked = {
		.type = MESSAGE_KICKED, .number = s != NULL, .number2 = m->number2
	};
	struct message there = { .type = MESSAGE_KICK, .session = m->session };

	(void)fd;
	if (s && s->state == SESSION_LOCAL) {
		there.account = str_from(s->account);
		(void)message_send(&w->mailstore, &there, -1);
	}
	if (s)
		session_kick(s);
	worker_reply(w, &kicked);
}

static void on_facts(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	char *name = str_dup_c(m->service);
	enum service_id service = name ? service_by_name(name) : SERVICE_COUNT;

	(void)fd;
	free(name);
	if (protocol_of(service))
		worker_load_offer(w, service);
}

static void on_ping(void *context, const struct message *m, int fd)
{
	const struct message answer = { .type = MESSAGE_PONG };

	(void)m;
	(void)fd;
	worker_reply(context, &answer);
}

static void on_retire(void *context, const struct message *m, int fd)
{
	(void)m;
	(void)fd;
	worker_retire(context);
}

static const struct message_row messages[] = {
	{ MESSAGE_PING, false, on_ping },
	{ MESSAGE_RETIRE, false, on_retire },
	{ MESSAGE_QUIESCE, false, on_quiesce },
	{ MESSAGE_ROUTE_CHANGED, false, on_route_changed },
	{ MESSAGE_FLOWS, false, on_flows },
	{ MESSAGE_KICK, false, on_kick },
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
