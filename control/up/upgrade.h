/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_UPGRADE_H
#define CONTROL_UP_UPGRADE_H
/*
 * `mailferry upgrade`, inside `mailferry up`.
 *
 *   idle ─asked─► trying ─it starts─► (exec) ─► programs ─► draining ─► idle
 *     ▲              │                              │       the last session ends
 *     └── it does not┴─────── one does not ─────────┘
 *
 * First `up` executes the new mailferry: the process and its children stay the same, and
 * the new version does the other steps. Programs that hold sessions are replaced by
 * takeover (messages/takeover.h). The vault and the transfer are stopped and started;
 * their clients repeat their requests. When a step fails, the programs that ran before it
 * keep running.
 *
 * The state is written to a file in run_dir, which the command and `status` read.
 */
#include "control/running/generations.h"
#include "control/running/part.h"
#include "settings/settings.h"

enum upgrade_state {
	UPGRADE_IDLE,
	UPGRADE_TRYING,
	UPGRADE_EXEC, /* the supervisor executes the new mailferry */
	UPGRADE_PROGRAMS,
	UPGRADE_DRAINING,
	UPGRADE_STATE_COUNT
};

struct upgrade {
	struct generations *all;
	struct loop *loop;
	const struct settings *settings;
	const char *config;
	const struct part *part;
	enum upgrade_state state;
	unsigned number;    /* of the last upgrade; 0: none yet */
	size_t step;        /* index of the program, in UPGRADE_PROGRAMS */
	bool begun;         /* whether that step has begun */
	uint64_t until;     /* when the step has failed; monotonic */
	struct slot *next;  /* the program that takes over */
	pid_t was;          /* the process that it replaces */
	struct child trial; /* the new mailferry, tried */
	struct error err;   /* why the last upgrade failed; code 0: it did not */
	size_t told;        /* number of retired programs in the file */
};

void upgrade_init(struct upgrade *u, struct generations *all, struct loop *loop,
	const struct settings *settings, const char *config, const struct part *part);
void upgrade_begin(struct upgrade *u, uint64_t now); /* on request */
void upgrade_tick(struct upgrade *u, uint64_t now);
/* A program has ended. true: the upgrade expected that; it is not logged as a failure. */
bool upgrade_program_ended(struct upgrade *u, struct slot *slot, uint64_t now);

/* ---- across exec() ---- */

int upgrade_write(const struct upgrade *u, FILE *to);
bool upgrade_read(struct upgrade *u, const char *line);
/* exec() is not possible; the running programs stay as they are. */
void upgrade_cannot_exec(struct upgrade *u, int code);
/* Executes the new mailferry, which reads the file `state`. Returns only on failure. */
int upgrade_exec(
	const char *config, const struct part *part, int state, struct error *err);
/* The file that the mailferry before this one left; -1: there was none. */
int upgrade_resumed(void);
/* Whether this process only tries whether the new mailferry would start. */
bool upgrade_is_trial(void);

#endif
