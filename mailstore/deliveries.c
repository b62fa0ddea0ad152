/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages on their way into an account, on the master's side.
 *
 *   STAGING ──STAGED──► STAGED ──DELIVER──► DELIVERING ──DELIVERED──► (told, forgotten)
 *      │                  │ └──the peer is gone──►┘ ▲
 *      │                  └──DISCARD──► (forgotten) └── once more, after a crash
 *      └──stage and deliver in one: DELIVERED──► (told, forgotten)
 *
 * A process that starts, and one that ends by its own decision, delivers whatever is
 * staged. So what is STAGED needs nobody once its process is gone, and a late DELIVER
 * finds it done.
 */
#include "base/fd.h"
#include "base/log.h"
#include "mailstore/process.h"
#include "mailstore/refuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* RFC 5321, 4.2.2 and RFC 3463: the client repeats it in a while. */
#define MOVING_REPLY "450 4.2.1 The mailbox is being moved, try again in a moment"
#define BROKEN_REPLY "451 4.3.0 The mailbox cannot be opened now, try again later"

#define OLD_REPLY                                                                        \
	"its sessions are served by the version before this one until they end; then "   \
	"try again"

static void drop(struct delivery_waiter *waiter)
{
	LIST_REMOVE(waiter, entry);
	free(waiter);
}

static struct delivery_waiter *find(struct process *p, struct str id)
{
	struct delivery_waiter *waiter;

	LIST_FOREACH(waiter, &p->deliveries, entry)
	if (str_eq(id, str_from(waiter->id)))
		return waiter;
	return NULL;
}

static struct delivery_waiter *add(struct process *p, struct peer *peer, struct str id)
{
	struct delivery_waiter *waiter = calloc(1, sizeof(*waiter) + id.len + 1);

	if (!waiter)
		return NULL;
	waiter->peer = peer;
	memcpy(waiter->id, id.ptr, id.len);
	LIST_INSERT_HEAD(&p->deliveries, waiter, entry);
	return waiter;
}

static void fail(struct processes *all, struct peer *peer, struct str account,
	struct str session, const char *reply)
{
	struct message m = { .type = MESSAGE_DELIVERY_FAILED,
		.account = account,
		.session = session,
		.text = str_from(reply) };

	if (peer)
		all->send(peer, &m);
}

static void succeed(
	struct processes *all, struct peer *peer, struct str account, struct str session)
{
	struct message m = {
		.type = MESSAGE_DELIVERED, .account = account, .session = session
	};

	if (peer)
		all->send(peer, &m);
}

void deliveries_refuse(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	fd_closep(&fd);
	fail(all, peer, m->account, m->session, MOVING_REPLY);
}

/* ── what is asked ─────────────────────────────────────────────────────────────────── */

static void forget(struct process *p, struct delivery_waiter *waiter)
{
	drop(waiter);
	process_linger_when_idle(p);
}

/* 0: it has it, or it is queued for it, and fd is closed. */
static int forward(struct process *p, const struct message *m, int fd)
{
	int r = process_tell(p, m, fd);

	if (r < 0) {
		log_error(NULL, "delivery", "account=%s error=%d", p->account, -r);
		return r;
	}
	process_is_busy(p);
	return 0;
}

/* It will be delivered. A process that has died a moment ago cannot be asked, and one
   that does not read is ended; the exit follows, and then the next process is asked
   (deliveries_process_gone()). */
static void ask_to_deliver(struct process *p, const struct message *m)
{
	int r = forward(p, m, -1);

	if (r < 0 && r != -EPIPE && r != -ECONNRESET && r != -ENOTCONN)
		process_kill(p, "it cannot be asked to deliver");
}

/* For a question that it does not know it would end the link to the account. A mailbox
   that is full refuses the message itself there. */
static void answer_for_old(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	fd_closep(&fd);
	if (m->type == MESSAGE_ROOM)
		succeed(all, peer, m->account, m->session);
	else
		fail(all, peer, m->account, m->session, OLD_REPLY);
}

void processes_stage(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct process *p = process_get(all, m->account);
	struct delivery_waiter *waiter;

	if (p && p->state == PROCESS_RELEASING) {
		deliveries_refuse(all, peer, m, fd);
		return;
	}
	if (p && p->state == PROCESS_LEAVING && process_keep_waiting(p, peer, m, fd) == 0)
		return;
	if (p && p->knows <= (uint64_t)m->type) {
		answer_for_old(all, peer, m, fd);
		return;
	}
	waiter = p && p->state == PROCESS_RUNNING && process_keeps_up(p)
	                 ? add(p, peer, m->session)
	                 : NULL;
	if (waiter && forward(p, m, fd) == 0)
		return;
	if (waiter)
		forget(p, waiter);
	fd_closep(&fd);
	fail(all, peer, m->account, m->session, BROKEN_REPLY);
}

/* again: it was asked of a process that crashed. */
static void deliver(
	struct processes *all, struct peer *peer, const struct message *m, bool again)
{
	struct process *p = process_get(all, m->account);
	struct delivery_waiter *waiter;

	if (p && p->state == PROCESS_LEAVING && process_keep_waiting(p, peer, m, -1) == 0)
		return;
	waiter = p ? find(p, m->session) : NULL;
	if (!waiter && p && p->state != PROCESS_LEAVING)
		waiter = add(p, peer, m->session);
	if (!waiter) {
		fail(all, peer, m->account, m->session, BROKEN_REPLY);
		return;
	}
	waiter->state = DELIVERY_DELIVERING;
	waiter->number = m->number;
	waiter->again = again;
	if (p->state == PROCESS_RELEASING)
		return; /* it does so before it ends */
	ask_to_deliver(p, m);
}

void processes_deliver(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	(void)fd;
	deliver(all, peer, m, false);
}

/* Without a waiter it is delivered already: a process started since, or ended. */
void processes_discard(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct process *p = process_find(all, m->account);
	struct delivery_waiter *waiter = p ? find(p, m->session) : NULL;

	(void)fd;
	(void)peer;
	if (!waiter || waiter->state != DELIVERY_STAGED)
		return;
	/* one that has died settles it at its next start */
	if (p->state == PROCESS_RUNNING)
		(void)forward(p, m, -1);
	forget(p, waiter);
}

/* ── what is answered ──────────────────────────────────────────────────────────────── */

static struct message make_deliver(
	const struct process *p, const struct delivery_waiter *waiter)
{
	return (struct message){ .type = MESSAGE_DELIVER,
		.account = str_from(p->account),
		.session = str_from(waiter->id),
		.number = waiter->number };
}

/* Whoever was to say so is gone. */
static void deliver_orphan(struct process *p, struct delivery_waiter *waiter)
{
	struct message m = make_deliver(p, waiter);

	log_info(waiter->id, "delivery", "account=%s event=orphaned", p->account);
	waiter->state = DELIVERY_DELIVERING;
	if (p->state == PROCESS_RUNNING)
		ask_to_deliver(p, &m);
}

static void staged(
	struct process *p, struct delivery_waiter *waiter, const struct message *m)
{
	waiter->state = DELIVERY_STAGED;
	waiter->number = m->number;
	if (waiter->peer)
		p->all->send(waiter->peer, m);
	else
		deliver_orphan(p, waiter);
}

void deliveries_answered(struct process *p, const struct message *m)
{
	struct delivery_waiter *waiter = find(p, m->session);
	struct message told = *m;

	if (!waiter)
		return;
	told.account = str_from(p->account); /* it speaks for no other */
	if (m->type == MESSAGE_STAGED) {
		staged(p, waiter, &told);
		return;
	}
	if (waiter->peer)
		p->all->send(waiter->peer, &told);
	forget(p, waiter);
}

void deliveries_forget_peer(struct process *p, const struct peer *peer)
{
	struct delivery_waiter *waiter, *next;

	for (waiter = LIST_FIRST(&p->deliveries); waiter; waiter = next) {
		next = LIST_NEXT(waiter, entry);
		if (waiter->peer != peer)
			continue;
		waiter->peer = NULL;
		if (waiter->state == DELIVERY_STAGED)
			deliver_orphan(p, waiter);
	}
}

static void settle_gone(
	struct process *p, const struct delivery_waiter *waiter, bool clean)
{
	struct message m = make_deliver(p, waiter);

	switch (waiter->state) {
	case DELIVERY_STAGING:
		fail(p->all, waiter->peer, m.account, m.session,
			clean ? MOVING_REPLY : BROKEN_REPLY);
		break;
	case DELIVERY_DELIVERING:
		if (clean)
			succeed(p->all, waiter->peer, m.account, m.session);
		else if (p->state ==
			 PROCESS_RELEASING) /* its folder belongs to a transfer now */
			fail(p->all, waiter->peer, m.account, m.session, MOVING_REPLY);
		else if (!waiter->again)
			deliver(p->all, waiter->peer, &m, true);
		else
			fail(p->all, waiter->peer, m.account, m.session, BROKEN_REPLY);
		break;
	case DELIVERY_STAGED:
	case DELIVERY_STATE_COUNT:
		break;
	}
}

void deliveries_process_gone(struct process *p, bool clean)
{
	while (!LIST_EMPTY(&p->deliveries)) {
		struct delivery_waiter *waiter = LIST_FIRST(&p->deliveries);

		LIST_REMOVE(waiter, entry);
		settle_gone(p, waiter, clean);
		free(waiter);
	}
}
