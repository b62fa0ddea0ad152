/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_PROCESSES_H
#define MAILSTORE_PROCESSES_H
/*
 * The account processes, as the master knows them.
 *
 *   RUNNING ──nothing to do for a while──► LEAVING ──exit──► (a login waits: a new one)
 *      │                                                  gone
 *      ├──RELEASE──► RELEASING ──exit──► gone, RELEASED is answered
 *      └──crash──► gone, its sessions are told
 *
 * Only the master decides that one leaves, unless the files under it are replaced, and a
 * login that comes meanwhile waits for the exit. Logins that a process was given and has
 * not taken when it ends are taken back: those of one that left are served by the next,
 * those of one that crashed are refused.
 *
 * An account whose sessions all wait for their clients has no process: its sessions sleep
 * (asleep.c), and whatever is to be done for it starts one, which is given them first.
 *
 * One mailstore follows the other (messages/takeover.h) account by account: where the old
 * one has a process, that one goes on, and the new one reaches it by way of the old one;
 * once it has left, the account is the new one's. So no account has two processes, and no
 * session is ended (remote.c).
 */
#include "messages/alarms.h"
#include "messages/exchange.h"
#include "settings/settings.h"
#include "users/users.h"

#include <sys/queue.h>

struct peer;

#define ACCOUNT_BUCKETS 1024

struct processes {
	struct loop *loop;
	const struct settings *settings;
	const struct users *users;
	int settings_fd;     /* the same for the processes */
	struct timer *looks; /* at folders that somebody exchanges */
	struct process *first;
	LIST_HEAD(, process)
	named[ACCOUNT_BUCKETS]; /* the same, by their accounts' names */
	bool ending;            /* none is started any more */
	bool retired;           /* not here, but by the mailstore after this one */
	LIST_HEAD(, asleep) asleep[ACCOUNT_BUCKETS]; /* accounts, by their names */
	uint64_t n_asleep, asleep_max;               /* sessions: each is a descriptor */
	TAILQ_HEAD(, asleep) waking; /* accounts that wait until others have woken */
	unsigned n_waking;           /* processes that have not spoken since they woke */
	struct timer *turn;          /* they wait no longer */
	struct alarms alarms;
	/* A message for that peer. */
	void (*send)(struct peer *peer, const struct message *m);
	/* Whether a session comes with what opens its mailbox. 0 or -errno. */
	int (*admit)(void *context, const struct message *m);
	/* The mailstore after this one: a connection to it, or -errno. */
	int (*reach_next)(void *context);
	/* Of a peer that is the mailstore after this one, for one account: how many
	   messages came from it; and it is not needed any more. */
	uint64_t (*heard)(const struct peer *peer);
	void (*hang_up)(struct peer *peer);
	/* The last one is gone. */
	void (*empty)(void *context);
	void *context;
};

/* Takes the socket. */
void processes_serve(
	struct processes *all, struct peer *peer, const struct message *m, int socket);
/* Takes the file. What comes of it is told to the peer (messages/message.h). */
void processes_stage(
	struct processes *all, struct peer *peer, const struct message *m, int fd);
/* These two come without a descriptor: fd -1. */
void processes_deliver(
	struct processes *all, struct peer *peer, const struct message *m, int fd);
void processes_discard(
	struct processes *all, struct peer *peer, const struct message *m, int fd);
void processes_release(
	struct processes *all, struct peer *peer, const struct message *m, int fd);
/* Ends one session, when it is there. */
void processes_kick(struct processes *all, const struct message *m);
/* The supervisor asks, so the processes are asked, too: one that has not answered for
   twice its limit hangs. It alone is ended, as by a crash. */
void processes_watch(struct processes *all, uint64_t limit_ms);
/* The peer is gone: its sessions live on, nobody waits for their end; what it staged is
   delivered. */
void processes_forget_peer(struct processes *all, struct peer *peer);
/* 0 or -errno; then to be ended by processes_fini(), too. */
int processes_init(struct processes *all);
void processes_fini(struct processes *all);
/* From the mailstore before this one: it has the account's process, which is spoken to
   over fd (taken on success). 0 or -errno. */
int processes_adopt(struct processes *all, const struct message *m, int fd);
/* From the mailstore before this one, with the client's socket: a session that sleeps.
   The peer hears of its end. */
void processes_asleep(
	struct processes *all, struct peer *peer, const struct message *m, int fd);
/* All of those to the mailstore after this one. */
void asleep_hand_over(struct processes *all);
/* From the mailstore after this one, over the peer: no more will come for the process. */
void processes_let_leave(struct processes *all, struct peer *peer);
/* All of them end, RELEASE or not. */
void processes_end(struct processes *all);

#endif
