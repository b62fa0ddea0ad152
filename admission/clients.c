/* SPDX-License-Identifier: GPL-3.0-or-later */
/* admission.sock: questions of the `mailferry` command. */
#include "admission/admission.h"

#include "base/fd.h"
#include "base/log.h"
#include "messages/exchange.h"
#include "messages/takeover.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SOCKET_MODE 0600
#define QUEUE_BYTES 65536 /* all alarms */
#define ANSWER_MAX 1024

struct client {
	struct channel channel;
	struct admission *admission;
	LIST_ENTRY(client) all;
};

static void tell(struct client *c, const struct message *m)
{
	if (message_send(&c->channel, m, -1) < 0)
		channel_close(&c->channel); /* found and freed by the sweep */
}

static void tell_alarm(void *context, const struct message *m)
{
	tell(context, m);
}

static void ask_alarms(void *context, const struct message *m, int fd)
{
	struct client *c = context;

	(void)m;
	(void)fd;
	alarms_tell(&c->admission->alarms, tell_alarm, c);
}

static void ask_judged(void *context, const struct message *m, int fd)
{
	struct client *c = context;
	struct admission *a = c->admission;
	struct message answer = { .type = MESSAGE_JUDGED_IS };
	uint64_t batches = 0, lost = 0;
	char text[ANSWER_MAX];

	(void)m;
	(void)fd;
	kernel_room_look(&a->room);
	for (size_t i = 0; i < a->n_queues; i++) {
		batches += a->queues[i].batches;
		lost += a->queues[i].lost;
	}
	(void)snprintf(text, sizeof(text),
		"{\"queues\":%zu,\"packets\":%" PRIu64 ",\"batches\":%" PRIu64
		",\"lost\":%" PRIu64 ",\"diverted\":%" PRIu64 ",\"by_kernel\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"left\":%" PRIu64
		",\"load\":\"%s\",\"sessions\":%" PRIu64 ",\"accepted\":%" PRIu64
		",\"blocked\":%s,\"waiting\":%" PRIu32 ",\"backlog\":%" PRIu32
		",\"queue_waiting\":%" PRIu64 ",\"queue_longest\":%" PRIu64
		",\"queue_limit\":%u,\"queue_dropped\":%" PRIu64
		",\"queue_offered\":%" PRIu64 ",\"queue_overruns\":%" PRIu64 "}",
		a->n_queues, admission_packets(a), batches, lost, admission_diverted(a),
		a->room.admitted, a->judge.counts[JUDGE_REFUSE],
		a->judge.counts[JUDGE_LEAVE], load_reason_name(a->reason),
		a->view.sessions, a->accepted, a->reach.is_blocked ? "true" : "false",
		a->view.waiting, a->view.backlog, a->queued.waiting, a->queued.longest,
		QUEUE_LENGTH_MAX, a->queued.dropped, a->queued.offered,
		queue_state_overruns(&a->queued, admission_packets(a)));
	answer.payload = str_from(text);
	tell(c, &answer);
}

static void take_over(void *context, const struct message *m, int fd)
{
	struct client *c = context;
	struct admission *a = c->admission;

	(void)fd;
	if (!takeover_is_allowed(channel_fd(&c->channel), a->started_by))
		channel_close(&c->channel);
	else if (m->type == MESSAGE_TAKE_OVER)
		retire_hand(a, &c->channel);
	else
		retire_begin(a, &c->channel);
}

static void pong(void *context, const struct message *m, int fd)
{
	const struct message answer = { .type = MESSAGE_PONG };

	(void)m;
	(void)fd;
	tell(context, &answer);
}

static const struct message_row rows[] = {
	{ MESSAGE_PING, false, pong },
	{ MESSAGE_TAKE_OVER, false, take_over },
	{ MESSAGE_RETIRE, false, take_over },
	{ MESSAGE_ALARMS, false, ask_alarms },
	{ MESSAGE_JUDGED, false, ask_judged },
};

static void on_message(void *context, struct channel *channel, struct packet *p)
{
	struct error err;

	if (message_handle(rows, sizeof(rows) / sizeof(rows[0]), p, context, &err) == 0)
		return;
	log_warning(NULL, "control", "client=dropped error=\"%s\"", err.text);
	channel_close(channel);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)context;
	(void)code;
	channel_close(c);
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_BYTES
};

static void add_client(void *context, int fd)
{
	struct admission *a = context;
	struct client *c = calloc(1, sizeof(*c));

	if (!c || channel_open(&c->channel, &a->loop, fd, &ops, c) < 0) {
		free(c);
		fd_closep(&fd);
		return;
	}
	c->admission = a;
	LIST_INSERT_HEAD(&a->clients, c, all);
}

void clients_sweep(void *admission)
{
	struct admission *a = admission;
	struct client *c, *next;

	for (c = LIST_FIRST(&a->clients); c; c = next) {
		next = LIST_NEXT(c, all);
		if (channel_is_open(&c->channel))
			continue;
		LIST_REMOVE(c, all);
		free(c);
	}
}

int clients_open_on(struct admission *a, int fd)
{
	return channel_listen_on(&a->door, &a->loop, fd, add_client, a);
}

int clients_open(struct admission *a, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(a->settings, ADMISSION_SOCKET, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "run_dir");
	return channel_listen(&a->door, &a->loop, path, SOCKET_MODE, add_client, a, err);
}
