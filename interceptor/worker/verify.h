/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_VERIFY_H
#define INTERCEPTOR_WORKER_VERIFY_H
/*
 * Whether the password of an account that lives here is right: the vault says so, and
 * gives a ticket with which the mailstore opens the mailbox. Nothing here can tell.
 */
#include "interceptor/session/host.h"

struct worker;

typedef void verify_fn(struct session *s, enum verdict verdict, struct str ticket);
/* host_ops.verify() */
void verify_password(
	struct worker *w, struct session *s, const struct question *q, verify_fn *done);
/* s is not interested any more. */
void verify_forget(struct worker *w, struct session *s);

/* The vault has answered. */
void verify_answered(void *context, const struct message *m, int fd);

#endif
