/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MOVER_H
#define TRANSFER_MOVER_H
/* Starts the process that moves an account, as the user who owns the account's folder. */
#include "event/child.h"
#include "transfer/maildir/starter.h"
#include "transfer/roster.h"
#include "users/folders.h"

struct movers {
	const struct settings *settings;
	int settings_fd; /* the same for the processes */
	int pace_fd;     /* likewise (read/pace.h) */
	struct users users;
	struct uid_pool uids;
	struct registry *registry;       /* the scheduler's */
	struct maildir_starter maildirs; /* where `destination` is one */
};

/* Looks at all folders: while it is root, before movers_enter_sandbox(). */
int movers_open(struct movers *m, const struct settings *s, struct error *err);
void movers_close(struct movers *m);

/* From then on it may start processes and no more. */
int movers_enter_sandbox(const struct movers *m, struct error *err);

enum mover_task {
	MOVER_MOVE,
	MOVER_RETURN,
	MOVER_FORETELL, /* what the return would carry */
	MOVER_SWEEP,
	MOVER_AGAIN,  /* what is lost here */
	MOVER_LOG_IN, /* once, at the source (pop_logins.h) */
	MOVER_TASK_COUNT
};

struct mover_order {
	int64_t id;
	char name[ENTRY_NAME_MAX];
	enum mover_task task;
	/* of MOVER_LOG_IN: by which service, and the socket, which stays the caller's */
	enum service_id service;
	int socket;
};

/* Makes the folder when there is none. */
int mover_start(struct movers *m, const struct mover_order *o, struct child *c,
	struct loop *loop, child_ended_fn *ended, void *context, struct error *err);

#endif
