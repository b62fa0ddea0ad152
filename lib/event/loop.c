/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/loop.h"

#include "base/fd.h"
#include "event/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH 256              /* events of one turn; the rest comes with the next */
#define WATCH_IS_DUE (1 << 30) /* in watch.due, beside the events */

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
	if (epoll_ctl(w->loop->epoll, op, w->fd, &event) == 0 || op == EPOLL_CTL_DEL) {
		w->armed = events;
		return;
	}
	/* ENOMEM, ENOSPC: nothing would ever happen to it again */
	w->failure = -errno;
	watch_soon(w, 0);
}

/* ---- events ---- */

/* What happened is not asked for any more: stop being told. An error and a hang-up are
   told whether asked for or not. */
static void disarm(struct watch *w)
{
	arm(w, w->events ? w->events : -1);
}

static void happened(struct watch *w, uint32_t mask)
{
	int events = from_epoll(mask), wanted;

	if (!w->ready)
		return; /* freed earlier in this turn */
	if (mask & EPOLLRDHUP)
		w->has_hung_up = true;
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
		disarm(w);
}

static void free_gone(struct loop *loop)
{
	while (!SLIST_EMPTY(&loop->gone)) {
		struct watch *w = SLIST_FIRST(&loop->gone);

		SLIST_REMOVE_HEAD(&loop->gone, gone);
		free(w);
	}
}

/* Those who ask again meanwhile are called in the next turn: the others come first. */
static void call_due(struct loop *loop)
{
	for (unsigned n = loop->n_due; n && !STAILQ_EMPTY(&loop->due); n--) {
		struct watch *w = STAILQ_FIRST(&loop->due);
		int events = w->due & ~WATCH_IS_DUE;

		STAILQ_REMOVE_HEAD(&loop->due, next_due);
		loop->n_due--;
		w->due = 0;
		w->ready(w->context, w->failure ? 0 : events, w->failure);
	}
}

/* ---- the loop ---- */

/* libuv has something to do when one of these has. The alarm is told once each time that
   it rings: nobody reads it. */
static bool add_libuv(struct loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	struct epoll_event once = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv), &event) ==
	               0 &&
	       epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->alarm, &once) == 0;
}

int loop_init(struct loop *loop, bool forks)
{
	int r;

	*loop = (struct loop){
		.forks = forks, .epoll = -1, .alarm = -1, .rings_at = UINT64_MAX
	};
	STAILQ_INIT(&loop->due);
	r = uv_loop_init(&loop->uv);
	if (r < 0)
		return r;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll >= 0)
		loop->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->alarm >= 0 && add_libuv(loop))
		return 0;
	r = -errno;
	(void)loop_fini(loop);
	return r;
}

int loop_fini(struct loop *loop)
{
	fd_closep(&loop->epoll);
	free(loop->space);
	loop->space = NULL;
	fd_closep(&loop->alarm);
	timers_close_idle(loop);
	(void)uv_run(&loop->uv, UV_RUN_NOWAIT); /* it forgets its closing handles */
	return uv_loop_close(&loop->uv);
}

uint64_t loop_now(const struct loop *loop)
{
	return uv_now(&loop->uv);
}

/* libuv says 0 of a loop that has nothing to do, which would be no sleep at all. */
static int timeout_of(const uv_loop_t *uv)
{
	return uv_loop_alive(uv) ? uv_backend_timeout(uv) : -1;
}

/* A timeout of epoll_wait() is a timer that the kernel sets and takes back in each turn;
   this one stays as it is while timers begin anew, and rings no later than the first of
   them. Answers the timeout. */
static int set_alarm(struct loop *loop)
{
	int ms = timeout_of(&loop->uv);
	struct itimerspec when = { 0 };

	if (ms <= 0 || loop_now(loop) + (uint64_t)ms >= loop->rings_at)
		return ms > 0 ? -1 : ms;
	/* what was called meanwhile has taken its time */
	uv_update_time(&loop->uv);
	ms = timeout_of(&loop->uv);
	when.it_value.tv_sec = ms / 1000;
	when.it_value.tv_nsec = ms % 1000 * 1000000L;
	if (ms <= 0 || timerfd_settime(loop->alarm, 0, &when, NULL) < 0)
		return ms;
	loop->rings_at = loop_now(loop) + (uint64_t)ms;
	return -1;
}

void loop_turn(struct loop *loop)
{
	struct epoll_event batch[BATCH];
	bool uv_is_due;
	int n, ms;

	loop->running = true;
	call_due(loop);
	ms = set_alarm(loop);
	uv_is_due = ms == 0; /* a timer has expired, a handle is to be forgotten */
	n = epoll_wait(loop->epoll, batch, BATCH, loop->n_due ? 0 : ms);
	uv_update_time(&loop->uv);
	for (int i = 0; i < n; i++) {
		if (batch[i].data.ptr) {
			happened(batch[i].data.ptr, batch[i].events);
		} else {
			uv_is_due = true;
			loop->rings_at = UINT64_MAX; /* perhaps it has rung */
		}
	}
	if (uv_is_due)
		(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	loop->running = false;
	free_gone(loop);
}

void loop_run(struct loop *loop, void (*before_sleep)(void *context), void *context)
{
	while (!loop->stopped) {
		if (before_sleep)
			before_sleep(context);
		loop_turn(loop);
	}
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

/* ---- one of them ---- */

int watch_new(
	struct loop *loop, int fd, watch_fn *ready, void *context, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = loop;
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
	if (!events && w->has_hung_up) {
		arm(w, -1); /* it would be told again at once */
		return;
	}
	missing = w->armed < 0 ? events : events & ~w->armed;
	/* a socket can be written to nearly always: that is not left to happen */
	if (missing || (w->armed > 0 && w->armed & ~events & UV_WRITABLE))
		arm(w, events | (w->has_hung_up ? 0 : UV_DISCONNECT));
}

void watch_soon(struct watch *w, int events)
{
	if (!w)
		return;
	if (!w->due) {
		STAILQ_INSERT_TAIL(&w->loop->due, w, next_due);
		w->loop->n_due++;
	}
	w->due |= events | WATCH_IS_DUE;
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
	if (w->loop->forks || w->is_shared)
		arm(w, -1);
	fd_closep(&w->fd);
	if (w->due) {
		STAILQ_REMOVE(&w->loop->due, w, watch, next_due);
		w->loop->n_due--;
	}
	w->ready = NULL;
	if (w->loop->running)
		SLIST_INSERT_HEAD(&w->loop->gone, w, gone);
	else
		free(w);
}
