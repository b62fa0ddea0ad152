/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_GENERATIONS_H
#define CONTROL_RUNNING_GENERATIONS_H
/*
 * The programs of `mailferry up`: of each the one that works, and those before it whose
 * last session has not ended yet.
 */
#include "control/running/daemons.h"
#include "settings/settings.h"

#include <stdio.h>

/* In the order of their start: one that is asked must be there before the one that asks.
 */
enum up_program {
	UP_VAULT,
	UP_MAILSTORE,
	UP_TRANSFER,
	UP_INTERCEPTOR,
	UP_ADMISSION,
	UP_DASHBOARD, /* where `dashboard { listen }` is set */
	UP_PROGRAM_COUNT
};

#define GENERATIONS_MAX 8 /* upgrades in the time that one session lasts */

struct generations;

struct slot {
	struct generations *all;
	enum up_program program;
	struct daemon daemon;
};

struct generations {
	struct slot slots[UP_PROGRAM_COUNT][GENERATIONS_MAX];
	unsigned current[UP_PROGRAM_COUNT]; /* which slot works */
	unsigned users[UP_PROGRAM_COUNT];   /* which each becomes; 0: not known */
	/* One has ended; slot->daemon is as it was. */
	void (*ended)(void *context, struct slot *slot, int status);
	void *context;
};

/* Finds the programs, and which users they become. 0 or -errno with a sentence. */
int generations_init(
	struct generations *g, const struct settings *settings, struct error *err);
/* Its socket in run_dir; NULL: it has none. */
const char *generations_socket(enum up_program program);

static inline struct daemon *generations_current(
	struct generations *g, enum up_program program)
{
	return &g->slots[program][g->current[program]].daemon;
}

/* One that works is started, when it is time. */
int generations_run(struct generations *g, enum up_program program, struct loop *loop,
	const char *config, uint64_t now, struct error *err);
/* One is started that is to follow the one that works. NULL with a sentence. */
struct slot *generations_follow(struct generations *g, enum up_program program,
	struct loop *loop, const char *config, uint64_t now, struct error *err);
/* It has: it is the one that works, and the other ends by itself. */
void generations_advance(struct slot *slot);
bool generations_is_current(const struct slot *slot);

bool generations_any_runs(const struct generations *g);
bool generations_runs(const struct generations *g, enum up_program program);
size_t generations_retired(const struct generations *g);    /* how many run */
void generations_signal(struct generations *g, int signal); /* to all; none comes back */
/* The same to those of one program. */
void generations_stop(struct generations *g, enum up_program program, int signal);

/* ---- across exec(): the same process is another program then ---- */

/* A line for each process. 0 or -errno. */
int generations_write(const struct generations *g, FILE *to);
/* Takes one such line; false: it is another. Its end is told by the loop from then on. */
bool generations_read(struct generations *g, const char *line, struct loop *loop);
void generations_forget(struct generations *g); /* before exec() */

#endif
