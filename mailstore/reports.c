/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an account's process says, wherever it is. */
#include "base/clock.h"
#include "base/log.h"
#include "mailstore/process.h"

/* Hands on what it says of a session of its own, whose waiter is the answer; or NULL. */
static struct waiter *tell_of_session(struct process *p, const struct message *m)
{
	struct message told = *m;
	struct waiter *waiter = waiter_find(&p->sessions, m->session);

	told.account = str_from(p->account); /* it speaks for no other */
	if (waiter && waiter->peer)
		p->all->send(waiter->peer, &told);
	return waiter;
}

void process_served(void *context, const struct message *m, int fd)
{
	(void)fd;
	(void)tell_of_session(context, m);
}

void process_serve_end(void *context, const struct message *m, int fd)
{
	struct process *p = context;
	struct waiter *waiter = tell_of_session(p, m);

	(void)fd;
	if (!waiter)
		return;
	if (p->lives == PROCESS_HERE)
		log_info(waiter->id, "logout",
			"account=%s in=%llu out=%llu reason=\"%.*s\"", p->account,
			(unsigned long long)m->number, (unsigned long long)m->number2,
			STR_ARG(m->text));
	waiter_drop(waiter);
	process_linger_when_idle(p);
}

void process_delivery(void *context, const struct message *m, int fd)
{
	(void)fd;
	deliveries_answered(context, m);
}

void process_alarm(void *context, const struct message *m, int fd)
{
	struct process *p = context;
	struct message told = *m;

	(void)fd;
	told.account = str_from(p->account); /* it speaks for no other */
	alarms_take(&p->all->alarms, &told, clock_wall_ms());
}
