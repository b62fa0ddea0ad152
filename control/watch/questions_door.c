/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/questions_door.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"

#include <stdio.h>

static struct child *free_answerer(struct questions_door *d)
{
	for (size_t i = 0; i < QUESTIONS_ANSWERERS_MAX; i++)
		if (!child_runs(&d->answerers[i]))
			return &d->answerers[i];
	return NULL;
}

static void on_ended(void *context, int status)
{
	char how[64];

	(void)context;
	if (!status)
		return;
	child_end_text(status, how, sizeof(how));
	log_warning(NULL, "questions", "how=\"%s\"", how);
}

static void on_connection(void *context, int fd)
{
	struct questions_door *d = context;
	struct child *child = free_answerer(d);
	const char *const arguments[] = { "mailferry-dashboard", "--worker", "questions",
		"-c", d->config, NULL };
	const struct child_plan plan = { .program = d->program,
		.arguments = arguments,
		.own_group = true,
		.fds = &fd,
		.n_fds = 1 };
	struct error err;

	if (child && child_start(child, d->loop, &plan, on_ended, d, &err) < 0)
		log_error(NULL, "questions", "error=\"%s\"", err.text);
	fd_closep(&fd); /* with nobody free it asks again later */
}

void questions_door_open(struct questions_door *d, struct loop *loop,
	const struct settings *s, const char *config)
{
	struct error err;
	char path[PATH_MAX];
	int r;

	*d = (struct questions_door){ .loop = loop, .config = config };
	r = process_sibling("mailferry-dashboard", d->program, sizeof(d->program), &err);
	(void)snprintf(path, sizeof(path), "%s/" QUESTIONS_SOCKET, s->run_dir);
	if (r == 0)
		r = channel_listen(
			&d->listener, loop, path, 0600, on_connection, d, &err);
	if (r < 0)
		log_error(NULL, "questions", "error=\"%s\"", err.text);
}

void questions_door_close(struct questions_door *d)
{
	channel_listener_close(&d->listener);
	for (size_t i = 0; i < QUESTIONS_ANSWERERS_MAX; i++)
		if (child_runs(&d->answerers[i]))
			child_forget(&d->answerers[i]);
}
