/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An account's process whose sessions all wait for their clients gives them to the
   master and ends (mailstore/asleep.c). When, the master decides: something may be on its
   way. */
#include "mailstore/account_parts.h"

#include "event/timer.h"

#include <errno.h>

static bool can_sleep(const struct account *a)
{
	return !a->ending && a->serve.store && !background_works(&a->background) &&
	       connections_can_sleep(&a->connections);
}

static void tell(struct account *a, enum message_type type)
{
	const struct message m = { .type = type, .account = str_from(a->name) };

	account_tell_master(a, &m);
}

static void on_timer(void *context)
{
	struct account *a = context;
	uint64_t idle = loop_now(&a->loop) - a->connections.active_at;

	quiet_own_turn(&a->background.quiet, false);
	if (idle < a->hibernate_ms) {
		timer_start(a->sleep_timer, a->hibernate_ms - idle);
		return;
	}
	timer_start(a->sleep_timer, a->hibernate_ms / 4); /* it may not be the moment */
	if (can_sleep(a))
		tell(a, MESSAGE_IDLE);
}

static int on_sleeps(void *context, const struct connection_sleep *sleep, int fd)
{
	struct account *a = context;
	const struct message m = { .type = MESSAGE_ASLEEP,
		.number = sleep->due,
		.number2 = sleep->every,
		.account = str_from(a->name),
		.session = sleep->session,
		.service = sleep->service,
		.text = sleep->keepalive,
		.payload = sleep->known };

	return message_send(&a->master, &m, fd);
}

void account_on_leave(void *context, const struct message *m, int fd)
{
	struct account *a = context;
	int r;

	(void)m;
	(void)fd;
	account_run_deliveries(a); /* what came before this word */
	r = can_sleep(a) ? connections_sleep(&a->connections) : -EBUSY;
	if (r == -EBUSY) {
		tell(a, MESSAGE_BUSY);
		return;
	}
	a->ending = a->sleeps = true; /* those that are left end with us */
}

void account_look_for_sleep(struct account *a)
{
	if (a->sleeps && !a->master.bytes)
		loop_stop(&a->loop);
}

int account_sleep_init(struct account *a)
{
	int r = timer_new(&a->loop, on_timer, a, &a->sleep_timer);

	a->connections.sleeps = on_sleeps;
	if (r == 0 && a->hibernate_ms)
		timer_start(a->sleep_timer, a->hibernate_ms);
	return r;
}
