/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One mailstore follows the other (messages/takeover.h); account by account: remote.c. */
#include "base/fd.h"
#include "base/log.h"
#include "event/timer.h"
#include "mailstore/master.h"
#include "mailstore/process.h"
#include "messages/takeover.h"

#include <errno.h>

/* ── the next one ──────────────────────────────────────────────────────────────────── */

static int take_handed(void *context, const struct message *m, int fd, struct error *err)
{
	struct master *master = context;

	if (m->type != MESSAGE_HANDED || fd < 0 ||
		!str_eq(m->text, STR_LIT(TAKEOVER_DOOR))) {
		fd_closep(&fd);
		return error_set(err, -EBADMSG, "what the one that runs hands over");
	}
	fd_closep(&master->door);
	master->door = fd;
	return 0;
}

int follow_ask(struct master *master, struct error *err)
{
	struct message last;

	master->takeover = takeover_begin(master->start->settings.run_dir,
		MAILSTORE_SOCKET, take_handed, master, &last, err);
	if (master->takeover < 0)
		return master->takeover;
	return master->door < 0 ? error_set(err, -EBADMSG, "it has handed no door over")
	                        : 0;
}

static int take_account(void *context, const struct message *m, int fd, struct error *err)
{
	struct master *master = context;
	int r = -EBADMSG;

	if (m->type == MESSAGE_ADOPT && fd >= 0)
		r = processes_adopt(&master->processes, m, fd);
	else if (m->type == MESSAGE_HANDED && fd < 0 &&
		 str_eq(m->text, STR_LIT(TICKETS_HANDED)))
		r = tickets_take_book(&master->tickets, m);

	if (r < 0)
		fd_closep(&fd);
	return r < 0 ? error_errno(err, r, "the accounts of the one that runs") : 0;
}

/* Another connection from it, by which it speaks for a peer of its own. */
static void on_handed(void *context, const struct message *m, int fd)
{
	struct peer *peer = fd < 0 ? NULL : master_add_peer(context, fd);

	(void)m;
	if (peer)
		peer->is_before = true;
}

static const struct message_row before_rows[] = { { MESSAGE_HANDED, true, on_handed } };

static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct error err;

	if (message_handle(before_rows, 1, p, context, &err) < 0)
		channel_shut(c);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)context;
	log_info(NULL, "retired", "ended=yes code=%d", code);
	channel_close(c);
}

#define QUEUE_MAX 4096 /* nothing is said to it */

static const struct channel_ops before_ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_MAX
};

int follow_commit(struct master *master, struct error *err)
{
	struct message last;
	int r = takeover_retire(master->takeover, take_account, master, &last, err);

	if (r == 0)
		r = state_lock_set(&master->start->lock, STATE_LOCK_MAILSTORE, err);
	if (r < 0)
		return r;
	r = channel_open(
		&master->before, &master->loop, master->takeover, &before_ops, master);
	if (r == 0)
		master->takeover = -1;
	if (r == 0 && (r = channel_listen_on(&master->listener, &master->loop,
			       master->door, master_accepted, master)) == 0)
		master->door = -1;
	if (r < 0)
		return error_errno(err, r, "cannot follow the one that runs");
	log_info(NULL, "followed", "accounts=%llu", (unsigned long long)last.number);
	program_has_taken_over(master->start);
	return 0;
}

/* ── the one that runs ─────────────────────────────────────────────────────────────── */

static int send_fd(struct peer *peer, const struct message *m, int fd)
{
	int r = message_send(&peer->channel, m, fd);

	if (r < 0)
		fd_closep(&fd);
	return r;
}

void retire_hand(struct peer *peer)
{
	struct message last = { .type = MESSAGE_TAKEN_OVER };
	int r = takeover_hand(&peer->channel, TAKEOVER_DOOR, 0,
		channel_listener_fd(&peer->master->listener));

	if (r == 0)
		r = message_send(&peer->channel, &last, -1);
	if (r < 0)
		channel_shut(&peer->channel);
}

int retire_reach_next(struct master *master)
{
	struct message m = { .type = MESSAGE_HANDED, .text = STR_LIT("peer") };
	int ends[2], r = ipc_pair(ends);

	if (r == 0 && (r = send_fd(master->successor, &m, ends[1])) < 0)
		fd_closep(&ends[0]);
	return r < 0 ? r : ends[0];
}

/* The next one speaks of the account by a socket of its own. */
static int give_account(struct peer *peer, struct process *p)
{
	struct message m = { .type = MESSAGE_ADOPT,
		.account = str_from(p->account),
		.number = p->state,
		.number2 = MESSAGE_TYPE_COUNT };
	int ends[2], r = ipc_pair(ends);

	if (r < 0)
		return r;
	p->follower = master_add_peer(peer->master, ends[0]);
	r = send_fd(peer, &m, ends[1]);
	return p->follower ? r : -ENOMEM;
}

static int give_tickets(struct peer *peer)
{
	struct tickets *t = &peer->master->tickets;
	int r = 0;

	for (size_t i = 0; i < TICKET_BOOKS && r == 0; i++) {
		struct message m = tickets_book_message(t, i);

		r = message_send(&peer->channel, &m, -1);
	}
	tickets_give_away(t);
	return r;
}

/* Their accounts are the next one's with their ends. */
static void on_drained(void *context)
{
	struct master *master = context;
	struct process *p, *next;

	log_info(NULL, "drained", "sessions=ended");
	for (p = master->processes.first; p; p = next) {
		next = p->next;
		if (p->state == PROCESS_RUNNING)
			process_leave(p);
	}
}

static void drain_begin(struct master *master)
{
	uint64_t seconds = master->start->settings.upgrade_drain_s;

	if (seconds && timer_new(&master->loop, on_drained, master, &master->drain) == 0)
		timer_start(master->drain, seconds * 1000);
}

void retire_begin(struct peer *peer)
{
	struct master *master = peer->master;
	struct message last = { .type = MESSAGE_TAKEN_OVER };
	int r = give_tickets(peer);

	master->successor = peer;
	master->processes.retired = true;
	channel_listener_close(&master->listener);
	for (struct process *p = master->processes.first; p && r == 0; p = p->next) {
		r = give_account(peer, p);
		last.number++;
	}
	state_lock_drop(&master->start->lock, STATE_LOCK_MAILSTORE);
	if (r == 0)
		r = message_send(&peer->channel, &last, -1);
	if (r < 0) {
		log_error(NULL, "hand-over", "error=%d", -r);
		channel_shut(&peer->channel); /* its end is ours, too */
		return;
	}
	asleep_hand_over(&master->processes);
	drain_begin(master);
	log_info(NULL, "retired", "accounts=%llu", (unsigned long long)last.number);
	for (struct process *p = master->processes.first; p; p = p->next)
		process_linger_when_idle(p);
	master_look_for_end(master);
}
