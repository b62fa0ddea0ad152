/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/timer.h"

#include <errno.h>
#include <stdlib.h>

#define IDLE_MAX 64 /* as many sessions may end and begin together */

struct timer {
	uv_timer_t uv; /* first: libuv gives it back when it has let go of it */
	struct loop *loop;
	timer_fn *expired;
	void *context;
	SLIST_ENTRY(timer) idle;
};

static int make(struct loop *loop, struct timer **ret)
{
	struct timer *t = calloc(1, sizeof(*t));
	int r = t ? uv_timer_init(&loop->uv, &t->uv) : -ENOMEM;

	if (r < 0) {
		free(t);
		return r;
	}
	t->loop = loop;
	*ret = t;
	return 0;
}

static struct timer *take_idle(struct loop *loop)
{
	struct timer *t = SLIST_FIRST(&loop->idle_timers);

	if (t) {
		SLIST_REMOVE_HEAD(&loop->idle_timers, idle);
		loop->n_idle_timers--;
	}
	return t;
}

int timer_new(struct loop *loop, timer_fn *expired, void *context, struct timer **ret)
{
	struct timer *t = take_idle(loop);
	int r = t ? 0 : make(loop, &t);

	if (r < 0)
		return r;
	t->expired = expired;
	t->context = context;
	*ret = t;
	return 0;
}

static void on_expired(uv_timer_t *uv)
{
	struct timer *t = (struct timer *)uv;

	t->expired(t->context);
}

/* It fails only for one that is being closed, or without a callback. */
void timer_start(struct timer *t, uint64_t ms)
{
	(void)uv_timer_start(&t->uv, on_expired, ms, 0);
}

void timer_start_every(struct timer *t, uint64_t ms)
{
	(void)uv_timer_start(&t->uv, on_expired, 0, ms);
}

void timer_stop(struct timer *t)
{
	if (t)
		(void)uv_timer_stop(&t->uv);
}

bool timer_runs(const struct timer *t)
{
	return uv_is_active((const uv_handle_t *)&t->uv);
}

static void free_closed(uv_handle_t *uv)
{
	free(uv);
}

static void close_timer(struct timer *t)
{
	uv_close((uv_handle_t *)&t->uv, free_closed);
}

/* libuv lets go of a handle in a turn of its own loop, which costs more than all else
   that a session does with its timer: it is kept for the next one. */
void timer_free(struct timer *t)
{
	struct loop *loop = t ? t->loop : NULL;

	if (!t)
		return;
	if (loop->n_idle_timers == IDLE_MAX) {
		close_timer(t);
		return;
	}
	timer_stop(t);
	SLIST_INSERT_HEAD(&loop->idle_timers, t, idle);
	loop->n_idle_timers++;
}

void timers_close_idle(struct loop *loop)
{
	for (struct timer *t = take_idle(loop); t; t = take_idle(loop))
		close_timer(t);
}
