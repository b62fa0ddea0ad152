/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Account processes that another mailstore has.
 *
 *   next ──pair of one account──► before ──► process     (its child, older than the next)
 *   before ──connection to mailstore.sock──► next        (for its peers, who do not know)
 *
 * Both speak to it as to a process of their own; what is said on the way is the same. A
 * process leaves when it has nothing to do, as always, but what is on its way to it must
 * not be lost, so the next mailstore is asked:
 *
 *   before ──IDLE(n)──► next     n messages came; if that were all, no more will come:
 *          ◄──LEAVE──            the account's next login waits for the end
 *          ──(closed)──►         it has ended; or BUSY: one of our own peers was faster
 */
#include "mailstore/process.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>

#define QUEUE_MAX (1u << 20) /* as of a process of ours */
#define QUEUE_FDS_MAX 256

/* ── what is said over the link ────────────────────────────────────────────────────── */

static void nothing(void *context, const struct message *m, int fd)
{
	(void)context;
	(void)m;
	(void)fd;
}

/* Of one session, or of the process. */
static void on_failed(void *context, const struct message *m, int fd)
{
	struct process *p = context;

	if (m->session.len)
		process_serve_end(context, m, fd);
	else
		p->has_crashed = true;
}

static void say(struct process *p, enum message_type type)
{
	struct message m = { .type = type, .account = str_from(p->account) };

	if (process_tell(p, &m, -1) < 0)
		channel_shut(&p->link);
}

static void let_leave(struct process *p)
{
	p->state = PROCESS_LEAVING;
	say(p, MESSAGE_LEAVE);
}

static void on_idle(void *context, const struct message *m, int fd)
{
	struct process *p = context;

	(void)fd;
	if (p->lives != PROCESS_BEFORE || p->state != PROCESS_RUNNING ||
		m->number != p->sent || !process_is_idle(p))
		return; /* it will say so again */
	if (p->follower)
		remote_tell_idle(p);
	else
		let_leave(p);
}

static void on_busy(void *context, const struct message *m, int fd)
{
	struct process *p = context;

	(void)m;
	(void)fd;
	if (p->lives != PROCESS_BEFORE || p->state != PROCESS_LEAVING)
		return;
	p->state = PROCESS_RUNNING;
	if (p->follower) {
		struct message busy = { .type = MESSAGE_BUSY };

		p->all->send(p->follower, &busy);
	}
	process_serve_waiting(p);
}

static const struct message_row rows[] = {
	{ MESSAGE_SERVED, false, process_served },
	{ MESSAGE_SERVE_END, false, process_serve_end },
	{ MESSAGE_STAGED, false, process_delivery },
	{ MESSAGE_DELIVERED, false, process_delivery },
	{ MESSAGE_DELIVERY_FAILED, false, process_delivery },
	{ MESSAGE_RELEASED, false, nothing }, /* the link's end follows */
	{ MESSAGE_FAILED, false, on_failed },
	{ MESSAGE_IDLE, false, on_idle },
	{ MESSAGE_BUSY, false, on_busy },
};

static void on_message(void *context, struct channel *c, struct packet *packet)
{
	struct error err;

	if (message_handle(rows, sizeof(rows) / sizeof(rows[0]), packet, context, &err) <
		0)
		channel_shut(c);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct process *p = context;

	(void)c;
	process_gone(p, code < 0 || p->has_crashed);
}

static const struct channel_ops link_ops = { .message = on_message,
	.lost = on_lost,
	.bytes_max = QUEUE_MAX,
	.fds_max = QUEUE_FDS_MAX };

/* ── those there are ───────────────────────────────────────────────────────────────── */

/* Takes fd on success. */
static struct process *add(
	struct processes *all, struct str account, enum process_place lives, int fd)
{
	struct process *p = process_new(all, account);

	if (!p)
		return NULL;
	p->lives = lives;
	if (timer_new(all->loop, process_timer, p, &p->timer) < 0 ||
		channel_open(&p->link, all->loop, fd, &link_ops, p) < 0) {
		timer_free(p->timer);
		process_free(p);
		return NULL;
	}
	process_insert(p);
	return p;
}

int processes_adopt(struct processes *all, const struct message *m, int fd)
{
	struct process *p;

	if (m->number >= PROCESS_STATE_COUNT || process_find(all, m->account))
		return -EBADMSG;
	p = add(all, m->account, PROCESS_BEFORE, fd);
	if (!p)
		return -ENOMEM;
	p->state = (enum process_state)m->number;
	p->knows = m->number2 ? m->number2 : MESSAGE_ROOM;
	return 0;
}

struct process *remote_start(struct processes *all, struct str account)
{
	CLEANUP(fd_closep) int fd = all->reach_next(all->context);
	struct process *p = fd < 0 ? NULL : add(all, account, PROCESS_AFTER, fd);

	if (p)
		(void)fd_steal(&fd);
	return p;
}

void remote_look(struct process *p)
{
	struct pollfd look = { .fd = channel_fd(&p->link), .events = POLLIN };

	if (poll(&look, 1, 0) == 1 && look.revents & (POLLHUP | POLLERR))
		channel_read(&p->link); /* it may be gone then */
}

/* ── leaving ───────────────────────────────────────────────────────────────────────── */

void remote_tell_idle(struct process *p)
{
	struct message m = { .type = MESSAGE_IDLE,
		.account = str_from(p->account),
		.number = p->all->heard(p->follower) };

	if (process_is_idle(p))
		p->all->send(p->follower, &m);
}

void processes_let_leave(struct processes *all, struct peer *peer)
{
	struct message busy = { .type = MESSAGE_BUSY };
	struct process *p = all->first;

	while (p && p->follower != peer)
		p = p->next;
	if (!p || p->state != PROCESS_RUNNING)
		return; /* it is on its way already */
	if (!process_is_idle(p))
		all->send(peer, &busy);
	else if (p->lives == PROCESS_BEFORE)
		let_leave(p);
	else
		process_leave(p);
}
