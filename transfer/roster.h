/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ROSTER_H
#define TRANSFER_ROSTER_H
/*
 * The accounts the scheduler has to do with, and what each of them is up to. Pure: no
 * process, no clock.
 *
 *   WAITING ──started──► RUNNING ──ended──► WAITING (again at once, or after a while)
 *                           └─────parked──► PARKED ──log-off, deadline──► WAITING
 *                                (first, when it is held, until it is not; or when it is
 *                                copied, until its user's password is known)
 */
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum entry_state { ENTRY_WAITING, ENTRY_RUNNING, ENTRY_PARKED, ENTRY_STATE_COUNT };
const char *entry_state_name(enum entry_state s);

/* What a process does for an account. The registry says who is to move; the rest is asked
   for, and done first, in this order. */
enum entry_task {
	ENTRY_MOVE,
	ENTRY_RETURN,   /* it is to go back to the source */
	ENTRY_FORETELL, /* what that would carry */
	ENTRY_AGAIN,    /* what is lost of it here is transferred anew */
	ENTRY_TASK_COUNT
};

#define ENTRY_NAME_MAX 256 /* REGISTRY_NAME_MAX and a NUL */

struct entry {
	struct entry *next;
	struct entry *same; /* of those that one hash finds */
	int64_t id;
	char name[ENTRY_NAME_MAX];
	enum entry_state state;
	pid_t pid;           /* RUNNING */
	unsigned crashes;    /* in a row */
	uint64_t not_before; /* WAITING: monotonic */
	uint64_t forced_at;  /* PARKED: monotonic, 0: never */
	bool is_awaited;     /* PARKED: the interceptor was asked */
	bool is_held;        /* PARKED: it must not switch, whoever is logged in */
	bool is_copied;      /* PARKED, held: until its user has shown a password; at
	                       forced_at the copy is brought up to date */
	bool is_wanted;      /* the registry's last word */
	bool is_barred;      /* likewise: the source refuses its master user for now */
	bool is_probe;       /* likewise: whether it lets that one in is not known; one at
	                       a time finds out */
	uint64_t rank;       /* likewise */
	unsigned asked;      /* bits, 1 << enum entry_task */
	enum entry_task runs; /* RUNNING */
};

/* {0} is an empty one. */
struct roster {
	struct entry *first; /* oldest first */
	struct entry *last;
	struct entry **by_id; /* 2^bits of them; NULL: none yet */
	unsigned bits;
	size_t n;
	unsigned running;
};

void roster_fini(struct roster *r);

/* A look into the registry: begin, each account that has work, end (drops the others,
   except those that run). roster_want(): -ENOMEM. */
void roster_look_begin(struct roster *r);
/* rank: lower ones are started first (order.h). */
int roster_want(
	struct roster *r, int64_t id, struct str name, uint64_t rank, struct entry **ret);
/* NULL: not known. */
struct entry *roster_by_id(const struct roster *r, int64_t id);
/* At any time: that is to be done, and is kept until its process has ended as it should.
   -ENOMEM. */
int roster_ask(struct roster *r, int64_t id, struct str name, enum entry_task task);
bool entry_is_asked(const struct entry *e, enum entry_task task);
/* What its next process does. */
enum entry_task entry_next_task(const struct entry *e);
void roster_look_end(struct roster *r);

/* The next one to start, or NULL. What is asked for does not wait for a place. */
struct entry *roster_next(struct roster *r, unsigned most, uint64_t now);
/* For what comes after the moves: how many of `most` places they leave. */
unsigned roster_places(struct roster *r, unsigned most, uint64_t now);
void roster_started(struct roster *r, struct entry *e, pid_t pid);
struct entry *roster_by_pid(struct roster *r, pid_t pid);
struct entry *roster_by_name(struct roster *r, struct str name);

/* It ended as it should; with a pause when it had nothing to do. */
void roster_ended(struct roster *r, struct entry *e, uint64_t now);
void roster_parked(struct roster *r, struct entry *e, uint64_t forced_at);
void roster_held(struct roster *r, struct entry *e);
void roster_copied(struct roster *r, struct entry *e, uint64_t again_at);
/* It crashed: true when that has happened too often in a row to try at once. */
bool roster_crashed(struct roster *r, struct entry *e, uint64_t now);
void roster_wake(struct entry *e); /* a parked one goes on; no harm to others */

#endif
