/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an account's process is given to deliver: all of one turn of the loop together. */
#include "mailstore/account_parts.h"

#include "base/fd.h"
#include "base/log.h"
#include "mailstore/delivery_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A STAGE, DELIVER or DISCARD until it is answered. */
struct pending_delivery {
	struct delivery delivery;
	struct message m; /* views into bytes */
	size_t len;
	char bytes[];
};

static void log_delivery(const struct account *a, const struct pending_delivery *p)
{
	const struct delivery *d = &p->delivery;
	char id[SESSION_ID_MAX];

	(void)snprintf(id, sizeof(id), "%.*s", STR_ARG(p->m.session));
	if (d->what == DELIVERY_ROOM && !d->code)
		return; /* its message comes */
	if (d->code < 0)
		log_error(
			id, "delivery", "account=%s error=\"%s\"", a->name, d->err.text);
	else if (d->fd < 0 || d->what == DELIVERY_SWEEP || d->what == DELIVERY_MEND)
		log_info(id, delivery_event(d->what), "account=%s", a->name);
	else
		log_info(id, delivery_event(d->what),
			"account=%s from=<%.*s> to=<%.*s> client=%.*s bytes=%llu",
			a->name, STR_ARG(p->m.text), STR_ARG(p->m.tag),
			STR_ARG(p->m.client), (unsigned long long)d->size);
}

static void answer_delivery(struct account *a, const struct pending_delivery *p)
{
	const struct delivery *d = &p->delivery;
	struct message answer = { .type = MESSAGE_DELIVERED,
		.account = str_from(a->name),
		.session = p->m.session };

	if (d->code < 0) {
		account_alarm(a, &d->err);
		answer.type = MESSAGE_DELIVERY_FAILED;
		answer.number = d->what == DELIVERY_MEND && d->code == -EBADMSG;
		answer.text = str_from(
			d->what == DELIVERY_MEND ? d->err.text : delivery_reply(d->code));
	} else if (d->what == DELIVERY_STAGE) {
		answer.type = MESSAGE_STAGED;
		answer.number = (uint64_t)d->id;
	}
	if (d->what != DELIVERY_DISCARD)
		account_tell_master(a, &answer);
}

static void end_delivery(struct account *a, struct pending_delivery *p)
{
	log_delivery(a, p);
	answer_delivery(a, p);
	fd_closep(&p->delivery.fd);
	free(p);
}

static void fail_deliveries(struct account *a, int code)
{
	for (size_t i = 0; i < a->n_deliveries; i++)
		a->deliveries[i]->delivery.code =
			error_set(&a->deliveries[i]->delivery.err, code,
				"the mailbox cannot be opened");
}

void account_run_deliveries(struct account *a)
{
	struct delivery *batch[DELIVERY_BATCH];
	const char *why;
	int code;

	if (!a->n_deliveries)
		return;
	for (size_t i = 0; i < a->n_deliveries; i++)
		batch[i] = &a->deliveries[i]->delivery;
	code = account_is_replaced(a) ? -ESTALE : account_open_store(a, &why);
	if (code == 0)
		deliveries_run(&a->serve, batch, a->n_deliveries);
	else
		fail_deliveries(a, code);
	for (size_t i = 0; i < a->n_deliveries; i++)
		end_delivery(a, a->deliveries[i]);
	a->n_deliveries = 0;
	a->connections.active_at = loop_now(&a->loop);
}

/* Without memory: the master answers for us once we are gone. */
void account_on_delivery(void *context, const struct message *m, int fd)
{
	struct account *a = context;
	struct pending_delivery *p = malloc(sizeof(*p) + IPC_MESSAGE_MAX), *fitting;
	ssize_t len = p ? message_encode(m, p->bytes, IPC_MESSAGE_MAX) : -ENOMEM;

	if (len < 0)
		abort();
	fitting = realloc(p, sizeof(*p) + (size_t)len);
	p = fitting ? fitting : p;
	(void)message_decode(str_of(p->bytes, (size_t)len), &p->m);
	if (delivery_of(&p->m, fd, &p->delivery) < 0) {
		end_delivery(a, p);
		return;
	}
	a->deliveries[a->n_deliveries++] = p;
	if (a->n_deliveries == DELIVERY_BATCH)
		account_run_deliveries(a);
}
