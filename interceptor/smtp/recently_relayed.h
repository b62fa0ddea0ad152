/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_RECENTLY_RELAYED_H
#define INTERCEPTOR_SMTP_RECENTLY_RELAYED_H
/*
 * Mail that was passed on to the source a moment ago: it has said 250, but its queue may
 * not have reached the mailbox yet (Postfix takes a tenth of a second). A switch in that
 * moment would look at the mailbox for the last time before the mail is in it, so that a
 * quiesce waits a little. What lies in the source's queue for longer is not waited for.
 */
#include "registry/registry.h"

#define RELAYED_SETTLE_MS 1000 /* a user may be held at the login meanwhile */
#define RELAYED_HELD 512       /* recipients in that time; the oldest are forgotten */
#define RELAYED_LOCAL_MAX 64   /* RFC 5321 4.5.3.1.1; a longer one is not remembered */
#define RELAYED_DOMAIN_MAX 255

struct recently_relayed {
	struct relayed_mail {
		uint64_t at; /* loop time; 0: none */
		uint8_t local_len, domain_len;
		char local[RELAYED_LOCAL_MAX], domain[RELAYED_DOMAIN_MAX];
	} held[RELAYED_HELD];
	size_t next;
};

/* A recipient of a transaction that is over; whether it brought mail does not matter. */
void recently_relayed_note(
	struct recently_relayed *p, struct str local, struct str domain, uint64_t now);
/* Whether there was some for this account, by whatever address, in the last moment. */
bool recently_relayed_has(const struct recently_relayed *p, struct registry *r,
	struct str account, uint64_t now);

#endif
