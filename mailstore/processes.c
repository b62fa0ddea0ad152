/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/process.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "mailstore/refuse.h"
#include "mailstore/serve/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_MS 2000 /* webmail logs in for each click */
#define PATIENCE_MS                                                                      \
	10000 /* for a process that is to end; it says good-bye to clients               \
	       */
#define WAITING_FDS_MAX 256 /* logins and messages for the process after this one */
#define MOVING_WHY "Your mailbox is being moved, try again in a moment."
#define TICKET_WHY "The login cannot be taken over now, try again in a moment."
#define BROKEN_WHY "The mailbox cannot be served now; the administrator is told."

/* ── the end of one ────────────────────────────────────────────────────────────────── */

/* Those that it has not told the end of itself. */
static void end_sessions(struct process *p, bool crashed)
{
	struct message m = { .type = crashed ? MESSAGE_FAILED : MESSAGE_SERVE_END,
		.account = str_from(p->account),
		.text = str_from(crashed ? "crashed" : "ended") };

	while (!LIST_EMPTY(&p->sessions)) {
		struct waiter *waiter = LIST_FIRST(&p->sessions);

		m.session = str_from(waiter->id);
		if (waiter->peer)
			p->all->send(waiter->peer, &m);
		waiter_drop(waiter);
	}
}

static void answer_requests(struct process *p)
{
	struct message m = { .type = MESSAGE_RELEASED, .account = str_from(p->account) };

	while (!LIST_EMPTY(&p->requests)) {
		struct waiter *waiter = LIST_FIRST(&p->requests);

		if (waiter->peer)
			p->all->send(waiter->peer, &m);
		waiter_drop(waiter);
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

static void kick_later(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	(void)peer;
	(void)fd;
	processes_kick(all, m);
}

static void drop_kick(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	(void)all;
	(void)peer;
	(void)m;
	(void)fd;
}

/* What may wait, how it goes on, and what becomes of it when it cannot. */
static void serve_admitted(
	struct processes *all, struct peer *peer, const struct message *m, int socket);

static const struct waiting_row {
	enum message_type type;
	void (*serve)(struct processes *all, struct peer *peer, const struct message *m,
		int fd);
	void (*refuse)(struct processes *all, struct peer *peer, const struct message *m,
		int fd);
} waiting_rows[] = {
	{ MESSAGE_SERVE, serve_admitted, refuse_moving },
	{ MESSAGE_ROOM, processes_stage, deliveries_refuse },
	{ MESSAGE_STAGE, processes_stage, deliveries_refuse },
	{ MESSAGE_SWEEP, processes_stage, deliveries_refuse },
	{ MESSAGE_MEND, processes_stage, deliveries_refuse },
	{ MESSAGE_DELIVER, processes_deliver, deliveries_refuse },
	{ MESSAGE_KICK, kick_later, drop_kick },
};

static void empty_waiting(struct process *p, bool serve)
{
	while (!STAILQ_EMPTY(&p->waiting)) {
		struct waiting *w = STAILQ_FIRST(&p->waiting);
		const struct waiting_row *row = waiting_rows;

		STAILQ_REMOVE_HEAD(&p->waiting, entry);
		p->waiting_fds -= w->fd >= 0;
		(void)message_decode(str_of(w->bytes, w->len), &w->m);
		while (row->type != w->m.type)
			row++;
		(serve ? row->serve : row->refuse)(p->all, w->peer, &w->m, w->fd);
		free(w);
	}
}

void process_serve_waiting(struct process *p)
{
	empty_waiting(p, true);
}

/* The mailstore after this one has the account from now on. */
static void release_follower(struct process *p, bool crashed)
{
	struct message failed = { .type = MESSAGE_FAILED, .text = STR_LIT("crashed") };

	if (!p->follower)
		return;
	answer_requests(p);
	if (crashed)
		p->all->send(p->follower, &failed);
	p->all->hang_up(p->follower);
}

void process_gone(struct process *p, bool crashed)
{
	struct processes *all = p->all;

	channel_close(&p->link);
	timer_free(p->timer);
	end_sessions(p, crashed);
	release_follower(p, crashed);
	process_remove(p);
	asleep_begin(p);
	deliveries_process_gone(p, !crashed);
	answer_requests(p);
	empty_waiting(p, true);
	asleep_next(p);
	process_free(p);
	if (!all->first && all->empty)
		all->empty(all->context);
}

/* One that leaves is followed by the next; after a crash nobody knows what the next one
   will do, so clients are asked to come again. */
static void take_login_back(struct process *p, const struct message *m, int socket)
{
	struct waiter *waiter = waiter_find(&p->sessions, m->session);
	struct peer *peer = waiter ? waiter->peer : NULL;

	if (waiter)
		waiter_drop(waiter);
	if (p->state == PROCESS_LEAVING && process_keep_waiting(p, peer, m, socket) == 0)
		return;
	refuse_login(p->all, peer, m, socket,
		p->state == PROCESS_RELEASING ? MOVING_WHY : BROKEN_WHY);
}

/* What it was told and has not taken is still in its end of the link. Of messages
   deliveries.c knows. */
static void take_back(struct process *p)
{
	char bytes[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	struct message m;
	ssize_t len;
	int code;
	socklen_t size = sizeof(code);

	/* that our end is closed may be told as an error, before what is in there */
	(void)getsockopt(p->theirs, SOL_SOCKET, SO_ERROR, &code, &size);
	while ((len = ipc_receive(p->theirs, bytes, sizeof(bytes), fds, &n_fds)) > 0) {
		if (n_fds == 1 && message_decode(str_of(bytes, (size_t)len), &m) == 0 &&
			m.type == MESSAGE_SERVE)
			take_login_back(p, &m, fd_steal(&fds[0]));
		while (n_fds)
			fd_closep(&fds[--n_fds]);
	}
}

/* What it said before it went is still in the socket. */
void process_ended(void *context, int status)
{
	struct process *p = context;
	char how[64];

	child_end_text(status, how, sizeof(how));
	if (status)
		log_error(NULL, "process", "account=%s ended=\"%s\"", p->account, how);
	channel_read(&p->link);
	take_back(p);
	process_gone(p, status != 0);
}

/* ── ending one ────────────────────────────────────────────────────────────────────── */

/* The socket's end tells it to go. */
void process_leave(struct process *p)
{
	p->state = PROCESS_LEAVING;
	if (p->lives != PROCESS_HERE) {
		process_gone(p, false);
		return;
	}
	channel_close(&p->link);
	timer_start(p->timer, PATIENCE_MS);
}

void process_await_end(struct process *p)
{
	p->state = PROCESS_LEAVING;
	timer_start(p->timer, PATIENCE_MS);
}

static void tell_release(struct process *p)
{
	struct message m = { .type = MESSAGE_RELEASE, .account = str_from(p->account) };

	if (process_tell(p, &m, -1) < 0)
		process_kill(p, "it does not read");
	timer_start(p->timer, PATIENCE_MS);
}

void process_goes_on(struct process *p)
{
	if (p->state == PROCESS_RELEASING) {
		tell_release(p);
	} else if (p->all->ending) {
		process_leave(p);
	} else {
		p->state = PROCESS_RUNNING;
		timer_stop(p->timer);
		process_serve_waiting(p);
		process_linger_when_idle(p);
	}
}

void process_kill(struct process *p, const char *why)
{
	if (p->lives != PROCESS_HERE) {
		channel_shut(&p->link);
		return;
	}
	if (!child_runs(&p->child))
		return;
	log_error(NULL, "process", "account=%s pid=%d event=killed reason=\"%s\"",
		p->account, (int)p->child.pid, why);
	child_signal(&p->child, SIGKILL);
}

static void end_hung(struct process *p, uint64_t limit_ms)
{
	struct message alarm = { .type = MESSAGE_ALARM,
		.service = STR(HUNG_ALARM),
		.account = str_from(p->account) };
	char text[64];

	(void)snprintf(text, sizeof(text), "its process did not answer for %llu s",
		(unsigned long long)limit_ms / 1000);
	alarm.text = str_from(text);
	alarms_take(&p->all->alarms, &alarm, clock_wall_ms());
	process_kill(p, "it hangs");
}

/* Twice: one piece of work, such as a copy of a large mailbox, may take as long as others
   have for all. And one that opens its folder for the first time is waited for: were it
   ended, the next one would not come further. */
void processes_watch(struct processes *all, uint64_t limit_ms)
{
	for (struct process *p = all->first, *next; p; p = next) {
		next = p->next;
		if (p->lives == PROCESS_HERE && p->state == PROCESS_RUNNING &&
			watched_ask(&p->watched, &p->link, loop_now(all->loop), limit_ms,
				2 * limit_ms) &&
			p->watched.has_spoken)
			end_hung(p, 2 * limit_ms);
	}
}

/* RUNNING: nobody needs it any more. Else it was told to end. */
void process_timer(void *context)
{
	struct process *p = context;

	if (p->state == PROCESS_RUNNING && p->follower) {
		remote_tell_idle(p);
		timer_start(p->timer, LINGER_MS);
	} else if (p->state == PROCESS_RUNNING)
		process_leave(p);
	else
		process_kill(p, "it does not end");
}

void process_is_busy(struct process *p)
{
	if (p->state == PROCESS_RUNNING)
		timer_stop(p->timer);
}

void process_linger_when_idle(struct process *p)
{
	if (p->state == PROCESS_RUNNING && p->lives != PROCESS_BEFORE &&
		process_is_idle(p))
		timer_start(p->timer, LINGER_MS);
}

bool process_is_idle(const struct process *p)
{
	return LIST_EMPTY(&p->sessions) && LIST_EMPTY(&p->deliveries);
}

int process_tell(struct process *p, const struct message *m, int fd)
{
	int r = message_send(&p->link, m, fd);

	if (r == 0)
		p->sent++;
	return r;
}

/* ── which one ─────────────────────────────────────────────────────────────────────── */

struct process *process_get(struct processes *all, struct str account)
{
	struct process *p = process_find(all, account);

	if (p && p->lives == PROCESS_BEFORE && !p->follower) {
		remote_look(p);
		p = process_find(all, account);
	} else if (p) {
		process_leave_if_moved(p);
	}
	if (p || all->ending)
		return p;
	p = (all->retired ? remote_start : process_start)(all, account);
	if (p)
		asleep_wake(p);
	return p;
}

/* ── what is asked of it ───────────────────────────────────────────────────────────── */

static struct waiter *add_waiter(struct waiters *list, struct peer *peer, struct str id)
{
	struct waiter *waiter = waiter_new(peer, id);

	if (waiter)
		LIST_INSERT_HEAD(list, waiter, entry);
	return waiter;
}

int process_keep_waiting(
	struct process *p, struct peer *peer, const struct message *m, int fd)
{
	struct waiting *w;
	ssize_t len;

	if (fd >= 0 && p->waiting_fds >= WAITING_FDS_MAX)
		return -ENOBUFS;
	w = malloc(sizeof(*w) + IPC_MESSAGE_MAX);
	len = w ? message_encode(m, w->bytes, IPC_MESSAGE_MAX) : -ENOMEM;
	if (len < 0) {
		free(w);
		return (int)len;
	}
	w->len = (size_t)len;
	w->peer = peer;
	w->fd = fd;
	p->waiting_fds += fd >= 0;
	STAILQ_INSERT_TAIL(&p->waiting, w, entry);
	return 0;
}

/* By us and not by the process: its lines would be a system call each, from code that it
   has to load into the processor's caches anew each time. */
static void log_login(const struct process *p, const struct message *m)
{
	if (p->lives != PROCESS_HERE || m->number == LOGIN_WOKEN)
		return;
	log_info(NULL, m->number == LOGIN_CROSSED ? "resume" : "login",
		"account=%s session=%.*s service=%.*s client=%.*s", p->account,
		STR_ARG(m->session), STR_ARG(m->service), STR_ARG(m->client));
}

static int forward(
	struct process *p, struct peer *peer, const struct message *m, int socket)
{
	struct waiter *waiter;
	int r;

	if (!process_keeps_up(p))
		return -ENOBUFS;
	waiter = add_waiter(&p->sessions, peer, m->session);
	r = waiter ? process_tell(p, m, socket) : -ENOMEM;
	if (r < 0 && waiter)
		waiter_drop(waiter);
	if (r == 0) {
		log_login(p, m);
		process_is_busy(p);
	}
	return r;
}

static void serve_by(struct process *p, struct processes *all, struct peer *peer,
	const struct message *m, int socket)
{
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

static void serve_admitted(
	struct processes *all, struct peer *peer, const struct message *m, int socket)
{
	serve_by(process_get(all, m->account), all, peer, m, socket);
}

/* Whether the next mailstore has looked at its ticket. */
static bool is_admitted(
	struct processes *all, const struct peer *peer, const struct message *m)
{
	const struct process *p = process_find_at(all, m->account, false);

	return p && p->follower == peer;
}

/* Its ticket is good once: what waits for the next process has been admitted. Without the
   right password, or with one that was judged too long ago, it is refused. */
void processes_serve(
	struct processes *all, struct peer *peer, const struct message *m, int socket)
{
	int r = is_admitted(all, peer, m) ? 0 : all->admit(all->context, m);
	struct process *p;

	if (r == 0) {
		serve_admitted(all, peer, m, socket);
	} else if (r == -ESTALE) {
		p = process_find_at(all, m->account, true);
		serve_by(p ? p : remote_start(all, m->account), all, peer, m, socket);
	} else {
		log_warning(NULL, "ticket", "account=%.*s session=%.*s refused: %s",
			STR_ARG(m->account), STR_ARG(m->session), strerror(-r));
		refuse_login(all, peer, m, socket, TICKET_WHY);
	}
}

static void release(struct process *p)
{
	enum process_state before = p->state;

	p->state = PROCESS_RELEASING;
	empty_waiting(p, false);
	if (before == PROCESS_RUNNING) /* else it is on its way already */
		tell_release(p);
}

void processes_release(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct message released = { .type = MESSAGE_RELEASED, .account = m->account };
	struct process *p = process_find_awake(all, m->account);

	(void)fd; /* none comes with it */
	if (!p) {
		all->send(peer, &released);
		return;
	}
	if (!add_waiter(&p->requests, peer, m->account)) {
		released.type = MESSAGE_FAILED;
		released.text = STR_LIT("no memory");
		all->send(peer, &released);
		return;
	}
	release(p);
}

void processes_kick(struct processes *all, const struct message *m)
{
	struct process *p = process_find_awake(all, m->account);

	if (p && p->state == PROCESS_RUNNING && process_keeps_up(p))
		(void)process_tell(p, m, -1);
	else if (p && p->state == PROCESS_LEAVING)
		(void)process_keep_waiting(p, NULL, m, -1);
}

static void forget(struct waiters *list, const struct peer *peer)
{
	struct waiter *waiter;

	LIST_FOREACH(waiter, list, entry)
	if (waiter->peer == peer)
		waiter->peer = NULL;
}

void processes_forget_peer(struct processes *all, struct peer *peer)
{
	asleep_forget_peer(all, peer);
	for (struct process *p = all->first; p; p = p->next) {
		struct waiting *w;

		if (p->follower == peer)
			p->follower = NULL;
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
	struct process *p, *next;

	all->ending = true;
	asleep_end(all);
	for (p = all->first; p; p = next) {
		next = p->next;
		if (p->state == PROCESS_RUNNING)
			process_leave(p);
	}
}
