/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_TICKET_H
#define TLS_TICKET_H
/*
 * Keys for session tickets (RFC 5077; RFC 8446, 4.6.1), the same in all workers without a
 * word between them: they start from one secret and make the next one from it when its
 * time has come. The secret before cannot be made from the one after: who gets a worker's
 * memory reads no ticket that is older than the three that are kept.
 */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_TICKET_SECRET 32
#define TLS_TICKET_PERIOD_S 14400 /* a new key every 4 hours */
#define TLS_TICKET_KEYS 3         /* so a ticket is good for 8 to 12 hours */
#define TLS_TICKET_NAME 16

struct tls_ticket_key {
	unsigned char name[TLS_TICKET_NAME], cipher[32], mac[32];
	bool is_set;
};

struct tls_tickets {
	unsigned char secret[TLS_TICKET_SECRET];     /* of the current period */
	uint64_t period;                             /* number of it */
	struct tls_ticket_key keys[TLS_TICKET_KEYS]; /* the newest first */
};

/* secret: random, shared by all workers, and to be wiped by the caller. now_s: wall clock
   at the moment when the secret was made, so the same for all. 0 or -EIO. */
int tls_tickets_init(struct tls_tickets *t,
	const unsigned char secret[static TLS_TICKET_SECRET], uint64_t now_s);
/* For who hands the secret out at any later time: makes it that of the oldest period
   whose key is still kept at now_s, and *made_s a moment of that. 0 or -EIO. */
int tls_tickets_age(
	unsigned char secret[static TLS_TICKET_SECRET], uint64_t *made_s, uint64_t now_s);
void tls_tickets_fini(struct tls_tickets *t); /* wipes */

/* The key for new tickets. NULL: none could be made. A clock that goes back changes
   nothing. */
const struct tls_ticket_key *tls_tickets_current(struct tls_tickets *t, uint64_t now_s);
/* The key of that name; NULL: it is gone. */
const struct tls_ticket_key *tls_tickets_find(struct tls_tickets *t,
	const unsigned char name[static TLS_TICKET_NAME], uint64_t now_s);

#endif
