/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An account process of ours: how it is started, and its link. */
#include "mailstore/process.h"

#include "base/fd.h"
#include "base/log.h"
#include "mailstore/account.h"
#include "users/folders.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What a process has not read yet. A login or a message waits below half of it, so that
   the word to deliver what it holds always finds room. */
#define QUEUE_MAX (1u << 20)
#define QUEUE_FDS_MAX 256

/* ── what it says ──────────────────────────────────────────────────────────────────── */

/* on_link() has noted that it speaks. */
static void on_pong(void *context, const struct message *m, int fd)
{
	(void)context;
	(void)m;
	(void)fd;
}

static const struct message_row link_rows[] = {
	{ MESSAGE_SERVED, false, process_served },
	{ MESSAGE_SERVE_END, false, process_serve_end },
	{ MESSAGE_STAGED, false, process_delivery },
	{ MESSAGE_DELIVERED, false, process_delivery },
	{ MESSAGE_DELIVERY_FAILED, false, process_delivery },
	{ MESSAGE_ALARM, false, process_alarm },
	{ MESSAGE_IDLE, false, process_idle },
	{ MESSAGE_BUSY, false, process_busy },
	{ MESSAGE_ASLEEP, true, process_asleep },
	{ MESSAGE_PONG, false, on_pong },
};

/* Nothing can be said to it any more: what comes waits for the process after it. */
static void lost(struct process *p)
{
	channel_close(&p->link);
	if (p->state == PROCESS_RUNNING)
		process_leave(p);
}

static void on_link(void *context, struct channel *c, struct packet *packet)
{
	struct process *p = context;
	struct error err;

	watched_heard(&p->watched);
	asleep_next(p);
	if (message_handle(link_rows, sizeof(link_rows) / sizeof(link_rows[0]), packet, p,
		    &err) == 0)
		return;
	(void)c;
	lost(p);
	process_kill(p, err.text);
}

/* Its exit follows, or is helped along. */
static void on_link_lost(void *context, struct channel *c, int code)
{
	struct process *p = context;

	(void)c;
	lost(p);
	if (code < 0)
		process_kill(p, strerror(-code));
}

static const struct channel_ops link_ops = { .message = on_link,
	.lost = on_link_lost,
	.bytes_max = QUEUE_MAX,
	.fds_max = QUEUE_FDS_MAX };

bool process_keeps_up(const struct process *p)
{
	return p->link.bytes < QUEUE_MAX / 2;
}

/* ── starting one ──────────────────────────────────────────────────────────────────── */

/* Only the folder says which user its account is. */
static int owner_of(struct process *p, unsigned *ret_uid, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_mail_path(
		p->all->settings, str_from(p->account), path, sizeof(path));

	if (r < 0)
		return error_errno(err, r, "no folder for %s", p->account);
	return folder_owner(p->all->users, path, ret_uid, err);
}

static int spawn(struct process *p, struct error *err)
{
	char settings[32];
	const char *const arguments[] = { "mailferry-mailstore", "-c", settings,
		"--account", p->account, NULL };
	const int fds[] = { p->theirs, p->all->settings_fd };
	struct child_plan plan = { .arguments = arguments, .fds = fds, .n_fds = 2 };
	int r = owner_of(p, &plan.user, err);

	_Static_assert(CHILD_FD_FIRST == ACCOUNT_SOCKET, "its end");
	(void)snprintf(
		settings, sizeof(settings), "/proc/self/fd/%d", ACCOUNT_SOCKET + 1);
	return r < 0 ? r
	             : child_start(&p->child, p->all->loop, &plan, process_ended, p, err);
}

static int start_child(struct process *p, struct error *err)
{
	CLEANUP(fd_closep) int ours = -1;
	int ends[2], r = ipc_pair(ends);

	if (r < 0)
		return error_errno(err, r, "no socket for the process");
	ours = ends[0];
	p->theirs = ends[1];
	r = timer_new(p->all->loop, process_timer, p, &p->timer);
	if (r == 0)
		r = channel_open(&p->link, p->all->loop, ours, &link_ops, p);
	if (r < 0)
		return error_errno(err, r, "cannot watch the process");
	(void)fd_steal(&ours);
	return spawn(p, err);
}

struct process *process_start(struct processes *all, struct str account)
{
	struct process *p = process_new(all, account);
	struct error err;

	if (!p)
		return NULL;
	if (start_child(p, &err) < 0) {
		log_error(
			NULL, "process", "account=%s error=\"%s\"", p->account, err.text);
		channel_close(&p->link);
		timer_free(p->timer);
		process_free(p);
		return NULL;
	}
	process_remember_folder(p);
	process_insert(p);
	log_debug(NULL, "process", "account=%s pid=%d event=started", p->account,
		(int)p->child.pid);
	return p;
}
