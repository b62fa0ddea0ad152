/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_DAEMONS_H
#define CONTROL_RUNNING_DAEMONS_H
/*
 * The programs that `mailferry up` keeps running, and when one that has ended is started
 * again. Each is its own process group, so that Ctrl-C reaches `up` alone and the order
 * of the end is ours.
 */
#include "event/child.h"

#include <limits.h>
#include <stdint.h>

enum daemon_state {
	DAEMON_WAITING, /* to be started at .start_at */
	DAEMON_RUNNING,
	DAEMON_STOPPED, /* or about to end; not to be started again */
	DAEMON_STATE_COUNT
};

struct daemon {
	const char *name; /* of the program, beside ours */
	char path[PATH_MAX];
	enum daemon_state state;
	struct child child;
	uint64_t started_at, start_at; /* monotonic */
	unsigned failures;             /* ends in a row, each soon after its start */
	int last_status;               /* as waitpid(2) gave it */
	int ready;                     /* of one that follows another; -1: no more */
	int handed; /* what its next start is handed (settings/program.h); -1: nothing */
};

/* Finds the program. */
int daemon_init(struct daemon *d, const char *name, struct error *err);

/* Starts it when it is time. When its end is told by ended(), daemon_ended() is to be
   called. */
int daemon_run(struct daemon *d, struct loop *loop, const char *config, uint64_t now,
	child_ended_fn *ended, void *context, struct error *err);

/* Starts it at once, to follow the one that runs (messages/takeover.h). */
int daemon_follow(struct daemon *d, struct loop *loop, const char *config, uint64_t now,
	child_ended_fn *ended, void *context, struct error *err);
/* Whether it has. */
bool daemon_has_followed(struct daemon *d);

/* It has ended: the next start is set by back-off. */
void daemon_ended(struct daemon *d, int status, uint64_t now);

/* Sends a signal to a running one; it will not be started again. */
void daemon_stop(struct daemon *d, int signal);

/* From 100 ms doubling to 10 s: a crash is over before a client's patience, a lasting
   fault does not fill the log. */
uint64_t daemon_backoff_ms(unsigned failures);

#endif
