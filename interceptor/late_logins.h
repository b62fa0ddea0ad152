/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LATE_LOGINS_H
#define INTERCEPTOR_LATE_LOGINS_H
/*
 * Logins that the registry could not learn at once, since another process was writing.
 *
 * A worker waits a moment for the registry's lock and no longer, since its sessions wait
 * meanwhile. The user is let in; what the login taught is kept here (passwords are wiped)
 * and tried again at each tick.
 */
#include "registry/registry.h"

#include <sys/queue.h>

#define LATE_LOGINS_MAX 1024 /* more: they are learnt at their next login */
#define LATE_LOGIN_ID_MAX 64 /* of a session, for the log */

struct late_logins {
	STAILQ_HEAD(, late_login) all;
	size_t n;
};

/* registry_learn(), with what it needs. */
typedef int late_learn_fn(void *context, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err);
/* That account is to be moved now. session: its id. */
typedef void late_due_fn(void *context, const char *session, const char *account);

void late_logins_init(struct late_logins *l);
/* Copies the login. 0, -ENOBUFS (too many) or -ENOMEM. */
int late_logins_add(
	struct late_logins *l, const char *session, const struct proven_login *login);
/* Until the registry is busy again. */
void late_logins_retry(
	struct late_logins *l, late_learn_fn *learn, late_due_fn *due, void *context);
void late_logins_fini(struct late_logins *l); /* forgets those that are left */

#endif
