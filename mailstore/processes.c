/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/process.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/process.h"
#include "mailstore/account.h"
#include "mailstore/refuse.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define LINGER_MS 2000 /* webmail logs in for each click */
#define PATIENCE_MS                                                                      \
	10000 /* for a process that is to end; it says good-bye to clients               \
	       */
#define MOVING_WHY "Your mailbox is being moved, try again in a moment."
#define BROKEN_WHY "The mailbox cannot be served now; the administrator is told."

static void on_link(uv_poll_t *poll, int status, int events);

/* ── the end of one ────────────────────────────────────────────────────────────────── */

static void drop_tie(struct tie *tie)
{
	LIST_REMOVE(tie, entry);
	free(tie);
}

static void send_end(
	struct process *p, struct peer *peer, struct str session, const char *why)
{
	struct message m = { .type = MESSAGE_SERVE_END,
		.account = str_from(p->account),
		.session = session,
		.text = str_from(why) };

	if (peer)
		p->all->send(peer, &m);
}

static void end_sessions(struct process *p, const char *why)
{
	while (!LIST_EMPTY(&p->sessions)) {
		struct tie *tie = LIST_FIRST(&p->sessions);

		send_end(p, tie->peer, str_from(tie->id), why);
		drop_tie(tie);
	}
}

static void answer_requests(struct process *p)
{
	struct message m = { .type = MESSAGE_RELEASED, .account = str_from(p->account) };

	while (!LIST_EMPTY(&p->requests)) {
		struct tie *tie = LIST_FIRST(&p->requests);

		if (tie->peer)
			p->all->send(tie->peer, &m);
		drop_tie(tie);
	}
}

static void refuse_login(struct processes *all, struct peer *peer,
	const struct message *m, int socket, const char *why)
{
	struct message end = { .type = MESSAGE_SERVE_END,
		.account = m->account,
		.session = m->session,
		.text = STR("refused") };

	refuse(m, socket, why);
	if (peer)
		all->send(peer, &end);
}

static void refuse_moving(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	refuse_login(all, peer, m, fd, MOVING_WHY);
}

/* What may wait, how it goes on, and what becomes of it when it cannot. */
static const struct waiting_row {
	enum message_type type;
	void (*serve)(struct processes *all, struct peer *peer, const struct message *m,
		int fd);
	void (*refuse)(struct processes *all, struct peer *peer, const struct message *m,
		int fd);
} waiting_rows[] = {
	{ MESSAGE_SERVE, processes_serve, refuse_moving },
	{ MESSAGE_STAGE, processes_stage, deliveries_refuse },
	{ MESSAGE_DELIVER, processes_deliver, deliveries_refuse },
};

static void empty_waiting(struct process *p, bool serve)
{
	while (!STAILQ_EMPTY(&p->waiting)) {
		struct waiting *w = STAILQ_FIRST(&p->waiting);
		const struct waiting_row *row = waiting_rows;

		STAILQ_REMOVE_HEAD(&p->waiting, entry);
		(void)message_decode(str_of(w->bytes, w->len), &w->m);
		while (row->type != w->m.type)
			row++;
		(serve ? row->serve : row->refuse)(p->all, w->peer, &w->m, w->fd);
		free(w);
	}
}

static void handle_closed(uv_handle_t *handle)
{
	struct process *p = handle->data;

	if (--p->handles)
		return;
	free(p->account);
	free(p);
}

static void close_link(struct process *p)
{
	if (p->socket < 0)
		return;
	uv_close((uv_handle_t *)&p->link, handle_closed);
	fd_closep(&p->socket);
}

static void gone(struct process *p, bool crashed)
{
	struct processes *all = p->all;

	*p->place = p->next;
	if (p->next)
		p->next->place = p->place;
	close_link(p);
	uv_close((uv_handle_t *)&p->timer, handle_closed);
	end_sessions(p, crashed ? "crashed" : "ended");
	deliveries_process_gone(p, !crashed);
	answer_requests(p);
	empty_waiting(p, true);
	if (!all->first && all->empty)
		all->empty(all);
}

/* What it said before it went is still in the socket. */
static void on_child_exit(uv_process_t *child, int64_t status, int signal)
{
	struct process *p = child->data;
	bool crashed = status != 0 || signal != 0;

	if (crashed)
		log_error(NULL, "process", "account=%s pid=%d status=%d signal=%d",
			p->account, child->pid, (int)status, signal);
	if (p->socket >= 0)
		on_link(&p->link, 0, UV_READABLE);
	uv_close((uv_handle_t *)child, handle_closed);
	gone(p, crashed);
}

/* ── ending one ────────────────────────────────────────────────────────────────────── */

static void on_stubborn(uv_timer_t *timer)
{
	struct process *p = timer->data;

	log_error(NULL, "process", "account=%s pid=%d event=killed", p->account,
		p->child.pid);
	(void)uv_process_kill(&p->child, SIGKILL);
}

/* The socket's end tells it to go. */
static void leave(struct process *p)
{
	p->state = PROCESS_LEAVING;
	close_link(p);
	(void)uv_timer_start(&p->timer, on_stubborn, PATIENCE_MS, 0);
}

static void on_linger(uv_timer_t *timer)
{
	leave(timer->data);
}

void process_is_busy(struct process *p)
{
	if (p->state == PROCESS_RUNNING)
		(void)uv_timer_stop(&p->timer);
}

void process_linger_when_idle(struct process *p)
{
	if (p->state == PROCESS_RUNNING && LIST_EMPTY(&p->sessions) &&
		LIST_EMPTY(&p->deliveries))
		(void)uv_timer_start(&p->timer, on_linger, LINGER_MS, 0);
}

/* ── what it says ──────────────────────────────────────────────────────────────────── */

static void on_serve_end(struct process *p, const struct message *m)
{
	struct tie *tie;

	LIST_FOREACH(tie, &p->sessions, entry)
	{
		if (!str_eq(m->session, str_from(tie->id)))
			continue;
		if (tie->peer)
			p->all->send(tie->peer, m);
		drop_tie(tie);
		process_linger_when_idle(p);
		return;
	}
}

static void on_process_message(struct process *p, const struct message *m)
{
	if (m->type == MESSAGE_SERVE_END)
		on_serve_end(p, m);
	else
		deliveries_answered(p, m);
}

static void on_link(uv_poll_t *poll, int status, int events)
{
	struct process *p = poll->data;
	struct processes *all = p->all;

	(void)events;
	while (status >= 0 && p->socket >= 0) {
		int fds[IPC_FDS_MAX];
		size_t n_fds = 0;
		struct message m;
		ssize_t n = ipc_receive(
			p->socket, all->buffer, sizeof(all->buffer), fds, &n_fds);

		if (n == -EAGAIN)
			return;
		if (n <= 0)
			break;
		while (n_fds)
			fd_closep(&fds[--n_fds]);
		if (message_decode(str_of(all->buffer, (size_t)n), &m) < 0)
			abort(); /* our own program */
		on_process_message(p, &m);
	}
	if (p->socket >= 0)
		(void)uv_poll_stop(poll); /* its exit follows */
}

/* ── starting one ──────────────────────────────────────────────────────────────────── */

static int spawn(struct process *p, int theirs)
{
	char program[PATH_MAX];
	struct error err = { 0 };
	char *arguments[] = { program, (char *)(uintptr_t) "-c",
		(char *)(uintptr_t)p->all->config, (char *)(uintptr_t) "--account",
		p->account, NULL };
	uv_stdio_container_t stdio[] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
		{ .flags = UV_INHERIT_FD, .data.fd = theirs },
	};
	uv_process_options_t options = { .exit_cb = on_child_exit,
		.file = program,
		.args = arguments,
		.stdio = stdio,
		.stdio_count = sizeof(stdio) / sizeof(stdio[0]) };
	int r = process_sibling("mailferry-mailstore", program, sizeof(program), &err);

	_Static_assert(sizeof(stdio) / sizeof(stdio[0]) == ACCOUNT_SOCKET + 1, "its end");
	if (r == 0)
		r = uv_spawn(p->all->loop, &p->child, &options);
	if (r < 0)
		log_error(NULL, "process", "account=%s error=\"%s\"", p->account,
			err.code ? err.text : uv_strerror(r));
	return r;
}

/* The handles are closed one by one: what was not started is given back so, too. */
static int start_child(struct process *p)
{
	int ends[2], r = ipc_pair(ends);

	if (r < 0)
		return r;
	(void)uv_timer_init(p->all->loop, &p->timer);
	p->handles++;
	r = uv_poll_init(p->all->loop, &p->link, ends[0]);
	if (r < 0) {
		fd_closep(&ends[0]);
		fd_closep(&ends[1]);
		return r;
	}
	p->handles++;
	p->socket = ends[0];
	p->handles++;
	r = spawn(p, ends[1]);
	fd_closep(&ends[1]);
	if (r < 0)
		uv_close((uv_handle_t *)&p->child, handle_closed);
	return r < 0 ? r : uv_poll_start(&p->link, UV_READABLE, on_link);
}

static void give_up(struct process *p)
{
	close_link(p);
	if (p->handles) {
		uv_close((uv_handle_t *)&p->timer, handle_closed);
		return;
	}
	free(p->account);
	free(p);
}

static struct process *start(struct processes *all, struct str account)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct process){ .all = all, .socket = -1, .account = str_dup_c(account) };
	LIST_INIT(&p->sessions);
	LIST_INIT(&p->requests);
	LIST_INIT(&p->deliveries);
	STAILQ_INIT(&p->waiting);
	p->child.data = p->link.data = p->timer.data = p;
	if (!p->account || start_child(p) < 0) {
		give_up(p);
		return NULL;
	}
	p->next = all->first;
	p->place = &all->first;
	if (p->next)
		p->next->place = &p->next;
	all->first = p;
	log_debug(NULL, "process", "account=%s pid=%d event=started", p->account,
		p->child.pid);
	return p;
}

struct process *process_find(struct processes *all, struct str account)
{
	struct process *p = all->first;

	while (p && !str_eq(account, str_from(p->account)))
		p = p->next;
	return p;
}

struct process *process_get(struct processes *all, struct str account)
{
	struct process *p = process_find(all, account);

	return p || all->ending ? p : start(all, account);
}

/* ── what is asked of it ───────────────────────────────────────────────────────────── */

static struct tie *add_tie(struct ties *list, struct peer *peer, struct str id)
{
	struct tie *tie = calloc(1, sizeof(*tie) + id.len + 1);

	if (!tie)
		return NULL;
	tie->peer = peer;
	memcpy(tie->id, id.ptr, id.len);
	LIST_INSERT_HEAD(list, tie, entry);
	return tie;
}

int process_keep_waiting(
	struct process *p, struct peer *peer, const struct message *m, int fd)
{
	struct waiting *w = malloc(sizeof(*w) + IPC_MESSAGE_MAX);
	ssize_t len = w ? message_encode(m, w->bytes, IPC_MESSAGE_MAX) : -ENOMEM;

	if (len < 0) {
		free(w);
		return (int)len;
	}
	w->len = (size_t)len;
	w->peer = peer;
	w->fd = fd;
	STAILQ_INSERT_TAIL(&p->waiting, w, entry);
	return 0;
}

static int forward(
	struct process *p, struct peer *peer, const struct message *m, int socket)
{
	struct tie *tie = add_tie(&p->sessions, peer, m->session);
	int r = tie ? message_send(p->socket, m, socket) : -ENOMEM;

	if (r < 0 && tie)
		drop_tie(tie);
	if (r == 0) {
		process_is_busy(p);
		fd_closep(&socket);
	}
	return r;
}

void processes_serve(
	struct processes *all, struct peer *peer, const struct message *m, int socket)
{
	struct process *p = process_get(all, m->account);
	int r;

	if (p && p->state == PROCESS_RELEASING) {
		refuse_login(all, peer, m, socket, MOVING_WHY);
		return;
	}
	if (p && p->state == PROCESS_LEAVING) {
		r = process_keep_waiting(p, peer, m, socket);
	} else {
		r = p ? forward(p, peer, m, socket) : -EAGAIN;
	}
	if (r < 0)
		refuse_login(all, peer, m, socket, BROKEN_WHY);
}

static void release(struct process *p)
{
	struct message m = { .type = MESSAGE_RELEASE, .account = str_from(p->account) };
	enum process_state before = p->state;

	p->state = PROCESS_RELEASING;
	empty_waiting(p, false);
	if (before != PROCESS_RUNNING) /* it is on its way already */
		return;
	if (message_send_patiently(p->socket, &m, -1) < 0)
		(void)uv_process_kill(&p->child, SIGKILL);
	(void)uv_timer_start(&p->timer, on_stubborn, PATIENCE_MS, 0);
}

void processes_release(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct message released = { .type = MESSAGE_RELEASED, .account = m->account };
	struct process *p = process_find(all, m->account);

	(void)fd; /* none comes with it */
	if (!p) {
		all->send(peer, &released);
		return;
	}
	if (!add_tie(&p->requests, peer, m->account)) {
		released.type = MESSAGE_FAILED;
		released.text = STR_LIT("no memory");
		all->send(peer, &released);
		return;
	}
	release(p);
}

static void forget(struct ties *list, const struct peer *peer)
{
	struct tie *tie;

	LIST_FOREACH(tie, list, entry)
	if (tie->peer == peer)
		tie->peer = NULL;
}

void processes_forget_peer(struct processes *all, struct peer *peer)
{
	for (struct process *p = all->first; p; p = p->next) {
		struct waiting *w;

		forget(&p->sessions, peer);
		forget(&p->requests, peer);
		deliveries_forget_peer(p, peer);
		STAILQ_FOREACH(w, &p->waiting, entry)
		if (w->peer == peer)
			w->peer = NULL;
	}
}

void processes_end(struct processes *all)
{
	all->ending = true;
	for (struct process *p = all->first; p; p = p->next)
		if (p->state == PROCESS_RUNNING)
			leave(p);
}
