/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_LATE_LOGINS_H
#define INTERCEPTOR_WORKER_LATE_LOGINS_H
/*
 * Logins that the registry learns a moment after the user was let in.
 *
 * A transaction costs more than all the rest of a login, and it costs nearly the same
 * for many logins as for one: what comes in a burst is written at once.
 * When one of them cannot be learnt, all are taken one by one.
 * And a worker waits a moment for the registry's lock and no longer, since its sessions
 * wait meanwhile: what finds it busy is tried again at each tick. Passwords are wiped.
 */
#include "registry/registry.h"

#include <sys/queue.h>

#define LATE_LOGINS_MAX 1024 /* more: they are learnt at their next login */
#define LATE_LOGIN_ID_MAX 64 /* of a session, for the log */

struct late_logins {
	STAILQ_HEAD(, late_login) all;
	size_t n;
	size_t n_alone; /* the first so many are learnt one by one */
};

struct late_login_ops {
	/* registry_begin_group(), registry_learn() and registry_end_group(), with what
	   they need. */
	int (*begin)(void *context, struct error *err);
	int (*learn)(void *context, const struct proven_login *login,
		struct account_route *ret_route, bool *ret_became_due, struct error *err);
	int (*end)(void *context, struct error *err);
	/* It is written. session: its id; was: the account as that session knows it. */
	void (*learnt)(void *context, const char *session, const char *was,
		const struct account_route *route, bool became_due);
};

void late_logins_init(struct late_logins *l);
/* Copies the login. account: as the session knows it. 0, -ENOBUFS (too many) or
   -ENOMEM. */
int late_logins_add(struct late_logins *l, const char *session, const char *account,
	const struct proven_login *login);
/* Until none is left, or the registry is busy. */
void late_logins_retry(
	struct late_logins *l, const struct late_login_ops *ops, void *context);
void late_logins_fini(struct late_logins *l); /* forgets those that are left */

#endif
