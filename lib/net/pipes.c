/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/pipes.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void pipes_init(struct pipes *p)
{
	*p = (struct pipes){ 0 };
}

static void discard(struct pipes *p, struct pipe_ends *ends)
{
	fd_closep(&ends->read_end);
	fd_closep(&ends->write_end);
	free(ends);
	p->count--;
}

void pipes_fini(struct pipes *p)
{
	while (p->idle) {
		struct pipe_ends *ends = p->idle;

		p->idle = ends->next;
		discard(p, ends);
	}
}

static struct pipe_ends *make(struct pipes *p)
{
	struct pipe_ends *ends;
	int fds[2];

	if (p->count == PIPES_MAX)
		return NULL;
	ends = calloc(1, sizeof(*ends));
	if (!ends)
		return NULL;
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(ends);
		return NULL;
	}
	ends->read_end = fds[0];
	ends->write_end = fds[1];
	p->count++;
	/* EPERM past the user's limit: a pipe that small is no faster than copying */
	if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE) < 0) {
		discard(p, ends);
		return NULL;
	}
	return ends;
}

struct pipe_ends *pipes_lend(struct pipes *p)
{
	struct pipe_ends *ends = p->idle;

	if (!ends)
		return make(p);
	p->idle = ends->next;
	ends->next = NULL;
	return ends;
}

void pipes_give_back(struct pipes *p, struct pipe_ends *ends)
{
	if (!ends)
		return;
	if (ends->held) {
		discard(p, ends);
		return;
	}
	ends->next = p->idle;
	p->idle = ends;
}
