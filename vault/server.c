/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vault/server.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "messages/ask.h"
#include "users/users.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where each role comes in, and whose it is besides root's; USER_COUNT: nobody's.
   ROLE_ACCOUNT has no door: the scheduler brings it. */
static const struct door {
	enum role role;
	const char *socket;
	enum user_id user;
} doors[] = {
	{ ROLE_LOGIN, VAULT_LOGIN_SOCKET, USER_INTERCEPTOR },
	{ ROLE_MAIL, VAULT_MAIL_SOCKET, USER_MAILSTORE },
	{ ROLE_MOVE, VAULT_MOVE_SOCKET, USER_TRANSFER },
	{ ROLE_COMMAND, VAULT_SOCKET, USER_COUNT },
};
#define DOORS (sizeof(doors) / sizeof(doors[0]))

#define REST_MS 100 /* out of descriptors: new connections wait a little */

struct listener {
	struct server *server;
	enum role role;
	uv_poll_t poll;
	uv_timer_t rest;
	int fd;
};

/* ── askers ────────────────────────────────────────────────────────────────────────── */

static bool is_outcast(const struct server *s, int pid)
{
	for (unsigned i = 0; i < s->n_outcasts && i < OUTCASTS_MAX; i++)
		if (s->outcasts[i] == pid)
			return true;
	return false;
}

void server_cast_out(struct server *s, int pid)
{
	s->outcasts[s->n_outcasts++ % OUTCASTS_MAX] = pid;
}

/* The scheduler has a connection for each order, and commands come as they like; 0: a
   process that is not seen from here. */
static bool has_too_many(const struct server *s, const struct asker *a)
{
	const struct asker *each;
	unsigned n = 0;

	if (a->role != ROLE_LOGIN || !a->pid)
		return false;
	LIST_FOREACH(each, &s->askers, all)
	n += each->role == a->role && each->pid == a->pid;
	return n > CONNECTIONS_MAX;
}

bool server_takes(struct server *s, const struct asker *a)
{
	if (is_outcast(s, a->pid))
		return false;
	if (!has_too_many(s, a))
		return true;
	log_error(NULL, "forbidden", "role=%s pid=%d: more than %d connections",
		role_name(a->role), a->pid, CONNECTIONS_MAX);
	server_cast_out(s, a->pid);
	return false;
}

void server_asker_gone(struct server *s, struct asker *a)
{
	(void)a;
	if (s->once)
		uv_stop(&s->loop);
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
	struct listener *l = timer->data;

	(void)uv_poll_start(&l->poll, UV_READABLE, on_listener);
}

/* Nobody waits, or that one is gone again. */
static bool passes_by_itself(int code)
{
	return code == -EAGAIN || code == -ECONNABORTED || code == -EINTR;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	int fd = -EAGAIN;

	(void)events;
	while (status >= 0 && (fd = ipc_accept(l->fd)) >= 0) {
		struct asker *a = asker_new(l->server, l->role, fd);

		if (!a)
			fd_closep(&fd);
		else if (!server_takes(l->server, a))
			asker_close(a);
		else
			request_greet(a);
	}
	if (passes_by_itself(fd))
		return;
	(void)uv_poll_stop(poll);
	(void)uv_timer_start(&l->rest, on_rested, REST_MS, 0);
}

/* ── the process ───────────────────────────────────────────────────────────────────── */

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	uv_stop(handle->loop);
}

static int start_loop(struct server *s)
{
	int r = uv_loop_init(&s->loop);

	if (r == 0)
		r = uv_signal_init(&s->loop, &s->terminate);
	if (r == 0)
		r = uv_signal_init(&s->loop, &s->interrupt);
	if (r == 0)
		r = uv_signal_start(&s->terminate, on_signal, SIGTERM);
	if (r == 0)
		r = waiting_init(s);
	return r < 0 ? r : uv_signal_start(&s->interrupt, on_signal, SIGINT);
}

static int open_door(struct listener *l, const struct door *door,
	const struct settings *settings, const struct users *users, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_run_path(settings, door->socket, path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "%s", settings->run_dir);
	l->fd = ipc_listen(path, 0600, err);
	if (l->fd < 0 || door->user == USER_COUNT)
		return l->fd < 0 ? l->fd : 0;
	return users_share_socket(settings, door->socket, users->of[door->user].gid, err);
}

static int open_doors(struct server *s, const struct settings *settings,
	const struct users *users, struct error *err)
{
	int r = 0;

	s->listeners = calloc(DOORS, sizeof(*s->listeners));
	if (!s->listeners)
		return error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < DOORS; i++)
		s->listeners[i] =
			(struct listener){ .server = s, .role = doors[i].role, .fd = -1 };
	for (size_t i = 0; r == 0 && i < DOORS; i++)
		r = open_door(&s->listeners[i], &doors[i], settings, users, err);
	return r;
}

static int watch_doors(struct server *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < DOORS; i++) {
		struct listener *l = &s->listeners[i];

		l->poll.data = l->rest.data = l;
		r = uv_timer_init(&s->loop, &l->rest);
		if (r == 0)
			r = uv_poll_init(&s->loop, &l->poll, l->fd);
		if (r == 0)
			r = uv_poll_start(&l->poll, UV_READABLE, on_listener);
	}
	return r;
}

static void close_listener(uv_handle_t *handle, void *argument)
{
	(void)argument;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* What is being computed is waited for: it is a fifth of a second. */
static void stop(struct server *s)
{
	s->once = false;
	waiting_fini(s);
	while (!LIST_EMPTY(&s->askers))
		asker_close(LIST_FIRST(&s->askers));
	uv_walk(&s->loop, close_listener, NULL);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&s->loop);
}

/* For signatures one for each CPU, and one for scrypt, which shall not take them all
   (jobs.c). libuv reads it when the first work is queued. */
static void size_pool(void)
{
	unsigned cpus = uv_available_parallelism();
	char number[16];

	(void)snprintf(number, sizeof(number), "%u",
		(cpus < SIGNERS_MAX ? cpus : SIGNERS_MAX) + 1);
	(void)setenv("UV_THREADPOOL_SIZE", number, 1);
}

static struct server *make(void)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	size_pool();
	LIST_INIT(&s->askers);
	STAILQ_INIT(&s->jobs);
	STAILQ_INIT(&s->waiting);
	s->guesses = guesses_new();
	if (s->guesses)
		return s;
	free(s);
	return NULL;
}

static void destroy(struct server *s)
{
	for (size_t i = 0; s->listeners && i < DOORS; i++)
		fd_closep(&s->listeners[i].fd);
	free(s->listeners);
	guesses_free(s->guesses);
	vault_close(&s->vault);
	vault_tls_close(&s->tls);
	vault_tls_close(&s->tls_before);
	explicit_bzero(s->buffer, sizeof(s->buffer));
	free(s);
}

/* It has its sockets, and needs no file but the registry. */
static int drop_rights(struct server *s, const struct users *users, struct error *err)
{
	char files[REGISTRY_FILES][REGISTRY_FILE_MAX];
	const struct sandbox_path paths[REGISTRY_FILES] = { { files[0], false },
		{ files[1], true }, { files[2], true } };
	const struct sandbox sandbox = {
		.allows = SANDBOX_LISTENS | SANDBOX_DATABASE | SANDBOX_THREADS,
		.user = &users->of[USER_VAULT],
		.paths = paths,
		.n_paths = REGISTRY_FILES,
	};

	registry_files(s->vault.registry, files);
	return sandbox_enter(&sandbox, err);
}

static int set_up(struct server *s, const struct settings *settings, struct error *err)
{
	struct users users;
	int r = users_load(settings, &users, err);

	if (r == 0)
		r = vault_open(settings, false, &s->vault, err);
	if (r == 0)
		recall_clients(s);
	if (r == 0)
		r = users_share_registry(settings, &users, err);
	if (r == 0)
		r = vault_tls_open(settings, &s->tls, err);
	if (r == 0)
		r = process_make_directory(settings->run_dir, 0755, err);
	if (r == 0)
		r = open_doors(s, settings, &users, err);
	if (r == 0)
		r = drop_rights(s, &users, err);
	if (r < 0)
		return r;
	r = start_loop(s);
	if (r == 0)
		r = watch_doors(s);
	return r < 0 ? error_set(err, r, "%s", uv_strerror(r)) : 0;
}

int server_run(const struct settings *settings)
{
	struct server *s = make();
	struct error err = { 0 };

	if (!s)
		return EXIT_FAILURE;
	if (set_up(s, settings, &err) < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
		destroy(s);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "socket=%s/" VAULT_SOCKET, settings->run_dir);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	stop(s);
	log_info(NULL, "stopped", "signal=yes");
	destroy(s);
	return EXIT_SUCCESS;
}

/* ── for one command ───────────────────────────────────────────────────────────────── */

static int set_up_once(
	struct server *s, const struct settings *settings, int fd, struct error *err)
{
	struct users users;
	int r = users_load(settings, &users, err);

	if (r == 0)
		r = vault_open(settings, false, &s->vault, err);
	if (r == 0)
		r = drop_rights(s, &users, err);
	if (r == 0 && (r = start_loop(s)) < 0)
		r = error_set(err, r, "%s", uv_strerror(r));
	if (r == 0 && !asker_new(s, ROLE_COMMAND, fd))
		r = error_set(err, -ENOMEM, "no memory");
	return r;
}

int server_run_once(const struct settings *settings, int fd)
{
	struct server *s = make();
	struct message failed = { .type = MESSAGE_FAILED };
	struct error err = { 0 };

	if (!s)
		return EXIT_FAILURE;
	if (set_up_once(s, settings, fd, &err) < 0) {
		failed.text = str_from(err.text);
		(void)ask_send(fd, &failed, &ask_patience, NULL);
		destroy(s);
		return EXIT_FAILURE;
	}
	s->once = true;
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	stop(s);
	destroy(s);
	return EXIT_SUCCESS;
}
