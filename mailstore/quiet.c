/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/quiet.h"

#include "event/timer.h"
#include "mailstore/serve/sort_stored.h"

#include <malloc.h>

static void on_quiet(void *context)
{
	struct quiet *q = context;

	q->is_own = true;
	if (q->serve->store) {
		(void)sort_stored_keep(q->serve, NULL);
		store_give_back(q->serve->store);
	}
	sort_cache_give_back(&q->serve->sort_cache);
	(void)malloc_trim(0);
}

int quiet_init(struct quiet *q, struct loop *loop, struct serve *serve)
{
	*q = (struct quiet){ .serve = serve, .ms = QUIET_MS };
	return timer_new(loop, on_quiet, q, &q->timer);
}

void quiet_own_turn(struct quiet *q, bool used_memory)
{
	q->is_own = !used_memory || timer_runs(q->timer);
}

void quiet_turn(struct quiet *q)
{
	if (!q->is_own)
		timer_start(q->timer, q->ms);
	q->is_own = false;
}

void quiet_fini(struct quiet *q)
{
	timer_free(q->timer);
	q->timer = NULL;
}
