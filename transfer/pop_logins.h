/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_POP_LOGINS_H
#define TRANSFER_POP_LOGINS_H
/*
 * `pop_before_smtp`: the source lets a client address send mail for a while after a login
 * to a mailbox from there. Whoever logs in here is not seen there any more; so a login of
 * ours follows, from the client's address.
 *
 *   worker ──LOGGED_IN──► scheduler ──a bound socket──► process of that account
 *                                                        └─► the source: in and out
 *
 * Nobody gets two rights: the scheduler may bind a client's address (CAP_NET_RAW, with
 * this setting alone), reads no byte of a network and sees no password; the process has
 * the password by a loan of the vault, connects that socket to the source of its own
 * settings, and can bind none. A worker says who logged in from where, and no more: one
 * that lies can have addresses let in at the source that it could send from anyway.
 *
 * Once in POP_LOGIN_AGAIN_MS for an account and an address, one of an account at a time;
 * a password that the source refuses is left alone for hours. It is nobody's login: no
 * client waits for it.
 */
#include "registry/registry.h"
#include "transfer/mover.h"

#include <sys/queue.h>

#define POP_LOGIN_AGAIN_MS 60000 /* windows of such servers are 10 minutes and more */
#define POP_LOGINS_RECENT 4096   /* remembered; a minute's logins of a large site */
#define POP_LOGINS_AT_ONCE 8
#define POP_LOGINS_MAX 64 /* with those that wait; more are left out, and logged */

struct recent_login {
	int64_t account;
	struct sockaddr_storage client;
	uint64_t at; /* monotonic; 0: free */
};

struct pop_logins {
	struct movers *movers;
	struct registry *registry;
	struct loop *loop;
	LIST_HEAD(, pop_follower) all; /* running, or waiting for a place */
	unsigned n, n_running;
	struct recent_login recent[POP_LOGINS_RECENT]; /* a ring */
	size_t next_recent;
};

void pop_logins_init(
	struct pop_logins *p, struct movers *m, struct registry *r, struct loop *loop);
/* Somebody logged in here. Nothing without the setting, or when it is not due. */
void pop_logins_follow(struct pop_logins *p, struct str account, struct str client,
	struct str service, uint64_t now);
/* Each process ends by itself. */
void pop_logins_end(struct pop_logins *p);

/* Whether this one is not the same as one of the last minute; it is remembered then. */
bool pop_login_is_new(struct pop_logins *p, int64_t account,
	const struct sockaddr_storage *client, uint64_t now);

#endif
