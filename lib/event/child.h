/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_CHILD_H
#define EVENT_CHILD_H
/*
 * A program of ours, started as a child of this process.
 *
 * The child is exec'd, not only forked, and has just these descriptors:
 *
 *   0 /dev/null   1 and 2 our own 2   3, 4, ... those of the plan, in its order
 *
 * Its 0, 1 and 2 may be given, too: of a command whose words are wanted, or that answers
 * on a connection.
 *
 * No signal is blocked in it, it ends (SIGTERM) when we end, and its end is told by the
 * loop. Whether it is started again is for the caller to decide.
 *
 * A child that is another user is beyond our signals. It has the end of a pipe as its 0,
 * by which the kernel tells it our end, and to signal it we become that user for a
 * moment.
 *
 * fork() and not uv_spawn(), because a child must ask the kernel for its end with its
 * parent before it becomes another program: after a kill -9 of the parent nothing is
 * left.
 */
#include "base/error.h"
#include "event/loop.h"

#include <sys/types.h>

#define CHILD_FD_FIRST 3
#define CHILD_FDS_MAX                                                                    \
	32 /* an interceptor worker: its master, two for each service, those of LMTP */

struct child_plan {
	const char
		*program; /* absolute; NULL: our own once more, whatever has become of its
	                        file and of the folders above it */
	const char *const *arguments; /* as execv(3) wants them, NULL at the end */
	const int *fds;               /* stay the caller's */
	size_t n_fds;
	const int *outputs; /* two, for its 1 and 2, the caller's; NULL: our own 2 */
	const int *input;   /* for its 0, the caller's; NULL: /dev/null. Not with .user */
	bool own_group;     /* Ctrl-C does not reach it: the order of the end is ours */
	unsigned user;      /* and its group, of the same number; 0: ours */
};

/* status: as waitpid(2) gave it. The child may be started again in the callback. */
typedef void child_ended_fn(void *context, int status);

struct child {
	pid_t pid;         /* 0: not running */
	struct watch *end; /* its pidfd */
	unsigned user;
	int pulse; /* of one that is another user: our end of the pipe */
	child_ended_fn *ended;
	void *context;
};

/* Returns when the program runs. -errno with a sentence: it does not, and ended() is not
   called. */
int child_start(struct child *c, struct loop *loop, const struct child_plan *plan,
	child_ended_fn *ended, void *context, struct error *err);
bool child_runs(const struct child *c);
void child_signal(struct child *c, int number); /* none runs: nothing */
/* Looks without the loop whether it has ended; ended() is called then. */
void child_look(struct child *c);

/* One that runs already: a child from before we became another program by exec(). 0 or
   -errno. */
int child_adopt(struct child *c, struct loop *loop, pid_t pid, child_ended_fn *ended,
	void *context);

/* It goes on without us: its end is not told. */
void child_forget(struct child *c);

/* "exit code 1", "signal 9 (Killed)" */
void child_end_text(int status, char *text, size_t size);

#endif
