/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_VAULT_LINK_H
#define INTERCEPTOR_WORKER_VAULT_LINK_H
/*
 * A worker's connection to the vault. The worker can close a password with the vault's
 * public key, which the vault gives it with the connection, but open none; whether one is
 * right it asks (verify.h, keeper.h).
 *
 * A vault that is started again is asked again: who waits for an answer does not notice.
 */
#include "interceptor/shared/connection_limits.h"
#include "messages/exchange.h"
#include "registry/box.h"

struct settings;

#define VAULT_CHECKS 256 /* buckets of sessions that wait for a verdict */
/* A question waits so long for a vault to begin, which takes a second; and so long for
   one that runs: it signs at once, but lets a guess wait, and says itself when that is
   too long (vault/waiting.c). */
#define VAULT_PATIENCE_MS 4000
#define VAULT_SIGN_MS 4000
#define VAULT_CHECK_MS 25000

struct vault_link {
	struct channel channel;
	uint64_t again_at; /* loop time: it was not there */
	struct box_closer closer;
	LIST_HEAD(, check) checks[VAULT_CHECKS]; /* verify.c */
	struct known_passwords *known;           /* of all workers */
	LIST_HEAD(, comparison) comparisons;
	TAILQ_HEAD(, vault_question) questions; /* vault_questions.c; the oldest first */
	uint64_t next_comparison;
};

struct worker;

/* The vault need not run yet. 0 or -errno. */
int vault_link_init(struct worker *w);
/* Connected, with its public key here; else tries to be. */
bool vault_link_is_ready(struct worker *w);
/* 0; -ENOTCONN: it does not run. */
int vault_link_ask(struct worker *w, const struct message *m);

/* ---- vault_questions.c: what is asked until it is answered (CHECK, SIGN) ---- */

/* 0 or -ENOMEM. Without an answer in time there is one that says so. */
int vault_question_ask(struct worker *w, const struct message *m);
/* By its type, and by its session or its number: it needs no answer any more. */
void vault_question_drop(struct vault_link *v, const struct message *like);
/* What the vault that runs has not been asked yet. */
void vault_questions_send(struct worker *w);
void vault_questions_lost(struct worker *w); /* it has ended */
void vault_questions_tick(struct worker *w);
void vault_questions_fini(struct vault_link *v);

#endif
