/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/supervisor.h"

#include "control/children.h"
#include "control/up_rules.h"

#include "base/clock.h"
#include "base/log.h"
#include "messages/ask.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <uv.h>

#define TICK_MS 100      /* how soon the rules follow the registry */
#define STOP_MS 10000    /* a program has that long to say BYE and sync */
#define START_FAILURES 5 /* ends in a row before the first success: it never will */

enum supervisor_state {
	SUPERVISOR_STARTING,
	SUPERVISOR_SERVING,
	SUPERVISOR_STOPPING,
	SUPERVISOR_DONE,
	SUPERVISOR_STATE_COUNT
};
static const char *const state_names[] = { "starting", "serving", "stopping", "done" };
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SUPERVISOR_STATE_COUNT,
	"a name for each");

/* In the order of their start: who is asked must be there before who asks. */
static const char *const programs[] = { "mailferry-mailstore", "mailferry-transfer",
	"mailferry-interceptor" };
#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))
enum signal_number { ON_TERM, ON_INT, ON_HUP, ON_CHLD, SIGNALS };
static const int signal_numbers[SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };

struct supervisor {
	struct control *control;
	struct registry *registry;
	enum supervisor_state state;
	struct child children[PROGRAMS];
	struct up_rules *rules;
	uint64_t stop_until; /* then SIGKILL */
	int result;          /* what supervisor_run() returns */
	uv_loop_t loop;
	uv_timer_t tick;
	uv_signal_t signals[SIGNALS];
};

static void set_state(struct supervisor *s, enum supervisor_state next)
{
	log_info(
		NULL, "supervisor", "%s -> %s", state_names[s->state], state_names[next]);
	s->state = next;
}

static void stop(struct supervisor *s)
{
	if (s->state >= SUPERVISOR_STOPPING)
		return;
	for (size_t i = 0; i < PROGRAMS; i++)
		child_stop(&s->children[i], SIGTERM);
	s->stop_until = clock_monotonic_ms() + STOP_MS;
	set_state(s, SUPERVISOR_STOPPING);
}

static void give_up(struct supervisor *s)
{
	s->result = s->control->err.code ? s->control->err.code : -EIO;
	stop(s);
}

/* ── programs ──────────────────────────────────────────────────────────────────────── */

static void start_due(struct supervisor *s, uint64_t now)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct child *child = &s->children[i];
		enum child_state before = child->state;

		if (child_run(child, s->control->config, now, &s->control->err) < 0)
			log_error(NULL, "start", "%s", s->control->err.text);
		else if (before != child->state)
			log_info(NULL, "started", "program=%s pid=%d", child->name,
				(int)child->pid);
	}
}

/* At the start a person waits before the screen: bad configuration or a port that is
   taken will not become better by trying for hours. */
static void judge_start(struct supervisor *s, const struct child *child, const char *how)
{
	bool usage = WIFEXITED(child->last_status) &&
	             WEXITSTATUS(child->last_status) == EXIT_USAGE;

	if (s->state != SUPERVISOR_STARTING ||
		(!usage && child->failures < START_FAILURES))
		return;
	error_set(&s->control->err, -EIO,
		"%s does not start (%s); its reason is in the lines above", child->name,
		how);
	give_up(s);
}

static void reap_all(struct supervisor *s, uint64_t now)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct child *child = &s->children[i];
		char how[64];

		if (!child_reap(child, now))
			continue;
		child_end_text(child, how, sizeof(how));
		if (child->state == CHILD_STOPPED)
			log_info(NULL, "ended", "program=%s how=%s", child->name, how);
		else
			log_warning(NULL, "ended", "program=%s how=%s again_in_ms=%llu",
				child->name, how,
				(unsigned long long)(child->start_at - now));
		judge_start(s, child, how);
	}
}

static bool any_runs(const struct supervisor *s)
{
	for (size_t i = 0; i < PROGRAMS; i++)
		if (s->children[i].pid >= 0)
			return true;
	return false;
}

static void kill_all(struct supervisor *s)
{
	for (size_t i = 0; i < PROGRAMS; i++)
		child_stop(&s->children[i], SIGKILL);
}

/* ── the loop ──────────────────────────────────────────────────────────────────────── */

static void close_all(struct supervisor *s)
{
	uv_close((uv_handle_t *)&s->tick, NULL);
	for (size_t i = 0; i < SIGNALS; i++)
		uv_close((uv_handle_t *)&s->signals[i], NULL);
}

static void finish(struct supervisor *s)
{
	struct error err;

	if (up_rules_end(s->rules, &err) < 0) {
		s->control->err = err;
		s->result = err.code;
	}
	set_state(s, SUPERVISOR_DONE);
	close_all(s);
}

static void tick_starting(struct supervisor *s, uint64_t now)
{
	start_due(s, now);
	if (!ask_runs(s->control->settings.run_dir, INTERCEPTOR_SOCKET))
		return;
	if (up_rules_open(s->rules, &s->loop, &s->control->err) < 0)
		give_up(s);
	else
		set_state(s, SUPERVISOR_SERVING);
}

static void tick_serving(struct supervisor *s, uint64_t now)
{
	start_due(s, now);
	up_rules_tick(s->rules);
}

static void tick_stopping(struct supervisor *s, uint64_t now)
{
	if (!any_runs(s))
		finish(s);
	else if (now >= s->stop_until)
		kill_all(s);
}

static void tick_done(struct supervisor *s, uint64_t now)
{
	(void)s;
	(void)now;
}

static void on_tick(uv_timer_t *timer)
{
	static void (*const ticks[])(struct supervisor * s,
		uint64_t now) = { tick_starting, tick_serving, tick_stopping, tick_done };
	struct supervisor *s = timer->data;
	uint64_t now = clock_monotonic_ms();

	reap_all(s, now);
	ticks[s->state](s, now);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct supervisor *s = handle->data;

	if (number != SIGCHLD) {
		log_info(NULL, "signal", "number=%d", number);
		if (s->state == SUPERVISOR_STOPPING)
			s->stop_until =
				0; /* the second Ctrl-C: who asks twice means it */
		stop(s);
	}
	if (s->state != SUPERVISOR_DONE)
		on_tick(&s->tick);
}

static int begin(struct supervisor *s)
{
	int code = uv_loop_init(&s->loop);

	if (code < 0)
		return error_set(&s->control->err, code, "cannot start the event loop");
	(void)uv_timer_init(&s->loop, &s->tick);
	s->tick.data = s;
	for (size_t i = 0; i < SIGNALS; i++) {
		(void)uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		code = uv_signal_start(&s->signals[i], on_signal, signal_numbers[i]);
		if (code < 0)
			break;
	}
	if (code == 0)
		code = uv_timer_start(&s->tick, on_tick, 0, TICK_MS);
	if (code < 0)
		error_set(&s->control->err, code, "cannot watch for signals");
	return code;
}

static int find_programs(struct supervisor *s)
{
	int code = 0;

	for (size_t i = 0; i < PROGRAMS && code == 0; i++)
		code = child_init(&s->children[i], programs[i], &s->control->err);
	return code;
}

int supervisor_run(struct control *c, struct registry *r)
{
	struct supervisor s = { .control = c, .registry = r };
	int code = up_rules_new(&c->settings, r, &s.rules, &c->err);

	if (code == 0)
		code = up_rules_begin(s.rules, &c->err);
	if (code == 0)
		code = find_programs(&s);
	if (code == 0) {
		s.result = begin(&s);
		if (s.result == 0) {
			(void)uv_run(&s.loop, UV_RUN_DEFAULT);
			(void)uv_loop_close(&s.loop);
		}
		code = s.result;
	}
	up_rules_free(&s.rules);
	return code;
}
