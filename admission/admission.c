/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/admission.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "nft-rules/rules.h"
#include "users/users.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_MS 100
#define BEGIN_LOOKS 10 /* the process before us may read its queues so long */
#define PRIORITY (-15) /* as nice(1) counts */
#define FULL_ALARM "full"
#define BLOCKED_ALARM "blocked"

/* ---- packets ---- */

uint32_t admission_judge(void *context, struct str packet, uint32_t mark)
{
	struct admission *a = context;

	return judge_mark(
		&a->judge, judge_packet(&a->judge, packet, clock_monotonic_ms()), mark);
}

static void on_readable(void *context, int events, int error)
{
	struct queue *q = context;
	struct admission *a = q->context;
	int code = error < 0 ? error : queue_serve(q);

	(void)events;
	if (code == 0)
		return;
	/* Begun anew by the supervisor; until then the fail mode decides. */
	log_error(NULL, "queue", "number=%u error=\"%s\"", q->number, strerror(-code));
	a->result = EXIT_FAILURE;
	loop_stop(&a->loop);
}

/* With what waits in it, where the one before left it. */
static int open_queue(struct admission *a, uint16_t place, struct error *err)
{
	uint16_t number = (uint16_t)(RULES_QUEUE_FIRST + place);
	struct queue *q = &a->queues[place];

	if (a->kept[place] < 0)
		return queue_open(q, number, admission_judge, a, err);
	if (queue_open_on(q, number, a->kept[place], admission_judge, a, err) < 0)
		return err->code;
	a->kept[place] = -1;
	return 0;
}

static int open_queues(struct admission *a, struct error *err)
{
	enum rules_queue kind = RULES_QUEUE_NONE;
	int r = rules_probe_queue(&kind, err);

	if (r == 0 && kind == RULES_QUEUE_NONE)
		log_warning(NULL, "queue",
			"this kernel has none: what no prefix decides is diverted");
	for (uint16_t i = 0; r == 0 && kind != RULES_QUEUE_NONE && i < rules_queues();
		i++) {
		r = open_queue(a, i, err);
		if (r == 0)
			a->n_queues++;
	}
	for (size_t i = 0; i < RULES_QUEUES_MAX; i++)
		fd_closep(&a->kept[i]);
	return r;
}

static int watch_queues(struct admission *a)
{
	int r = 0;

	for (size_t i = 0; i < a->n_queues && r == 0; i++) {
		r = watch_new(&a->loop, queue_fd(&a->queues[i]), on_readable,
			&a->queues[i], &a->watches[i]);
		if (r == 0)
			watch_want(a->watches[i], UV_READABLE);
	}
	return r;
}

static void close_queues(struct admission *a)
{
	for (size_t i = 0; i < a->n_queues; i++) {
		if (a->watches[i])
			(void)watch_take(a->watches[i]);
		queue_close(&a->queues[i]);
	}
}

/* ---- load ---- */

static void tell_full(struct admission *a, enum load_reason reason)
{
	uint64_t left = a->judge.counts[JUDGE_LEAVE] - a->left_before;
	struct message alarm = { .type = MESSAGE_ALARM,
		.service = STR(FULL_ALARM),
		.account = str_from(load_reason_name(reason)),
		.text = str_from(load_reason_name(reason)),
		.number = left };

	if (left)
		alarms_take(&a->alarms, &alarm, clock_wall_ms());
	a->left_before = a->judge.counts[JUDGE_LEAVE];
}

void admission_reach(struct admission *a)
{
	struct message alarm = { .type = MESSAGE_ALARM,
		.service = STR(BLOCKED_ALARM),
		.text = STR("between the rules and the interceptor") };
	bool before = a->reach.is_blocked;

	if (!reach_look(
		    &a->reach, admission_diverted(a), a->accepted, clock_monotonic_ms()))
		return;
	alarm.number = a->reach.now - a->reach.arrived;
	if (a->reach.is_blocked)
		alarms_take(&a->alarms, &alarm, clock_wall_ms());
	if (before != a->reach.is_blocked)
		log_warning(NULL, "reach",
			"blocked=%s diverted=%" PRIu64 " accepted=%" PRIu64,
			a->reach.is_blocked ? "yes" : "no", a->reach.now,
			a->reach.arrived);
}

uint64_t admission_diverted(const struct admission *a)
{
	return a->judge.counts[JUDGE_DIVERT] + a->room.admitted;
}

uint64_t admission_packets(const struct admission *a)
{
	uint64_t packets = 0;

	for (size_t i = 0; i < a->n_queues; i++)
		packets += a->queues[i].packets;
	return packets;
}

/* Whether the kernel may go on alone. Our last word is good for ROOM_MS; when something
   comes near its mark it is taken back at once. */
static void look_at_room(struct admission *a)
{
	bool before = a->judge.is_calm;
	bool is_calm = load_calm_look(&a->calm, &a->view, clock_monotonic_ms());

	kernel_room_look(&a->room);
	a->judge.is_calm = a->room.is_there && is_calm;
	if (before && !a->judge.is_calm)
		kernel_room_end(&a->room);
	rates_halve(a->judge.rates, a->judge.is_calm);
}

static void look(struct admission *a)
{
	enum load_reason before = a->reason;

	load_look(&a->load, &a->view);
	load_look_at_queues(
		&a->load, RULES_QUEUE_FIRST, (uint16_t)a->n_queues, &a->queued);
	if (a->looks < BEGIN_LOOKS) {
		a->looks++;
		queue_state_begin(&a->queued, admission_packets(a));
	}
	interceptor_ask(a);
	a->reason = load_judge(&a->view, before);
	a->judge.is_full = a->reason != LOAD_ROOM;
	look_at_room(a);
	if (before != LOAD_ROOM)
		tell_full(a, before);
	if (a->reason != before)
		log_warning(NULL, "load",
			"%s -> %s sessions=%" PRIu64 " waiting=%" PRIu32 " of=%" PRIu32
			" left=%" PRIu64,
			load_reason_name(before), load_reason_name(a->reason),
			a->view.sessions, a->view.waiting, a->view.backlog,
			a->judge.counts[JUDGE_LEAVE]);
}

static void on_tick(void *context)
{
	look(context);
}

/* ---- the process ---- */

static void on_signal(void *context, int number)
{
	struct admission *a = context;

	(void)number;
	loop_stop(&a->loop);
}

static int open_loop(struct admission *a)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	int r = loop_init(&a->loop, false);

	if (r == 0)
		r = timer_new(&a->loop, on_tick, a, &a->tick);
	if (r == 0)
		r = signals_open(&a->signals, &a->loop, numbers, 2, on_signal, a);
	if (r == 0)
		timer_start_every(a->tick, TICK_MS);
	return r;
}

/* It has its queues; of files it needs the sockets in run_dir. */
static int drop_rights(
	const struct admission *a, const struct users *users, struct error *err)
{
	static const int kept[] = { CAP_NET_ADMIN };
	const struct sandbox_path paths[] = { { a->settings->run_dir, false } };
	const struct sandbox sandbox = { .allows =
						 SANDBOX_LOCAL_SOCKETS | SANDBOX_LISTENS,
		.user = &users->of[USER_ADMISSION],
		.capabilities = kept,
		.n_capabilities = 1,
		.paths = paths,
		.n_paths = 1 };

	return sandbox_enter(&sandbox, err);
}

/* Each new connection waits for it, and it never works for long: before others. Without
   the right it is as others are. */
static void go_first(void)
{
	(void)setpriority(PRIO_PROCESS, 0, PRIORITY);
}

static int set_up(struct admission *a, struct error *err)
{
	struct users users;
	int r = users_load(a->settings, &users, err);

	go_first();
	if (r == 0)
		r = process_make_directory(a->settings->run_dir, 0755, err);
	if (r == 0)
		r = load_open(&a->load, a->settings, err);
	if (r == 0)
		r = kernel_room_open(&a->room, err);
	if (r == 0 && a->start->handed >= 0)
		r = follow_kept(a, err);
	if (r == 0)
		r = a->start->takes_over ? follow_ask(a, err) : open_queues(a, err);
	if (r < 0)
		return r;
	a->judge.marks = marks_of(a->settings->mark_mask, a->settings->mark);
	a->judge.rates = rates_new(a->settings->limits.new_connections);
	r = a->judge.rates ? open_loop(a) : -ENOMEM;
	if (r == 0)
		r = watch_queues(a);
	if (r < 0)
		return error_errno(err, r, "cannot start");
	if (!a->start->takes_over)
		r = clients_open(a, err);
	if (r == 0)
		r = drop_rights(a, &users, err);
	if (r == 0 && a->start->takes_over)
		r = follow_commit(a, err);
	return r;
}

int admission_run(struct program_start *start)
{
	static struct admission admission; /* large, and one */
	struct admission *a = &admission;
	struct error err = { 0 };

	a->start = start;
	a->settings = &start->settings;
	a->started_by = geteuid();
	a->takeover = a->handed_door = -1;
	for (size_t i = 0; i < RULES_QUEUES_MAX; i++)
		a->kept[i] = -1;
	LIST_INIT(&a->clients);
	if (set_up(a, &err) < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "queues=%zu", a->n_queues);
	loop_run(&a->loop, clients_sweep, a);
	close_queues(a); /* before the next, which may take the kernel a while */
	if (!a->is_retired)
		kernel_room_end(&a->room); /* nobody judges now, and so it is at once */
	kernel_room_look(&a->room);
	log_info(NULL, "stop", "diverted=%" PRIu64 " refused=%" PRIu64 " left=%" PRIu64,
		admission_diverted(a), a->judge.counts[JUDGE_REFUSE],
		a->judge.counts[JUDGE_LEAVE]);
	load_close(&a->load);
	kernel_room_close(&a->room);
	rates_free(a->judge.rates);
	return a->result;
}
