/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/scheduler.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "event/child.h"
#include "event/signals.h"
#include "event/timer.h"
#include "messages/exchange.h"
#include "registry/masters.h"
#include "registry/pause.h"
#include "transfer/account/account.h"
#include "transfer/account/deadline.h"
#include "transfer/callers.h"
#include "transfer/logoffs.h"
#include "transfer/mover.h"
#include "transfer/order.h"
#include "transfer/pop_logins.h"
#include "transfer/roster.h"
#include "transfer/rules_gate.h"
#include "transfer/sweeps.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define LOOK_EVERY_MS 5000 /* should a message get lost */
#define TICK_MS 100        /* processes to start again, deadlines */
#define SOCKET_MODE 0600
/* What the way back may take: 10 s for each of two answers, and the disk. One that is
   found busy for longer, with nobody at work on it, stays: its user waits. */
#define WAY_BACK_MS 30000
#define COPY_EVERY_MS (UINT64_C(6) * 3600 * 1000) /* of those that wait for a password */
#define LEFT_MAX 16 /* settled in one look; the others in the next */

/* The process of a running entry. */
struct runner {
	LIST_ENTRY(runner) all;
	struct scheduler *scheduler;
	struct entry *entry; /* stays while it runs */
	struct child child;
};

struct scheduler {
	const struct settings *settings;
	struct movers movers;
	struct registry *registry;
	struct roster roster;
	uint64_t look_at; /* monotonic: the next look into the registry */
	bool is_paused;   /* the admin has said so, as it was at that look */
	struct rules_gate gate;
	struct callers callers; /* at transfer.sock */
	LIST_HEAD(, runner) runners;
	struct sweeps sweeps;
	struct pop_logins pop_logins;
	struct logoffs logoffs;
	struct loop loop;
	struct channel_listener listener;
	struct signals signals;
	struct timer *tick;
};

/* ---- processes ---- */

/* Nobody looks after it any more. All that was ever accepted for it is here. */
static void let_stay(struct scheduler *s, int64_t id)
{
	struct error err;
	int r = registry_transition(s->registry, id, EVENT_STAY, STR_LIT("transfer"),
		STR_LIT("left behind on its way back"), &err);

	if (r < 0)
		log_warning(NULL, "stay", "%s", err.text);
	else
		log_info(NULL, "stay", "account=%lld reason=\"left behind\"",
			(long long)id);
}

/* It has crashed so often that trying at once helps nobody. */
static void give_up(struct scheduler *s, struct entry *e, int status)
{
	char why[128];
	struct error err;

	if (e->runs != ENTRY_MOVE) {
		if (e->runs == ENTRY_RETURN)
			let_stay(s, e->id);
		roster_ended(&s->roster, e, clock_monotonic_ms());
		callers_tell(&s->callers, e);
		return;
	}
	if (WIFSIGNALED(status))
		(void)snprintf(why, sizeof(why),
			"the transfer process crashed again and again (signal %d)",
			WTERMSIG(status));
	else
		(void)snprintf(why, sizeof(why),
			"the transfer process fails at its start; see the log");
	if (registry_transition(s->registry, e->id, EVENT_FAIL, STR_LIT("transfer"),
		    str_from(why), &err) < 0)
		log_error(NULL, "give-up", "account=%s reason=\"%s\"", e->name, err.text);
	else
		e->crashes = 0;
}

/* Woken too early or too late, since the clock was set meanwhile, its process asks what
   time it is. */
static void park(struct scheduler *s, struct entry *e, uint64_t now)
{
	uint64_t wall = clock_wall_ms(), since = wall, forced_at;

	(void)deadline_since(s->registry, e->id, wall, &since, NULL);
	forced_at = deadline_next(s->settings, since, wall);
	roster_parked(&s->roster, e, forced_at ? now + (forced_at - wall) : 0);
}

static void ended(struct scheduler *s, struct entry *e, int status)
{
	uint64_t now = clock_monotonic_ms();
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (code == ACCOUNT_OVER) {
		roster_ended(&s->roster, e, now);
		if (e->runs != ENTRY_MOVE)
			callers_tell(&s->callers, e);
	} else if (code == ACCOUNT_PARKED) {
		park(s, e, now);
	} else if (code == ACCOUNT_HELD) {
		roster_held(&s->roster, e);
	} else if (code == ACCOUNT_COPIED) {
		roster_copied(&s->roster, e, now + COPY_EVERY_MS);
	} else {
		log_warning(NULL, "crashed", "account=%s %s=%d", e->name,
			code < 0 ? "signal" : "code", code < 0 ? WTERMSIG(status) : code);
		if (roster_crashed(&s->roster, e, now))
			give_up(s, e, status);
	}
	log_info(NULL, "end", "account=%s %s", e->name, entry_state_name(e->state));
	s->look_at = 0;
}

static void step(struct scheduler *s);

static void on_child_ended(void *context, int status)
{
	struct runner *runner = context;
	struct scheduler *s = runner->scheduler;

	LIST_REMOVE(runner, all);
	ended(s, runner->entry, status);
	free(runner);
	step(s);
}

static const enum mover_task tasks[ENTRY_TASK_COUNT] = {
	[ENTRY_MOVE] = MOVER_MOVE,
	[ENTRY_RETURN] = MOVER_RETURN,
	[ENTRY_FORETELL] = MOVER_FORETELL,
	[ENTRY_AGAIN] = MOVER_AGAIN,
};

static int start_runner(struct scheduler *s, struct entry *e, struct error *err)
{
	struct runner *runner = calloc(1, sizeof(*runner));
	struct mover_order order = { .id = e->id, .task = tasks[entry_next_task(e)] };
	int r;

	memcpy(order.name, e->name, sizeof(order.name));
	r = runner ? mover_start(&s->movers, &order, &runner->child, &s->loop,
			     on_child_ended, runner, err)
	           : error_set(err, -ENOMEM, "no memory");

	if (r < 0) {
		free(runner);
		return r;
	}
	runner->scheduler = s;
	runner->entry = e;
	LIST_INSERT_HEAD(&s->runners, runner, all);
	roster_started(&s->roster, e, runner->child.pid);
	return 0;
}

static void start(struct scheduler *s, struct entry *e)
{
	struct error err;

	if (start_runner(s, e, &err) < 0) {
		log_error(NULL, "start", "account=%s reason=\"%s\"", e->name, err.text);
		(void)roster_crashed(&s->roster, e, clock_monotonic_ms());
	} else {
		log_info(NULL, "begin", "account=%s pid=%d", e->name, (int)e->pid);
	}
}

static void start_due(struct scheduler *s)
{
	struct entry *e;

	while ((e = roster_next(&s->roster, s->settings->limits.transfers,
			clock_monotonic_ms())) != NULL)
		start(s, e);
}

/* ---- looking ---- */

struct observation {
	struct scheduler *scheduler;
	uint64_t now;
	int64_t left[LEFT_MAX]; /* left behind on their way back */
	size_t n_left;
};

static bool is_returning(const struct scheduler *s, int64_t id)
{
	const struct entry *e = roster_by_id(&s->roster, id);

	return e && entry_is_asked(e, ENTRY_RETURN);
}

static int want(struct scheduler *s, const struct account *a)
{
	struct entry *e = NULL;
	int r = roster_want(
		&s->roster, a->id, a->name, order_rank(s->settings->order, a), &e);

	if (r == 0 && account_needs_master(a)) {
		e->is_barred = !clock_is_over(
			a->master_try_at, clock_wall_ms(), MASTER_TRY_MOST_MS);
		e->is_probe = !a->master_is_taken;
	}
	if (r == 0 && e->is_copied && a->has_untried_password)
		roster_wake(e);
	return r;
}

static int each_work(void *context, const struct account *a)
{
	struct observation *seen = context;

	/* on its way back: it goes on, unless it was left behind too long ago */
	if (a->stage == STAGE_DONE) {
		if (seen->now <= a->busy_since + WAY_BACK_MS ||
			is_returning(seen->scheduler, a->id))
			return roster_ask(
				&seen->scheduler->roster, a->id, a->name, ENTRY_RETURN);
		if (seen->n_left < LEFT_MAX)
			seen->left[seen->n_left++] = a->id;
		return 0;
	}
	/* one that is busy is finished: its user waits */
	if ((seen->scheduler->is_paused || seen->scheduler->gate.is_shut) &&
		a->route != ROUTE_BUSY)
		return 0;
	/* one without a password waits for a login that shows it */
	return a->has_password || a->master.len ? want(seen->scheduler, a) : 0;
}

static void look_whether_paused(struct scheduler *s)
{
	uint64_t since;
	struct error err;

	if (registry_paused(s->registry, &since, &err) < 0) {
		log_error(NULL, "look", "%s", err.text);
		return; /* as it was */
	}
	if (s->is_paused != (since != 0))
		log_info(NULL, since ? "paused" : "resumed", "running=%u",
			s->roster.running);
	s->is_paused = since != 0;
}

static void look(struct scheduler *s)
{
	struct observation seen = { .scheduler = s, .now = clock_wall_ms() };
	struct error err;

	look_whether_paused(s);
	rules_gate_look(&s->gate, s->registry);
	roster_look_begin(&s->roster);
	if (registry_each_work(s->registry, seen.now, each_work, &seen, &err) < 0) {
		log_error(NULL, "look", "%s", err.text);
		return;
	}
	roster_look_end(&s->roster);
	for (size_t i = 0; i < seen.n_left; i++)
		let_stay(s, seen.left[i]);
}

/* When the earliest failed account has its next try, if that is before the usual look. */
static void plan_look(struct scheduler *s, uint64_t now)
{
	uint64_t next = 0, wall = clock_wall_ms(), wait = LOOK_EVERY_MS;

	if (registry_next_try(s->registry, &next, NULL) == 0 && next > wall &&
		next - wall < wait)
		wait = next - wall + 1;
	s->look_at = now + wait;
}

static void step(struct scheduler *s)
{
	uint64_t now = clock_monotonic_ms();

	if (now >= s->look_at) {
		look(s);
		logoffs_release(&s->logoffs, s->registry);
		plan_look(s, now);
	}
	logoffs_await(&s->logoffs);
	start_due(s);
	if (!s->is_paused)
		sweeps_step(&s->sweeps,
			roster_places(&s->roster, s->settings->limits.transfers, now),
			now);
}

static void on_tick(void *context)
{
	step(context);
}

static void on_due(void *context)
{
	struct scheduler *s = context;

	s->look_at = 0;
	step(s);
}

static const struct callers_ops callers_ops = { .due = on_due, .asked = on_tick };

/* ---- beginning and end ---- */

static void on_signal(void *context, int number)
{
	struct scheduler *s = context;

	log_info(NULL, "signal", "number=%d", number);
	loop_stop(&s->loop);
}

static int open_loop(struct scheduler *s)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	int r = loop_init(&s->loop, false);

	if (r == 0)
		r = timer_new(&s->loop, on_tick, s, &s->tick);
	if (r == 0)
		r = signals_open(&s->signals, &s->loop, numbers, 2, on_signal, s);
	if (r == 0)
		timer_start_every(s->tick, TICK_MS);
	return r;
}

static int listen_on(struct scheduler *s, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(s->settings, TRANSFER_SOCKET, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", s->settings->run_dir);
	r = channel_listen(
		&s->listener, &s->loop, path, SOCKET_MODE, callers_add, &s->callers, err);
	return r < 0 ? r
	             : users_share_socket(s->settings, TRANSFER_SOCKET,
			       s->movers.users.sockets, err);
}

/* Each process ends by itself, and the next scheduler begins where it was. */
static void end_runners(struct scheduler *s)
{
	while (!LIST_EMPTY(&s->runners)) {
		struct runner *runner = LIST_FIRST(&s->runners);

		child_signal(&runner->child, SIGTERM);
		child_forget(&runner->child);
		LIST_REMOVE(runner, all);
		free(runner);
	}
}

static void end(struct scheduler *s)
{
	end_runners(s);
	sweeps_end(&s->sweeps);
	pop_logins_end(&s->pop_logins);
	logoffs_close(&s->logoffs);
	callers_close(&s->callers);
	channel_listener_close(&s->listener);
	signals_close(&s->signals);
	timer_free(s->tick);
	(void)loop_fini(&s->loop);
	roster_fini(&s->roster);
	movers_close(&s->movers);
	registry_close(s->registry);
}

/* We cannot start another one; who starts us does. */
static void on_starter_ended(void *context, int status)
{
	struct scheduler *s = context;
	char text[64];

	child_end_text(status, text, sizeof(text));
	log_error(
		NULL, "maildirs", "error=\"the starter of writers has ended: %s\"", text);
	loop_stop(&s->loop);
}

int scheduler_run(const struct settings *settings, const struct state_lock_files *lock)
{
	struct scheduler s = { .settings = settings,
		.gate = { .lock = lock },
		.movers = { .settings_fd = -1,
			.pace_fd = -1,
			.maildirs = { .socket = -1 } } };
	struct error err = { 0 };
	int r = open_loop(&s);

	if (r == 0)
		r = registry_open_in(settings->state_dir, &s.registry, &err);
	sweeps_init(&s.sweeps, &s.movers, s.registry, &s.loop);
	pop_logins_init(&s.pop_logins, &s.movers, s.registry, &s.loop);
	logoffs_init(&s.logoffs, settings, &s.roster, &s.loop);
	s.callers = (struct callers){ .ops = &callers_ops,
		.context = &s,
		.roster = &s.roster,
		.registry = s.registry,
		.pop_logins = &s.pop_logins,
		.loop = &s.loop };
	s.movers.registry = s.registry;
	if (r == 0)
		r = movers_open(&s.movers, settings, &err);
	if (r == 0)
		r = maildir_starter_open(&s.movers.maildirs, settings,
			s.movers.settings_fd, &s.loop, on_starter_ended, &s, &err);
	if (r == 0)
		r = listen_on(&s, &err);
	if (r == 0)
		r = movers_enter_sandbox(&s.movers, &err);
	if (r < 0)
		log_error(NULL, "start", "%s", err.code ? err.text : strerror(-r));
	else
		loop_run(&s.loop, NULL, NULL);
	end(&s);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
