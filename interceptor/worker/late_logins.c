/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/late_logins.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP_MAX 64 /* of one transaction: others wait for it */

struct late_login {
	STAILQ_ENTRY(late_login) next;
	struct arena arena; /* the strings; wipes them */
	struct proven_login login;
	char session[LATE_LOGIN_ID_MAX];
	char account[REGISTRY_NAME_MAX + 1];
	/* what came of it */
	struct account_route route;
	bool is_due;
	int code;
	struct error why;
};

void late_logins_init(struct late_logins *l)
{
	STAILQ_INIT(&l->all);
	l->n = l->n_alone = 0;
}

static void drop_first(struct late_logins *l)
{
	struct late_login *late = STAILQ_FIRST(&l->all);

	STAILQ_REMOVE_HEAD(&l->all, next);
	l->n--;
	arena_fini(&late->arena);
	free(late);
}

/* ptr NULL says something in a login, so it is kept. */
static bool copy(struct arena *arena, struct str from, struct str *to)
{
	*to = from.ptr ? arena_str(arena, from) : from;
	return !from.ptr || to->ptr;
}

int late_logins_add(struct late_logins *l, const char *session, const char *account,
	const struct proven_login *login)
{
	struct late_login *late;

	if (l->n == LATE_LOGINS_MAX)
		return -ENOBUFS;
	late = calloc(1, sizeof(*late));
	if (!late)
		return -ENOMEM;
	arena_init(&late->arena);
	(void)snprintf(late->session, sizeof(late->session), "%s", session);
	(void)snprintf(late->account, sizeof(late->account), "%s", account);
	STAILQ_INSERT_TAIL(&l->all, late, next);
	l->n++;
	if (copy(&late->arena, login->name, &late->login.name) &&
		copy(&late->arena, login->password, &late->login.password) &&
		copy(&late->arena, login->why, &late->login.why) &&
		copy(&late->arena, login->service, &late->login.service) &&
		copy(&late->arena, login->client, &late->login.client))
		return 0;
	STAILQ_REMOVE(&l->all, late, late_login, next);
	l->n--;
	arena_fini(&late->arena);
	free(late);
	return -ENOMEM;
}

/* The first n, in one transaction: all of them or none. -EBUSY: not now. */
static int learn_group(struct late_logins *l, size_t n, const struct late_login_ops *ops,
	void *context, struct error *err)
{
	struct late_login *late = STAILQ_FIRST(&l->all);
	int r, code = 0;

	late->code = 0; /* of the group that it was in before */
	r = ops->begin(context, err);
	if (r < 0)
		return r;
	for (; n && code == 0; n--, late = STAILQ_NEXT(late, next)) {
		late->is_due = false;
		code = late->code = ops->learn(
			context, &late->login, &late->route, &late->is_due, &late->why);
	}
	return ops->end(context, err);
}

static void tell_first(struct late_logins *l, const struct late_login_ops *ops,
	void *context, int r, const struct error *err)
{
	const struct late_login *late = STAILQ_FIRST(&l->all);

	if (r == 0)
		ops->learnt(context, late->session, late->account, &late->route,
			late->is_due);
	else
		log_error(late->session, "capture", "error=\"%s\"",
			late->code < 0 ? late->why.text : err->text);
	drop_first(l);
}

void late_logins_retry(
	struct late_logins *l, const struct late_login_ops *ops, void *context)
{
	while (l->n) {
		size_t n = l->n < GROUP_MAX ? l->n : GROUP_MAX;
		struct error err;
		int r;

		if (l->n_alone)
			n = 1;
		r = learn_group(l, n, ops, context, &err);
		if (r == -EBUSY)
			return;
		if (r < 0 && n > 1) {
			l->n_alone = n;
			continue;
		}
		l->n_alone -= l->n_alone ? 1 : 0;
		for (; n; n--)
			tell_first(l, ops, context, r, &err);
	}
}

void late_logins_fini(struct late_logins *l)
{
	while (!STAILQ_EMPTY(&l->all))
		drop_first(l);
}
