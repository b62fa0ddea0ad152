/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_PASSED_H
#define INTERCEPTOR_PASSED_H
/*
 * Mail that was passed on to the source a moment ago: it has said 250, but its queue may
 * not have reached the mailbox yet (Postfix takes a tenth of a second). A switch in that
 * moment would look at the mailbox for the last time before the mail is in it, so that a
 * quiesce waits a little. What lies in the source's queue for longer is not waited for.
 */
#include "registry/registry.h"

#define PASSED_SETTLE_MS 1000 /* somebody may be held at his login meanwhile */
#define PASSED_HELD 512       /* recipients in that time; the oldest are forgotten */
#define PASSED_LOCAL_MAX 64   /* RFC 5321 4.5.3.1.1; a longer one is not remembered */
#define PASSED_DOMAIN_MAX 255

struct passed {
	struct passed_mail {
		uint64_t at; /* loop time; 0: none */
		uint8_t local_len, domain_len;
		char local[PASSED_LOCAL_MAX], domain[PASSED_DOMAIN_MAX];
	} held[PASSED_HELD];
	size_t next;
};

/* A recipient of a transaction that is over; whether it brought mail does not matter. */
void passed_note(struct passed *p, struct str local, struct str domain, uint64_t now);
/* Whether there was some for this account, by whatever address, in the last moment. */
bool passed_lately(
	const struct passed *p, struct registry *r, struct str account, uint64_t now);

#endif
