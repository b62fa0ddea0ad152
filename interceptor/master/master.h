/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_MASTER_MASTER_H
#define INTERCEPTOR_MASTER_MASTER_H
/*
 * The one that holds no client's socket: it starts the workers, and starts them again,
 * counts each account's sessions over all of them, answers interceptor.sock and asks the
 * source what it shows.
 *
 *   interceptor.sock ──► control.c ──► workers (one socketpair each)
 *                                         ◄──
 *
 * The master before it, whose sessions have not ended yet, is one worker more, and it is
 * one to the master after it (takeover.c). It has the place behind the workers.
 */
#include "event/child.h"
#include "event/signals.h"
#include "event/timer.h"
#include "interceptor/master/live_sessions.h"
#include "interceptor/protocols/probe.h"
#include "interceptor/shared/connection_limits.h"
#include "interceptor/worker/worker.h"
#include "messages/alarms.h"
#include "messages/exchange.h"
#include "messages/watched.h"
#include "settings/program.h"
#include "users/users.h"

#include <limits.h>
#include <sys/types.h>

#define WORKERS_MAX 256 /* as the settings allow */

struct master;

struct worker_slot {
	struct master *master;
	unsigned index;
	struct child child;
	uint64_t started_at; /* loop time */
	uint64_t restart_at; /* when not running */
	struct channel link;
	struct watched watched;
	struct live_sessions live;
	struct listener listeners[LISTENERS_MAX]; /* stay open while it restarts:
	                                             clients wait a little */
	size_t n_listeners;
};

/* What the master before this one has handed over, or left. */
struct handed {
	int fd;
	enum service_id service;
	unsigned worker;
};

/* Somebody at interceptor.sock. */
struct control_client {
	LIST_ENTRY(control_client) all;
	struct master *master;
	struct channel channel;
};

/* A question that is not answered yet. */
struct request {
	LIST_ENTRY(request) all;
	struct control_client *client;
	enum message_type type;
	uint64_t id;
	uint64_t asked_as;           /* what the asker calls it */
	bool left;                   /* QUIESCE: a worker left sessions alone */
	bool found;                  /* KICK: a worker has that session */
	bool asked[WORKERS_MAX + 1]; /* that worker has not answered yet */
	char account[];
};

/* tasks.c */
#define MASTER_TASKS 2
struct task;
struct task_child {
	struct master *master;
	const struct task *task;
	struct child child;
	uint64_t restart_at; /* loop time */
	bool is_retired;     /* the next generation's goes on */
};

struct master {
	struct loop loop;
	const struct settings *settings;
	struct connection_limits limits;
	struct worker_slot *slots;
	unsigned n_slots;      /* workers */
	unsigned n_links;      /* and the master before this one */
	unsigned first_number; /* of its workers, in the registry */
	unsigned oldest;       /* first number of the master before this one */
	struct channel_listener control;
	struct program_start *start;
	uid_t started_by;
	int takeover;          /* connection to the one before, until RETIRE; -1: none */
	struct handed *handed; /* by it */
	size_t n_handed;
	int door, memory;                 /* likewise; -1: none, or taken */
	struct control_client *successor; /* NULL: it has not retired */
	struct signals signals;
	struct timer *tick;
	int settings_fd;
	/* some services are asked in two ways (protocols/offer.h) */
	struct probe probes[2 * SERVICE_COUNT];
	size_t n_probes;
	LIST_HEAD(, control_client) clients;
	LIST_HEAD(, request) requests;
	uint64_t next_request;
	struct alarms alarms;
	struct task_child tasks[MASTER_TASKS];
	/* Of the relay to the smart host: its socket, and the file with the login, which
	   only the relay reads. -1: there is none. */
	int relay_listener, relay_login;
	int status;
};

/* Until SIGTERM; the exit status. */
int master_run(struct program_start *start);

/* Takes what the workers have reported so far. */
void master_hear(struct master *m);

/* The slot of the master before this one. */
static inline struct worker_slot *master_before(struct master *m)
{
	return &m->slots[m->n_slots];
}

/* ---- takeover.c: this one follows another ---- */
/* Takes what the one that runs hands over. 0 or -errno. */
int follow_ask(struct master *m, struct error *err);
/* Takes what the supervisor kept while none ran. 0 or -errno. */
int follow_kept(struct master *m, struct error *err);
/* A listening socket of that worker and service; -ENOENT: none that fits. */
int follow_give_listener(
	struct worker_slot *slot, enum service_id service, int family, int *ret_fd);
/* The same for a place of `lmtp`, which all its workers had. */
int follow_give_lmtp(struct master *m, const char *place, int *ret_fd);
/* What was handed over and is not wanted any more: those who wait in it are reset. */
void follow_close_rest(struct master *m);
/* The other one retires, and this one goes on. 0 or -errno. */
int follow_commit(struct master *m, struct error *err);

/* ---- retire.c: another one follows this one ---- */
void retire_hand(struct control_client *c);
void retire_begin(struct control_client *c);
/* What a worker has said of its sessions, to the next one, if there is one. */
void retire_report(struct master *m, const struct message *message);
/* A worker has died: the next one hears of the sessions that are gone. */
void retire_report_lost(struct worker_slot *slot);
/* At each tick: how many are left; and when none is, it ends. */
void retire_tell_left(struct master *m);

/* ---- workers.c ---- */
/* What a worker says, and the master before this one. 0 or -EBADMSG. */
int workers_handle(struct worker_slot *slot, struct packet *p, struct error *err);
int workers_init(struct master *m); /* 0 or -errno */
/* Starts those that do not run, when it is time. */
void workers_restart(struct master *m);
/* Asks them, when the supervisor does; one that has not answered for so long is
   ended, and started again as after a crash. */
void workers_watch(struct master *m, uint64_t limit_ms);
/* Ends them, and waits a while for it. */
void workers_stop(struct master *m);
bool workers_run(const struct master *m);

/* ---- tasks.c ---- */
void tasks_init(struct master *m);
/* While we are root: what they are given. 0 or -errno. */
int tasks_open(struct master *m, const struct users *users, struct error *err);
/* This generation is the one that counts: they run. */
void tasks_begin(struct master *m);
/* At each tick: runs those that are wanted. */
void tasks_tick(struct master *m);
/* They are not started again. What sends reports ends; the relay goes on for the sessions
   that are left, and ends with us. */
void tasks_retire(struct master *m);

/* ---- control.c ---- */
int control_open(struct master *m, struct error *err);
/* Once a turn: frees clients that are gone, with their questions. */
void control_sweep(struct master *m);
/* All but the successor: whoever asks asks the next one again. */
void control_retire(struct master *m);
/* On a socket that listens already, which it takes. 0 or -errno. */
int control_open_on(struct master *m, int fd);
/* A worker has said something that concerns a question. */
void control_answer(struct master *m, unsigned worker, const struct message *message);
/* Its sessions are gone, and it will answer no more. */
void control_worker_lost(struct master *m, unsigned worker);
/* A session of this account has ended somewhere. */
void control_session_ended(struct master *m, struct str account);

#endif
