/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_PART_H
#define CONTROL_RUNNING_PART_H
/*
 * What one `mailferry up` looks after: everything, or one part of it. systemd has a unit
 * for each part, so that each has only the rights that it needs; together they do what
 * `mailferry up` does alone. In the order in which they start:
 *
 *   vault        the directories, key and registry when there are none, certificates
 *   state        whose the files are, copies of the registry, renames, the trash; says
 *                that the others may begin (control/running/running.h)
 *   mailstore, transfer, admission
 *   interceptor
 *   dashboard    and metrics: what speaks with browsers and scrapers
 *   rules        from which address the interceptor goes to the source; opens the rules
 *                once the others answer, and watches them; runs the commands that
 *                dashboard and metrics show, some of which ask the kernel
 *
 * The rules end with none of them: `mailferry rules end` is for when all have ended.
 */
#include "control/running/generations.h"
#include "settings/state_lock.h"

enum part_duty {
	DUTY_DIRECTORIES = 1, /* and key and registry */
	DUTY_STATE = 2,
	DUTY_CERTIFICATES = 4,
	DUTY_RULES = 8,      /* and the address from which we go to the source */
	DUTY_END_RULES = 16, /* and takes them out at its end */
	DUTY_METRICS = 32,
	DUTY_QUESTIONS = 64, /* control/watch/questions_door.h */
};

/* A sentence for the admin. */
#define PART_NO_NET_RAW                                                                  \
	"`pop_before_smtp` needs CAP_NET_RAW, which the unit has not; run "              \
	"`systemctl edit mailferry-transfer` and write [Service] and "                   \
	"CapabilityBoundingSet=CAP_NET_RAW"

struct part {
	const char *name;     /* NULL: everything */
	enum state_lock lock; /* held while it runs */
	unsigned programs;    /* bits: 1 << UP_VAULT */
	unsigned duties;      /* of enum part_duty */
	uint64_t rights;      /* RIGHT(KILL), see part_require_rights() */
};

/* Everything. */
extern const struct part part_all;
#define PART_COUNT (STATE_LOCK_ALL - STATE_LOCK_UP_VAULT)
extern const struct part parts[PART_COUNT];

/* NULL: there is none of that name. */
const struct part *part_by_name(const char *name);

static inline bool part_has(const struct part *p, enum up_program program)
{
	return p->programs >> program & 1;
}

/* -EPERM with the sentence: this process may not do what the part does with these
   settings. */
int part_require_rights(
	const struct part *p, const struct settings *s, struct error *err);
/* Waits until no `mailferry up` looks after everything: under systemd, where an upgrade
   from the one unit of before goes on in it until its next restart. Else at once. */
void part_await(const struct part *p, const struct state_lock_files *lock);
/* Locks what it looks after. -EBUSY with the sentence: another `mailferry up` does. */
int part_lock(
	const struct part *p, const struct state_lock_files *lock, struct error *err);
/* The pid of the `mailferry up` that has one of these duties; 0: none runs. Not for a
   process that has a lock (state_lock_holder()). */
int part_holder(const struct settings *s, enum part_duty duty);

#endif
