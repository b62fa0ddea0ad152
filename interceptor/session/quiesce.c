/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/quiesce.h"

#include "interceptor/session/mail_hold.h"
#include "interceptor/session/session.h"

#include <stdlib.h>
#include <string.h>

struct pending_quiesce {
	LIST_ENTRY(pending_quiesce) all;
	uint64_t request;
	bool may_stay; /* sessions at the source: it has not switched yet */
	size_t len;
	char account[];
};

static bool is_unsettled(struct host *h, struct str account)
{
	const struct session *s;

	if (h->ops->recently_relayed(h, account))
		return true;
	LIST_FOREACH(s, &h->sessions, all)
	if (session_is_ending(s, account))
		return true;
	return false;
}

/* It stays at the source: a crossing that came to nothing, for one. */
static bool is_left(struct host *h, struct str account)
{
	const struct session *s;

	LIST_FOREACH(s, &h->sessions, all)
	if (session_is_at_source(s, account))
		return true;
	return false;
}

static void answer_later(
	struct host *h, struct str account, uint64_t request, bool may_stay)
{
	struct pending_quiesce *q = calloc(1, sizeof(*q) + account.len);

	if (!q)
		abort();
	q->request = request;
	q->may_stay = may_stay;
	q->len = account.len;
	memcpy(q->account, account.ptr, account.len);
	LIST_INSERT_HEAD(&h->quiescing, q, all);
}

void quiesce_check(struct host *h)
{
	struct pending_quiesce *q, *next;

	for (q = LIST_FIRST(&h->quiescing); q; q = next) {
		struct str account = str_of(q->account, q->len);

		next = LIST_NEXT(q, all);
		if (is_unsettled(h, account))
			continue;
		h->ops->quiesced(
			h, account, q->request, q->may_stay || !is_left(h, account));
		LIST_REMOVE(q, all);
		free(q);
	}
}

/* Would all that it has at the source cross? */
static bool would_cross(struct host *h, struct str account)
{
	const struct session *s;

	LIST_FOREACH(s, &h->sessions, all)
	if (session_is_stuck(s, account))
		return false;
	return true;
}

/* Nothing is ended: the user is served for as long as it takes. */
static void begin_soon(struct host *h, struct str account, uint64_t request)
{
	struct session *s, *next;

	mail_hold_begin(h, account);
	for (s = LIST_FIRST(&h->sessions); s; s = next) {
		next = LIST_NEXT(s, all);
		session_look(s, account);
	}
	if (is_unsettled(h, account))
		answer_later(h, account, request, true);
	else
		h->ops->quiesced(h, account, request, true);
}

void quiesce_begin(
	struct host *h, struct str account, enum switch_manner manner, uint64_t request)
{
	struct session *s, *next;
	bool left = false;

	if (manner == SWITCH_LIVE_ASKED) {
		h->ops->quiesced(h, account, request, would_cross(h, account));
		return;
	}
	if (manner == SWITCH_SOON) {
		begin_soon(h, account, request);
		return;
	}
	for (s = LIST_FIRST(&h->sessions); s; s = next) {
		next = LIST_NEXT(s, all);
		left |= session_quiesce(s, account, manner) == QUIESCE_LEFT;
	}
	if (!left && account.len && is_unsettled(h, account))
		answer_later(h, account, request, false);
	else
		h->ops->quiesced(h, account, request, !left && !is_left(h, account));
}

void quiesce_route_changed(struct host *h, struct str account)
{
	struct session *s, *next;

	mail_hold_check(h, account);
	for (s = LIST_FIRST(&h->timed); s; s = next) {
		next = LIST_NEXT(s, timed);
		if (session_is_of(s, account) || session_awaits(s, account))
			session_tick(s);
	}
}
