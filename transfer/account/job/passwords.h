/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_PASSWORDS_H
#define TRANSFER_PASSWORDS_H
/*
 * The passwords of the account that is moved: which of them the source takes from this
 * process.
 *
 * The source took each of them from a client once, or so it seemed: they are candidates.
 * What opens the mailbox here after the switch is what this process itself has logged in
 * with, and the bytes are those in its memory, whatever the registry says by then. An
 * account may have several that are good at the same time (app passwords).
 *
 *   UNTRIED ─┬─ a login of ours ─► TAKEN ─► the vault makes a verifier ─► proven
 *            └───────────────────► REFUSED: the next one is tried
 *
 * Of an account that a master user of the source copies, and whose user has not shown a
 * password yet (registry/masters.h), there is the master user's: then the process logs in
 * once, by it alone, before it reads any mail, and has wiped it by then. Such a process
 * never switches the account.
 */
#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>

struct job;

#define PASSWORDS_MAX 32 /* far above what a person has */

enum password_state {
	PASSWORD_UNTRIED,
	PASSWORD_TAKEN,
	PASSWORD_REFUSED,
	PASSWORD_STATE_COUNT
};

struct own_password {
	int64_t id; /* the registry's */
	struct str login, clear;
	enum password_state state;
	uint64_t tried_at; /* monotonic */
	bool is_prepared;  /* the vault has made its verifier */
	bool is_proven;    /* it opens the mailbox here */
};

/* The master user's: GIVEN to the reader, and USED when the reader has wiped it too. */
enum master_state { MASTER_NONE, MASTER_LENT, MASTER_GIVEN, MASTER_USED };
struct master_login {
	enum master_state state;
	struct arena arena;
	struct str login, user, clear;
};

struct passwords {
	struct own_password at[PASSWORDS_MAX];
	size_t n;
	size_t used;                            /* the one that the reader logs in with */
	const struct own_password *last_proven; /* NULL: none by this process */
	struct master_login master;
};

/* What the vault lends: those that are new since the last time. -ENODATA: none. */
int passwords_read(struct job *j);
/* This process copies, and no more. */
bool passwords_by_master(const struct passwords *p);
/* And it cannot connect again. */
bool passwords_are_spent(const struct passwords *p);
/* Logs in with the first that the source takes. As source_ops.connect. */
int passwords_connect(struct job *j);
/* Before the switch: logs in with each of the others, and has the vault make the
   verifiers. What the source does not take for now is tried again a little later, and
   then left a candidate. */
int passwords_try_others(struct job *j);
int passwords_make_verifiers(struct job *j);
/* Those that were taken open the mailbox here. Before the switch, so that nobody waits
   for it; at its end again, for those that were taken since. */
int passwords_prove(struct job *j);
void passwords_fini(struct passwords *p);

const struct own_password *passwords_used(const struct passwords *p);

#endif
