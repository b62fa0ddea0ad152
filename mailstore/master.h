/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_MASTER_H
#define MAILSTORE_MASTER_H
/*
 * Owns mailstore.sock and opens no mail: one process for each account in use, started
 * when a session comes, ended a moment after the last one.
 *
 *   peer (interceptor worker, transfer) ──SERVE(fd)──► master ──SERVE(fd)──► process
 *                                       ◄─SERVE_END──        ◄─SERVE_END──
 *                                       ──STAGE(fd), DELIVER──►  the same way
 *                                       ◄─STAGED, DELIVERED──
 *                                       ──RELEASE──►         ──RELEASE──►
 *                                       ◄─RELEASED──         (exit)
 */
#include "event/signals.h"
#include "mailstore/processes.h"
#include "mailstore/tickets.h"
#include "settings/program.h"

#include <sys/queue.h>
#include <sys/types.h>

/* Somebody connected to mailstore.sock. Or the mailstore after this one, for one account:
   then its messages are counted. */
struct peer {
	LIST_ENTRY(peer) all;
	struct master *master;
	struct channel channel;
	uint64_t heard;
	bool is_before; /* the mailstore before this one, for a peer of its own */
};

struct master {
	struct loop loop;
	struct channel_listener listener;
	struct signals signals;
	bool ending;
	LIST_HEAD(, peer) peers;
	struct processes processes;
	struct tickets tickets;
	struct users users;
	struct program_start *start;
	uid_t started_by;
	struct channel before;   /* to the mailstore before this one, until it ends */
	int takeover, door;      /* of it, until it retires; -1: none */
	struct peer *successor;  /* NULL: this one has not retired */
	struct timer *drain;     /* until the sessions of one that has are ended */
	struct timer *gathering; /* log lines, until it runs out */
};

/* Returns the exit status. */
int master_run(struct program_start *start);

/* Takes the socket. NULL: no memory, and it is closed. */
struct peer *master_add_peer(struct master *master, int socket);
void master_close_peer(struct peer *peer);
void master_accepted(void *master, int socket); /* at mailstore.sock */
/* All processes end, and with the last one this. */
void master_end(struct master *master);
/* Nothing more is to be done. */
void master_look_for_end(struct master *master);

/* ---- retire.c ---- */

/* This one follows the one that runs: what it hands over; it retires. 0 or -errno. */
int follow_ask(struct master *master, struct error *err);
int follow_commit(struct master *master, struct error *err);
/* And this one is followed. */
void retire_hand(struct peer *peer);
void retire_begin(struct peer *peer);
/* A connection to the next one; -errno: there is none. */
int retire_reach_next(struct master *master);

#endif
