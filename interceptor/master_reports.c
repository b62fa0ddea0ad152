/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The master's child that sends delivery reports (reports_runner.h). */
#include "base/log.h"
#include "interceptor/master.h"
#include "interceptor/reports_runner.h"

#include <signal.h>
#include <stdio.h>

#define AGAIN_MS 2000 /* after its end, or when it cannot be started */

static void ended(void *context, int status)
{
	struct master *m = context;
	char why[64];

	m->reports.restart_at = loop_now(&m->loop) + AGAIN_MS;
	if (m->reports.is_retired)
		return;
	child_end_text(status, why, sizeof(why));
	log_warning(NULL, "reports", "ended=\"%s\"", why);
}

static int start(struct master *m, struct error *err)
{
	char settings[32];
	const char *const arguments[] = { "mailferry-interceptor", "-c", settings,
		"--task", REPORTS_TASK, NULL };
	const struct child_plan plan = {
		.arguments = arguments, .fds = &m->settings_fd, .n_fds = 1
	};

	(void)snprintf(settings, sizeof(settings), "/proc/self/fd/%d", CHILD_FD_FIRST);
	return child_start(&m->reports.child, &m->loop, &plan, ended, m, err);
}

void reports_tick(struct master *m)
{
	struct reports_child *r = &m->reports;
	struct error err = { 0 };

	if (!*m->settings->smart_host || child_runs(&r->child) ||
		loop_now(&m->loop) < r->restart_at)
		return;
	if (start(m, &err) == 0)
		return;
	log_error(NULL, "reports", "error=\"%s\"", err.text);
	r->restart_at = loop_now(&m->loop) + AGAIN_MS;
}

void reports_retire(struct master *m)
{
	m->reports.is_retired = true;
	child_signal(&m->reports.child, SIGTERM);
}
