/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_TICKET_H
#define MESSAGES_TICKET_H
/*
 * What the vault gives a worker for a right password, and the mailstore opens a mailbox
 * for: bound to the account, the session and the service, for a short time and for one
 * use. The key is the vault's and the mailstore's; a worker cannot make one.
 *
 *   epoch 8 | serial 8 | expires 8 | keyed BLAKE2b of these and of whom it is for 32
 */
#include "base/str.h"

#define TICKET_KEY_SIZE 32
#define TICKET_SIZE 56
#define TICKET_MS 30000      /* from the answer to the hand-off; both happen at once */
#define TICKET_WINDOW 65536u /* tickets that may be under way at the same time */

struct ticket_key {
	uint64_t epoch; /* which key; 0: none yet */
	uint8_t key[TICKET_KEY_SIZE];
};

/* For whom it is good. */
struct ticket_bearer {
	struct str account, session, service;
};

/* A new key. 0 or -EIO. */
int ticket_key_make(struct ticket_key *ret);

/* now_ms: monotonic, which is the same in all processes. 0 or -EIO. */
int ticket_make(const struct ticket_key *key, uint64_t serial, uint64_t now_ms,
	const struct ticket_bearer *bearer, char ret[static TICKET_SIZE]);

/* Which serials were used: a window that moves with the newest. */
struct ticket_window {
	uint64_t newest;
	uint64_t used[TICKET_WINDOW / 64];
};

/* The epoch that a ticket names, 0: it is none. */
uint64_t ticket_epoch(struct str ticket);

/* Takes it: 0, and never again. -EACCES: not the vault's, or for somebody else; -ETIME:
   too old; -EALREADY: it was used. */
int ticket_use(const struct ticket_key *key, struct ticket_window *window,
	struct str ticket, uint64_t now_ms, const struct ticket_bearer *bearer);

#endif
