/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_PROCESS_H
#define MAILSTORE_PROCESS_H
/* One account process, as processes.c and deliveries.c see it. Inside the master only. */
#include "event/child.h"
#include "event/timer.h"
#include "mailstore/processes.h"
#include "messages/watched.h"

#include <sys/queue.h>
#include <sys/types.h>

enum delivery_state {
	DELIVERY_STAGING,    /* the process was given the message */
	DELIVERY_STAGED,     /* it has it, and waits for DELIVER or DISCARD */
	DELIVERY_DELIVERING, /* that was said */
	DELIVERY_STATE_COUNT
};

enum process_state {
	PROCESS_RUNNING,
	PROCESS_LEAVING,
	PROCESS_RELEASING,
	PROCESS_STATE_COUNT
};

/* A session, or a RELEASE that is not answered yet. */
struct waiter {
	LIST_ENTRY(waiter) entry;
	struct peer *peer; /* NULL: gone */
	char id[];
};
LIST_HEAD(waiters, waiter);

/* A message whose outcome is not told yet (deliveries.c). */
struct delivery_waiter {
	LIST_ENTRY(delivery_waiter) entry;
	struct peer *peer; /* NULL: gone; then it is to be delivered */
	enum delivery_state state;
	uint64_t number; /* what the process calls it, once it is staged */
	bool again;      /* asked a second time, after a crash */
	char id[];
};

/* What came too late for one process and too early for the next. */
struct waiting {
	STAILQ_ENTRY(waiting) entry;
	struct peer *peer;
	int fd; /* -1: none */
	struct message m;
	size_t len;
	char bytes[];
};

/* Whose child it is: ours, the one's before us, the one's after us. */
enum process_place { PROCESS_HERE, PROCESS_BEFORE, PROCESS_AFTER };

struct asleep; /* asleep.c: sessions of an account without a process */

/* Which folder it is; zeros: not known. */
struct folder_id {
	dev_t device;
	ino_t inode;
};

struct process {
	struct processes *all;
	struct process *next, **place;
	LIST_ENTRY(process) named;
	enum process_state state;
	enum process_place lives;
	uint64_t sent;         /* messages, over the link */
	struct peer *follower; /* who speaks to it from the mailstore after this one */
	bool has_crashed;      /* so we were told of one that lives elsewhere */
	uint64_t knows;        /* messages of types below that */
	char *account;
	struct child child;
	struct channel link;
	struct watched watched;
	int theirs; /* its end of the link, too: what it does not take is in there */
	struct timer *timer;
	struct waiters sessions, requests;
	LIST_HEAD(, delivery_waiter) deliveries;
	STAILQ_HEAD(, waiting) waiting;
	unsigned waiting_fds;
	struct folder_id folder; /* as it was at its start */
	bool may_sleep;          /* LEAVING: it gives its sessions to us, or says BUSY */
	struct asleep *asleep;   /* those it has given; NULL: none */
	bool is_waking;          /* it has not spoken yet, and others wait for that */
};

/* ---- process.c ---- */

/* Of named[] and asleep[] in struct processes. */
size_t process_bucket(struct str account);
/* Without a link, and in no list; NULL: no memory. */
struct process *process_new(struct processes *all, struct str account);
void process_free(struct process *p); /* the same */
void process_insert(struct process *p);
void process_remove(struct process *p);
/* after: one that the mailstore after this one has; else one of the others. */
struct process *process_find_at(struct processes *all, struct str account, bool after);
/* Of the others, else after. */
struct process *process_find(struct processes *all, struct str account);
/* In no list; NULL: no memory. */
struct waiter *waiter_new(struct peer *peer, struct str id);
/* NULL: there is none. */
struct waiter *waiter_find(const struct waiters *list, struct str id);
void waiter_drop(struct waiter *waiter);

/* ---- processes.c ---- */

/* It has ended, or its link when it is not ours. */
void process_gone(struct process *p, bool crashed);
void process_timer(void *process);
void process_ended(void *process, int status); /* child_ended_fn */
/* To it. As message_send(). */
int process_tell(struct process *p, const struct message *m, int fd);
/* What waits is asked once more. */
void process_serve_waiting(struct process *p);
bool process_is_idle(const struct process *p);

/* The one that is there, or a new one; NULL: it cannot be started. */
struct process *process_get(struct processes *all, struct str account);
/* For the process after this one. Takes fd on success. 0, -ENOBUFS (too many logins and
   messages wait) or -errno. */
int process_keep_waiting(
	struct process *p, struct peer *peer, const struct message *m, int fd);
/* Whether it reads what it is told: if not, no login and no message is added. What
   settles those it has is still sent. */
bool process_keeps_up(const struct process *p);
/* It does not do what it should: it alone is ended, and its exit follows. */
void process_kill(struct process *p, const char *why);
/* Something was done: it may stay a while, or has nothing left to do. */
void process_is_busy(struct process *p);
void process_linger_when_idle(struct process *p);
/* RUNNING: it is told to go; logins wait for the next one. */
void process_leave(struct process *p);
/* It goes by itself, and logins wait; and after all it does not. */
void process_await_end(struct process *p);
void process_goes_on(struct process *p);

/* ---- process_start.c ---- */

/* A new one of ours; NULL: it cannot be started. */
struct process *process_start(struct processes *all, struct str account);

/* ---- reports.c: what it says of its sessions, its messages, what is wrong ---- */

void process_served(void *process, const struct message *m, int fd);
void process_serve_end(void *process, const struct message *m, int fd);
void process_delivery(void *process, const struct message *m, int fd);
void process_alarm(void *process, const struct message *m, int fd);

/* ---- remote.c ---- */

/* One that the mailstore after this one has, or will have. NULL: it cannot be reached. */
struct process *remote_start(struct processes *all, struct str account);
/* Nothing is left to do for one that the mailstore after this one speaks to: it is asked
   whether more will come. */
void remote_tell_idle(struct process *p);
/* One that has ended already is forgotten now. */
void remote_look(struct process *p);

/* ---- asleep.c ---- */

/* IDLE, BUSY and ASLEEP of the process. */
void process_idle(void *process, const struct message *m, int fd);
void process_busy(void *process, const struct message *m, int fd);
void process_asleep(void *process, const struct message *m, int fd);
/* It has ended: what it has given sleeps from now on. */
void asleep_begin(struct process *p);
/* It is new, and is given what sleeps. */
void asleep_wake(struct process *p);
/* It has spoken, or has ended: the next one may wake. */
void asleep_next(struct process *p);
/* timer_fn: some have taken too long. */
void asleep_turn(void *processes);
/* As process_find(); an account that sleeps is woken. */
struct process *process_find_awake(struct processes *all, struct str account);
void asleep_forget_peer(struct processes *all, const struct peer *peer);
void asleep_end(struct processes *all);

/* ---- folders.c ---- */

struct folder_id process_folder_of(const struct processes *all, struct str account);

void process_remember_folder(struct process *p);
/* It leaves when another folder has the name of its own. */
void process_leave_if_moved(struct process *p);

/* ---- deliveries.c ---- */

/* STAGED, DELIVERED, DELIVERY_FAILED of the process. */
void deliveries_answered(struct process *p, const struct message *m);
void deliveries_forget_peer(struct process *p, const struct peer *peer);
/* The process is gone. clean: by its own decision, and then it has delivered all. */
void deliveries_process_gone(struct process *p, bool clean);
/* Cannot be served now: tells the peer, if there is one, and closes fd. */
void deliveries_refuse(
	struct processes *all, struct peer *peer, const struct message *m, int fd);

#endif
