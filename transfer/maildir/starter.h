/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_STARTER_H
#define TRANSFER_MAILDIR_STARTER_H
/*
 * Who starts the writers of Maildirs (writer.h): a process of the scheduler's, started
 * while that is root, which becomes `maildir_owner` before it is asked anything, and has
 * no capability from then on. So no process of ours can choose whose files it writes: the
 * scheduler cannot be that user, and this one cannot be another.
 *
 *   scheduler ── account, place, the writer's end of a stream ──► starter ──► writer
 *
 * It makes the account's folder below the root of all (settings/maildir_path.h), through
 * no symbolic link, and reads no byte of an account's process.
 */
#include "event/child.h"
#include "settings/settings.h"

#define MAILDIR_STARTER_TASK "maildirs"

/* ---- for the scheduler ---- */

struct maildir_starter {
	struct child child;
	int socket; /* -1: none is wanted */
};

/* Where `destination` is a Maildir: starts it, as root. ended(): it is gone, and nobody
   can start another one. */
int maildir_starter_open(struct maildir_starter *m, const struct settings *s,
	int settings_fd, struct loop *loop, child_ended_fn *ended, void *context,
	struct error *err);
void maildir_starter_close(struct maildir_starter *m); /* {.socket = -1} is fine */
/* *ret_end: the stream to a writer for the account with this login, for its process. Why
   there is none is said by the stream, or here (-EINVAL: the name makes no path). */
int maildir_starter_ask(const struct maildir_starter *m, const struct settings *s,
	struct str account, struct str login, int *ret_end, struct error *err);

/* ---- the process ---- */

int maildir_starter_run(const struct settings *s);

#endif
