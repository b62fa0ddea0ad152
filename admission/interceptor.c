/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many sessions the interceptor has; and whether it answers at all. While it does not
   run nothing is known: the kernel sees by itself that nobody listens. */
#include "admission/admission.h"

#include "base/clock.h"
#include "base/fd.h"
#include "messages/exchange.h"

#include <limits.h>

#define CALL_AGAIN_MS 500
#define QUEUE_BYTES 4096

static void take_load(void *context, const struct message *m, int fd)
{
	struct admission *a = context;

	(void)fd;
	a->view.sessions = m->number;
	a->view.sessions_max = m->number2;
	a->asked_at = 0;
	if (str_to_u64(m->text, &a->accepted))
		admission_reach(a);
}

static const struct message_row rows[] = { { MESSAGE_LOAD_IS, false, take_load } };

static void hang_up(struct admission *a)
{
	channel_close(&a->interceptor);
	a->asked_at = 0;
	a->view.sessions = a->view.sessions_max = 0;
	a->call_at = clock_monotonic_ms() + CALL_AGAIN_MS;
}

static void on_message(void *context, struct channel *c, struct packet *p)
{
	(void)c;
	if (message_handle(rows, sizeof(rows) / sizeof(rows[0]), p, context, NULL) < 0)
		hang_up(context);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)c;
	(void)code;
	hang_up(context);
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_BYTES
};

static bool call(struct admission *a, uint64_t now)
{
	char path[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;

	if (channel_is_open(&a->interceptor))
		return true;
	if (now < a->call_at || settings_run_path(a->settings, INTERCEPTOR_SOCKET, path,
					sizeof(path)) < 0)
		return false;
	a->call_at = now + CALL_AGAIN_MS;
	fd = ipc_connect(path, NULL);
	if (fd < 0 || channel_open(&a->interceptor, &a->loop, fd, &ops, a) < 0)
		return false;
	(void)fd_steal(&fd);
	return true;
}

void interceptor_ask(struct admission *a)
{
	static const struct message question = { .type = MESSAGE_LOAD };
	uint64_t now = clock_monotonic_ms();

	a->view.silent_ms = a->asked_at ? now - a->asked_at : 0;
	if (a->asked_at || !call(a, now))
		return;
	if (message_send(&a->interceptor, &question, -1) == 0)
		a->asked_at = now;
}
