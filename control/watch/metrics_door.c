/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/metrics_door.h"

#include "base/fd.h"
#include "base/log.h"
#include "settings/loopback.h"
#include "users/users.h"

#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct metrics_answer *free_answer(struct metrics_door *d)
{
	for (size_t i = 0; i < METRICS_ANSWERS_MAX; i++)
		if (!child_runs(&d->answers[i].child))
			return &d->answers[i];
	return NULL;
}

/* While all are at work nobody is let in. */
static void want(struct metrics_door *d)
{
	int events = free_answer(d) ? UV_READABLE : 0;

	for (size_t i = 0; i < d->n_places; i++)
		watch_want(d->places[i].watch, events);
}

static void on_answered(void *context, int status)
{
	const struct metrics_answer *a = context;
	char how[64];

	if (status) {
		child_end_text(status, how, sizeof(how));
		log_warning(NULL, "metrics", "how=\"%s\"", how);
	}
	want(a->door);
}

static int start(struct metrics_answer *a, int connection, struct error *err)
{
	struct metrics_door *d = a->door;
	const char *const arguments[] = { "mailferry", "-c", d->config, "metrics", "http",
		NULL };
	const int outputs[] = { connection, STDERR_FILENO };
	const struct child_plan plan = { .arguments = arguments,
		.own_group = true,
		.input = &connection,
		.outputs = outputs };

	return child_start(&a->child, d->loop, &plan, on_answered, a, err);
}

static void on_connection(void *context, int events, int error)
{
	const struct metrics_place *p = context;
	CLEANUP(fd_closep) int connection = -1;
	struct metrics_answer *a = free_answer(p->door);
	struct error err;

	(void)events;
	(void)error;
	if (!a)
		return;
	connection = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
	if (connection >= 0 && start(a, connection, &err) < 0)
		log_error(NULL, "metrics", "error=\"%s\"", err.text);
	want(p->door);
}

static int open_place(
	struct metrics_door *d, const char *where, unsigned group, struct error *err)
{
	struct metrics_place *p = &d->places[d->n_places];
	int r;

	p->door = d;
	p->fd = loopback_listen(where, group, err);
	if (p->fd < 0)
		return p->fd;
	r = watch_new(d->loop, p->fd, on_connection, p, &p->watch);
	if (r < 0) {
		fd_closep(&p->fd);
		return error_errno(err, r, "cannot watch %s", where);
	}
	d->n_places++;
	return 0;
}

static void open_or_say(struct metrics_door *d, const char *where, unsigned group)
{
	struct error err;

	if (*where && open_place(d, where, group, &err) < 0)
		log_error(NULL, "metrics", "error=\"%s\"", err.text);
}

void metrics_door_open(struct metrics_door *d, struct loop *loop,
	const struct settings *s, const char *config)
{
	struct users users;
	struct error err;
	char place[PATH_MAX];

	*d = (struct metrics_door){ .loop = loop, .config = config };
	for (size_t i = 0; i < METRICS_ANSWERS_MAX; i++)
		d->answers[i].door = d;
	if (users_load(s, &users, &err) < 0) {
		log_error(NULL, "metrics", "error=\"%s\"", err.text);
		return;
	}
	(void)snprintf(place, sizeof(place), "unix:%s/" METRICS_SOCKET, s->run_dir);
	open_or_say(d, place, users.of[USER_METRICS].gid);
	open_or_say(d, s->metrics, users.of[USER_METRICS].gid);
	want(d);
}

void metrics_door_close(struct metrics_door *d)
{
	for (size_t i = 0; i < d->n_places; i++)
		watch_free(d->places[i].watch);
	d->n_places = 0;
	for (size_t i = 0; i < METRICS_ANSWERS_MAX; i++)
		if (child_runs(&d->answers[i].child))
			child_forget(&d->answers[i].child);
}
