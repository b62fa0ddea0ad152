/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_RETIRE_H
#define REGISTRY_RETIRE_H
/*
 * The end of the source: `mailferry retire`, in two steps.
 *
 * The first is the fact "retired" (registry.h), the wall-clock milliseconds as digits.
 * From then on the registry refuses what would need the source (EVENT_DUE, COPY, SWITCH,
 * RETURN; registry_learn()), and everybody who asks it has to do without. It can be taken
 * back until the second step, which erases what opens mailboxes at the source.
 *
 *   interceptor   asks registry_retired() for each connection (one read by key; so it
 *                 takes effect without a restart) and, when it says so, never connects to
 *                 the source. Capabilities and greetings are the last that were probed.
 *
 *     IMAP, POP3   an account of route `local` logs in as ever. Every other name, also
 *                  that of an account that was never moved, gets the answer of a wrong
 *                  password; so it cannot be told who exists.
 *     SMTP         registry_address() with route `local`: as ever. Every other recipient
 *                  of a domain of the configuration: `550 5.1.1`. Other domains:
 *                  `550 5.7.1`, but for those who have logged in here, with a
 *                  `smart_host`. Without one AUTH is neither offered nor taken.
 *
 *   transfer      starts nothing and sweeps nothing.
 */
#include "registry/registry.h"

/* since: wall milliseconds, 0: not retired. */
int registry_retired(struct registry *r, uint64_t *ret_since, struct error *err);

/* Durable when it returns; fine when it is retired already. */
int registry_retire(struct registry *r, struct error *err);
/* The source is asked again. -EPERM: the passwords are erased, or it is not retired. */
int registry_unretire(struct registry *r, struct error *err);

/* Erases every sealed password, in one durable transaction; those that were never proven
   are forgotten. -EPERM: not retired. -EAGAIN: an account here has a sealed password and
   none that opens its mailbox here, so nobody could log in to it any more. */
int registry_erase_passwords(struct registry *r, struct error *err);
int registry_passwords_erased(struct registry *r, bool *ret_erased, struct error *err);

/* Mail for a user who lives here came in clear, because `smtp` has no key for STARTTLS
   that the source offers. Written at most once a minute. at: wall milliseconds, 0: never.
 */
int registry_note_clear_mail(struct registry *r, struct error *err);
int registry_clear_mail(struct registry *r, uint64_t *ret_at, struct error *err);

/* Empties the write-ahead log, where erased pages may still lie. -EBUSY: somebody reads;
   the log is then overwritten by and by. */
int registry_erase_log(struct registry *r, struct error *err);

#endif
