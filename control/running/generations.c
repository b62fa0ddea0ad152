/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/generations.h"

#include "base/log.h"
#include "users/users.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char *const programs[] = {
	[UP_VAULT] = "mailferry-vault",
	[UP_MAILSTORE] = "mailferry-mailstore",
	[UP_TRANSFER] = "mailferry-transfer",
	[UP_INTERCEPTOR] = "mailferry-interceptor",
	[UP_ADMISSION] = "mailferry-admission",
	[UP_DASHBOARD] = "mailferry-dashboard",
};
static const char *const sockets[UP_PROGRAM_COUNT] = {
	[UP_VAULT] = VAULT_SOCKET,
	[UP_MAILSTORE] = MAILSTORE_SOCKET,
	[UP_TRANSFER] = TRANSFER_SOCKET,
	[UP_INTERCEPTOR] = INTERCEPTOR_SOCKET,
	[UP_ADMISSION] = ADMISSION_SOCKET,
	[UP_DASHBOARD] = NULL, /* nobody's mail waits for it */
};
/* The dashboard's first process runs commands of root, and stays it. */
static const enum user_id users_of[UP_PROGRAM_COUNT] = {
	[UP_VAULT] = USER_VAULT,
	[UP_MAILSTORE] = USER_MAILSTORE,
	[UP_TRANSFER] = USER_TRANSFER,
	[UP_INTERCEPTOR] = USER_INTERCEPTOR,
	[UP_ADMISSION] = USER_ADMISSION,
	[UP_DASHBOARD] = USER_COUNT,
};
_Static_assert(
	sizeof(programs) / sizeof(programs[0]) == UP_PROGRAM_COUNT, "a name for each");

const char *generations_socket(enum up_program program)
{
	return sockets[program];
}

int generations_init(
	struct generations *g, const struct settings *settings, struct error *err)
{
	struct users users;
	int code = users_load(settings, &users, err);

	for (size_t p = 0; p < UP_PROGRAM_COUNT && code == 0; p++) {
		g->users[p] = users_of[p] == USER_COUNT ? 0 : users.of[users_of[p]].uid;
		for (size_t i = 0; i < GENERATIONS_MAX && code == 0; i++) {
			g->slots[p][i].all = g;
			g->slots[p][i].program = (enum up_program)p;
			code = daemon_init(&g->slots[p][i].daemon, programs[p], err);
		}
	}
	return code;
}

/* It becomes its user by itself; then we are that user to signal it (event/child.h),
   where we may not signal everybody. */
static void set_user(struct slot *slot)
{
	slot->daemon.child.user = slot->all->users[slot->program];
}

static void on_ended(void *context, int status)
{
	struct slot *slot = context;

	slot->all->ended(slot->all->context, slot, status);
}

int generations_run(struct generations *g, enum up_program program, struct loop *loop,
	const char *config, uint64_t now, struct error *err)
{
	struct slot *slot = &g->slots[program][g->current[program]];
	int code = daemon_run(&slot->daemon, loop, config, now, on_ended, slot, err);

	set_user(slot);
	return code;
}

struct slot *generations_follow(struct generations *g, enum up_program program,
	struct loop *loop, const char *config, uint64_t now, struct error *err)
{
	for (unsigned i = 0; i < GENERATIONS_MAX; i++) {
		struct slot *slot = &g->slots[program][i];

		if (i == g->current[program] || child_runs(&slot->daemon.child))
			continue;
		if (daemon_init(&slot->daemon, programs[program], err) < 0 ||
			daemon_follow(&slot->daemon, loop, config, now, on_ended, slot,
				err) < 0)
			return NULL;
		set_user(slot);
		return slot;
	}
	(void)error_set(err, -EBUSY,
		"%d older generations of %s have sessions that have not ended",
		GENERATIONS_MAX - 1, programs[program]);
	return NULL;
}

bool generations_is_current(const struct slot *slot)
{
	return slot ==
	       &slot->all->slots[slot->program][slot->all->current[slot->program]];
}

void generations_advance(struct slot *slot)
{
	struct generations *g = slot->all;

	generations_current(g, slot->program)->state = DAEMON_STOPPED;
	g->current[slot->program] = (unsigned)(slot - g->slots[slot->program]);
}

/* Each of them, or those that have retired. */
static size_t count(const struct generations *g, bool all)
{
	size_t n = 0;

	for (size_t p = 0; p < UP_PROGRAM_COUNT; p++)
		for (size_t i = 0; i < GENERATIONS_MAX; i++)
			n += child_runs(&g->slots[p][i].daemon.child) &&
			     (all || i != g->current[p]);
	return n;
}

bool generations_any_runs(const struct generations *g)
{
	return count(g, true) > 0;
}

size_t generations_retired(const struct generations *g)
{
	return count(g, false);
}

void generations_stop(struct generations *g, enum up_program program, int signal)
{
	for (size_t i = 0; i < GENERATIONS_MAX; i++)
		daemon_stop(&g->slots[program][i].daemon, signal);
}

void generations_signal(struct generations *g, int signal)
{
	for (size_t p = 0; p < UP_PROGRAM_COUNT; p++)
		generations_stop(g, (enum up_program)p, signal);
}

bool generations_runs(const struct generations *g, enum up_program program)
{
	for (size_t i = 0; i < GENERATIONS_MAX; i++)
		if (child_runs(&g->slots[program][i].daemon.child))
			return true;
	return false;
}

/* ── across exec() ─────────────────────────────────────────────────────────────────── */

int generations_write(const struct generations *g, FILE *to)
{
	for (size_t p = 0; p < UP_PROGRAM_COUNT; p++)
		for (size_t i = 0; i < GENERATIONS_MAX; i++) {
			const struct daemon *d = &g->slots[p][i].daemon;

			if (child_runs(&d->child))
				(void)fprintf(to, "program %zu %d %d %" PRIu64 "\n", p,
					(int)d->child.pid, i == g->current[p],
					d->started_at);
		}
	return ferror(to) ? -EIO : 0;
}

bool generations_read(struct generations *g, const char *line, struct loop *loop)
{
	unsigned program;
	int pid, works;
	uint64_t started_at;
	size_t place;

	if (sscanf(line, "program %u %d %d %" SCNu64, &program, &pid, &works,
		    &started_at) != 4 ||
		program >= UP_PROGRAM_COUNT)
		return false;
	/* the first place is for the one that works */
	for (place = works ? 0 : 1; place < GENERATIONS_MAX; place++) {
		struct slot *slot = &g->slots[program][place];

		if (child_runs(&slot->daemon.child))
			continue;
		slot->daemon.state = works ? DAEMON_RUNNING : DAEMON_STOPPED;
		slot->daemon.started_at = started_at;
		if (child_adopt(&slot->daemon.child, loop, pid, on_ended, slot) < 0)
			log_error(NULL, "resume", "program=%s pid=%d", programs[program],
				pid);
		set_user(slot);
		break;
	}
	return true;
}

void generations_forget(struct generations *g)
{
	for (size_t p = 0; p < UP_PROGRAM_COUNT; p++)
		for (size_t i = 0; i < GENERATIONS_MAX; i++)
			if (child_runs(&g->slots[p][i].daemon.child))
				child_forget(&g->slots[p][i].daemon.child);
}
