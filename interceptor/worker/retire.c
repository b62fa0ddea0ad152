/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker whose master has been followed (messages/takeover.h): it takes nobody any
   more, and ends with its last session, or ends those that are left (`upgrade_drain`). */
#include "interceptor/worker/worker.h"

#include <unistd.h>

#define DRAIN_PATIENCE_MS 30000  /* a long answer may end first */
#define HANDLED_PATIENCE_MS 1000 /* so may a login, or a mail */

/* They stay open in the next worker, with whoever waits in them. */
void worker_retire(struct worker *w)
{
	for (size_t i = 0; i < w->n_listeners; i++)
		close(watch_take(w->listeners[i].watch)); /* others have it, too */
	w->n_listeners = 0;
	w->takes_no_more = true;
	if (w->host.settings->upgrade_drain_s)
		w->drained_at = loop_now(&w->loop) +
		                w->host.settings->upgrade_drain_s * UINT64_C(1000);
}

/* It has been followed for long enough (`upgrade_drain`). */
static void end_drained(struct worker *w)
{
	uint64_t now = loop_now(&w->loop);
	struct session *s, *next;

	if (!w->drained_at || now < w->drained_at)
		return;
	for (s = LIST_FIRST(&w->host.sessions); s; s = next) {
		next = LIST_NEXT(s, all);
		if (s->state == SESSION_HANDLED &&
			now < w->drained_at + HANDLED_PATIENCE_MS)
			continue;
		session_retire(s, now >= w->drained_at + DRAIN_PATIENCE_MS);
	}
}

/* What it has learnt is written at its end. */
static void stop_when_left(struct worker *w)
{
	if (w->takes_no_more && LIST_EMPTY(&w->host.sessions) &&
		LIST_EMPTY(&w->host.gone) && LIST_EMPTY(&w->host.stagings))
		loop_stop(&w->loop);
}

void worker_drain(struct worker *w)
{
	end_drained(w);
	stop_when_left(w);
}

void worker_end(struct worker *w)
{
	w->is_ending = true;
	if (!w->takes_no_more)
		worker_retire(w);
	w->drained_at = loop_now(&w->loop);
	worker_drain(w);
}
