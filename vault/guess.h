/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VAULT_GUESS_H
#define VAULT_GUESS_H
/*
 * What guessing costs: how long an attempt waits until it is looked at. Numbers and time
 * only; the caller keeps the attempt (waiting.c).
 *
 * Failures are counted by the client's address, by the networks around it, by account,
 * and by account and network together. A few are free; after that each makes the next
 * attempt wait longer, up to a limit. They are forgotten by half every five minutes.
 *
 *   address  a host (IPv4), or a subscriber's /64         most of an attack
 *   network  /24; /56 and /48                             its neighbours; waits little
 *   account  from networks that it never logged in from   an attack from many places
 *   pair     account and network                          a device with an old password
 *
 * An account that logged in from a network before waits for its pair alone: no attack
 * from there, or on it from elsewhere, shuts its user out. The number of attempts and of
 * right passwords costs nothing. A wrong password that is tried again tells nobody
 * anything, and is not counted.
 *
 * Tables are of fixed size: who is counted longest ago makes place.
 */
#include "base/str.h"

#include <stdbool.h>
#include <sys/socket.h>

#define GUESS_WAIT_MAX_MS 16000 /* clients wait 30 s and more for an answer */

struct guesses; /* opaque */

/* Who tries what. client: address of the client ("192.0.2.1:4000", "[2001:db8::1]:4000");
   one that cannot be read is a network of its own. */
struct guess {
	int64_t account;
	struct str client, password;
};

struct guesses *guesses_new(void); /* NULL: no memory */
void guesses_free(struct guesses *g);

/* How long that attempt waits from now on; 0: not at all. Monotonic ms. */
uint64_t guess_wait(struct guesses *g, const struct guess *a, uint64_t now);
/* Whether that account has logged in from that network. */
bool guess_is_users(struct guesses *g, const struct guess *a);
/* It was looked at, and was wrong, or right. */
void guess_was_wrong(struct guesses *g, const struct guess *a, uint64_t now);
void guess_was_right(struct guesses *g, const struct guess *a, uint64_t now);

/* A worker asks whether a password that the source has taken is one of the account's. One
   that somebody runs code in could ask for guesses: those that are none of them make the
   next one wait, too. */
bool guess_may_compare(struct guesses *g, int64_t account, uint64_t now);
void guess_compared_in_vain(struct guesses *g, int64_t account, uint64_t now);

/* Where an attempt comes from: the client's address, and the networks around it. Each
   number is the same for all that come from there. */
#define GUESS_NETWORKS 3
void guess_networks(
	const struct guesses *g, struct str client, uint64_t ret[static GUESS_NETWORKS]);

#endif
