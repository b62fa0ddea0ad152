/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_TIMER_H
#define EVENT_TIMER_H
/* A timer in the loop that can be freed at once, also in its own callback. */
#include "event/loop.h"

struct timer;
typedef void timer_fn(void *context);

/* Not started yet. 0 or -errno. */
int timer_new(struct loop *loop, timer_fn *expired, void *context, struct timer **ret);
/* Once, in so many ms; one that runs already begins anew. */
void timer_start(struct timer *t, uint64_t ms);
/* At the loop's next turn, and from then on every so many ms. */
void timer_start_every(struct timer *t, uint64_t ms);
void timer_stop(struct timer *t); /* NULL is fine */
bool timer_runs(const struct timer *t);
void timer_free(struct timer *t); /* NULL is fine */

void timers_close_idle(struct loop *loop); /* for loop_fini() */

#endif
