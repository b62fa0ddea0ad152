/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vault/asker.h"

#include "base/fd.h"
#include "base/log.h"
#include "vault/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct answer {
	STAILQ_ENTRY(answer) entry;
	size_t len;
	char bytes[];
};

const char *role_name(enum role r)
{
	static const char *const names[] = { "login", "mail", "move", "account",
		"command" };
	_Static_assert(sizeof(names) / sizeof(names[0]) == ROLE_COUNT, "one for each");

	return names[r];
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* Who does not read its answers is asked for nothing more. */
static bool is_heard(const struct asker *a)
{
	return a->fd >= 0 && STAILQ_EMPTY(&a->queue) && a->signings < ASKER_SIGNINGS_MAX;
}

/* libuv takes a descriptor out of the kernel's set each time it is told. */
static void watch(struct asker *a)
{
	int events = 0;

	if (is_heard(a))
		events = UV_READABLE;
	else if (!STAILQ_EMPTY(&a->queue))
		events = UV_WRITABLE;
	if (events == a->watched)
		return;
	a->watched = events;
	if (events)
		(void)uv_poll_start(&a->poll, events, on_ready);
	else
		(void)uv_poll_stop(&a->poll);
}

static void drop_first(struct asker *a)
{
	struct answer *first = STAILQ_FIRST(&a->queue);

	STAILQ_REMOVE_HEAD(&a->queue, entry);
	a->queued -= first->len;
	explicit_bzero(first->bytes, first->len);
	free(first);
}

static void free_asker(uv_handle_t *handle)
{
	struct asker *a = handle->data;

	while (!STAILQ_EMPTY(&a->queue))
		drop_first(a);
	arena_fini(&a->arena);
	request_drop_renewal(a);
	for (size_t i = 0; i < a->n_loans; i++)
		buf_fini(&a->loans[i].verifier);
	free(a->loans);
	if (!a->jobs) {
		free(a);
		return;
	}
	a->server = NULL; /* the last job frees it */
}

void asker_job_done(struct asker *a)
{
	a->jobs--;
	if (!a->jobs && !a->server)
		free(a);
}

void asker_signed(struct asker *a)
{
	a->signings--;
	if (a->fd >= 0)
		watch(a);
	asker_job_done(a);
}

void asker_close(struct asker *a)
{
	if (a->fd < 0)
		return;
	LIST_REMOVE(a, all);
	(void)uv_poll_stop(&a->poll);
	fd_closep(&a->fd);
	server_asker_gone(a->server, a);
	uv_close((uv_handle_t *)&a->poll, free_asker);
}

/* ── what it says ──────────────────────────────────────────────────────────────────── */

static void break_off(struct asker *a, const char *why, const struct message *m)
{
	log_error(NULL, "forbidden", "role=%s pid=%d message=%s: %s", role_name(a->role),
		a->pid, m ? message_type_name(m->type) : "-", why);
	/* the socket of an account's process was made by the scheduler */
	if (a->role != ROLE_COMMAND && a->role != ROLE_ACCOUNT)
		server_cast_out(a->server, a->pid);
	asker_close(a);
}

/* false: that was all for now. */
static bool receive(struct asker *a)
{
	struct server *s = a->server;
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	struct message m;
	ssize_t n = ipc_receive(a->fd, s->buffer, sizeof(s->buffer), fds, &n_fds);

	if (n == -EAGAIN)
		return false;
	if (n == 0 || n == -EPIPE) {
		asker_close(a);
		return false;
	}
	if (n < 0 || message_decode(str_of(s->buffer, (size_t)n), &m) < 0) {
		while (n > 0 && n_fds)
			fd_closep(&fds[--n_fds]);
		break_off(a, "it makes no sense", NULL);
		return false;
	}
	if (!request(a, &m, fds, n_fds)) {
		break_off(a, "this role may not ask that", &m);
		return false;
	}
	explicit_bzero(s->buffer, (size_t)n);
	return is_heard(a);
}

static int flush(struct asker *a)
{
	int r = 0;

	while (r == 0 && !STAILQ_EMPTY(&a->queue)) {
		struct answer *first = STAILQ_FIRST(&a->queue);

		r = ipc_send(a->fd, str_of(first->bytes, first->len), NULL, 0);
		if (r == 0)
			drop_first(a);
	}
	return r == -EAGAIN ? 0 : r;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct asker *a = poll->data;

	if (status < 0 || (events & UV_WRITABLE && flush(a) < 0)) {
		asker_close(a);
		return;
	}
	if (events & UV_READABLE)
		for (int n = 0; n < ASKER_TURN && receive(a); n++)
			;
	if (a->fd >= 0)
		watch(a);
}

/* ── what it hears ─────────────────────────────────────────────────────────────────── */

static int enqueue(struct asker *a, struct str bytes)
{
	struct answer *e;

	if (a->queued + bytes.len > ASKER_QUEUE_MAX)
		return -ENOBUFS;
	e = malloc(sizeof(*e) + bytes.len);
	if (!e)
		return -ENOMEM;
	e->len = bytes.len;
	memcpy(e->bytes, bytes.ptr, bytes.len);
	STAILQ_INSERT_TAIL(&a->queue, e, entry);
	a->queued += bytes.len;
	return 0;
}

static int send_or_queue(void *context, struct str bytes)
{
	struct asker *a = context;
	int r = STAILQ_EMPTY(&a->queue) ? ipc_send(a->fd, bytes, NULL, 0) : -EAGAIN;

	if (r != -EAGAIN)
		return r;
	r = enqueue(a, bytes);
	if (r == 0)
		watch(a);
	return r;
}

void asker_send(struct asker *a, const struct message *m)
{
	int r;

	if (a->fd < 0)
		return;
	r = message_give(m, send_or_queue, a);
	if (r < 0) {
		log_warning(NULL, "asker", "role=%s pid=%d error=%d", role_name(a->role),
			a->pid, -r);
		(void)shutdown(a->fd, SHUT_RDWR); /* its end is read later */
	}
}

void asker_send_failed(struct asker *a, const struct error *err)
{
	struct message m = { .type = MESSAGE_FAILED, .text = str_from(err->text) };

	asker_send(a, &m);
}

/* ── its beginning ─────────────────────────────────────────────────────────────────── */

static int pid_of(int fd)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 ? 0 : who.pid;
}

struct asker *asker_new(struct server *server, enum role role, int fd)
{
	struct asker *a = calloc(1, sizeof(*a));

	if (!a || uv_poll_init(&server->loop, &a->poll, fd) < 0) {
		free(a);
		return NULL;
	}
	a->server = server;
	a->role = role;
	a->fd = fd;
	a->pid = pid_of(fd);
	a->poll.data = a;
	arena_init(&a->arena);
	STAILQ_INIT(&a->queue);
	LIST_INSERT_HEAD(&server->askers, a, all);
	watch(a);
	return a;
}
