/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_COMMANDS_H
#define DASHBOARD_COMMANDS_H
/*
 * Runs the commands that are asked for (dashboard/questions.h), a few at a time. What one
 * writes goes into a file without a name, which is handed on unread.
 */
#include "dashboard/questions.h"
#include "event/child.h"
#include "event/timer.h"

#include <limits.h>

#define COMMANDS_MAX 8 /* at a time: more is nothing that browsers need */
/* Then it is not waited for: what it has begun goes on without it. */
#define COMMAND_MS 20000
#define COMMAND_SAYS_MAX 512 /* of its failure: a sentence */

/* One has ended, or is not waited for. output: its file, the callee's to take by
   fd_steal(); says: what it wrote to stderr, without the line's end. */
typedef void command_ended_fn(
	void *context, uint64_t id, int exit_code, int *output, struct str says);

struct commands;

struct command_slot {
	struct commands *all;
	struct child child;
	struct timer *late;
	uint64_t id;
	int outputs[2]; /* -1: empty */
	bool is_late;
};

struct commands {
	struct loop *loop;
	const char *config;
	char program[PATH_MAX];
	struct command_slot slots[COMMANDS_MAX];
	command_ended_fn *ended;
	void *context;
};

/* 0 or -errno with a sentence. config is not copied. */
int commands_init(struct commands *c, struct loop *loop, const char *config,
	command_ended_fn *ended, void *context, struct error *err);
void commands_fini(struct commands *c); /* ends those that run, and tells nobody */

/* id: for ended(). 0, -EBUSY (so many run already) or -errno. */
int command_run(struct commands *c, enum question q, struct str argument, uint64_t id,
	struct error *err);

#endif
