/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The master's children that are no workers: one sends delivery reports
   (smart_host/reports_runner.h), one logs in at the smart host (smart_host/relay.h). */
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/master/master.h"
#include "interceptor/smart_host/relay.h"
#include "interceptor/smart_host/reports_runner.h"
#include "settings/login_file.h"
#include "settings/loopback.h"
#include "source/smart_host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define AGAIN_MS 2000 /* after its end, or when it cannot be started */

static bool has_reports(const struct master *m)
{
	return *m->settings->smart_host;
}

static bool has_login(const struct master *m)
{
	return m->relay_login >= 0;
}

static const struct task {
	const char *name;
	bool (*is_wanted)(const struct master *m);
	bool stays; /* with the sessions of its generation */
} tasks[MASTER_TASKS] = {
	{ REPORTS_TASK, has_reports, false },
	{ SMART_HOST_RELAY_TASK, has_login, true },
};

static void ended(void *context, int status)
{
	struct task_child *t = context;
	char why[64];

	t->restart_at = loop_now(&t->master->loop) + AGAIN_MS;
	if (t->is_retired)
		return;
	child_end_text(status, why, sizeof(why));
	log_warning(NULL, t->task->name, "ended=\"%s\"", why);
}

/* The descriptors of the second one, of which the first has the settings alone. */
static int start(struct task_child *t, struct error *err)
{
	struct master *m = t->master;
	char settings[32];
	const char *const arguments[] = { "mailferry-interceptor", "-c", settings,
		"--task", t->task->name, NULL };
	const int fds[] = { m->settings_fd, m->relay_listener, m->relay_login };
	const struct child_plan plan = {
		.arguments = arguments, .fds = fds, .n_fds = t->task->stays ? 3 : 1
	};

	_Static_assert(SMART_HOST_RELAY_FD_SETTINGS == CHILD_FD_FIRST &&
			       SMART_HOST_RELAY_FD_LOGIN == CHILD_FD_FIRST + 2,
		"in this order");
	(void)snprintf(settings, sizeof(settings), "/proc/self/fd/%d", CHILD_FD_FIRST);
	return child_start(&t->child, &m->loop, &plan, ended, t, err);
}

static void keep_running(struct task_child *t)
{
	struct error err = { 0 };

	if (!t->task->is_wanted(t->master) || child_runs(&t->child) ||
		loop_now(&t->master->loop) < t->restart_at)
		return;
	if (start(t, &err) == 0)
		return;
	log_error(NULL, t->task->name, "error=\"%s\"", err.text);
	t->restart_at = loop_now(&t->master->loop) + AGAIN_MS;
}

void tasks_tick(struct master *m)
{
	for (size_t i = 0; i < MASTER_TASKS; i++)
		keep_running(&m->tasks[i]);
}

void tasks_retire(struct master *m)
{
	for (size_t i = 0; i < MASTER_TASKS; i++) {
		m->tasks[i].is_retired = true;
		if (!tasks[i].stays)
			child_signal(&m->tasks[i].child, SIGTERM);
	}
}

/* ---- what the relay to the smart host needs ---- */

void tasks_init(struct master *m)
{
	m->relay_listener = m->relay_login = -1;
	for (size_t i = 0; i < MASTER_TASKS; i++)
		m->tasks[i] = (struct task_child){ .master = m, .task = &tasks[i] };
}

int tasks_open(struct master *m, const struct users *users, struct error *err)
{
	const char *file = m->settings->smart_host_credentials;
	char place[SMART_HOST_RELAY_PATH_MAX] = "unix:";
	struct error why = { 0 };
	int r;

	if (!*file)
		return 0;
	r = smart_host_relay_path(m->settings, SMART_HOST_RELAY_NEW, place + 5);
	if (r < 0)
		return error_errno(err, r, "run_dir");
	m->relay_listener = loopback_listen(place, users->of[USER_INTERCEPTOR].gid, err);
	if (m->relay_listener < 0)
		return m->relay_listener;
	m->relay_login = login_file_open(file, &why);
	if (m->relay_login < 0) /* no reason to serve nobody */
		log_error(NULL, "smart-host-login", "error=\"%s\"", why.text);
	return 0;
}

void tasks_begin(struct master *m)
{
	char made[SMART_HOST_RELAY_PATH_MAX], path[SMART_HOST_RELAY_PATH_MAX];

	if (m->relay_login >= 0 &&
		smart_host_relay_path(m->settings, SMART_HOST_RELAY_NEW, made) == 0 &&
		smart_host_relay_path(m->settings, SMART_HOST_RELAY_SOCKET, path) == 0 &&
		rename(made, path) < 0)
		log_error(NULL, "smart-host-login", "error=\"%s: %s\"", path,
			strerror(errno));
	tasks_tick(m);
}
