/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHILDREN_H
#define CONTROL_CHILDREN_H
/*
 * The programs that `mailferry up` keeps running: started, reaped, started again.
 *
 * fork() and not uv_spawn(), because a child must ask the kernel for its end with its
 * parent before it becomes another program: after a kill -9 of `up` nothing is left. Each
 * is its own process group, so that Ctrl-C reaches `up` alone and the order of the end
 * is ours.
 */
#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum child_state {
	CHILD_WAITING, /* to be started at .start_at */
	CHILD_RUNNING,
	CHILD_STOPPED, /* and not to be started again */
	CHILD_STATE_COUNT
};

struct child {
	const char *name; /* of the program, beside ours */
	char path[PATH_MAX];
	enum child_state state;
	pid_t pid;
	uint64_t started_at, start_at; /* monotonic */
	unsigned failures;             /* ends in a row, each soon after its start */
	int last_status;               /* as waitpid(2) gave it */
};

/* Finds the program. */
int child_init(struct child *c, const char *name, struct error *err);

/* Starts it when it is time. */
int child_run(struct child *c, const char *config, uint64_t now, struct error *err);

/* Looks whether it has ended (no waiting): true once for each end; the next start is set
   by back-off. */
bool child_reap(struct child *c, uint64_t now);

/* "exit code 1", "signal 9 (Killed)" */
void child_end_text(const struct child *c, char *text, size_t size);

/* Sends a signal to a running one; none will be started again. */
void child_stop(struct child *c, int signal);

/* From 100 ms doubling to 10 s: a crash is over before a client's patience, a lasting
   fault does not fill the log. */
uint64_t child_backoff_ms(unsigned failures);

#endif
