/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The master's workers: what they say, their starts and their ends. */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STABLE_MS 10000      /* a worker that lived so long is started again at once */
#define BACKOFF_MS 1000      /* else after that */
#define SHUTDOWN_MS 3000     /* workers end their sessions between two answers */
#define QUEUE_MAX (4u << 20) /* questions that a worker has not read */

void master_hear(struct master *m)
{
	for (unsigned i = 0; i < m->n_links; i++)
		channel_read(&m->slots[i].link);
}

/* ---- workers' messages ---- */

/* A bug: its sessions cannot be trusted. */
static void distrust(struct worker_slot *slot, int error)
{
	log_error(NULL, "census", "worker=%u error=%d", slot->index, error);
	child_signal(&slot->child, SIGKILL);
	channel_shut(&slot->link);
}

static void count(struct worker_slot *slot, const struct message *m, int change)
{
	int r = m->number < ROUTE_COUNT ? live_sessions_change(&slot->live, m->account,
						  (enum route)m->number, change)
	                                : -EBADMSG;

	if (r < 0)
		distrust(slot, r);
	retire_report(slot->master, m);
}

static void on_begin(void *context, const struct message *m, int fd)
{
	(void)fd;
	count(context, m, 1);
}

static void on_end(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	count(slot, m, -1);
	control_session_ended(slot->master, m->account);
}

static void on_reports(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;
	struct str rest = m->payload;
	struct message one;

	(void)fd;
	while (rest.len) {
		int r = message_next(&rest, &one);

		if (r == 0 && one.type == MESSAGE_SESSION_BEGIN) {
			on_begin(slot, &one, -1);
		} else if (r == 0 && one.type == MESSAGE_SESSION_END) {
			on_end(slot, &one, -1);
		} else {
			distrust(slot, -EBADMSG);
			break;
		}
	}
}

static void on_answer(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	control_answer(slot->master, slot->index, m);
}

static void on_stale(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	retire_report(slot->master, m);
	for (size_t i = 0; i < slot->master->n_probes; i++) {
		struct probe *p = &slot->master->probes[i];

		if (str_eq(str_from(service_name(p->service)), m->service))
			probe_soon(p);
	}
}

static void on_alarm(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	retire_report(slot->master, m);
	alarms_take(&slot->master->alarms, m, clock_wall_ms());
}

/* From the master before this one. */
static void on_left(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	if (slot == master_before(slot->master))
		connection_limits_set_retired(
			&slot->master->limits, (uint32_t)m->number, (uint32_t)m->number2);
}

/* on_message() has noted that it speaks. */
static void on_pong(void *context, const struct message *m, int fd)
{
	(void)context;
	(void)m;
	(void)fd;
}

static const struct message_row message_rows[] = {
	{ MESSAGE_REPORTS, false, on_reports },
	/* from the master before this one */
	{ MESSAGE_SESSION_BEGIN, false, on_begin },
	{ MESSAGE_SESSION_END, false, on_end },
	{ MESSAGE_QUIESCED, false, on_answer },
	{ MESSAGE_FLOW, false, on_answer },
	{ MESSAGE_FLOWS_END, false, on_answer },
	{ MESSAGE_KICKED, false, on_answer },
	{ MESSAGE_FACTS_CHANGED, false, on_stale },
	{ MESSAGE_ALARM, false, on_alarm },
	{ MESSAGE_RETIRED_IS, false, on_left },
	{ MESSAGE_PONG, false, on_pong },
};

int workers_handle(struct worker_slot *slot, struct packet *p, struct error *err)
{
	return message_handle(message_rows,
		sizeof(message_rows) / sizeof(message_rows[0]), p, slot, err);
}

/* Its end is told by the loop, and does the rest. */
static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct worker_slot *slot = context;
	struct error err;

	watched_heard(&slot->watched);
	if (workers_handle(slot, p, &err) == 0)
		return;
	log_error(NULL, "worker", "worker=%u error=\"%s\"", slot->index, err.text);
	channel_close(c);
	child_signal(&slot->child, SIGKILL);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct worker_slot *slot = context;

	(void)code;
	channel_close(c);
	/* its end follows; one that lives on could not be told anything, nor counted */
	child_signal(&slot->child, SIGKILL);
}

static const struct channel_ops worker_ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_MAX
};

/* ---- workers' lives ---- */

static void ended(void *context, int status)
{
	struct worker_slot *slot = context;
	struct master *m = slot->master;
	uint64_t now = loop_now(&m->loop);

	channel_read(&slot->link);
	log_event(m->successor && status == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, NULL,
		"worker", "worker=%u ended=%s code=%d sessions=%llu",
		m->first_number + slot->index, WIFSIGNALED(status) ? "signal" : "exit",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		(unsigned long long)slot->live.sessions);
	channel_close(&slot->link);
	retire_report_lost(slot);
	live_sessions_clear(&slot->live);
	connection_limits_clear_row(&m->limits, slot->index);
	slot->restart_at = now - slot->started_at >= STABLE_MS ? now : now + BACKOFF_MS;
	control_worker_lost(m, slot->index);
}

/* As worker.h says. */
static int launch(struct worker_slot *slot, int link, struct error *err)
{
	struct master *m = slot->master;
	char index[16], settings[32];
	const char *const arguments[] = { "mailferry-interceptor", "-c", settings,
		"--worker", index, NULL };
	int fds[CHILD_FDS_MAX] = { link, m->limits.fd, m->settings_fd };
	struct child_plan plan = { .arguments = arguments,
		.fds = fds,
		.n_fds = WORKER_FD_LISTENERS - CHILD_FD_FIRST };

	_Static_assert(
		WORKER_FD_LISTENERS - CHILD_FD_FIRST + LISTENERS_MAX <= CHILD_FDS_MAX,
		"all of them");
	for (size_t i = 0; i < slot->n_listeners; i++)
		fds[plan.n_fds++] = slot->listeners[i].fd;
	(void)snprintf(index, sizeof(index), "%u", slot->index);
	(void)snprintf(
		settings, sizeof(settings), "/proc/self/fd/%d", WORKER_FD_SETTINGS);
	return child_start(&slot->child, &m->loop, &plan, ended, slot, err);
}

static int start(struct worker_slot *slot, struct error *err)
{
	struct master *m = slot->master;
	int pair[2], r = ipc_pair(pair);

	if (r < 0)
		return error_errno(err, r, "no socket for a worker");
	slot->watched = (struct watched){ 0 };
	connection_limits_clear_row(&m->limits, slot->index);
	r = channel_open(&slot->link, &m->loop, pair[0], &worker_ops, slot);
	if (r < 0) {
		fd_closep(&pair[0]);
		(void)error_errno(err, r, "cannot watch a worker");
	} else {
		r = launch(slot, pair[1], err);
		if (r < 0)
			channel_close(&slot->link);
	}
	fd_closep(&pair[1]);
	slot->started_at = loop_now(&m->loop);
	return r;
}

void workers_restart(struct master *m)
{
	for (unsigned i = 0; i < m->n_slots; i++) {
		struct worker_slot *slot = &m->slots[i];
		struct error err;

		if (child_runs(&slot->child) || loop_now(&m->loop) < slot->restart_at)
			continue;
		if (start(slot, &err) < 0) {
			log_error(NULL, "worker", "worker=%u error=\"%s\"", i, err.text);
			slot->restart_at = loop_now(&m->loop) + BACKOFF_MS;
		}
	}
}

static void end_hung(struct worker_slot *slot, uint64_t limit_ms)
{
	struct master *m = slot->master;
	struct message alarm = { .type = MESSAGE_ALARM, .service = STR(HUNG_ALARM) };
	char who[64], text[64];

	(void)snprintf(who, sizeof(who), "worker %u of the interceptor", slot->index);
	(void)snprintf(text, sizeof(text), "it did not answer for %llu s",
		(unsigned long long)limit_ms / 1000);
	alarm.account = str_from(who);
	alarm.text = str_from(text);
	alarms_take(&m->alarms, &alarm, clock_wall_ms());
	log_error(NULL, "worker", "worker=%u pid=%d hangs silent_ms=%llu", slot->index,
		(int)slot->child.pid, (unsigned long long)limit_ms);
	child_signal(&slot->child, SIGKILL);
}

void workers_watch(struct master *m, uint64_t limit_ms)
{
	for (unsigned i = 0; i < m->n_slots; i++) {
		struct worker_slot *slot = &m->slots[i];

		if (child_runs(&slot->child) && watched_ask(&slot->watched, &slot->link,
							loop_now(&m->loop), 0, limit_ms))
			end_hung(slot, limit_ms);
	}
}

/* The settings as the master read them, whatever becomes of the file. */
int workers_init(struct master *m)
{
	m->settings_fd = settings_descriptor(m->settings);
	return m->settings_fd < 0 ? m->settings_fd : 0;
}

bool workers_run(const struct master *m)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (child_runs(&m->slots[i].child))
			return true;
	return false;
}

static void on_too_late(void *context)
{
	*(bool *)context = true;
}

void workers_stop(struct master *m)
{
	struct timer *patience = NULL;
	bool too_late = false;

	for (unsigned i = 0; i < m->n_slots; i++) {
		struct worker_slot *slot = &m->slots[i];

		while (slot->n_listeners)
			fd_closep(&slot->listeners[--slot->n_listeners].fd);
		child_signal(&slot->child, SIGTERM);
	}
	if (timer_new(&m->loop, on_too_late, &too_late, &patience) < 0)
		return;
	timer_start(patience, SHUTDOWN_MS);
	while (workers_run(m) && !too_late)
		loop_turn(&m->loop);
	timer_free(patience);
}
