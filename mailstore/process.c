/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The account processes, as a list. */
#include "mailstore/process.h"

#include "base/fd.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct process *process_new(struct processes *all, struct str account)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct process){ .all = all,
		.account = str_dup_c(account),
		.knows = MESSAGE_TYPE_COUNT,
		.theirs = -1 };
	LIST_INIT(&p->sessions);
	LIST_INIT(&p->requests);
	LIST_INIT(&p->deliveries);
	STAILQ_INIT(&p->waiting);
	if (p->account)
		return p;
	free(p);
	return NULL;
}

void process_free(struct process *p)
{
	fd_closep(&p->theirs);
	free(p->account);
	free(p);
}

size_t process_bucket(struct str account)
{
	return hash_bytes(HASH_FIRST, account) % ACCOUNT_BUCKETS;
}

void process_insert(struct process *p)
{
	struct processes *all = p->all;

	LIST_INSERT_HEAD(&all->named[process_bucket(str_from(p->account))], p, named);
	p->next = all->first;
	p->place = &all->first;
	if (p->next)
		p->next->place = &p->next;
	all->first = p;
}

void process_remove(struct process *p)
{
	LIST_REMOVE(p, named);
	*p->place = p->next;
	if (p->next)
		p->next->place = p->place;
}

struct process *process_find_at(struct processes *all, struct str account, bool after)
{
	struct process *p;

	LIST_FOREACH(p, &all->named[process_bucket(account)], named)
	if ((p->lives == PROCESS_AFTER) == after && str_eq(account, str_from(p->account)))
		break;
	return p;
}

struct process *process_find(struct processes *all, struct str account)
{
	struct process *p = process_find_at(all, account, false);

	return p ? p : process_find_at(all, account, true);
}

struct waiter *waiter_new(struct peer *peer, struct str id)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter) + id.len + 1);

	if (!waiter)
		return NULL;
	waiter->peer = peer;
	memcpy(waiter->id, id.ptr, id.len);
	return waiter;
}

struct waiter *waiter_find(const struct waiters *list, struct str id)
{
	struct waiter *waiter;

	LIST_FOREACH(waiter, list, entry)
	if (str_eq(id, str_from(waiter->id)))
		return waiter;
	return NULL;
}

void waiter_drop(struct waiter *waiter)
{
	LIST_REMOVE(waiter, entry);
	free(waiter);
}
