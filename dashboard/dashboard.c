/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/dashboard.h"

#include "base/fd.h"
#include "base/log.h"
#include "dashboard/commands.h"
#include "event/signals.h"
#include "messages/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

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

static void on_run(void *context, const struct message *m, int fd)
{
	struct dashboard *d = context;
	struct error err;
	int none = -1;

	(void)fd;
	if (!question_is_allowed(m->number, m->account, d->settings->dashboard.admin)) {
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
	(void)code;
	channel_close(c);
	give_up(context);
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

static int start_web(struct dashboard *d, struct error *err)
{
	static const struct channel_ops ops = { .message = on_message,
		.lost = on_lost,
		.bytes_max = 1u << 20,
		.fds_max = (size_t)2 * COMMANDS_MAX };
	const char *const arguments[] = { "mailferry-dashboard", "--worker", "web", "-c",
		d->config, NULL };
	CLEANUP(fd_closep) int ours = -1;
	CLEANUP(fd_closep) int theirs = -1;
	const struct child_plan plan = {
		.arguments = arguments, .fds = &theirs, .n_fds = 1
	};
	int pair[2], r = ipc_pair(pair);

	if (r < 0)
		return error_errno(err, r, "cannot make a socket");
	ours = pair[0];
	theirs = pair[1];
	r = child_start(&d->web, &d->loop, &plan, on_web_ended, d, err);
	if (r == 0)
		r = channel_open(&d->link, &d->loop, ours, &ops, d);
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
	r = commands_init(&d->commands, &d->loop, d->config, on_ran, d, err);
	return r < 0 ? r : start_web(d, err);
}

int dashboard_run(const struct program_start *start)
{
	static struct dashboard dashboard; /* large, and one */
	struct dashboard *d = &dashboard;
	struct error err = { 0 };

	d->settings = &start->settings;
	d->config = start->config;
	if (set_up(d, &err) < 0) {
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
