/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CALLERS_H
#define TRANSFER_CALLERS_H
/*
 * The connections to transfer.sock. A worker says that an account is due, or that
 * somebody logged in. A command has an account go back or be mended, and waits until its
 * process has ended.
 */
#include "event/channel.h"
#include "registry/registry.h"
#include "transfer/pop_logins.h"
#include "transfer/roster.h"

struct callers_ops {
	/* The registry has news. */
	void (*due)(void *context);
	/* Something was asked for; it is in the roster. */
	void (*asked)(void *context);
};

struct callers {
	const struct callers_ops *ops;
	void *context;
	struct roster *roster;
	struct registry *registry;
	struct pop_logins *pop_logins;
	struct loop *loop;
	LIST_HEAD(, caller) all;
	unsigned n;
};

/* context: the callers. For channel_listen(). */
void callers_add(void *context, int fd);
/* A process of e has ended: those who asked for what it did hear so. */
void callers_tell(struct callers *all, const struct entry *e);
void callers_close(struct callers *all);

#endif
