/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/sweeps.h"

#include "base/clock.h"
#include "base/log.h"
#include "registry/sweeps.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LOOK_EVERY_MS 1000
#define DUE_MAX 16 /* of one look */

struct sweeper {
	LIST_ENTRY(sweeper) all;
	struct sweeps *sweeps;
	struct mover_order order;
	struct child child;
};

struct due {
	struct mover_order at[DUE_MAX];
	size_t n;
};

static int take(void *context, int64_t id, struct str name)
{
	struct due *due = context;
	struct mover_order *o = &due->at[due->n++];

	*o = (struct mover_order){ .id = id, .task = MOVER_SWEEP };
	name = str_take(name, sizeof(o->name) - 1);
	memcpy(o->name, name.ptr, name.len);
	return 0;
}

static bool is_running(const struct sweeps *s, int64_t id)
{
	const struct sweeper *one;

	LIST_FOREACH(one, &s->running, all)
	if (one->order.id == id)
		return true;
	return false;
}

static void forget(struct sweeper *one)
{
	LIST_REMOVE(one, all);
	one->sweeps->n--;
	free(one);
}

static void on_ended(void *context, int status)
{
	struct sweeper *one = context;

	if (status)
		log_warning(NULL, "sweep", "account=%s ended with status %d",
			one->order.name, status);
	one->sweeps->look_at = 0;
	forget(one);
}

/* Between three and five quarters of the interval: accounts that moved at once are not
   all looked at at once for ever. */
static uint64_t next_look(const struct settings *s)
{
	uint64_t interval = (uint64_t)s->sweep_s * 1000;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = UINT32_MAX / 2;
	return clock_wall_ms() + interval * 3 / 4 +
	       interval / 2 * (random >> 8) / (UINT32_MAX >> 8);
}

static int start(struct sweeps *s, const struct mover_order *order, struct error *err)
{
	struct sweeper *one;
	int r = registry_plan_sweep(
		s->registry, order->id, next_look(s->movers->settings), err);

	if (r < 0)
		return r;
	one = calloc(1, sizeof(*one));
	if (!one)
		return error_set(err, -ENOMEM, "no memory");
	one->sweeps = s;
	one->order = *order;
	r = mover_start(s->movers, &one->order, &one->child, s->loop, on_ended, one, err);
	if (r < 0) {
		free(one);
		return r;
	}
	LIST_INSERT_HEAD(&s->running, one, all);
	s->n++;
	return 0;
}

void sweeps_init(
	struct sweeps *s, struct movers *m, struct registry *r, struct loop *loop)
{
	*s = (struct sweeps){ .movers = m, .registry = r, .loop = loop };
}

void sweeps_step(struct sweeps *s, unsigned places, uint64_t now)
{
	struct due due = { .n = 0 };
	struct error err;

	if (!s->movers->settings->sweep_s || now < s->look_at || s->n >= places)
		return;
	s->look_at = now + LOOK_EVERY_MS;
	if (registry_each_sweep_due(s->registry, clock_wall_ms(),
		    (uint64_t)s->movers->settings->sweep_s * 1000, DUE_MAX, take, &due,
		    &err) < 0) {
		log_error(NULL, "sweep", "%s", err.text);
		return;
	}
	for (size_t i = 0; i < due.n && s->n < places; i++)
		if (!is_running(s, due.at[i].id) && start(s, &due.at[i], &err) < 0)
			log_warning(NULL, "sweep", "account=%s reason=\"%s\"",
				due.at[i].name, err.text);
}

void sweeps_end(struct sweeps *s)
{
	while (!LIST_EMPTY(&s->running)) {
		struct sweeper *one = LIST_FIRST(&s->running);

		child_signal(&one->child, SIGTERM);
		child_forget(&one->child);
		forget(one);
	}
}
