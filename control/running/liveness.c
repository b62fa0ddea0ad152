/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/liveness.h"

#include "base/fd.h"
#include "messages/ask.h"
#include "messages/exchange.h"

#define TIMES 4
#define QUEUE_BYTES 4096

static void hang_up(struct liveness_probe *p)
{
	channel_close(&p->channel);
	p->asked_at = 0;
}

/* Whatever it says: it turns its loop. */
static void on_message(void *context, struct channel *c, struct packet *packet)
{
	struct liveness_probe *p = context;

	(void)c;
	(void)packet;
	p->asked_at = 0;
}

/* It has ended, or is of a version that does not know the question: both are alive, or
   told otherwise. */
static void on_lost(void *context, struct channel *c, int code)
{
	(void)c;
	(void)code;
	hang_up(context);
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_BYTES
};

static void call(struct liveness *l, struct liveness_probe *p, const char *socket)
{
	int fd = ask_open(l->run_dir, socket, NULL);

	if (fd >= 0 && channel_open(&p->channel, l->loop, fd, &ops, p) < 0)
		fd_closep(&fd);
}

static void ping(
	struct liveness *l, struct liveness_probe *p, const char *socket, uint64_t now)
{
	const struct message question = { .type = MESSAGE_PING, .number = l->limit_ms };

	if (p->asked_at)
		return;
	if (!channel_is_open(&p->channel))
		call(l, p, socket);
	if (channel_is_open(&p->channel) && message_send(&p->channel, &question, -1) == 0)
		p->asked_at = now;
}

void liveness_init(struct liveness *l, struct loop *loop, struct generations *programs,
	unsigned watched, const char *run_dir, uint64_t limit_ms)
{
	*l = (struct liveness){ .loop = loop,
		.programs = programs,
		.watched = watched,
		.run_dir = run_dir,
		.limit_ms = limit_ms };
}

/* The one that was asked may have retired. */
static void leave_former(struct liveness *l, size_t program)
{
	struct liveness_probe *p = &l->probes[program];
	pid_t pid = generations_current(l->programs, (enum up_program)program)->child.pid;

	if (pid != p->pid)
		hang_up(p);
	p->pid = pid;
}

enum up_program liveness_tick(struct liveness *l, uint64_t now)
{
	if (!l->limit_ms)
		return UP_PROGRAM_COUNT;
	for (size_t i = 0; i < UP_PROGRAM_COUNT; i++) {
		struct liveness_probe *p = &l->probes[i];

		leave_former(l, i);
		if (!p->asked_at || now - p->asked_at < l->limit_ms)
			continue;
		hang_up(p);
		return (enum up_program)i;
	}
	if (now < l->next)
		return UP_PROGRAM_COUNT;
	l->next = now + l->limit_ms / TIMES;
	for (size_t i = 0; i < UP_PROGRAM_COUNT; i++) {
		const char *socket = generations_socket((enum up_program)i);

		if (socket && l->watched >> i & 1)
			ping(l, &l->probes[i], socket, now);
	}
	return UP_PROGRAM_COUNT;
}

void liveness_fini(struct liveness *l)
{
	for (size_t i = 0; i < UP_PROGRAM_COUNT; i++)
		hang_up(&l->probes[i]);
}
