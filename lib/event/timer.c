/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/timer.h"

#include <errno.h>
#include <stdlib.h>

struct timer {
	uv_timer_t uv; /* first: libuv gives it back when it has let go of it */
	timer_fn *expired;
	void *context;
};

int timer_new(struct loop *loop, timer_fn *expired, void *context, struct timer **ret)
{
	struct timer *t = calloc(1, sizeof(*t));
	int r = t ? uv_timer_init(&loop->uv, &t->uv) : -ENOMEM;

	if (r < 0) {
		free(t);
		return r;
	}
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

void timer_free(struct timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, free_closed);
}
