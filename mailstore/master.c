/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/master.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/process.h"
#include "mailstore/processes.h"
#include "mailstore/refuse.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_MODE 0600 /* who may talk to us may read everybody's mail */

/* Somebody connected to mailstore.sock. */
struct peer {
	struct master *master;
	struct peer *next, **place;
	uv_poll_t poll;
	int socket;
};

struct master {
	uv_loop_t loop;
	uv_poll_t listener;
	uv_signal_t terminate, interrupt;
	int socket;
	bool ending;
	struct peer *peers;
	struct processes processes;
	char buffer[IPC_MESSAGE_MAX];
};

/* ── peers ─────────────────────────────────────────────────────────────────────────── */

static void peer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_peer(struct peer *peer)
{
	if (peer->socket < 0)
		return;
	processes_forget_peer(&peer->master->processes, peer);
	*peer->place = peer->next;
	if (peer->next)
		peer->next->place = peer->place;
	(void)uv_poll_stop(&peer->poll);
	fd_closep(&peer->socket);
	uv_close((uv_handle_t *)&peer->poll, peer_closed);
}

/* One that does not read is broken; its sessions live on. */
static void send_to_peer(struct peer *peer, const struct message *m)
{
	int r = peer->socket < 0 ? 0 : message_send_patiently(peer->socket, m, -1);

	if (r < 0) {
		log_warning(NULL, "peer", "error=%d dropped=%s", -r,
			message_type_name(m->type));
		(void)shutdown(peer->socket, SHUT_RDWR); /* its end is read later */
	}
}

static const struct message_row {
	enum message_type type;
	size_t n_fds;
	void (*handle)(struct processes *all, struct peer *peer, const struct message *m,
		int fd);
} message_rows[] = {
	{ MESSAGE_SERVE, 1, processes_serve },
	{ MESSAGE_STAGE, 1, processes_stage },
	{ MESSAGE_DELIVER, 0, processes_deliver },
	{ MESSAGE_DISCARD, 0, processes_discard },
	{ MESSAGE_RELEASE, 0, processes_release },
};

/* false: the peer is not one of ours, or has a bug. */
static bool on_message(struct peer *peer, const struct message *m, int *fds, size_t n_fds)
{
	for (size_t i = 0; i < sizeof(message_rows) / sizeof(message_rows[0]); i++) {
		const struct message_row *row = &message_rows[i];

		if (row->type != m->type || row->n_fds != n_fds || !m->account.len)
			continue;
		row->handle(&peer->master->processes, peer, m,
			n_fds ? fd_steal(&fds[0]) : -1);
		return true;
	}
	while (n_fds)
		fd_closep(&fds[--n_fds]);
	return false;
}

static bool receive(struct peer *peer, int status)
{
	struct master *master = peer->master;

	while (status >= 0) {
		int fds[IPC_FDS_MAX];
		size_t n_fds = 0;
		struct message m;
		ssize_t n = ipc_receive(peer->socket, master->buffer,
			sizeof(master->buffer), fds, &n_fds);

		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		if (message_decode(str_of(master->buffer, (size_t)n), &m) < 0 ||
			!on_message(peer, &m, fds, n_fds)) {
			log_warning(NULL, "peer", "error=\"message refused\"");
			return false;
		}
	}
	return false;
}

static void on_peer(uv_poll_t *poll, int status, int events)
{
	struct peer *peer = poll->data;

	(void)events;
	if (!receive(peer, status))
		close_peer(peer);
}

static void add_peer(struct master *master, int socket)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer || uv_poll_init(&master->loop, &peer->poll, socket) < 0) {
		free(peer);
		fd_closep(&socket);
		return;
	}
	peer->master = master;
	peer->socket = socket;
	peer->poll.data = peer;
	peer->next = master->peers;
	peer->place = &master->peers;
	if (peer->next)
		peer->next->place = &peer->next;
	master->peers = peer;
	(void)uv_poll_start(&peer->poll, UV_READABLE, on_peer);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct master *master = poll->data;
	int socket;

	(void)events;
	while (status >= 0 && (socket = ipc_accept(master->socket)) >= 0)
		add_peer(master, socket);
}

/* ── the end ───────────────────────────────────────────────────────────────────────── */

static void on_empty(struct processes *all)
{
	struct master *master = all->loop->data;

	if (master->ending)
		uv_stop(&master->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct master *master = handle->data;

	(void)number;
	if (master->ending)
		return;
	master->ending = true;
	(void)uv_poll_stop(&master->listener);
	processes_end(&master->processes);
	if (!master->processes.first)
		uv_stop(&master->loop);
}

/* ── the process ───────────────────────────────────────────────────────────────────── */

static int listen_on(
	struct master *master, const struct settings *settings, struct error *err)
{
	char path[PATH_MAX];
	int code = settings_run_path(settings, MAILSTORE_SOCKET, path, sizeof(path));

	if (code < 0)
		return error_errno(err, code, "%s", settings->run_dir);
	code = process_make_directory(settings->run_dir, 0755, err);
	if (code < 0)
		return code;
	master->socket = ipc_listen(path, SOCKET_MODE, err);
	return master->socket < 0 ? master->socket : 0;
}

static int start_loop(struct master *master)
{
	int r = uv_loop_init(&master->loop);

	if (r == 0)
		r = uv_poll_init(&master->loop, &master->listener, master->socket);
	if (r == 0)
		r = uv_signal_init(&master->loop, &master->terminate);
	if (r == 0)
		r = uv_signal_init(&master->loop, &master->interrupt);
	if (r < 0)
		return r;
	master->loop.data = master;
	master->listener.data = master->terminate.data = master->interrupt.data = master;
	r = uv_signal_start(&master->terminate, on_signal, SIGTERM);
	if (r == 0)
		r = uv_signal_start(&master->interrupt, on_signal, SIGINT);
	return r < 0 ? r : uv_poll_start(&master->listener, UV_READABLE, on_listener);
}

static void stop_loop(struct master *master)
{
	while (master->peers)
		close_peer(master->peers);
	uv_close((uv_handle_t *)&master->listener, NULL);
	uv_close((uv_handle_t *)&master->terminate, NULL);
	uv_close((uv_handle_t *)&master->interrupt, NULL);
	(void)uv_run(&master->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&master->loop);
	fd_closep(&master->socket);
}

static int run(struct master *master, const struct settings *settings)
{
	const int kept[] = { CAP_SYS_CHROOT }; /* for the account processes */
	struct error err = { 0 };
	int r = listen_on(master, settings, &err);

	if (r == 0)
		r = process_keep_capabilities(kept, 1, &err);
	if (r == 0) {
		r = start_loop(master);
		if (r < 0)
			(void)error_set(&err, r, "%s", uv_strerror(r));
	}
	if (r < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
		fd_closep(&master->socket);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "socket=%s/" MAILSTORE_SOCKET, settings->run_dir);
	(void)uv_run(&master->loop, UV_RUN_DEFAULT);
	stop_loop(master);
	log_info(NULL, "stopped", "signal=yes");
	return EXIT_SUCCESS;
}

int master_run(const char *config, const struct settings *settings)
{
	struct master *master = calloc(1, sizeof(*master));
	int r;

	if (!master)
		return EXIT_FAILURE;
	master->socket = -1;
	master->processes = (struct processes){ .loop = &master->loop,
		.config = config,
		.send = send_to_peer,
		.empty = on_empty };
	r = run(master, settings);
	free(master);
	return r;
}
