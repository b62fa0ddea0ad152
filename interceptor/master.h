/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_MASTER_H
#define INTERCEPTOR_MASTER_H
/*
 * The one that holds no client's socket: it starts the workers, and starts them again,
 * counts each account's sessions over all of them, answers interceptor.sock and asks the
 * source what it shows.
 *
 *   interceptor.sock ──► master_control.c ──► workers (one socketpair each)
 *                                         ◄──
 */
#include "event/child.h"
#include "event/signals.h"
#include "event/timer.h"
#include "interceptor/connection_limits.h"
#include "interceptor/live_sessions.h"
#include "interceptor/probe.h"
#include "interceptor/worker.h"
#include "messages/alarms.h"
#include "messages/exchange.h"

#include <limits.h>

#define WORKERS_MAX 256 /* as the settings allow */

struct master;

struct worker_slot {
	struct master *master;
	unsigned index;
	struct child child;
	uint64_t started_at; /* loop time */
	uint64_t restart_at; /* when not running */
	struct channel link;
	struct live_sessions live;
	struct listener listeners[LISTENERS_MAX]; /* stay open while it restarts:
	                                             clients wait a little */
	size_t n_listeners;
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
	bool left;               /* QUIESCE: a worker left sessions alone */
	bool found;              /* KICK: a worker has that session */
	bool asked[WORKERS_MAX]; /* that worker has not answered yet */
	char account[];
};

struct master {
	struct loop loop;
	const struct settings *settings;
	struct connection_limits limits;
	struct worker_slot *slots;
	unsigned n_slots;
	struct channel_listener control;
	struct signals signals;
	struct timer *tick, *rest;
	int settings_fd;
	struct probe probes[2 * SERVICE_COUNT]; /* some are asked in two ways (offer.h) */
	size_t n_probes;
	LIST_HEAD(, control_client) clients;
	LIST_HEAD(, request) requests;
	uint64_t next_request;
	struct alarms alarms;
	int status;
};

/* Until SIGTERM; the exit status. */
int master_run(const struct settings *settings);

/* Takes what the workers have reported so far: the counts of live sessions are exact
 * then. */
void master_hear(struct master *m);
/* Hears each word of theirs at once, until the next report of a session. */
void master_listen(struct master *m);

/* ---- master_workers.c ---- */
int workers_init(struct master *m); /* 0 or -errno */
/* Starts those that do not run, when it is time. */
void workers_restart(struct master *m);
/* Ends them, and waits a while for it. */
void workers_stop(struct master *m);

/* ---- master_control.c ---- */
int control_open(struct master *m, struct error *err);
/* Once a turn: frees clients that are gone, with their questions. */
void control_sweep(struct master *m);
/* Whether a worker's answer is waited for. */
bool control_waits_for_workers(const struct master *m);
/* A worker has said something that concerns a question. */
void control_answer(struct master *m, unsigned worker, const struct message *message);
/* Its sessions are gone, and it will answer no more. */
void control_worker_lost(struct master *m, unsigned worker);
/* A session of this account has ended somewhere. */
void control_session_ended(struct master *m, struct str account);

#endif
