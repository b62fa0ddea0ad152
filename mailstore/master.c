/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/master.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "event/timer.h"
#include "mailstore/serve/service.h"
#include "messages/takeover.h"
#include "settings/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_MODE 0600     /* at first: whoever can connect can send mail */
#define QUEUE_FDS_MAX 65536  /* one for each account, when it retires */
#define QUEUE_MAX (4u << 20) /* answers of a few hundred bytes; more: it is broken */
#define GATHER_MS 10         /* for log lines that follow upon others */

/* ── peers ─────────────────────────────────────────────────────────────────────────── */

void master_close_peer(struct peer *peer)
{
	struct master *master = peer->master;
	bool was_next = peer == master->successor;

	LIST_REMOVE(peer, all);
	processes_forget_peer(&master->processes, peer);
	channel_close(&peer->channel);
	free(peer);
	if (was_next) /* nobody knows of the sessions here any more */
		master_end(master);
	else
		master_look_for_end(master);
}

/* One that does not read is broken; its sessions live on. */
static void send_to_peer(struct peer *peer, const struct message *m)
{
	int r = message_send(&peer->channel, m, -1);

	if (r < 0 && r != -ENOTCONN) {
		log_warning(NULL, "peer", "error=%d dropped=%s", -r,
			message_type_name(m->type));
		channel_shut(&peer->channel);
	}
}

static void on_serve(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	/* which sessions slept is known here */
	if (m->number == LOGIN_WOKEN) {
		fd_closep(&fd);
		channel_shut(&peer->channel);
		return;
	}
	processes_serve(&peer->master->processes, peer, m, fd);
}

static void on_asleep(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	if (peer->is_before) {
		processes_asleep(&peer->master->processes, peer, m, fd);
		return;
	}
	fd_closep(&fd);
	channel_shut(&peer->channel);
}

static void on_stage(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	processes_stage(&peer->master->processes, peer, m, fd);
}

static void on_deliver(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	processes_deliver(&peer->master->processes, peer, m, fd);
}

static void on_discard(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	processes_discard(&peer->master->processes, peer, m, fd);
}

static void on_release(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	processes_release(&peer->master->processes, peer, m, fd);
}

static void on_kick(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	(void)fd;
	processes_kick(&peer->master->processes, m);
}

static void tell_alarm(void *context, const struct message *m)
{
	send_to_peer(context, m);
}

static void on_alarms(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	(void)m;
	(void)fd;
	alarms_tell(&peer->master->processes.alarms, tell_alarm, peer);
}

static void on_leave(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;

	(void)m;
	(void)fd;
	processes_let_leave(&peer->master->processes, peer);
}

static void on_take_over(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;
	struct master *master = peer->master;

	(void)fd;
	if (master->successor ||
		!takeover_is_allowed(channel_fd(&peer->channel), master->started_by))
		channel_shut(&peer->channel);
	else
		(m->type == MESSAGE_TAKE_OVER ? retire_hand : retire_begin)(peer);
}

static void on_ping(void *context, const struct message *m, int fd)
{
	struct peer *peer = context;
	struct master *master = peer->master;
	const struct message answer = { .type = MESSAGE_PONG };

	(void)fd;
	send_to_peer(peer, &answer);
	if (m->number &&
		takeover_is_allowed(channel_fd(&peer->channel), master->started_by))
		processes_watch(&master->processes, m->number);
}

static const struct message_row message_rows[] = {
	{ MESSAGE_PING, false, on_ping },
	{ MESSAGE_LEAVE, false, on_leave },
	{ MESSAGE_TAKE_OVER, false, on_take_over },
	{ MESSAGE_RETIRE, false, on_take_over },
	{ MESSAGE_SERVE, true, on_serve },
	{ MESSAGE_ASLEEP, true, on_asleep },
	{ MESSAGE_ROOM, false, on_stage },
	{ MESSAGE_STAGE, true, on_stage },
	{ MESSAGE_SWEEP, true, on_stage },
	{ MESSAGE_MEND, true, on_stage },
	{ MESSAGE_DELIVER, false, on_deliver },
	{ MESSAGE_DISCARD, false, on_discard },
	{ MESSAGE_RELEASE, false, on_release },
	{ MESSAGE_KICK, false, on_kick },
	{ MESSAGE_ALARMS, false, on_alarms },
};

/* One that says what makes no sense is not ours, or has a bug. */
static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct peer *peer = context;
	struct error err;

	(void)c;
	peer->heard++;
	if (message_handle(message_rows, sizeof(message_rows) / sizeof(message_rows[0]),
		    p, peer, &err) == 0)
		return;
	log_warning(NULL, "peer", "dropped error=\"%s\"", err.text);
	master_close_peer(peer);
}

static void on_lost(void *context, struct channel *c, int code)
{
	(void)c;
	(void)code;
	master_close_peer(context);
}

static const struct channel_ops peer_ops = { .message = on_message,
	.lost = on_lost,
	.bytes_max = QUEUE_MAX,
	.fds_max = QUEUE_FDS_MAX };

struct peer *master_add_peer(struct master *master, int socket)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer || channel_open(&peer->channel, &master->loop, socket, &peer_ops,
			     peer) < 0) {
		free(peer);
		fd_closep(&socket);
		return NULL;
	}
	peer->master = master;
	LIST_INSERT_HEAD(&master->peers, peer, all);
	return peer;
}

void master_accepted(void *master, int socket)
{
	(void)master_add_peer(master, socket);
}

static uint64_t heard(const struct peer *peer)
{
	return peer->heard;
}

static int reach_next(void *context)
{
	return retire_reach_next(context);
}

static int admit(void *context, const struct message *m)
{
	struct master *master = context;

	return tickets_use(&master->tickets, m);
}

/* ── the end ───────────────────────────────────────────────────────────────────────── */

/* One that has retired waits for its peers, too: they do not know. */
void master_look_for_end(struct master *master)
{
	bool alone = LIST_EMPTY(&master->peers) ||
	             (LIST_FIRST(&master->peers) == master->successor &&
			     !LIST_NEXT(master->successor, all));

	if (!master->processes.first && (master->ending || (master->successor && alone)))
		loop_stop(&master->loop);
}

static void on_empty(void *context)
{
	master_look_for_end(context);
}

void master_end(struct master *master)
{
	if (master->ending)
		return;
	master->ending = true;
	channel_listener_close(&master->listener);
	processes_end(&master->processes);
	master_look_for_end(master);
}

static void on_signal(void *context, int number)
{
	(void)number;
	master_end(context);
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
	if (code == 0)
		code = channel_listen(&master->listener, &master->loop, path, SOCKET_MODE,
			master_accepted, master, err);
	return code < 0 ? code
	                : users_share_socket(
				  settings, MAILSTORE_SOCKET, master->users.sockets, err);
}

static void set_room_for_sleepers(struct master *master, const struct settings *settings)
{
	uint64_t wanted = descriptors_of_mailstore(&settings->limits);

	master->processes.asleep_max = process_allow_descriptors(wanted) / 2;
}

/* ── the log ───────────────────────────────────────────────────────────────────────── */

static void on_gathered(void *context)
{
	(void)context; /* before_sleep() sees to the rest */
}

/* What comes alone goes at once; at thousands of logins a second no line is a system
   call. */
static void before_sleep(void *context)
{
	struct master *master = context;

	if (!timer_runs(master->gathering) && log_flush())
		timer_start(master->gathering, GATHER_MS);
}

/* To become the accounts' users, and to go into their folders. */
static int drop_rights(const struct users *users, struct error *err)
{
	static const int kept[] = { CAP_SYS_CHROOT, CAP_SETUID, CAP_SETGID };
	const struct sandbox sandbox = { .allows = SANDBOX_LOCAL_SOCKETS |
		                                   SANDBOX_LISTENS | SANDBOX_DATABASE |
		                                   SANDBOX_FOLDER | SANDBOX_BULK |
		                                   SANDBOX_CHILDREN | SANDBOX_USERS,
		.user = &users->of[USER_MAILSTORE],
		.user_first = users->first,
		.user_last = users->last,
		.capabilities = kept,
		.n_capabilities = 3,
		.passed = kept,
		.n_passed = 1 };

	return sandbox_enter(&sandbox, err);
}

static int set_up(
	struct master *master, const struct settings *settings, struct error *err)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	int r = users_load(settings, &master->users, err);

	if (r == 0)
		r = master->start->takes_over ? follow_ask(master, err)
		                              : listen_on(master, settings, err);
	set_room_for_sleepers(master, settings);
	if (r == 0)
		r = drop_rights(&master->users, err);
	if (r < 0)
		return r;
	master->processes.settings_fd = settings_descriptor(settings);
	if (master->processes.settings_fd < 0)
		return error_errno(err, master->processes.settings_fd, "no memory file");
	r = signals_open(&master->signals, &master->loop, numbers, 2, on_signal, master);
	if (r == 0)
		r = timer_new(&master->loop, on_gathered, master, &master->gathering);
	if (r == 0)
		r = processes_init(&master->processes);
	if (r < 0)
		return error_errno(err, r, "cannot watch for signals");
	return master->start->takes_over ? follow_commit(master, err) : 0;
}

static void fini(struct master *master)
{
	while (!LIST_EMPTY(&master->peers))
		master_close_peer(LIST_FIRST(&master->peers));
	channel_close(&master->before);
	channel_listener_close(&master->listener);
	signals_close(&master->signals);
	processes_fini(&master->processes);
	timer_free(master->drain);
	timer_free(master->gathering);
	(void)loop_fini(&master->loop);
	fd_closep(&master->processes.settings_fd);
	free(master);
}

static void init(struct master *master, struct program_start *start)
{
	master->start = start;
	master->started_by = geteuid();
	master->takeover = master->door = -1;
	master->processes = (struct processes){ .loop = &master->loop,
		.settings = &start->settings,
		.users = &master->users,
		.settings_fd = -1,
		.send = send_to_peer,
		.admit = admit,
		.reach_next = reach_next,
		.heard = heard,
		.hang_up = master_close_peer,
		.empty = on_empty,
		.context = master };
	master->tickets.settings = &start->settings;
}

int master_run(struct program_start *start)
{
	const struct settings *settings = &start->settings;
	struct master *master = calloc(1, sizeof(*master));
	struct error err = { 0 };
	int r;

	if (!master)
		return EXIT_FAILURE;
	if (loop_init(&master->loop, false) < 0) {
		free(master);
		return EXIT_FAILURE;
	}
	init(master, start);
	r = set_up(master, settings, &err);
	if (r < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
	} else {
		log_info(NULL, "ready", "socket=%s/" MAILSTORE_SOCKET, settings->run_dir);
		log_gather();
		loop_run(&master->loop, before_sleep, master);
		log_info(NULL, "stopped", "signal=yes");
	}
	fini(master);
	(void)log_flush();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
