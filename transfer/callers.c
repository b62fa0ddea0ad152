/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/callers.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "messages/exchange.h"

#include <errno.h>
#include <stdlib.h>

#define CALLERS_MAX 64 /* connections to transfer.sock; each sends a line and goes */
#define QUEUE_MAX (1u << 20) /* one answer of a few hundred bytes, if any */

struct caller {
	LIST_ENTRY(caller) all;
	struct callers *callers;
	struct channel channel;
	int64_t awaits; /* that account's process of a kind; 0: none */
	enum entry_task awaited;
};

static const enum message_type answers[ENTRY_TASK_COUNT] = {
	[ENTRY_MOVE] = MESSAGE_NONE, /* nobody asks */
	[ENTRY_RETURN] = MESSAGE_RETURNED,
	[ENTRY_FORETELL] = MESSAGE_RETURNED,
	[ENTRY_AGAIN] = MESSAGE_MENDED,
};

void callers_tell(struct callers *all, const struct entry *e)
{
	struct message m = { .type = answers[e->runs], .account = str_from(e->name) };
	struct caller *c;

	LIST_FOREACH(c, &all->all, all)
	{
		if (c->awaits != e->id || c->awaited != e->runs)
			continue;
		(void)message_send(&c->channel, &m, -1);
		c->awaits = 0;
	}
}

static void caller_free(struct caller *c)
{
	c->callers->n--;
	LIST_REMOVE(c, all);
	channel_close(&c->channel);
	free(c);
}

static void on_account_due(void *context, const struct message *m, int fd)
{
	struct caller *c = context;
	struct entry *e = roster_by_name(c->callers->roster, m->account);

	(void)fd;
	if (e)
		roster_wake(e);
	c->callers->ops->due(c->callers->context);
}

static void fail_caller(struct caller *c, const struct error *err)
{
	struct message no = { .type = MESSAGE_FAILED, .text = str_from(err->text) };

	(void)message_send(&c->channel, &no, -1);
}

static int look_up_and_ask(
	struct caller *c, struct str name, enum entry_task task, struct error *err)
{
	const struct callers *all = c->callers;
	struct account a;
	struct arena arena;
	int r;

	arena_init(&arena);
	r = registry_find(all->registry, name, &arena, &a, err);
	if (r == 0 && (r = roster_ask(all->roster, a.id, a.name, task)) < 0)
		(void)error_set(err, r, "no memory");
	if (r == 0) {
		c->awaits = a.id;
		c->awaited = task;
	}
	arena_fini(&arena);
	return r;
}

/* Answered when its process has ended. */
static void on_asked(void *context, const struct message *m, int fd)
{
	struct caller *c = context;
	enum entry_task task = m->type == MESSAGE_AGAIN ? ENTRY_AGAIN
	                       : m->number              ? ENTRY_FORETELL
	                                                : ENTRY_RETURN;
	struct error err;

	(void)fd;
	if (look_up_and_ask(c, m->account, task, &err) < 0)
		fail_caller(c, &err);
	c->callers->ops->asked(c->callers->context);
}

static void on_logged_in(void *context, const struct message *m, int fd)
{
	struct caller *c = context;

	(void)fd;
	pop_logins_follow(c->callers->pop_logins, m->account, m->client, m->service,
		clock_monotonic_ms());
}

static void on_ping(void *context, const struct message *m, int fd)
{
	struct caller *c = context;
	const struct message answer = { .type = MESSAGE_PONG };

	(void)m;
	(void)fd;
	(void)message_send(&c->channel, &answer, -1); /* else it asks again */
}

static const struct message_row caller_rows[] = {
	{ MESSAGE_PING, false, on_ping },
	{ MESSAGE_ACCOUNT_DUE, false, on_account_due },
	{ MESSAGE_RETURN, false, on_asked },
	{ MESSAGE_AGAIN, false, on_asked },
	{ MESSAGE_LOGGED_IN, false, on_logged_in },
};

static void on_caller(void *context, struct channel *channel, struct packet *p)
{
	struct error err;

	(void)channel;
	if (message_handle(caller_rows, sizeof(caller_rows) / sizeof(caller_rows[0]), p,
		    context, &err) == 0)
		return;
	log_warning(NULL, "caller", "dropped: %s", err.text);
	caller_free(context);
}

static void on_caller_lost(void *context, struct channel *channel, int code)
{
	(void)channel;
	(void)code;
	caller_free(context);
}

static const struct channel_ops caller_ops = {
	.message = on_caller, .lost = on_caller_lost, .bytes_max = QUEUE_MAX
};

void callers_add(void *context, int fd)
{
	struct callers *all = context;
	struct caller *c = all->n < CALLERS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c || channel_open(&c->channel, all->loop, fd, &caller_ops, c) < 0) {
		free(c);
		fd_closep(&fd);
		return;
	}
	c->callers = all;
	LIST_INSERT_HEAD(&all->all, c, all);
	all->n++;
}

void callers_close(struct callers *all)
{
	while (!LIST_EMPTY(&all->all))
		caller_free(LIST_FIRST(&all->all));
}
