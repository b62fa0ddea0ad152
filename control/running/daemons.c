/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/daemons.h"

#include "base/fd.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MOST_MS 10000u
#define HEALTHY_MS 30000u /* one that ran that long has not failed at its start */

int daemon_init(struct daemon *d, const char *name, struct error *err)
{
	*d = (struct daemon){
		.name = name, .state = DAEMON_WAITING, .ready = -1, .handed = -1
	};
	return process_sibling(name, d->path, sizeof(d->path), err);
}

uint64_t daemon_backoff_ms(unsigned failures)
{
	uint64_t delay = BACKOFF_FIRST_MS;

	for (; failures > 1 && delay < BACKOFF_MOST_MS; failures--)
		delay *= 2;
	return delay < BACKOFF_MOST_MS ? delay : BACKOFF_MOST_MS;
}

/* given: what the option is about; -1: neither. */
static int start(struct daemon *d, struct loop *loop, const char *config,
	const char *option, int given, child_ended_fn *ended, void *context,
	struct error *err)
{
	const char *const arguments[] = { d->path, "-c", config,
		given >= 0 ? option : NULL, NULL };
	struct child_plan plan = { .program = d->path,
		.arguments = arguments,
		.own_group = true,
		.fds = &given,
		.n_fds = given >= 0 };

	return child_start(&d->child, loop, &plan, ended, context, err);
}

int daemon_run(struct daemon *d, struct loop *loop, const char *config, uint64_t now,
	child_ended_fn *ended, void *context, struct error *err)
{
	int r;

	if (d->state != DAEMON_WAITING || now < d->start_at)
		return 0;
	r = start(d, loop, config, "--handed", d->handed, ended, context, err);
	fd_closep(&d->handed);
	if (r < 0) {
		d->start_at = now + BACKOFF_MOST_MS;
		return r;
	}
	d->state = DAEMON_RUNNING;
	d->started_at = now;
	return 0;
}

int daemon_follow(struct daemon *d, struct loop *loop, const char *config, uint64_t now,
	child_ended_fn *ended, void *context, struct error *err)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, -errno, "cannot start %s", d->name);
	r = start(d, loop, config, "--take-over", ends[1], ended, context, err);
	fd_closep(&ends[1]);
	if (r < 0) {
		fd_closep(&ends[0]);
		return r;
	}
	d->ready = ends[0];
	d->state = DAEMON_RUNNING;
	d->started_at = now;
	return 0;
}

bool daemon_has_followed(struct daemon *d)
{
	char word;

	if (d->ready < 0 || read(d->ready, &word, 1) != 1)
		return false;
	fd_closep(&d->ready);
	return true;
}

void daemon_ended(struct daemon *d, int status, uint64_t now)
{
	fd_closep(&d->ready);
	d->last_status = status;
	d->failures = now - d->started_at < HEALTHY_MS ? d->failures + 1 : 1;
	d->start_at = now + daemon_backoff_ms(d->failures);
	if (d->state == DAEMON_RUNNING)
		d->state = DAEMON_WAITING;
}

void daemon_stop(struct daemon *d, int signal)
{
	child_signal(&d->child, signal);
	d->state = DAEMON_STOPPED;
}
