/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/watch.h"

#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256 /* events of one turn; the rest comes with the next */

static const struct {
	int event;
	uint32_t epoll;
} names[] = {
	{ UV_READABLE, EPOLLIN },
	{ UV_WRITABLE, EPOLLOUT },
	{ UV_DISCONNECT, EPOLLRDHUP },
};

static uint32_t to_epoll(int events)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (events & names[i].event)
			mask |= names[i].epoll;
	return mask;
}

static int from_epoll(uint32_t mask)
{
	int events = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mask & names[i].epoll)
			events |= names[i].event;
	return events;
}

/* -1 takes it out. */
static void arm(struct watch *w, int events)
{
	struct epoll_event event = { .events = events > 0 ? to_epoll(events) : 0,
		.data.ptr = w };
	int op = events < 0     ? EPOLL_CTL_DEL
	         : w->armed < 0 ? EPOLL_CTL_ADD
	                        : EPOLL_CTL_MOD;

	if (events == w->armed)
		return;
	if (epoll_ctl(w->set->epoll, op, w->fd, &event) == 0 || op == EPOLL_CTL_DEL) {
		w->armed = events;
		return;
	}
	/* ENOMEM, ENOSPC: nothing would ever happen to it again */
	w->failure = -errno;
	watch_soon(w);
}

/* ---- events ---- */

/* What happened is not asked for any more: stop being told. An error and a hang-up are
   told whether asked for or not. */
static void disarm(struct watch *w, int happened)
{
	if (happened & UV_DISCONNECT)
		w->has_hung_up = true;
	arm(w, w->events ? w->events : -1);
}

static void happened(struct watch *w, uint32_t mask)
{
	int events = from_epoll(mask), wanted;

	if (!w->ready)
		return; /* freed earlier in this turn */
	if (mask & EPOLLERR && w->events) {
		arm(w, -1);
		w->events = 0;
		w->ready(w->context, 0, -ECONNRESET);
		return;
	}
	/* both directions have ended: each of them can be acted upon */
	wanted = mask & EPOLLHUP ? w->events : events & w->events;
	if (wanted)
		w->ready(w->context, wanted, 0);
	else
		disarm(w, events);
}

static void free_gone(struct watches *set)
{
	while (!SLIST_EMPTY(&set->gone)) {
		struct watch *w = SLIST_FIRST(&set->gone);

		SLIST_REMOVE_HEAD(&set->gone, next);
		free(w);
	}
}

static void call_soon(struct watches *set)
{
	while (!SLIST_EMPTY(&set->soon)) {
		struct watch *w = SLIST_FIRST(&set->soon);

		SLIST_REMOVE_HEAD(&set->soon, next);
		w->is_soon = false;
		w->ready(w->context, w->failure ? 0 : UV_WRITABLE, w->failure);
	}
}

/* ---- the set ---- */

int watches_init(struct watches *set, uv_loop_t *loop, bool forks)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	int r = 0;

	*set = (struct watches){ .loop = loop, .forks = forks };
	set->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll < 0)
		return -errno;
	if (epoll_ctl(set->epoll, EPOLL_CTL_ADD, uv_backend_fd(loop), &event) < 0) {
		r = -errno;
		watches_fini(set);
	}
	return r;
}

void watches_fini(struct watches *set)
{
	fd_closep(&set->epoll);
}

uint64_t watches_now(const struct watches *set)
{
	return uv_now(set->loop);
}

void watches_turn(struct watches *set)
{
	struct epoll_event batch[BATCH];
	bool loop_is_due = false;
	int n;

	set->running = true;
	call_soon(set);
	n = epoll_wait(set->epoll, batch, BATCH, uv_backend_timeout(set->loop));
	uv_update_time(set->loop);
	for (int i = 0; i < n; i++) {
		if (batch[i].data.ptr)
			happened(batch[i].data.ptr, batch[i].events);
		else
			loop_is_due = true;
	}
	/* 0: a timer has expired */
	if (loop_is_due || uv_backend_timeout(set->loop) == 0)
		(void)uv_run(set->loop, UV_RUN_NOWAIT);
	set->running = false;
	free_gone(set);
}

void watches_run(struct watches *set, void (*before_sleep)(void *context), void *context)
{
	while (!set->stopped) {
		before_sleep(context);
		watches_turn(set);
	}
}

void watches_stop(struct watches *set)
{
	set->stopped = true;
}

/* ---- one of them ---- */

int watch_new(
	struct watches *set, int fd, watch_fn *ready, void *context, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->set = set;
	w->fd = fd;
	w->armed = -1;
	w->ready = ready;
	w->context = context;
	*ret = w;
	return 0;
}

void watch_want(struct watch *w, int events)
{
	int missing;

	if (!w || w->events == events)
		return;
	w->events = events;
	missing = w->armed < 0 ? events : events & ~w->armed;
	/* a socket can be written to nearly always: that is not left to happen */
	if (missing || (w->armed > 0 && w->armed & ~events & UV_WRITABLE))
		arm(w, events | (w->has_hung_up ? 0 : UV_DISCONNECT));
}

void watch_soon(struct watch *w)
{
	if (!w || w->is_soon)
		return;
	w->is_soon = true;
	SLIST_INSERT_HEAD(&w->set->soon, w, next);
}

int watch_take(struct watch *w)
{
	int fd = w->fd;

	arm(w, -1); /* the descriptor lives on */
	w->fd = -1;
	watch_free(w);
	return fd;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->set->forks)
		arm(w, -1);
	fd_closep(&w->fd);
	if (w->is_soon)
		SLIST_REMOVE(&w->set->soon, w, watch, next);
	w->ready = NULL;
	if (w->set->running)
		SLIST_INSERT_HEAD(&w->set->gone, w, next);
	else
		free(w);
}
