/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UPGRADE_H
#define CONTROL_UPGRADE_H
/*
 * `mailferry upgrade`, inside `mailferry up`.
 *
 *   idle ─asked─► trying ─it starts─► (exec) ─► programs ─► draining ─► idle
 *     ▲              │                              │       the last session ends
 *     └── it does not┴─────── one does not ─────────┘
 *
 * `up` becomes the new mailferry first, as the same process with the same children, so
 * that what follows is done by the new one. Programs that hold sessions are followed
 * (messages/takeover.h); the vault and the transfer are ended and started: whoever asks
 * them asks again. When a step fails, what ran before it goes on.
 *
 * How far it is, is written into run_dir, for the command and for `status`.
 */
#include "control/generations.h"
#include "settings/settings.h"

enum upgrade_state {
	UPGRADE_IDLE,
	UPGRADE_TRYING,
	UPGRADE_EXEC, /* the supervisor is to do it */
	UPGRADE_PROGRAMS,
	UPGRADE_DRAINING,
	UPGRADE_STATE_COUNT
};

struct upgrade {
	struct generations *all;
	struct loop *loop;
	const struct settings *settings;
	const char *config;
	enum upgrade_state state;
	unsigned number;    /* of the upgrade; 0: none yet */
	size_t step;        /* which program, in UPGRADE_PROGRAMS */
	bool begun;         /* that step */
	uint64_t until;     /* then it has failed; monotonic */
	struct slot *next;  /* that is to follow */
	pid_t was;          /* the process that is to be replaced */
	struct child trial; /* of the new mailferry */
	struct error err;   /* why the last one failed; code 0: it did not */
	size_t told;        /* retired programs, as written last */
};

void upgrade_init(struct upgrade *u, struct generations *all, struct loop *loop,
	const struct settings *settings, const char *config);
void upgrade_begin(struct upgrade *u, uint64_t now); /* asked for */
void upgrade_tick(struct upgrade *u, uint64_t now);
/* A program has ended. true: as the upgrade wants it; it needs no word. */
bool upgrade_program_ended(struct upgrade *u, struct slot *slot, uint64_t now);

/* ---- across exec() ---- */

int upgrade_write(const struct upgrade *u, FILE *to);
bool upgrade_read(struct upgrade *u, const char *line);
/* UPGRADE_EXEC is not possible now; what runs goes on. */
void upgrade_cannot_exec(struct upgrade *u, int code);
/* Becomes the new mailferry, which reads that file. Returns only when it fails. */
int upgrade_exec(const char *config, int state, struct error *err);
/* The file of one that has just become so; -1: this one was started. */
int upgrade_resumed(void);
/* This one is only to look whether it would start. */
bool upgrade_is_trial(void);

#endif
