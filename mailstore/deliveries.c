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

static void drop(struct delivery_tie *tie)
{
	LIST_REMOVE(tie, entry);
	free(tie);
}

static struct delivery_tie *find(struct process *p, struct str id)
{
	struct delivery_tie *tie;

	LIST_FOREACH(tie, &p->deliveries, entry)
	if (str_eq(id, str_from(tie->id)))
		return tie;
	return NULL;
}

static struct delivery_tie *add(struct process *p, struct peer *peer, struct str id)
{
	struct delivery_tie *tie = calloc(1, sizeof(*tie) + id.len + 1);

	if (!tie)
		return NULL;
	tie->peer = peer;
	memcpy(tie->id, id.ptr, id.len);
	LIST_INSERT_HEAD(&p->deliveries, tie, entry);
	return tie;
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

void deliveries_refuse(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	fd_closep(&fd);
	fail(all, peer, m->account, m->session, MOVING_REPLY);
}

/* ── what is asked ─────────────────────────────────────────────────────────────────── */

static void forget(struct process *p, struct delivery_tie *tie)
{
	drop(tie);
	process_linger_when_idle(p);
}

/* 0: it has it, or it is queued for it, and fd is closed. */
static int forward(struct process *p, const struct message *m, int fd)
{
	int r = message_send(&p->link, m, fd);

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

void processes_stage(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct process *p = process_get(all, m->account);
	struct delivery_tie *tie;

	if (p && p->state == PROCESS_RELEASING) {
		deliveries_refuse(all, peer, m, fd);
		return;
	}
	if (p && p->state == PROCESS_LEAVING && process_keep_waiting(p, peer, m, fd) == 0)
		return;
	tie = p && p->state == PROCESS_RUNNING && process_keeps_up(p)
	              ? add(p, peer, m->session)
	              : NULL;
	if (tie && forward(p, m, fd) == 0)
		return;
	if (tie)
		forget(p, tie);
	fd_closep(&fd);
	fail(all, peer, m->account, m->session, BROKEN_REPLY);
}

/* again: it was asked of a process that crashed. */
static void deliver(
	struct processes *all, struct peer *peer, const struct message *m, bool again)
{
	struct process *p = process_get(all, m->account);
	struct delivery_tie *tie;

	if (p && p->state == PROCESS_LEAVING && process_keep_waiting(p, peer, m, -1) == 0)
		return;
	tie = p ? find(p, m->session) : NULL;
	if (!tie && p && p->state != PROCESS_LEAVING)
		tie = add(p, peer, m->session);
	if (!tie) {
		fail(all, peer, m->account, m->session, BROKEN_REPLY);
		return;
	}
	tie->state = DELIVERY_DELIVERING;
	tie->number = m->number;
	tie->again = again;
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

/* Without a tie it is delivered already: a process started since, or ended. */
void processes_discard(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct process *p = process_find(all, m->account);
	struct delivery_tie *tie = p ? find(p, m->session) : NULL;

	(void)fd;
	(void)peer;
	if (!tie || tie->state != DELIVERY_STAGED)
		return;
	/* one that has died settles it at its next start */
	if (p->state == PROCESS_RUNNING)
		(void)forward(p, m, -1);
	forget(p, tie);
}

/* ── what is answered ──────────────────────────────────────────────────────────────── */

static struct message make_deliver(
	const struct process *p, const struct delivery_tie *tie)
{
	return (struct message){ .type = MESSAGE_DELIVER,
		.account = str_from(p->account),
		.session = str_from(tie->id),
		.number = tie->number };
}

/* Whoever was to say so is gone. */
static void deliver_orphan(struct process *p, struct delivery_tie *tie)
{
	struct message m = make_deliver(p, tie);

	log_info(tie->id, "delivery", "account=%s event=orphaned", p->account);
	tie->state = DELIVERY_DELIVERING;
	if (p->state == PROCESS_RUNNING)
		ask_to_deliver(p, &m);
}

static void staged(struct process *p, struct delivery_tie *tie, const struct message *m)
{
	tie->state = DELIVERY_STAGED;
	tie->number = m->number;
	if (tie->peer)
		p->all->send(tie->peer, m);
	else
		deliver_orphan(p, tie);
}

void deliveries_answered(struct process *p, const struct message *m)
{
	struct delivery_tie *tie = find(p, m->session);
	struct message told = *m;

	if (!tie)
		return;
	told.account = str_from(p->account); /* it speaks for no other */
	if (m->type == MESSAGE_STAGED) {
		staged(p, tie, &told);
		return;
	}
	if (tie->peer)
		p->all->send(tie->peer, &told);
	forget(p, tie);
}

void deliveries_forget_peer(struct process *p, const struct peer *peer)
{
	struct delivery_tie *tie, *next;

	for (tie = LIST_FIRST(&p->deliveries); tie; tie = next) {
		next = LIST_NEXT(tie, entry);
		if (tie->peer != peer)
			continue;
		tie->peer = NULL;
		if (tie->state == DELIVERY_STAGED)
			deliver_orphan(p, tie);
	}
}

static void tell_delivered(struct process *p, const struct delivery_tie *tie)
{
	struct message m = { .type = MESSAGE_DELIVERED,
		.account = str_from(p->account),
		.session = str_from(tie->id) };

	if (tie->peer)
		p->all->send(tie->peer, &m);
}

static void process_gone(struct process *p, const struct delivery_tie *tie, bool clean)
{
	struct message m = make_deliver(p, tie);

	switch (tie->state) {
	case DELIVERY_STAGING:
		fail(p->all, tie->peer, m.account, m.session,
			clean ? MOVING_REPLY : BROKEN_REPLY);
		break;
	case DELIVERY_DELIVERING:
		if (clean)
			tell_delivered(p, tie);
		else if (p->state ==
			 PROCESS_RELEASING) /* its folder belongs to a transfer now */
			fail(p->all, tie->peer, m.account, m.session, MOVING_REPLY);
		else if (!tie->again)
			deliver(p->all, tie->peer, &m, true);
		else
			fail(p->all, tie->peer, m.account, m.session, BROKEN_REPLY);
		break;
	case DELIVERY_STAGED:
	case DELIVERY_STATE_COUNT:
		break;
	}
}

void deliveries_process_gone(struct process *p, bool clean)
{
	while (!LIST_EMPTY(&p->deliveries)) {
		struct delivery_tie *tie = LIST_FIRST(&p->deliveries);

		LIST_REMOVE(tie, entry);
		process_gone(p, tie, clean);
		free(tie);
	}
}
