/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The next master follows this one, which ends with its last session. */
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/master/master.h"
#include "messages/takeover.h"

#include <errno.h>

/* Workers are numbered on from generation to generation, and begin anew somewhere below
   those who are not workers (registry/unseen.h). */
#define NUMBERS 900000u

static int send_listeners(struct control_client *c, const struct worker_slot *slot)
{
	int r = 0;

	for (size_t i = 0; i < slot->n_listeners && r == 0; i++) {
		const struct listener *l = &slot->listeners[i];

		r = takeover_hand(
			&c->channel, service_name(l->service), slot->index, l->fd);
	}
	return r;
}

void retire_hand(struct control_client *c)
{
	struct master *m = c->master;
	bool follows = channel_is_open(&master_before(m)->link);
	struct message last = { .type = MESSAGE_TAKEN_OVER,
		.number = (m->first_number + m->n_slots) % NUMBERS,
		.number2 = follows ? m->oldest : m->first_number };
	int r = m->successor ? -EALREADY : 0;

	for (unsigned i = 0; i < m->n_slots && r == 0; i++)
		r = send_listeners(c, &m->slots[i]);
	if (r == 0)
		r = takeover_hand(
			&c->channel, TAKEOVER_DOOR, 0, channel_listener_fd(&m->control));
	if (r == 0)
		r = takeover_hand(&c->channel, TAKEOVER_MEMORY, 0, m->limits.fd);
	if (r == 0)
		r = message_send(&c->channel, &last, -1);
	if (r == 0)
		return;
	log_error(NULL, "hand-over", "error=%d", -r);
	channel_close(&c->channel);
}

/* ---- what the next one must know ---- */

void retire_report(struct master *m, const struct message *message)
{
	if (!m->successor)
		return;
	if (message_send(&m->successor->channel, message, -1) < 0)
		loop_stop(&m->loop); /* a count that is wrong is worse than an end */
}

struct telling {
	struct master *master;
	enum message_type type;
};

static void tell_sessions(
	void *context, struct str account, enum route route, uint64_t count)
{
	const struct telling *t = context;
	struct message m = { .type = t->type, .number = route, .account = account };

	for (uint64_t i = 0; i < count; i++)
		retire_report(t->master, &m);
}

void retire_report_lost(struct worker_slot *slot)
{
	struct telling ends = { slot->master, MESSAGE_SESSION_END };

	if (slot->master->successor)
		live_sessions_each(&slot->live, tell_sessions, &ends);
}

static struct message left(const struct master *m, enum message_type type)
{
	return (struct message){ .type = type,
		.number = connections_counted(&m->limits),
		.number2 = connections_accepted(&m->limits) };
}

static bool is_over(struct master *m)
{
	return !workers_run(m) && !channel_is_open(&master_before(m)->link);
}

void retire_tell_left(struct master *m)
{
	struct message now = left(m, MESSAGE_RETIRED_IS);

	retire_report(m, &now);
	if (is_over(m))
		loop_stop(&m->loop);
}

static void stop_accepting(struct worker_slot *slot)
{
	struct message retire = { .type = MESSAGE_RETIRE };

	(void)message_send(&slot->link, &retire, -1);
	while (slot->n_listeners)
		fd_closep(&slot->listeners[--slot->n_listeners].fd);
}

void retire_begin(struct control_client *c)
{
	struct master *m = c->master;
	struct telling begins = { m, MESSAGE_SESSION_BEGIN };
	struct message last;

	/* what waits to be counted is counted here, and told once */
	master_hear(m);
	m->successor = c;
	control_retire(m);
	tasks_retire(m);
	for (unsigned i = 0; i < m->n_slots; i++)
		stop_accepting(&m->slots[i]);
	for (unsigned i = 0; i < m->n_links; i++)
		live_sessions_each(&m->slots[i].live, tell_sessions, &begins);
	state_lock_drop(&m->start->lock, STATE_LOCK_INTERCEPTOR);
	last = left(m, MESSAGE_TAKEN_OVER);
	retire_report(m, &last);
	log_info(NULL, "retired", "connections=%llu", (unsigned long long)last.number);
}
