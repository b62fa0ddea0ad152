/* SPDX-License-Identifier: GPL-3.0-or-later */
/* interceptor.sock: questions of the transfer and the `mailferry` command. */
#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "interceptor/master.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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
	if (peer_send(&c->peer, m, -1) < 0) {
		log_warning(NULL, "control", "client=dropped: it does not read");
		peer_close(&c->peer); /* found and freed by the sweep */
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
	for (unsigned i = 0; i < m->n_slots; i++)
		if (q->asked[i])
			return false;
	return true;
}

bool control_waits_for_workers(const struct master *m)
{
	const struct request *q;

	LIST_FOREACH(q, &m->requests, all)
	if (!is_complete(m, q))
		return true;
	return false;
}

static void conclude(struct master *m, struct request *q)
{
	struct message answer = { .account = str_from(q->account) };

	if (!is_complete(m, q))
		return;
	if (q->type == MESSAGE_QUIESCE) {
		answer.type = MESSAGE_QUIESCED;
		answer.number = !q->left;
	} else {
		answer.type = MESSAGE_FLOWS_END;
	}
	tell(q->client, &answer);
	request_free(q);
}

static void ask_workers(struct control_client *c, const struct message *question)
{
	struct master *m = c->master;
	struct request *q = request_new(c, question->type, question->account);
	struct message sent = *question;

	if (!q) {
		struct message no = { .type = MESSAGE_FAILED, .text = STR("no memory") };

		tell(c, &no);
		return;
	}
	sent.number2 = q->id;
	for (unsigned i = 0; i < m->n_slots; i++)
		q->asked[i] =
			m->slots[i].pid && peer_send(&m->slots[i].link, &sent, -1) == 0;
	master_listen(m);
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
	flow.number2 = 0;
	if (message->type == MESSAGE_FLOW) {
		tell(q->client, &flow);
		return;
	}
	if (message->type == MESSAGE_QUIESCED && !message->number)
		q->left = true;
	q->asked[worker] = false;
	conclude(m, q);
}

/* ---- log-off ---- */

static bool has_sessions(const struct master *m, struct str account)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (census_count(&m->slots[i].census, account, ROUTE_SOURCE))
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

static void await_logoff(struct control_client *c, const struct message *m)
{
	struct message no = { .type = MESSAGE_FAILED, .text = STR("no memory") };
	struct request *q;

	master_hear(c->master);
	q = request_new(c, m->type, m->account);
	if (q)
		(void)answer_logoff(c->master, q);
	else
		tell(c, &no);
}

static void route_changed(struct control_client *c, const struct message *m)
{
	for (unsigned i = 0; i < c->master->n_slots; i++)
		if (c->master->slots[i].pid)
			(void)peer_send(&c->master->slots[i].link, m, -1);
}

static const struct control_row {
	enum message_type type;
	void (*handle)(struct control_client *c, const struct message *m);
} control_rows[] = {
	{ MESSAGE_AWAIT_LOGOFF, await_logoff },
	{ MESSAGE_QUIESCE, ask_workers },
	{ MESSAGE_ROUTE_CHANGED, route_changed },
	{ MESSAGE_FLOWS, ask_workers },
};

/* ---- clients ---- */

static void on_message(void *context, struct peer *p, const struct message *m, int fd)
{
	struct control_client *c = context;
	struct message no = { .type = MESSAGE_FAILED,
		.text = STR("not a question for me") };

	(void)p;
	fd_closep(&fd);
	for (size_t i = 0; i < sizeof(control_rows) / sizeof(control_rows[0]); i++) {
		if (control_rows[i].type != m->type)
			continue;
		control_rows[i].handle(c, m);
		return;
	}
	tell(c, &no);
}

static void on_lost(void *context, struct peer *p, int code)
{
	(void)context;
	if (code == -EBADMSG)
		log_warning(NULL, "control", "client=dropped: a message makes no sense");
	peer_close(p);
}

static const struct peer_ops client_ops = { .message = on_message, .lost = on_lost };

static void add_client(struct master *m, int fd)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c || peer_open(&c->peer, &m->loop, fd, &client_ops, c) < 0) {
		free(c);
		fd_closep(&fd);
		return;
	}
	c->master = m;
	LIST_INSERT_HEAD(&m->clients, c, all);
}

/* Not in the callbacks themselves: peer.c is in the middle of this client's messages. */
void control_sweep(struct master *m)
{
	struct control_client *c, *next;

	for (c = LIST_FIRST(&m->clients); c; c = next) {
		next = LIST_NEXT(c, all);
		if (peer_is_open(&c->peer))
			continue;
		client_free(c);
	}
}

static void accept_ready(void *context, int events, int error)
{
	struct master *m = context;
	int fd;

	(void)events;
	(void)error;
	while ((fd = ipc_accept(m->control->fd)) >= 0)
		add_client(m, fd);
}

int control_open(struct master *m, struct error *err)
{
	char path[PATH_MAX];
	int fd, r = settings_run_path(
			m->settings, INTERCEPTOR_SOCKET, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "run_dir");
	fd = ipc_listen(path, 0600, err);
	if (fd < 0)
		return fd;
	r = watch_new(&m->loop, fd, accept_ready, m, &m->control);
	if (r < 0) {
		fd_closep(&fd);
		return error_errno(err, r, "cannot watch %s", path);
	}
	watch_want(m->control, UV_READABLE);
	return 0;
}

void control_close_fds(struct master *m)
{
	struct control_client *c;

	LIST_FOREACH(c, &m->clients, all)
	if (peer_is_open(&c->peer))
		fd_closep(&c->peer.watch->fd);
	fd_closep(&m->control->fd);
}
