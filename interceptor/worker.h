/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_H
#define INTERCEPTOR_WORKER_H
/*
 * One event loop with its sessions. It shares nothing with the other workers but the
 * registry and the tally; the master tells it what concerns all.
 */
#include "interceptor/lane.h"
#include "interceptor/offer.h"
#include "interceptor/passed.h"
#include "interceptor/recipients.h"
#include "interceptor/session.h"
#include "interceptor/tally.h"
#include "interceptor/verify.h"
#include "messages/exchange.h"
#include "net/relay.h"

#define LOCAL_BUCKETS 1024 /* sessions with the mailstore, by number */

LIST_HEAD(session_list, session);

struct listener {
	enum service_id service;
	int fd;
	struct worker *worker;
	struct watch *watch;
};

#define LISTENERS_MAX (SERVICE_COUNT * 2) /* both families */

/* A quiesce that waits for sessions to drain, and for the source's queue. */
struct quiesce {
	LIST_ENTRY(quiesce) all;
	uint64_t request;
	char account[];
};

struct worker {
	struct loop loop;
	const struct settings *settings;
	struct registry *registry;
	struct tally *tally;
	unsigned index, pid;
	uint32_t next_number;

	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct session_list sessions, timed, gone;
	struct session_list local[LOCAL_BUCKETS];
	LIST_HEAD(, quiesce) quiescing;
	LIST_HEAD(, staging) stagings;
	uint32_t next_staging;
	struct recipients recipients; /* that the source was asked for */
	struct passed passed;

	struct offer *offers[SERVICE_COUNT]; /* NULL: not known yet */
	struct relay_shared relay;
	struct verify verify;
	struct channel master;
	struct channel mailstore;
	unsigned ticks;
	uint64_t poke_again_at; /* loop time */

	uv_timer_t tick;
	struct watch *signals;
};

/* What a worker is made of, in the forked child. Takes the descriptors. */
struct worker_parts {
	const struct settings *settings;
	struct tally *tally;
	unsigned index;
	int master;                       /* socketpair */
	const struct listener *listeners; /* service and fd are looked at */
	size_t n_listeners;
};

/* Runs until SIGTERM or the master's end; the exit status. */
int worker_run(const struct worker_parts *parts);

uint64_t worker_now(const struct worker *w); /* loop time, ms */

/* The source was given up for good (registry/retire.h): nobody connects to it. */
bool worker_is_retired(const struct worker *w);

/* A session taught what the source shows: kept, and used for the next ones. */
void worker_learn(struct worker *w, enum service_id service, const struct learnt *learnt);
void worker_learn_refusal(struct worker *w, enum service_id service, struct str text);
void worker_load_offer(struct worker *w, enum service_id service);

/* A session has ended, or mail on its way has arrived: somebody may wait for that. */
void worker_check_quiesced(struct worker *w);
/* The registry gets what was counted. */
void worker_hand_over_recipients(struct worker *w);
void worker_tell_master(
	struct worker *w, const struct session *s, enum message_type type);
/* Tells the transfer that an account is due; fine when it is not running. */
void worker_poke_transfer(struct worker *w, const char *account);

/* Lets the row of the message's type handle it (context: the worker). One that is in no
   row is a bug of ours, not a circumstance: the process ends. from: for the log. */
void worker_handle(struct worker *w, const char *from, const struct message_row *rows,
	size_t n, struct packet *p);
/* What may wait for the master, or for the mailstore, to read. */
#define WORKER_QUEUE_MAX (64u << 20) /* a listing of 100,000 flows takes 40 MB */
#define WORKER_QUEUE_FDS_MAX 1024    /* hand-offs; each keeps a descriptor of ours */

/* worker_link.c: the master's messages */
extern const struct channel_ops worker_master_ops;

#endif
