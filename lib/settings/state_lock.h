/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_STATE_LOCK_H
#define SETTINGS_STATE_LOCK_H
/*
 * One of each program works on a state_dir, and one listens in a run_dir, whatever
 * configuration it has.
 *
 * <state_dir>/lock and <run_dir>/lock have a byte for each program; a program locks its
 * own from its start to its end. The kernel drops the lock with the process, however it
 * ends; children do not inherit it. (A record lock, since it tells the pid of whoever has
 * it.)
 */
#include "settings/settings.h"

#define STATE_LOCK_FILE "lock"

enum state_lock {
	STATE_LOCK_UP,
	STATE_LOCK_INTERCEPTOR,
	STATE_LOCK_MAILSTORE,
	STATE_LOCK_TRANSFER,
	STATE_LOCK_VAULT,
	STATE_LOCK_ADMISSION,
	STATE_LOCK_DASHBOARD,
	/* `mailferry up`, where it looks after one part alone (control/running/part.h) */
	STATE_LOCK_UP_VAULT,
	STATE_LOCK_UP_STATE,
	STATE_LOCK_UP_MAILSTORE,
	STATE_LOCK_UP_TRANSFER,
	STATE_LOCK_UP_INTERCEPTOR,
	STATE_LOCK_UP_ADMISSION,
	STATE_LOCK_UP_DASHBOARD,
	STATE_LOCK_UP_RULES,
	STATE_LOCK_ALL, /* nothing else runs: to repair what they work on */
};

/* Held until the process ends. -EBUSY: the sentence says who has it. -ENOENT: there is no
   such directory. */
int state_lock_take(const struct settings *s, enum state_lock which, struct error *err);

/* The same in steps, for a program that follows one that runs: the files are opened while
   that is allowed, the lock is taken once the other has dropped it. Closing one of the
   files drops it, too. */
struct state_lock_files {
	const char *directories[2]; /* the settings' */
	int fds[2];                 /* state_dir, run_dir; -1: none */
};

int state_lock_open(
	const struct settings *s, struct state_lock_files *ret, struct error *err);
int state_lock_set(
	const struct state_lock_files *f, enum state_lock which, struct error *err);
void state_lock_drop(const struct state_lock_files *f, enum state_lock which);
void state_lock_close(struct state_lock_files *f); /* may be called twice */
/* The pid of who has it, this process excepted; 0: nobody. */
int state_lock_other(const struct state_lock_files *f, enum state_lock which);
/* The pid of who has it; 0: nobody. Not for a process that has one: this opens the file,
   and closing it would drop the lock. */
int state_lock_holder(const struct settings *s, enum state_lock which);
/* The byte of a program by its name after "mailferry-"; -ENOENT: it needs none. */
int state_lock_of(const char *program, enum state_lock *ret);

#endif
