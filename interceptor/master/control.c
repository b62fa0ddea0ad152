/* SPDX-License-Identifier: GPL-3.0-or-later */
/* interceptor.sock: questions of the transfer and the `mailferry` command. */
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/master/master.h"
#include "messages/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_MODE 0600
#define TALLY_MAX 1024
#define QUEUE_MAX (64u << 20) /* a listing of 100,000 flows takes 40 MB */

static void request_free(struct request *q)
{
	LIST_REMOVE(q, all);
	free(q);
}

static void client_free(struct control_client *c)
{
	struct request *q, *next;

	for (q = LIST_FIRST(&c->master->requests); q; q = next) {
		next = LIST_NEXT(q, all);
		if (q->client == c)
			request_free(q);
	}
	LIST_REMOVE(c, all);
	free(c);
}

static void tell(struct control_client *c, const struct message *m)
{
	if (message_send(&c->channel, m, -1) < 0) {
		log_warning(NULL, "control", "client=dropped: it does not read");
		channel_close(&c->channel); /* found and freed by the sweep */
	}
}

static struct request *request_new(
	struct control_client *c, enum message_type type, struct str account)
{
	struct request *q = calloc(1, sizeof(*q) + account.len + 1);

	if (!q)
		return NULL;
	q->client = c;
	q->type = type;
	q->id = ++c->master->next_request;
	if (account.len)
		memcpy(q->account, account.ptr, account.len);
	LIST_INSERT_HEAD(&c->master->requests, q, all);
	return q;
}

/* ---- questions that the workers answer ---- */

static bool is_complete(const struct master *m, const struct request *q)
{
	for (unsigned i = 0; i < m->n_links; i++)
		if (q->asked[i])
			return false;
	return true;
}

static void conclude(struct master *m, struct request *q)
{
	struct message answer = { .account = str_from(q->account),
		.number2 = q->asked_as };

	if (!is_complete(m, q))
		return;
	if (q->type == MESSAGE_QUIESCE) {
		answer.type = MESSAGE_QUIESCED;
		answer.number = !q->left;
	} else if (q->type == MESSAGE_KICK) {
		answer.type = MESSAGE_KICKED;
		answer.number = q->found;
	} else {
		answer.type = MESSAGE_FLOWS_END;
	}
	tell(q->client, &answer);
	request_free(q);
}

static void ask_workers(void *context, const struct message *question, int fd)
{
	struct control_client *c = context;
	struct master *m = c->master;
	struct request *q = request_new(c, question->type, question->account);
	struct message sent = *question;

	(void)fd;
	if (!q) {
		struct message no = { .type = MESSAGE_FAILED, .text = STR("no memory") };

		tell(c, &no);
		return;
	}
	q->asked_as = question->number2;
	sent.number2 = q->id;
	for (unsigned i = 0; i < m->n_links; i++)
		q->asked[i] = message_send(&m->slots[i].link, &sent, -1) == 0;
	conclude(m, q);
}

static struct request *request_by_id(struct master *m, uint64_t id)
{
	struct request *q;

	LIST_FOREACH(q, &m->requests, all)
	if (q->id == id)
		return q;
	return NULL;
}

void control_answer(struct master *m, unsigned worker, const struct message *message)
{
	struct request *q = request_by_id(m, message->number2);
	struct message flow = *message;

	if (!q)
		return; /* the asker has left */
	flow.number2 = q->asked_as;
	if (message->type == MESSAGE_FLOW) {
		tell(q->client, &flow);
		return;
	}
	if (message->type == MESSAGE_QUIESCED && !message->number)
		q->left = true;
	if (message->type == MESSAGE_KICKED && message->number)
		q->found = true;
	q->asked[worker] = false;
	conclude(m, q);
}

/* ---- log-off ---- */

static bool has_sessions(const struct master *m, struct str account)
{
	for (unsigned i = 0; i < m->n_links; i++)
		if (live_sessions_count(&m->slots[i].live, account, ROUTE_SOURCE))
			return true;
	return false;
}

static bool answer_logoff(struct master *m, struct request *q)
{
	struct message answer = { .type = MESSAGE_LOGGED_OFF,
		.account = str_from(q->account) };

	if (q->type != MESSAGE_AWAIT_LOGOFF || has_sessions(m, str_from(q->account)))
		return false;
	tell(q->client, &answer);
	request_free(q);
	return true;
}

void control_session_ended(struct master *m, struct str account)
{
	struct request *q, *next;

	for (q = LIST_FIRST(&m->requests); q; q = next) {
		next = LIST_NEXT(q, all);
		if (str_eq(str_from(q->account), account))
			(void)answer_logoff(m, q);
	}
}

void control_worker_lost(struct master *m, unsigned worker)
{
	struct request *q, *next;

	for (q = LIST_FIRST(&m->requests); q; q = next) {
		bool was_asked = q->asked[worker];

		next = LIST_NEXT(q, all);
		q->asked[worker] = false;
		if (!answer_logoff(m, q) && was_asked)
			conclude(m, q);
	}
}

static void await_logoff(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;
	struct message no = { .type = MESSAGE_FAILED, .text = STR("no memory") };
	struct request *q;

	(void)fd;
	master_hear(c->master);
	q = request_new(c, m->type, m->account);
	if (q)
		(void)answer_logoff(c->master, q);
	else
		tell(c, &no);
}

static void route_changed(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;

	(void)fd;
	for (unsigned i = 0; i < c->master->n_links; i++)
		(void)message_send(&c->master->slots[i].link, m, -1);
}

/* From the next master alone: a news for all workers. */
static void pass_facts(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;

	if (c == c->master->successor)
		route_changed(context, m, fd);
}

/* ---- the next master ---- */

static bool may_take_over(const struct control_client *c)
{
	return takeover_is_allowed(channel_fd(&c->channel), c->master->started_by);
}

static void pong(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;
	const struct message answer = { .type = MESSAGE_PONG };

	(void)fd;
	tell(c, &answer);
	if (m->number && may_take_over(c))
		workers_watch(c->master, m->number);
}

static void take_over(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;

	(void)m;
	(void)fd;
	if (may_take_over(c))
		retire_hand(c);
	else
		channel_close(&c->channel);
}

static void retire(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;

	(void)m;
	(void)fd;
	if (may_take_over(c) && !c->master->successor)
		retire_begin(c);
	else
		channel_close(&c->channel);
}

void control_retire(struct master *m)
{
	struct control_client *c;

	channel_listener_close(&m->control);
	LIST_FOREACH(c, &m->clients, all)
	if (c != m->successor)
		channel_close(&c->channel);
}

static void tell_retired(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;
	struct master *master = c->master;
	const struct connection_counts *row =
		&master->limits.rows[master->limits.n_rows - 1];
	struct message answer = { .type = MESSAGE_RETIRED_IS,
		.number = row->connections };

	(void)m;
	(void)fd;
	tell(c, &answer);
}

static void tell_alarm(void *context, const struct message *m)
{
	tell(context, m);
}

static void ask_alarms(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;

	(void)m;
	(void)fd;
	alarms_tell(&c->master->alarms, tell_alarm, c);
}

static void tell_load(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;
	char accepted[24];
	struct message answer = { .type = MESSAGE_LOAD_IS,
		.number = connections_counted(&c->master->limits),
		.number2 = c->master->settings->limits.connections };

	(void)m;
	(void)fd;
	(void)snprintf(accepted, sizeof(accepted), "%" PRIu64,
		connections_accepted(&c->master->limits));
	answer.text = str_from(accepted);
	tell(c, &answer);
}

static void tell_tally(void *context, const struct message *m, int fd)
{
	struct control_client *c = context;
	char text[TALLY_MAX];
	struct message answer = { .type = MESSAGE_TALLY_IS };

	(void)m;
	(void)fd;
	connection_limits_tally(&c->master->limits, text, sizeof(text));
	answer.payload = str_from(text);
	tell(c, &answer);
}

static const struct message_row control_rows[] = {
	{ MESSAGE_PING, false, pong },
	{ MESSAGE_AWAIT_LOGOFF, false, await_logoff },
	{ MESSAGE_QUIESCE, false, ask_workers },
	{ MESSAGE_ROUTE_CHANGED, false, route_changed },
	{ MESSAGE_FLOWS, false, ask_workers },
	{ MESSAGE_KICK, false, ask_workers },
	{ MESSAGE_ALARMS, false, ask_alarms },
	{ MESSAGE_LOAD, false, tell_load },
	{ MESSAGE_FACTS_CHANGED, false, pass_facts },
	{ MESSAGE_TAKE_OVER, false, take_over },
	{ MESSAGE_RETIRE, false, retire },
	{ MESSAGE_RETIRED, false, tell_retired },
	{ MESSAGE_TALLY, false, tell_tally },
};

/* ---- clients ---- */

static void on_message(void *context, struct channel *channel, struct packet *p)
{
	struct control_client *c = context;
	struct error err;

	if (message_handle(control_rows, sizeof(control_rows) / sizeof(control_rows[0]),
		    p, c, &err) == 0)
		return;
	log_warning(NULL, "control", "client=dropped error=\"%s\"", err.text);
	channel_close(channel);
}

/* Without the next master nobody knows of the sessions here. */
static void on_lost(void *context, struct channel *c, int code)
{
	struct control_client *client = context;

	(void)code;
	channel_close(c);
	if (client == client->master->successor)
		loop_stop(&client->master->loop);
}

static const struct channel_ops client_ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_MAX
};

static void add_client(void *context, int fd)
{
	struct master *m = context;
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c || channel_open(&c->channel, &m->loop, fd, &client_ops, c) < 0) {
		free(c);
		fd_closep(&fd);
		return;
	}
	c->master = m;
	LIST_INSERT_HEAD(&m->clients, c, all);
}

/* Not where a message cannot be sent: its question may be in use there. */
void control_sweep(struct master *m)
{
	struct control_client *c, *next;

	for (c = LIST_FIRST(&m->clients); c; c = next) {
		next = LIST_NEXT(c, all);
		if (channel_is_open(&c->channel) || c == m->successor)
			continue;
		client_free(c);
	}
}

int control_open_on(struct master *m, int fd)
{
	return channel_listen_on(&m->control, &m->loop, fd, add_client, m);
}

int control_open(struct master *m, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(m->settings, INTERCEPTOR_SOCKET, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "run_dir");
	return channel_listen(
		&m->control, &m->loop, path, SOCKET_MODE, add_client, m, err);
}
