/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_VAULT_LINK_H
#define INTERCEPTOR_VAULT_LINK_H
/*
 * A worker's connection to the vault. The worker can close a password with the vault's
 * public key, which the vault gives it with the connection, but open none; whether one is
 * right it asks (verify.h, keeper.h).
 */
#include "interceptor/connection_limits.h"
#include "messages/exchange.h"
#include "registry/box.h"

struct settings;

#define VAULT_CHECKS 256 /* buckets of sessions that wait for a verdict */

struct vault_link {
	struct channel channel;
	uint64_t again_at; /* loop time: it was not there */
	struct box_closer closer;
	LIST_HEAD(, check) checks[VAULT_CHECKS]; /* verify.c */
	struct known_passwords *known;           /* of all workers */
	LIST_HEAD(, comparison) comparisons;
	uint64_t next_comparison;
};

struct worker;

/* The vault need not run yet. 0 or -errno. */
int vault_link_init(struct worker *w);
/* Connected, with its public key here; else tries to be. */
bool vault_link_is_ready(struct worker *w);
/* 0; -ENOTCONN: it does not run. */
int vault_link_ask(struct worker *w, const struct message *m);

#endif
