/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/master/live_sessions.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct user_sessions {
	struct str account; /* first: a key looks like an entry */
	uint64_t sessions[ROUTE_COUNT];
	char bytes[];
};

static int compare(const void *a, const void *b)
{
	const struct user_sessions *left = a, *right = b;

	return str_cmp(left->account, right->account);
}

static struct user_sessions *find(const struct live_sessions *c, struct str account)
{
	struct user_sessions key = { .account = account };
	struct user_sessions *const *found = tfind(&key, &c->root, compare);

	return found ? *found : NULL;
}

static struct user_sessions *add(struct live_sessions *c, struct str account)
{
	struct user_sessions *e = calloc(1, sizeof(*e) + account.len + 1);

	if (!e)
		return NULL;
	if (account.len)
		memcpy(e->bytes, account.ptr, account.len);
	e->account = str_of(e->bytes, account.len);
	if (!tsearch(e, &c->root, compare)) {
		free(e);
		return NULL;
	}
	return e;
}

static bool is_empty(const struct user_sessions *e)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (e->sessions[i])
			return false;
	return true;
}

int live_sessions_change(
	struct live_sessions *c, struct str account, enum route route, int change)
{
	struct user_sessions *e = find(c, account);

	if (change < 0 && (!e || !e->sessions[route]))
		return -ENOENT;
	if (!e)
		e = add(c, account);
	if (!e)
		return -ENOMEM;
	e->sessions[route] += (uint64_t)(int64_t)change;
	c->sessions += (uint64_t)(int64_t)change;
	if (is_empty(e)) {
		(void)tdelete(e, &c->root, compare);
		free(e);
	}
	return 0;
}

uint64_t live_sessions_count(
	const struct live_sessions *c, struct str account, enum route route)
{
	const struct user_sessions *e = find(c, account);

	return e ? e->sessions[route] : 0;
}

struct walk {
	void (*each)(void *context, struct str account, enum route route, uint64_t count);
	void *context;
};

static void visit(const void *node, VISIT when, void *context)
{
	const struct user_sessions *e = *(struct user_sessions *const *)node;
	const struct walk *walk = context;

	if (when != postorder && when != leaf)
		return;
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (e->sessions[i])
			walk->each(
				walk->context, e->account, (enum route)i, e->sessions[i]);
}

void live_sessions_each(const struct live_sessions *c,
	void (*each)(void *context, struct str account, enum route route, uint64_t count),
	void *context)
{
	struct walk walk = { each, context };

	twalk_r(c->root, visit, &walk);
}

void live_sessions_clear(struct live_sessions *c)
{
	tdestroy(c->root, free);
	*c = (struct live_sessions){ 0 };
}
