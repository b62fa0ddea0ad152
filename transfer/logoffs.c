/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/logoffs.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "messages/exchange.h"
#include "transfer/account/held.h"

#include <limits.h>

#define LIVE_EVERY_MS 3000   /* a session that cannot change sides may do so for hours */
#define QUEUE_MAX (1u << 20) /* questions of a few hundred bytes */

void logoffs_init(struct logoffs *l, const struct settings *settings,
	struct roster *roster, struct loop *loop)
{
	*l = (struct logoffs){ .settings = settings, .roster = roster, .loop = loop };
}

static void on_logged_off(void *context, const struct message *m, int fd)
{
	struct logoffs *l = context;
	struct entry *e = roster_by_name(l->roster, m->account);

	(void)fd;
	if (e)
		roster_wake(e);
}

static void on_quiesced(void *context, const struct message *m, int fd)
{
	if (m->number)
		on_logged_off(context, m, fd);
}

/* It could not say: this one is asked about again. */
static void on_failed(void *context, const struct message *m, int fd)
{
	(void)context;
	(void)fd;
	log_warning(NULL, "interceptor", "error=\"%.*s\"", STR_ARG(m->text));
}

static const struct message_row interceptor_rows[] = {
	{ MESSAGE_LOGGED_OFF, false, on_logged_off },
	{ MESSAGE_QUIESCED, false, on_quiesced },
	{ MESSAGE_FAILED, false, on_failed },
};

void logoffs_close(struct logoffs *l)
{
	channel_close(&l->interceptor);
	for (struct entry *e = l->roster->first; e; e = e->next)
		e->is_awaited = false;
}

static void on_interceptor(void *context, struct channel *c, struct packet *p)
{
	struct error err;

	(void)c;
	if (message_handle(interceptor_rows,
		    sizeof(interceptor_rows) / sizeof(interceptor_rows[0]), p, context,
		    &err) == 0)
		return;
	log_error(NULL, "interceptor", "error=\"%s\"", err.text);
	logoffs_close(context);
}

static void on_interceptor_lost(void *context, struct channel *c, int code)
{
	(void)c;
	(void)code;
	logoffs_close(context);
}

static const struct channel_ops interceptor_ops = {
	.message = on_interceptor, .lost = on_interceptor_lost, .bytes_max = QUEUE_MAX
};

static bool call_interceptor(struct logoffs *l)
{
	char path[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;

	if (channel_is_open(&l->interceptor))
		return true;
	if (settings_run_path(l->settings, INTERCEPTOR_SOCKET, path, sizeof(path)) < 0)
		return false;
	fd = ipc_connect(path, NULL);
	if (fd < 0 || channel_open(&l->interceptor, l->loop, fd, &interceptor_ops, l) < 0)
		return false;
	(void)fd_steal(&fd);
	return true;
}

/* Those that have been asked about already: somebody is logged in. */
static void ask_for_sides(struct logoffs *l, uint64_t now)
{
	if (!l->settings->live || now < l->live_at)
		return;
	l->live_at = now + LIVE_EVERY_MS;
	for (struct entry *e = l->roster->first; e; e = e->next) {
		const struct message m = { .type = MESSAGE_QUIESCE,
			.account = str_from(e->name),
			.number = SWITCH_LIVE_ASKED };

		if (e->state == ENTRY_PARKED && !e->is_held && e->is_awaited &&
			channel_is_open(&l->interceptor))
			(void)message_send(&l->interceptor, &m, -1);
	}
}

/* While it does not run nobody's session lasts, but it knows best: it is asked when it is
   back. */
void logoffs_await(struct logoffs *l)
{
	uint64_t now = clock_monotonic_ms();

	ask_for_sides(l, now);
	for (struct entry *e = l->roster->first; e; e = e->next) {
		struct message m = { .type = MESSAGE_AWAIT_LOGOFF,
			.account = str_from(e->name) };

		if (e->state != ENTRY_PARKED || e->is_held)
			continue;
		if (e->forced_at && now >= e->forced_at) {
			roster_wake(e);
			continue;
		}
		if (e->is_awaited)
			continue;
		if (!call_interceptor(l))
			return;
		e->is_awaited = message_send(&l->interceptor, &m, -1) == 0;
	}
}

void logoffs_release(struct logoffs *l, struct registry *r)
{
	uint64_t now = clock_monotonic_ms();

	for (struct entry *e = l->roster->first; e; e = e->next) {
		if (e->state != ENTRY_PARKED || !e->is_held)
			continue;
		if (e->is_copied ? now >= e->forced_at
				 : !held_still(r, l->settings, e->id))
			roster_wake(e);
	}
}
