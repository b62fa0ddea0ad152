/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/supervisor.h"

#include "control/running/direct_flows.h"
#include "control/running/events.h"
#include "control/running/generations.h"
#include "control/running/kept.h"
#include "control/running/liveness.h"
#include "control/running/neighbours_watch.h"
#include "control/running/notify.h"
#include "control/running/part.h"
#include "control/running/upgrade_file.h"
#include "control/up/certificates.h"
#include "control/up/kernel_settings.h"
#include "control/up/up_rules.h"
#include "control/up/upgrade.h"
#include "control/up/upkeep.h"
#include "control/watch/metrics_door.h"
#include "control/watch/questions_door.h"

#include "base/clock.h"
#include "base/log.h"
#include "event/signals.h"
#include "event/timer.h"
#include "messages/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 100      /* how soon the rules follow the registry */
#define STOP_MS 10000    /* a program has that long to say BYE and sync */
#define START_FAILURES 5 /* ends in a row before the first success: it never will */

enum supervisor_state {
	SUPERVISOR_STARTING,
	SUPERVISOR_SERVING,
	SUPERVISOR_DRAINING,
	SUPERVISOR_STOPPING,
	SUPERVISOR_DONE,
	SUPERVISOR_STATE_COUNT
};
static const char *const state_names[] = { "starting", "serving", "draining", "stopping",
	"done" };
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SUPERVISOR_STATE_COUNT,
	"a name for each");

struct supervisor {
	struct control *control;
	const struct part *part;
	struct registry *registry;
	enum supervisor_state state;
	struct generations programs;
	struct upgrade upgrade;
	struct up_rules *rules;
	struct certificate_watch certificates;
	struct direct_flows direct;
	struct neighbours_watch neighbours;
	struct metrics_door metrics;
	struct questions_door questions;
	struct channel handings[UP_PROGRAM_COUNT]; /* what was kept, on its way to them */
	bool restarts;       /* the service begins again at once: systemctl restart */
	uint64_t stop_until; /* then SIGKILL */
	struct upkeep upkeep;
	int resumed;  /* file of the mailferry before this one; -1: none */
	int state_fd; /* and of the one after it, once this one is to become it; -1 */
	int result;   /* what supervisor_run() returns */
	struct loop loop;
	struct timer *tick;
	struct signals signals;
	struct notify notify;
	struct liveness liveness;
};

static void set_state(struct supervisor *s, enum supervisor_state next)
{
	log_info(
		NULL, "supervisor", "%s -> %s", state_names[s->state], state_names[next]);
	s->state = next;
}

static void stop(struct supervisor *s)
{
	if (s->state >= SUPERVISOR_DRAINING)
		return;
	generations_stop(&s->programs, UP_INTERCEPTOR, SIGTERM);
	s->stop_until = clock_monotonic_ms() + STOP_MS;
	notify_stopping();
	set_state(s, SUPERVISOR_DRAINING);
}

static void give_up(struct supervisor *s)
{
	s->result = s->control->err.code ? s->control->err.code : -EIO;
	stop(s);
}

/* ── programs ──────────────────────────────────────────────────────────────────────── */

/* At the start a person waits before the screen: bad configuration or a port that is
   taken will not become better by trying for hours. */
static void judge_start(struct supervisor *s, const struct daemon *d, const char *how)
{
	bool usage =
		WIFEXITED(d->last_status) && WEXITSTATUS(d->last_status) == EXIT_USAGE;

	if (s->state != SUPERVISOR_STARTING || (!usage && d->failures < START_FAILURES))
		return;
	error_set(&s->control->err, -EIO,
		"%s does not start (%s); its reason is in the lines above", d->name, how);
	give_up(s);
}

static void tick(struct supervisor *s);

static void ended(void *context, struct slot *slot, int status)
{
	struct supervisor *s = context;
	struct daemon *d = &slot->daemon;
	uint64_t now = clock_monotonic_ms();
	bool is_wanted;
	char how[64];

	daemon_ended(d, status, now);
	is_wanted = upgrade_program_ended(&s->upgrade, slot, now);
	child_end_text(status, how, sizeof(how));
	if (is_wanted || d->state == DAEMON_STOPPED || !generations_is_current(slot))
		log_info(NULL, "ended", "program=%s how=%s", d->name, how);
	else
		log_warning(NULL, "ended", "program=%s how=%s again_in_ms=%llu", d->name,
			how, (unsigned long long)(d->start_at - now));
	if (slot->program != UP_DASHBOARD) /* nobody's mail waits for it */
		judge_start(s, d, how);
	tick(s);
}

static bool is_wanted(const struct supervisor *s, enum up_program program)
{
	return part_has(s->part, program) &&
	       (program != UP_DASHBOARD || *s->control->settings.dashboard.listen);
}

static void start_due(struct supervisor *s, uint64_t now)
{
	for (size_t i = 0; i < UP_PROGRAM_COUNT; i++) {
		const struct daemon *d =
			generations_current(&s->programs, (enum up_program)i);
		enum daemon_state before = d->state;

		if (!is_wanted(s, (enum up_program)i))
			continue;
		if (generations_run(&s->programs, (enum up_program)i, &s->loop,
			    s->control->config, now, &s->control->err) < 0)
			log_error(NULL, "start", "%s", s->control->err.text);
		else if (before != d->state)
			log_info(NULL, "started", "program=%s pid=%d", d->name,
				(int)d->child.pid);
	}
}

#define HUNG_EVENT "program-hung"

static void end_hung(struct supervisor *s, uint64_t now)
{
	enum up_program hung = liveness_tick(&s->liveness, now);
	struct daemon *d;
	char text[256];

	if (hung == UP_PROGRAM_COUNT)
		return;
	d = generations_current(&s->programs, hung);
	log_error(NULL, HUNG_EVENT, "program=%s pid=%d silent_ms=%llu", d->name,
		(int)d->child.pid, (unsigned long long)s->liveness.limit_ms);
	(void)snprintf(text, sizeof(text),
		"%s did not answer for %llu s; it was killed and started again", d->name,
		(unsigned long long)s->liveness.limit_ms / 1000);
	(void)event_note(&s->control->settings, HUNG_EVENT, text);
	child_signal(&d->child, SIGKILL);
}

/* ── the loop ──────────────────────────────────────────────────────────────────────── */

static void finish(struct supervisor *s)
{
	struct error err;

	if (s->restarts || !(s->part->duties & DUTY_END_RULES)) {
		up_rules_leave(s->rules);
	} else {
		if (up_rules_end(s->rules, &err) < 0) {
			s->control->err = err;
			s->result = err.code;
		}
		kernel_settings_end(&s->control->settings);
	}
	set_state(s, SUPERVISOR_DONE);
	loop_stop(&s->loop);
}

/* Those that clients need, where the rules are opened; else those of the part. */
static bool all_answer(const struct supervisor *s)
{
	static const unsigned needed =
		1u << UP_VAULT | 1u << UP_INTERCEPTOR | 1u << UP_ADMISSION;
	unsigned which = s->part->duties & DUTY_RULES ? needed : s->part->programs;

	for (size_t i = 0; i < UP_PROGRAM_COUNT; i++) {
		const char *socket = generations_socket((enum up_program)i);

		if (which >> i & 1 && socket &&
			!ask_runs(s->control->settings.run_dir, socket))
			return false;
	}
	return true;
}

static int find_leg(struct supervisor *s, struct error *err)
{
	return up_rules_find_leg(s->rules, s->resumed >= 0, err);
}

static int open_rules(struct supervisor *s, struct error *err)
{
	kernel_settings_begin(&s->control->settings);
	return up_rules_open(s->rules, &s->loop, err);
}

/* What is left to do once the programs answer. Those who live here, or are served
   already, do not wait until the source has answered. */
static int open_all(struct supervisor *s, struct error *err)
{
	bool is_served;
	int code;

	if (!(s->part->duties & DUTY_RULES))
		return 0;
	is_served = up_rules_need_no_leg(s->rules);
	code = is_served ? open_rules(s, err) : find_leg(s, err);
	if (code < 0)
		return code;
	return is_served ? find_leg(s, err) : open_rules(s, err);
}

static void tick_starting(struct supervisor *s, uint64_t now)
{
	int code;

	start_due(s, now);
	if (s->part->duties & DUTY_RULES)
		up_rules_await(s->rules);
	if (!all_answer(s))
		return;
	code = open_all(s, &s->control->err);
	if (code < 0 && s->resumed < 0) {
		/* one that died meanwhile is started, and all is tried again */
		if (all_answer(s))
			give_up(s);
		return;
	}
	if (code < 0) /* those who are served are not ended for it */
		log_error(NULL, "rules", "error=\"%s\"", s->control->err.text);
	notify_ready();
	set_state(s, SUPERVISOR_SERVING);
}

/* While what is needed for it can still be missing. */
static void leave_soon(struct supervisor *s)
{
	s->state_fd = memfd_create("mailferry-up", 0); /* it stays open over exec() */
	if (s->state_fd < 0)
		upgrade_cannot_exec(&s->upgrade, -errno);
	else
		loop_stop(&s->loop);
}

static void tick_rules(struct supervisor *s, uint64_t now)
{
	const struct ruleset *rules;

	up_rules_tick(s->rules);
	rules = up_rules_in(s->rules);
	if (!rules)
		return;
	direct_flows_tick(&s->direct, rules, now);
	neighbours_watch_tick(&s->neighbours, rules, now);
}

static void tick_serving(struct supervisor *s, uint64_t now)
{
	unsigned duties = s->part->duties;

	start_due(s, now);
	end_hung(s, now);
	if (duties & DUTY_RULES)
		tick_rules(s, now);
	if (duties & DUTY_CERTIFICATES)
		certificates_watch_tick(&s->certificates, &s->control->settings, now);
	if (duties & DUTY_STATE)
		upkeep_tick(&s->upkeep, s->control, s->registry, &s->loop, now);
	upgrade_tick(&s->upgrade, now);
}

/* Whoever is logging in needs the others until it has. */
static void tick_draining(struct supervisor *s, uint64_t now)
{
	if (generations_runs(&s->programs, UP_INTERCEPTOR) && now < s->stop_until)
		return;
	generations_signal(&s->programs, SIGTERM);
	set_state(s, SUPERVISOR_STOPPING);
}

static void tick_stopping(struct supervisor *s, uint64_t now)
{
	if (!generations_any_runs(&s->programs))
		finish(s);
	else if (now >= s->stop_until)
		generations_signal(&s->programs, SIGKILL);
}

static void tick_done(struct supervisor *s, uint64_t now)
{
	(void)s;
	(void)now;
}

static void tick(struct supervisor *s)
{
	static void (*const ticks[])(struct supervisor * s, uint64_t now) = {
		tick_starting, tick_serving, tick_draining, tick_stopping, tick_done
	};

	uint64_t now = clock_monotonic_ms();

	ticks[s->state](s, now);
	notify_alive(&s->notify, now);
}

/* The timer is the last of a turn of the loop: no signal comes between this and exec(),
   where it waits for the new one. */
static void on_tick(void *context)
{
	struct supervisor *s = context;

	tick(s);
	if (s->state == SUPERVISOR_SERVING && s->upgrade.state == UPGRADE_EXEC)
		leave_soon(s);
}

/* Certificates and keys; the rest takes a restart, as control/commands/cmd_reload.c
   says. */
static void reload(struct supervisor *s)
{
	struct control *c = s->control;
	struct settings fresh;

	if (settings_load(c->config, &fresh, &c->err) < 0) {
		log_error(
			NULL, "reload", "error=\"%s\": nothing was changed", c->err.text);
		return;
	}
	settings_take_files(&c->settings, &fresh);
	settings_fini(&fresh);
	if (s->state == SUPERVISOR_SERVING && s->part->duties & DUTY_CERTIFICATES)
		certificates_watch_renew(&s->certificates, &c->settings);
}

static void on_signal(void *context, int number)
{
	struct supervisor *s = context;

	log_info(NULL, "signal", "number=%d", number);
	if (number == SIGHUP) {
		reload(s);
		return;
	}
	if (number == SIGUSR2) {
		upgrade_begin(&s->upgrade, clock_monotonic_ms());
		return;
	}
	if (s->state >= SUPERVISOR_DRAINING) {
		s->stop_until = 0; /* the second Ctrl-C: the user does not want to wait */
	} else if (kept_concerns(s->part->programs) && notify_job_is("restart")) {
		s->restarts = true;
		kept_leave(s->control->settings.run_dir, s->part->programs);
	}
	stop(s);
	tick(s);
}

static int begin(struct supervisor *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2 };
	int code = loop_init(&s->loop, false);

	notify_init(&s->notify);
	liveness_init(&s->liveness, &s->loop, &s->programs, s->part->programs,
		s->control->settings.run_dir, s->notify.limit_ms);
	if (code == 0)
		code = timer_new(&s->loop, on_tick, s, &s->tick);
	if (code == 0)
		code = signals_open(&s->signals, &s->loop, numbers,
			sizeof(numbers) / sizeof(numbers[0]), on_signal, s);
	if (code < 0)
		return error_errno(&s->control->err, code, "cannot start the event loop");
	timer_start_every(s->tick, TICK_MS);
	return 0;
}

static int find_programs(struct supervisor *s)
{
	s->programs.ended = ended;
	s->programs.context = s;
	return generations_init(&s->programs, &s->control->settings, &s->control->err);
}

/* What the mailferry before this one has left to it. */
static void resume(struct supervisor *s)
{
	char line[128];
	FILE *file = s->resumed < 0 ? NULL : fdopen(s->resumed, "re");

	if (s->resumed < 0)
		upgrade_file_forget(&s->control->settings, s->part);
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (!generations_read(&s->programs, line, &s->loop) &&
			!upgrade_read(&s->upgrade, line))
			log_error(NULL, "resume", "line=\"%s\"", line);
	(void)fclose(file);
	log_info(NULL, "resumed", "number=%u", s->upgrade.number);
}

/* What the service before this one has left to systemd. */
static void hand_kept(struct supervisor *s)
{
	int r = kept_hand(
		s->control->kept, &s->loop, &s->programs, s->part->programs, s->handings);

	s->control->kept = NULL;
	if (r < 0)
		log_error(NULL, "kept", "error=%d: those who waited are reset", -r);
}

/* The loop's own are closed, the children go on. Returns the file. */
static int leave(struct supervisor *s)
{
	int copy = dup(s->state_fd);
	FILE *file = copy < 0 ? NULL : fdopen(copy, "we");

	if (file) {
		(void)generations_write(&s->programs, file);
		(void)upgrade_write(&s->upgrade, file);
		(void)fclose(file);
		(void)lseek(s->state_fd, 0, SEEK_SET);
	}
	generations_forget(&s->programs);
	return s->state_fd;
}

static void run(struct supervisor *s, int *ret_state)
{
	upgrade_init(&s->upgrade, &s->programs, &s->loop, &s->control->settings,
		s->control->config, s->part);
	resume(s);
	hand_kept(s);
	if (s->part->duties & DUTY_METRICS)
		metrics_door_open(
			&s->metrics, &s->loop, &s->control->settings, s->control->config);
	if (s->part->duties & DUTY_QUESTIONS)
		questions_door_open(&s->questions, &s->loop, &s->control->settings,
			s->control->config);
	loop_run(&s->loop, NULL, NULL);
	if (s->state_fd >= 0)
		*ret_state = leave(s);
	metrics_door_close(&s->metrics);
	neighbours_watch_end(&s->neighbours);
	questions_door_close(&s->questions);
	for (size_t i = 0; i < UP_PROGRAM_COUNT; i++)
		channel_close(&s->handings[i]);
	liveness_fini(&s->liveness);
	signals_close(&s->signals);
	timer_free(s->tick);
	(void)loop_fini(&s->loop);
}

int supervisor_run(struct control *c, struct registry *r, int resumed, int *ret_state)
{
	static struct supervisor supervisor; /* large, and one */
	struct supervisor *s = &supervisor;
	int code = up_rules_new(&c->settings, r, &s->rules, &c->err);

	s->control = c;
	s->part = c->part;
	s->registry = r;
	s->direct.registry = r;
	s->direct.stays_open = settings_effective_fail(&c->settings, true) == FAIL_OPEN;
	s->neighbours =
		(struct neighbours_watch){ .settings = &c->settings, .registry = r };
	s->resumed = resumed;
	s->state_fd = -1;
	*ret_state = -1;
	if (code == 0 && s->part->duties & DUTY_RULES)
		code = up_rules_begin(s->rules, &c->err);
	certificates_watch_begin(&s->certificates, &c->settings);
	if (code == 0)
		code = find_programs(s);
	if (code == 0)
		code = s->result = begin(s);
	if (code == 0) {
		run(s, ret_state);
		code = s->result;
	} else if (s->part->duties & DUTY_END_RULES) {
		kernel_settings_end(&c->settings); /* the rules may have begun some */
	}
	up_rules_free(&s->rules);
	return code;
}
