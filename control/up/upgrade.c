/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/upgrade.h"

#include "control/running/upgrade_file.h"

#include "base/log.h"
#include "base/process.h"
#include "messages/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 30000 /* a program that needs longer does not start */
#define RESUME_VARIABLE "MAILFERRY_RESUME"
#define RESUME_TRIAL "trial"

static const char *const state_names[] = {
	[UPGRADE_IDLE] = "idle",
	[UPGRADE_TRYING] = "trying",
	[UPGRADE_EXEC] = "exec",
	[UPGRADE_PROGRAMS] = "programs",
	[UPGRADE_DRAINING] = "draining",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == UPGRADE_STATE_COUNT,
	"a name for each");

/* How each program is followed, in the order in which it is done: the vault before those
   who ask it, the mailstore before the workers that connect to it. */
static const struct step {
	enum up_program program;
	bool restarts; /* else the next one takes over */
	/* where one that restarts answers; NULL: its end is enough */
	const char *socket;
} steps[] = {
	{ UP_VAULT, true, VAULT_SOCKET },
	{ UP_MAILSTORE, false, NULL },
	{ UP_TRANSFER, true, TRANSFER_SOCKET },
	{ UP_INTERCEPTOR, false, NULL },
	{ UP_ADMISSION, false, NULL },
	{ UP_DASHBOARD, true, NULL },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void tell(struct upgrade *u)
{
	u->told = generations_retired(u->all);
	if (upgrade_file_write(u->settings, u->part, u->all, state_names[u->state],
		    u->number, &u->err) < 0)
		log_error(NULL, "upgrade", "cannot write " UPGRADE_FILE);
}

static void set_state(struct upgrade *u, enum upgrade_state next)
{
	log_info(NULL, "upgrade", "number=%u %s -> %s", u->number, state_names[u->state],
		state_names[next]);
	u->state = next;
	tell(u);
}

/* What runs goes on. */
static void fail(struct upgrade *u)
{
	log_error(NULL, "upgrade", "number=%u error=\"%s\"", u->number, u->err.text);
	u->next = NULL;
	set_state(u, generations_retired(u->all) ? UPGRADE_DRAINING : UPGRADE_IDLE);
}

void upgrade_init(struct upgrade *u, struct generations *all, struct loop *loop,
	const struct settings *settings, const char *config, const struct part *part)
{
	*u = (struct upgrade){ .all = all,
		.loop = loop,
		.settings = settings,
		.config = config,
		.part = part };
}

/* ── whether the new mailferry starts ──────────────────────────────────────────────── */

static void on_trial_ended(void *context, int status)
{
	struct upgrade *u = context;
	char how[64];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		set_state(u, UPGRADE_EXEC);
		return;
	}
	child_end_text(status, how, sizeof(how));
	(void)error_set(&u->err, -EIO,
		"the new mailferry does not start (%s); its reason is in the log", how);
	fail(u);
}

static int start_trial(struct upgrade *u, const char *path)
{
	const char *const arguments[] = { path, "-c", u->config, "up", u->part->name,
		NULL };
	const struct child_plan plan = { .program = path, .arguments = arguments };
	int r = setenv(RESUME_VARIABLE, RESUME_TRIAL, 1) < 0 ? -ENOMEM : 0;

	if (r == 0)
		r = child_start(&u->trial, u->loop, &plan, on_trial_ended, u, &u->err);
	(void)unsetenv(RESUME_VARIABLE);
	return r;
}

void upgrade_begin(struct upgrade *u, uint64_t now)
{
	char path[PATH_MAX];

	if (u->state != UPGRADE_IDLE && u->state != UPGRADE_DRAINING)
		return; /* one is under way */
	u->number++;
	u->err = (struct error){ 0 };
	u->until = now + STEP_MS;
	if (process_sibling("mailferry", path, sizeof(path), &u->err) < 0 ||
		start_trial(u, path) < 0)
		fail(u);
	else
		set_state(u, UPGRADE_TRYING);
}

static void tick_trying(struct upgrade *u, uint64_t now)
{
	if (now >= u->until)
		child_signal(&u->trial, SIGKILL); /* its end is told */
}

/* ── programs ──────────────────────────────────────────────────────────────────────── */

static void next_step(struct upgrade *u)
{
	u->step++;
	u->begun = false;
	u->next = NULL;
}

static void begin_step(struct upgrade *u, const struct step *s, uint64_t now)
{
	struct daemon *d = generations_current(u->all, s->program);

	u->begun = true;
	u->until = now + STEP_MS;
	u->was = d->child.pid;
	if (!child_runs(&d->child)) { /* it is started as always */
		next_step(u);
	} else if (s->restarts) {
		child_signal(&d->child, SIGTERM);
	} else {
		u->next = generations_follow(
			u->all, s->program, u->loop, u->config, now, &u->err);
		if (!u->next)
			fail(u);
	}
}

static void look_at_next(struct upgrade *u, const struct step *s, uint64_t now)
{
	if (daemon_has_followed(&u->next->daemon)) {
		log_info(NULL, "followed", "program=%s pid=%d", u->next->daemon.name,
			(int)u->next->daemon.child.pid);
		generations_advance(u->next);
		next_step(u);
		tell(u);
	} else if (now >= u->until) {
		(void)error_set(&u->err, -ETIMEDOUT, "%s has not taken over in time",
			generations_current(u->all, s->program)->name);
		daemon_stop(&u->next->daemon, SIGKILL);
		fail(u);
	}
}

static void look_at_restarted(struct upgrade *u, const struct step *s, uint64_t now)
{
	const struct daemon *d = generations_current(u->all, s->program);
	bool runs = child_runs(&d->child), is_old = runs && d->child.pid == u->was;

	if (!is_old &&
		(!s->socket || (runs && ask_runs(u->settings->run_dir, s->socket)))) {
		next_step(u);
		tell(u);
	} else if (now >= u->until) {
		(void)error_set(&u->err, -ETIMEDOUT, "%s does not %s", d->name,
			is_old ? "end" : "answer");
		fail(u);
	}
}

static void tick_programs(struct upgrade *u, uint64_t now)
{
	const struct step *s = &steps[u->step];

	if (u->step == STEPS)
		set_state(u, UPGRADE_DRAINING);
	else if (!u->begun)
		begin_step(u, s, now);
	else if (u->next)
		look_at_next(u, s, now);
	else
		look_at_restarted(u, s, now);
}

static void tick_draining(struct upgrade *u, uint64_t now)
{
	(void)now;
	if (!generations_retired(u->all))
		set_state(u, UPGRADE_IDLE);
	else if (u->told != generations_retired(u->all))
		tell(u);
}

static void tick_nothing(struct upgrade *u, uint64_t now)
{
	(void)u;
	(void)now;
}

void upgrade_tick(struct upgrade *u, uint64_t now)
{
	static void (*const ticks[])(struct upgrade * u, uint64_t now) = { tick_nothing,
		tick_trying, tick_nothing, tick_programs, tick_draining };

	ticks[u->state](u, now);
}

bool upgrade_program_ended(struct upgrade *u, struct slot *slot, uint64_t now)
{
	const struct step *s = &steps[u->step];
	char how[64];

	/* what it said before it went */
	if (u->next)
		look_at_next(u, s, now);
	if (u->next == slot) {
		child_end_text(slot->daemon.last_status, how, sizeof(how));
		(void)error_set(&u->err, -EIO,
			"the new %s does not start (%s); its reason is in the log",
			slot->daemon.name, how);
		fail(u);
		return true;
	}
	if (u->state != UPGRADE_PROGRAMS || u->step == STEPS || !u->begun ||
		!s->restarts || slot->program != s->program ||
		!generations_is_current(slot))
		return !generations_is_current(slot) && slot->daemon.last_status == 0;
	slot->daemon.start_at = now;
	slot->daemon.failures = 0;
	return true;
}

/* ── across exec() ─────────────────────────────────────────────────────────────────── */

int upgrade_write(const struct upgrade *u, FILE *to)
{
	return fprintf(to, "upgrade %u\n", u->number) < 0 ? -EIO : 0;
}

bool upgrade_read(struct upgrade *u, const char *line)
{
	if (sscanf(line, "upgrade %u", &u->number) != 1)
		return false;
	set_state(u, UPGRADE_PROGRAMS);
	return true;
}

void upgrade_cannot_exec(struct upgrade *u, int code)
{
	(void)error_errno(&u->err, code, "cannot become the new mailferry");
	fail(u);
}

int upgrade_exec(
	const char *config, const struct part *part, int state, struct error *err)
{
	char path[PATH_MAX], number[16];
	const char *const arguments[] = { "mailferry", "-c", config, "up", part->name,
		NULL };
	int code = process_sibling("mailferry", path, sizeof(path), err);

	if (code < 0)
		return code;
	(void)snprintf(number, sizeof(number), "%d", state);
	if (setenv(RESUME_VARIABLE, number, 1) == 0)
		/* execv(3) changes nothing of them, whatever its prototype says */
		(void)execv(path, (char *const *)(uintptr_t)arguments);
	code = -errno;
	(void)unsetenv(RESUME_VARIABLE);
	return error_errno(err, code, "cannot become the new mailferry");
}

bool upgrade_is_trial(void)
{
	const char *value = getenv(RESUME_VARIABLE);

	return value && strcmp(value, RESUME_TRIAL) == 0;
}

int upgrade_resumed(void)
{
	const char *value = getenv(RESUME_VARIABLE);
	uint64_t fd = 0;
	bool is_number = value && str_to_u64(str_from(value), &fd) && fd <= INT_MAX;

	(void)unsetenv(RESUME_VARIABLE); /* it is not for our children */
	return is_number ? (int)fd : -1;
}
