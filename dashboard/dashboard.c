/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/dashboard.h"

#include "base/fd.h"
#include "base/log.h"
#include "dashboard/commands.h"
#include "event/signals.h"
#include "messages/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A watch that is started at the same time answers within a second or two. */
#define WATCH_LOOKS 300
#define WATCH_LOOK_NS 100000000L

struct dashboard {
	const struct settings *settings;
	const char *config;
	struct loop loop;
	struct signals signals;
	struct commands commands;
	struct child web;
	struct channel link;
	int result;
};

/* Whatever happened: begun anew by the supervisor. */
static void give_up(struct dashboard *d)
{
	d->result = EXIT_FAILURE;
	loop_stop(&d->loop);
}

/* ── what the web process asks ─────────────────────────────────────────────────────── */

static void answer(
	struct dashboard *d, uint64_t id, int code, int *output, struct str says)
{
	const struct message m = {
		.type = MESSAGE_RAN, .number = (uint64_t)code, .number2 = id, .text = says
	};

	if (message_send(&d->link, &m, *output) == 0)
		(void)fd_steal(output);
	else if (channel_is_open(&d->link))
		channel_shut(&d->link);
}

static void on_ran(void *context, uint64_t id, int code, int *output, struct str says)
{
	answer(context, id, code, output, says);
}

static bool may_run(const struct dashboard *d, const struct message *m)
{
	return m->number == QUESTION_METRICS ? !m->account.len
	                                     : question_is_allowed(m->number, m->account,
						       d->settings->dashboard.admin);
}

static void on_run(void *context, const struct message *m, int fd)
{
	struct dashboard *d = context;
	struct error err;
	int none = -1;

	(void)fd;
	if (!may_run(d, m)) {
		log_error(NULL, "question", "number=%" PRIu64 " error=\"not allowed\"",
			m->number);
		channel_shut(&d->link); /* the web process asks nothing like it */
		return;
	}
	if (question_rows[m->number].is_action)
		log_info(NULL, "action", "name=%s of=\"%.*s\"",
			question_rows[m->number].name, STR_ARG(m->account));
	if (command_run(&d->commands, (enum question)m->number, m->account, m->number2,
		    &err) < 0)
		answer(d, m->number2, EXIT_FAILURE, &none, str_from(err.text));
}

static void on_message(void *context, struct channel *c, struct packet *p)
{
	static const struct message_row rows[] = { { MESSAGE_RUN, false, on_run } };
	struct error err;

	if (message_handle(rows, 1, p, context, &err) == 0)
		return;
	log_error(NULL, "web", "error=\"%s\"", err.text);
	channel_shut(c);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct dashboard *d = context;

	(void)code;
	channel_close(c);
	if (child_runs(&d->web))
		give_up(d);
	else /* whoever asked has gone */
		loop_stop(&d->loop);
}

static int open_link(struct dashboard *d, int fd)
{
	static const struct channel_ops ops = { .message = on_message,
		.lost = on_lost,
		.bytes_max = 1u << 20,
		.fds_max = (size_t)2 * COMMANDS_MAX };

	return channel_open(&d->link, &d->loop, fd, &ops, d);
}

static void on_web_ended(void *context, int status)
{
	struct dashboard *d = context;
	char how[64];

	child_end_text(status, how, sizeof(how));
	log_error(NULL, "ended", "process=web how=%s", how);
	give_up(d);
}

/* ── the process ───────────────────────────────────────────────────────────────────── */

/* Whether another `mailferry up` has the right to run our commands. */
static bool is_alone(const struct state_lock_files *lock)
{
	return state_lock_other(lock, STATE_LOCK_UP_DASHBOARD) > 0 &&
	       state_lock_other(lock, STATE_LOCK_UP) <= 0;
}

static int find_watch(const struct settings *s, struct error *err)
{
	static const struct timespec look = { .tv_nsec = WATCH_LOOK_NS };
	char path[PATH_MAX];
	int fd = -ENOENT;

	(void)snprintf(path, sizeof(path), "%s/" QUESTIONS_SOCKET, s->run_dir);
	for (int i = 0; i < WATCH_LOOKS && fd < 0; i++) {
		if (i)
			(void)nanosleep(&look, NULL);
		fd = ipc_connect(path, err);
	}
	return fd;
}

/* theirs: the web process's end of its link. */
static int start_web(struct dashboard *d, int theirs, struct error *err)
{
	const char *const arguments[] = { "mailferry-dashboard", "--worker", "web", "-c",
		d->config, NULL };
	const struct child_plan plan = {
		.arguments = arguments, .fds = &theirs, .n_fds = 1
	};

	return child_start(&d->web, &d->loop, &plan, on_web_ended, d, err);
}

static int start_with_us(struct dashboard *d, struct error *err)
{
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int theirs = -1;
	int pair[2], r = ipc_pair(pair);

	if (r < 0)
		return error_errno(err, r, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	r = start_web(d, theirs, err);
	if (r == 0)
		r = open_link(d, ours);
	if (r == 0)
		(void)fd_steal(&ours);
	return r;
}

static void on_signal(void *context, int number)
{
	struct dashboard *d = context;

	(void)number;
	loop_stop(&d->loop);
}

static int set_up(struct dashboard *d, struct error *err)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	int r = loop_init(&d->loop, true);

	if (r == 0)
		r = signals_open(&d->signals, &d->loop, numbers, 2, on_signal, d);
	if (r < 0)
		return error_errno(err, r, "cannot start the event loop");
	return commands_init(&d->commands, &d->loop, d->config, on_ran, d, err);
}

/* link: of the answerer, its own; of the dashboard, the watch's; -1: none. */
static int begin(struct dashboard *d, const struct program_start *start, int link,
	struct error *err)
{
	int r = set_up(d, err);

	if (r < 0)
		return r;
	if (start->worker)
		return open_link(d, link);
	return link < 0 ? start_with_us(d, err) : start_web(d, link, err);
}

static int run(const struct program_start *start, int link)
{
	static struct dashboard dashboard; /* large, and one */
	struct dashboard *d = &dashboard;
	struct error err = { 0 };

	d->settings = &start->settings;
	d->config = start->config;
	if (begin(d, start, link, &err) < 0) {
		log_error(NULL, "start", "%s", err.text);
		return EXIT_FAILURE;
	}
	loop_run(&d->loop, NULL, NULL);
	child_signal(&d->web, SIGTERM);
	if (child_runs(&d->web))
		child_forget(&d->web);
	channel_close(&d->link);
	commands_fini(&d->commands);
	signals_close(&d->signals);
	(void)loop_fini(&d->loop);
	return d->result;
}

int dashboard_run(const struct program_start *start)
{
	CLEANUP(fd_closep) int link = -1;
	struct error err = { 0 };

	if (is_alone(&start->lock)) {
		link = find_watch(&start->settings, &err);
		if (link < 0) {
			log_error(NULL, "start",
				"error=\"%s; `mailferry up rules` runs the commands that "
				"are shown\"",
				err.text);
			return EXIT_FAILURE;
		}
	}
	return run(start, link);
}

int dashboard_answer(const struct program_start *start)
{
	return run(start, DASHBOARD_LINK_FD);
}
