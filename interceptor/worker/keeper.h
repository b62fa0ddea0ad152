/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_KEEPER_H
#define INTERCEPTOR_WORKER_KEEPER_H
/*
 * What a login at the source teaches about its password (registry_learn()). A worker
 * cannot look into what lies there: that two are the same it knows of those that one of
 * the workers has seen before (shared/known_passwords.h). Of any other it asks the vault
 * afterwards; nobody waits for the answer, and a password that is new is kept then.
 */
#include "interceptor/worker/vault_link.h"
#include "registry/passwords.h"

struct worker;

int keeper_init(struct vault_link *v, struct known_passwords *known);

/* registry_look() alone, of a login that is not proven yet: where its account lives. */
int keeper_foresee(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, struct error *err);
/* registry_look(), and the question if there is one and nothing else is new. */
int keeper_look(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_is_news, struct error *err);
/* registry_learn(), and the question if there is one. */
int keeper_learn(struct worker *w, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err);
/* Whether it is known that this is one of the account's passwords. */
bool keeper_knows(const struct worker *w, int64_t account, struct str password);
/* Now and then: what could open what was closed before. */
void keeper_forget_key(struct vault_link *v);

/* The vault has answered, or is gone. */
void keeper_answered(void *context, const struct message *m, int fd);
void keeper_vault_lost(struct worker *w);

#endif
