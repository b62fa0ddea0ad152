/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/late_logins.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct late_login {
	STAILQ_ENTRY(late_login) next;
	struct arena arena; /* the strings; wipes them */
	struct proven_login login;
	char session[LATE_LOGIN_ID_MAX];
};

void late_logins_init(struct late_logins *l)
{
	STAILQ_INIT(&l->all);
	l->n = 0;
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

int late_logins_add(
	struct late_logins *l, const char *session, const struct proven_login *login)
{
	struct late_login *late;

	if (l->n == LATE_LOGINS_MAX)
		return -ENOBUFS;
	late = calloc(1, sizeof(*late));
	if (!late)
		return -ENOMEM;
	arena_init(&late->arena);
	(void)snprintf(late->session, sizeof(late->session), "%s", session);
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

void late_logins_retry(
	struct late_logins *l, late_learn_fn *learn, late_due_fn *due, void *context)
{
	while (!STAILQ_EMPTY(&l->all)) {
		const struct late_login *late = STAILQ_FIRST(&l->all);
		struct account_route route;
		struct error err;
		bool is_due = false;
		int code = learn(context, &late->login, &route, &is_due, &err);

		if (code == -EBUSY)
			return;
		if (code < 0)
			log_error(late->session, "capture", "error=\"%s\"", err.text);
		else if (is_due)
			due(context, late->session, route.name);
		drop_first(l);
	}
}

void late_logins_fini(struct late_logins *l)
{
	while (!STAILQ_EMPTY(&l->all))
		drop_first(l);
}
