/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attempts that wait until they are looked at: guessing costs time (guess.h), and no
 * network may fill the queue for scrypt. One that waits too long is answered
 * with "not now": late, so that nobody makes the queue short by filling it.
 */
#include "base/clock.h"
#include "vault/server.h"

#include <errno.h>
#include <stdlib.h>

#define WAITING_MAX 4096 /* some 4 MiB; beyond that "not now" is said at once */
#define TICK_MS 50
#define PATIENCE_MS 20000 /* clients have 30 s and more */

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	struct asker *asker;
	struct arena arena;
	struct message m; /* strings in arena */
	uint64_t since;
};

static void drop(struct server *s, struct waiting *w)
{
	STAILQ_REMOVE(&s->waiting, w, waiting, entry);
	s->n_waiting--;
	asker_job_done(w->asker);
	arena_fini(&w->arena);
	free(w);
}

static void look_again(struct server *s, struct waiting *w, uint64_t now)
{
	const struct ticket_bearer bearer = { .session = w->m.session };
	bool is_over = now - w->since > PATIENCE_MS;

	if (w->asker->fd < 0) {
		drop(s, w);
	} else if (is_over) {
		answer_verdict(w->asker, &bearer, VERDICT_UNKNOWN);
		drop(s, w);
	} else if (check_now(w->asker, &w->m)) {
		drop(s, w);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	uint64_t now = clock_monotonic_ms();
	struct waiting *w, *next;

	for (w = STAILQ_FIRST(&s->waiting); w; w = next) {
		next = STAILQ_NEXT(w, entry);
		look_again(s, w, now);
	}
	if (STAILQ_EMPTY(&s->waiting))
		(void)uv_timer_stop(timer);
}

int waiting_init(struct server *s)
{
	int r = uv_timer_init(&s->loop, &s->tick);

	s->tick.data = s;
	STAILQ_INIT(&s->waiting);
	return r;
}

static bool copy(struct waiting *w, const struct message *m)
{
	struct str *const strings[] = { &w->m.account, &w->m.session, &w->m.service,
		&w->m.tag, &w->m.client, &w->m.text, &w->m.payload };

	w->m = *m;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = arena_str(&w->arena, *strings[i]);
		if (!strings[i]->ptr)
			return false;
	}
	return true;
}

int waiting_add(struct server *s, struct asker *a, const struct message *m)
{
	struct waiting *w = s->n_waiting < WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return -EBUSY;
	arena_init(&w->arena);
	w->asker = a;
	w->since = clock_monotonic_ms();
	a->jobs++;
	STAILQ_INSERT_TAIL(&s->waiting, w, entry);
	s->n_waiting++;
	if (!copy(w, m)) {
		drop(s, w);
		return -ENOMEM;
	}
	if (!uv_is_active((uv_handle_t *)&s->tick))
		(void)uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	return 0;
}

void waiting_fini(struct server *s)
{
	while (!STAILQ_EMPTY(&s->waiting))
		drop(s, STAILQ_FIRST(&s->waiting));
}
