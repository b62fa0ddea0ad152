/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/web.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "dashboard/dashboard.h"
#include "dashboard/token.h"
#include "dashboard/web_parts.h"
#include "messages/exchange.h"
#include "settings/loopback.h"
#include "users/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* How soon a page that has waited long enough is shown; only while somebody is there. */
#define TICK_MS 50
#define TURNS_MAX 32

/* ── HTTP in the loop ──────────────────────────────────────────────────────────────── */

/* MHD says when it has more to do; the rest of it is for the loop's next turn. */
static void serve(struct web *w)
{
	MHD_UNSIGNED_LONG_LONG ms = 1;
	unsigned turns = 0;

	do
		(void)MHD_run(w->http);
	while (MHD_get_timeout(w->http, &ms) == MHD_YES && ms == 0 &&
		++turns < TURNS_MAX);
	if (turns == TURNS_MAX)
		timer_start(w->soon, 1);
}

static void on_readable(void *context, int events, int error)
{
	(void)events;
	(void)error;
	serve(context);
}

/* However busy it is: nobody keeps a place for ever. */
static void end_old_connections(struct web *w, uint64_t now)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (w->connections[i].fd >= 0 &&
			now - w->connections[i].began > CONNECTION_LIFE_MS)
			(void)shutdown(w->connections[i].fd, SHUT_RDWR);
}

static bool has_connections(const struct web *w)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (w->connections[i].fd >= 0)
			return true;
	return false;
}

static void on_tick(void *context)
{
	struct web *w = context;
	uint64_t now = clock_monotonic_ms();

	if (!has_connections(w)) /* MHD has its last turn after the last one, too */
		timer_stop(w->tick);
	visits_look(w, now);
	end_old_connections(w, now);
	serve(w);
}

static void on_soon(void *context)
{
	serve(context);
}

static void on_connection(void *context, struct MHD_Connection *connection,
	void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	struct web *w = context;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = info ? info->connect_fd : -1;
	bool begins = code == MHD_CONNECTION_NOTIFY_STARTED;

	(void)socket_context;
	if (begins && !timer_runs(w->tick))
		timer_start_every(w->tick, TICK_MS);
	for (size_t i = 0; i < CONNECTIONS_MAX && fd >= 0; i++)
		if (w->connections[i].fd == (begins ? -1 : fd)) {
			w->connections[i].fd = begins ? fd : -1;
			w->connections[i].began = clock_monotonic_ms();
			return;
		}
}

/* What it says of clients is nobody's business; of itself it says nothing that helps. */
__attribute__((format(printf, 2, 0))) static void on_http_log(
	void *context, const char *format, va_list args)
{
	char text[256];

	(void)context;
	(void)vsnprintf(text, sizeof(text), format, args);
	log_debug(NULL, "http", "says=\"%s\"", text);
}

/* A query is decoded where it is read (form.h), once. */
static size_t keep_escaped(void *context, struct MHD_Connection *connection, char *text)
{
	size_t len = str_from(text).len;

	(void)context;
	(void)connection;
	return len;
}

static int start_http(struct web *w, int listener, struct error *err)
{
	const union MHD_DaemonInfo *info;
	int fd;

	w->http = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
		NULL, visit_go_on, w, MHD_OPTION_EXTERNAL_LOGGER, on_http_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)CONNECTION_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_URI_LOG_CALLBACK, visit_begin, w, MHD_OPTION_NOTIFY_COMPLETED,
		visit_end, w, MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_END);
	info = w->http ? MHD_get_daemon_info(w->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	fd = info ? fcntl(info->epoll_fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd < 0)
		return error_set(err, -EIO, "cannot start the HTTP server");
	if (watch_new(&w->loop, fd, on_readable, w, &w->watch) < 0) {
		fd_closep(&fd);
		return error_set(err, -ENOMEM, "no memory");
	}
	watch_want(w->watch, UV_READABLE);
	return 0;
}

/* ── the dashboard, which asks for us ──────────────────────────────────────────────── */

int web_ask(struct web *w, enum question q, struct str argument, uint64_t id)
{
	const struct message m = { .type = MESSAGE_RUN,
		.number = (uint64_t)q,
		.number2 = id,
		.account = argument };

	return message_send(&w->link, &m, -1);
}

static void on_ran(void *context, const struct message *m, int fd)
{
	struct web *w = context;
	uint64_t now = clock_monotonic_ms();

	if (m->number2 < QUESTION_WHOLE_COUNT)
		answers_take(&w->answers, (enum question)m->number2, fd, (int)m->number,
			m->text, now);
	else
		visits_take(w, m->number2, fd, (int)m->number, m->text, now);
	fd_closep(&fd);
	visits_look(w, now);
	serve(w);
}

static void stop(struct web *w, int result)
{
	w->result = result;
	loop_stop(&w->loop);
}

static void on_message(void *context, struct channel *c, struct packet *p)
{
	/* with its output, or without: two rows would be one type twice */
	const struct message_row row = { MESSAGE_RAN, p->n_fds > 0, on_ran };
	struct error err;

	(void)c;
	if (message_handle(&row, 1, p, context, &err) == 0)
		return;
	log_error(NULL, "dashboard", "error=\"%s\"", err.text);
	stop(context, EXIT_FAILURE);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)code;
	channel_close(c);
	stop(context, EXIT_SUCCESS);
}

/* ── the process ───────────────────────────────────────────────────────────────────── */

static int open_logins(struct web *w, const char *path, struct error *err)
{
	struct str token;
	struct buf file;
	int r;

	buf_init(&file, 0);
	r = token_load(path, &file, &token, err);
	if (r == 0 && logins_init(&w->logins, token) < 0)
		r = error_set(err, -EIO, "no randomness");
	buf_wipe(&file);
	buf_fini(&file);
	return r;
}

static int open_loop(struct web *w, struct error *err)
{
	static const struct channel_ops ops = { .message = on_message,
		.lost = on_lost,
		.bytes_max = 1u << 20,
		.fds_max = 1 };
	int r = loop_init(&w->loop, false);

	if (r == 0)
		r = timer_new(&w->loop, on_tick, w, &w->tick);
	if (r == 0)
		r = timer_new(&w->loop, on_soon, w, &w->soon);
	if (r == 0)
		r = channel_open(&w->link, &w->loop, DASHBOARD_LINK_FD, &ops, w);
	return r < 0 ? error_errno(err, r, "cannot start the event loop") : 0;
}

/* It has its sockets; it makes none, opens no file, starts nothing. */
static int drop_rights(const struct users *users, struct error *err)
{
	const struct sandbox sandbox = { .allows = SANDBOX_LISTENS,
		.user = &users->of[USER_DASHBOARD] };

	tzset(); /* local time is shown: its file cannot be read later */
	return sandbox_enter(&sandbox, err);
}

static int set_up(struct web *w, const struct settings *s, struct error *err)
{
	struct users users;
	int listener = -1;
	int r = users_load(s, &users, err);

	if (r == 0)
		r = open_logins(w, s->dashboard.token_file, err);
	if (r == 0)
		r = listener = loopback_listen(
			s->dashboard.listen, users.of[USER_DASHBOARD].gid, err);
	if (r >= 0)
		r = open_loop(w, err);
	if (r == 0)
		r = start_http(w, listener, err);
	return r < 0 ? r : drop_rights(&users, err);
}

int web_run(const struct settings *settings)
{
	static struct web web; /* large, and one */
	struct web *w = &web;
	struct error err = { 0 };

	*w = (struct web){ .admin = settings->dashboard.admin,
		.next_id = QUESTION_COUNT };
	LIST_INIT(&w->visits);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		w->connections[i].fd = -1;
	if (set_up(w, settings, &err) < 0) {
		log_error(NULL, "start", "%s", err.text);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "listen=%s admin=%s", settings->dashboard.listen,
		w->admin ? "yes" : "no");
	loop_run(&w->loop, NULL, NULL);
	return w->result;
}
