/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/mail_hold.h"

#include <stdlib.h>
#include <string.h>

struct mail_hold {
	LIST_ENTRY(mail_hold) all;
	uint64_t until; /* loop time */
	size_t len;
	char account[];
};

static void end(struct mail_hold *m)
{
	LIST_REMOVE(m, all);
	free(m);
}

static struct mail_hold *find(const struct host *h, struct str account)
{
	struct mail_hold *m;

	LIST_FOREACH(m, &h->mail_holds, all)
	if (str_eq(str_of(m->account, m->len), account))
		return m;
	return NULL;
}

static void forget_old(struct host *h)
{
	struct mail_hold *m, *next;

	for (m = LIST_FIRST(&h->mail_holds); m; m = next) {
		next = LIST_NEXT(m, all);
		if (m->until <= h->ops->now(h))
			end(m);
	}
}

/* Without memory it is not held: then the switch waits for its mail. */
void mail_hold_begin(struct host *h, struct str account)
{
	struct mail_hold *m;

	forget_old(h);
	m = find(h, account);
	if (!m) {
		m = calloc(1, sizeof(*m) + account.len);
		if (!m)
			return;
		m->len = account.len;
		memcpy(m->account, account.ptr, account.len);
		LIST_INSERT_HEAD(&h->mail_holds, m, all);
	}
	m->until = h->ops->now(h) + h->settings->hold_s * UINT64_C(1000);
}

bool mail_is_held(const struct host *h, struct str account)
{
	const struct mail_hold *m = find(h, account);

	return m && m->until > h->ops->now(h);
}

void mail_hold_check(struct host *h, struct str account)
{
	struct mail_hold *m = find(h, account);
	struct account_route route;

	if (m && (registry_route(h->registry, account, &route, NULL) < 0 ||
			 route.route != ROUTE_BUSY))
		end(m);
}

void mail_hold_end_all(struct host *h)
{
	while (!LIST_EMPTY(&h->mail_holds))
		end(LIST_FIRST(&h->mail_holds));
}
