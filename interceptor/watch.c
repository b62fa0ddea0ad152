/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/watch.h"

#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>

static void ready(uv_poll_t *poll, int status, int events)
{
	struct watch *w = (struct watch *)poll;

	/* libuv has stopped polling when it reports an error */
	if (status < 0)
		w->events = 0;
	w->ready(w->context, events, status < 0 ? -ECONNRESET : 0);
}

int watch_new(uv_loop_t *loop, int fd, watch_fn *fn, void *context, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	r = uv_poll_init(loop, &w->poll, fd);
	if (r < 0) {
		free(w);
		return r;
	}
	w->fd = fd;
	w->ready = fn;
	w->context = context;
	*ret = w;
	return 0;
}

void watch_want(struct watch *w, int events)
{
	if (!w || w->events == events)
		return;
	w->events = events;
	if (events)
		(void)uv_poll_start(&w->poll, events, ready);
	else
		(void)uv_poll_stop(&w->poll);
}

static void closed(uv_handle_t *handle)
{
	free(handle);
}

int watch_take(struct watch *w)
{
	int fd = fd_steal(&w->fd);

	/* takes it out of epoll at once: the descriptor may live on in another process */
	uv_close((uv_handle_t *)&w->poll, closed);
	return fd;
}

void watch_free(struct watch *w)
{
	int fd;

	if (!w)
		return;
	fd = watch_take(w);
	fd_closep(&fd);
}
