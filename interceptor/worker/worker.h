/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_WORKER_H
#define INTERCEPTOR_WORKER_WORKER_H
/*
 * One event loop with its sessions. It shares nothing with the other workers but the
 * registry and the connection counts; the master tells it what concerns all.
 */
#include "event/loop.h"
#include "event/signals.h"
#include "event/timer.h"
#include "interceptor/crossing/notes.h"
#include "interceptor/protocols/offer.h"
#include "interceptor/session/session.h"
#include "interceptor/session/unseen_flows.h"
#include "interceptor/shared/connection_limits.h"
#include "interceptor/smtp/recently_relayed.h"
#include "interceptor/smtp/recipient_counts.h"
#include "interceptor/tls/keys.h"
#include "interceptor/worker/late_logins.h"
#include "interceptor/worker/vault_link.h"
#include "messages/exchange.h"
#include "source/tls.h"

struct listener {
	enum service_id service;
	int fd;
	struct worker *worker;
	struct watch *watch;
};

#define LISTENERS_MAX (SERVICE_COUNT * 2 + SETTINGS_LMTP_MAX) /* both families */

/* After one login or a group that was written, what comes is written at the end of that
   time: its users are in by then, and twice as many in one transaction cost little
   more. */
#define LEARN_LATER_MS 50

struct worker {
	struct host host; /* first: its sessions know no more of it */
	struct loop loop;
	struct connection_limits *limits;
	unsigned index;      /* of its row there */
	unsigned number;     /* in the registry: of all workers that there are */
	bool takes_no_more;  /* it ends with its last session */
	bool is_ending;      /* and ends its sessions */
	uint64_t drained_at; /* then it ends them; loop time, 0: never */

	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct recipient_counts recipients; /* that the source was asked for */
	struct late_logins late_logins;
	struct crossing_notes crossings;
	struct recently_relayed recently_relayed;
	struct unseen_flows unseen;

	struct offer *offers[SERVICE_COUNT]; /* NULL: not known yet */
	struct vault_link vault;
	struct tls_keys tls;
	struct source_tls source_tls;
	struct channel master;
	struct buf reports; /* for the master, of live sessions */
	struct channel mailstore;
	unsigned ticks;
	bool is_retired;        /* the source, as the offers were made for */
	uint64_t poke_again_at; /* loop time */

	struct timer *tick, *learning; /* late_logins */
	struct timer *gathering;       /* until log lines and reports go out again */
	struct signals signals;
};

/* The descriptors with which the master starts a worker, beside those of every child
   (event/child.h). */
enum worker_fd {
	WORKER_FD_MASTER = 3, /* channel to it */
	WORKER_FD_LIMITS,     /* what all workers count */
	WORKER_FD_SETTINGS,   /* the configuration as the master has it */
	WORKER_FD_LISTENERS /* one for each service and family, to the last descriptor */
};

/* What a worker is made of. Takes the descriptors. */
struct worker_parts {
	const struct settings *settings;
	struct connection_limits *limits;
	unsigned index;
	int master;                       /* socketpair */
	const struct listener *listeners; /* service and fd are looked at */
	size_t n_listeners;
};

/* Runs until its sessions have ended after SIGTERM, a second one or the master's end; the
   exit status. index: as the master's command line gives it. */
int worker_run(const struct settings *settings, const char *index);

/* Its listening sockets, from WORKER_FD_LISTENERS on: service, fd. 0 or -errno:
   there is none, or one that is no service's. */
int worker_find_listeners(const struct settings *settings,
	struct listener listeners[static LISTENERS_MAX], size_t *ret_n);

/* The worker of a session's host. */
static inline struct worker *worker_of(struct host *h)
{
	return (struct worker *)h;
}

void worker_load_offer(struct worker *w, enum service_id service);
/* Nobody was accepted, for this reason (errno). */
void worker_accept_failed(struct listener *l, int code);
/* A socket of `lmtp` has a connection; a watch_fn, context: the listener. */
void worker_lmtp_ready(void *listener, int events, int error);
/* Accepts connections, once it can. */
void worker_accept(struct worker *w);
/* It accepts no more connections, and ends with its last session. */
void worker_retire(struct worker *w);
void worker_drain(struct worker *w); /* from time to time */
/* The same, and it begins to end its sessions. */
void worker_end(struct worker *w);

/* The registry gets what was counted. */
void worker_hand_over_recipients(struct worker *w);
int worker_write_unseen(struct worker *w); /* 0 or -errno; it has logged why */
/* A word to the transfer; fine when it is not running. */
void worker_tell_transfer(struct worker *w, const struct message *m);
/* That an account is due. */
void worker_poke_transfer(struct worker *w, const char *account);

/* Lets the row of the message's type handle it (context: the worker). One that is in no
   row is a bug of ours, not a circumstance: the process ends. from: for the log. */
void worker_handle(struct worker *w, const char *from, const struct message_row *rows,
	size_t n, struct packet *p);
/* What may wait for the master, or for the mailstore, to read. */
#define WORKER_QUEUE_MAX (64u << 20) /* a listing of 100,000 flows takes 40 MB */
#define WORKER_QUEUE_FDS_MAX 1024    /* hand-offs; each keeps a descriptor of ours */

/* connect.c: host_ops.connect() */
int worker_connect(struct host *h, struct session *s, struct stream **ret);
int worker_connect_destination(struct host *h, struct stream **ret);
/* host.c */
/* That account is to be moved: logs it and tells the transfer. A late_due_fn. */
void worker_learnt(void *worker, const char *session, const char *was,
	const struct account_route *route, bool became_due);
/* false: the registry is busy, and some are left. */
bool worker_learn_late(struct worker *w);
extern const struct host_ops worker_host_ops;

/* link.c: the master's messages */
void worker_reply(struct worker *w, const struct message *m);
/* A session begins or ends: goes to the master with others, before anything else. */
void worker_report(struct worker *w, const struct message *m);
bool worker_send_reports(struct worker *w); /* false: there were none */
extern const struct channel_ops worker_master_ops;

#endif
