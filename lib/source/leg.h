/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_LEG_H
#define SOURCE_LEG_H
/*
 * From which address a worker connects to the source for a client, and how it says whose
 * connection it is when that is ours.
 *
 *   source_leg     IMAP, POP3                     SMTP
 *   not set        the client's; ours where       the client's
 *                  only that is answered
 *   "client"       the client's                   the client's
 *   "own"          ours                           ours, once it is proven that nobody
 *                                                 relays there for being us; else none
 *
 * Where `source_proxy` is set for a service, the PROXY protocol says whose connection it
 * is (proxy.h), also of TLS that passes unseen.
 *
 * `mailferry up` finds out before the rules go in and writes it down: a fact of the
 * registry. For mail our own address is never taken without it: a source that trusts its
 * neighbours would take strangers for one. What a mailbox client says inside TLS that we
 * cannot read is its own word: of another address, too, where the source believes us.
 */
#include "registry/registry.h"
#include "settings/settings.h"

enum leg_address {
	LEG_CLIENT,
	LEG_OWN,
	LEG_NONE, /* nobody may connect there for a client */
	LEG_ADDRESS_COUNT
};

enum leg_introduction {
	INTRODUCE_NOT,
	INTRODUCE_XCLIENT, /* SMTP: the source must take it, else the session ends */
	INTRODUCE_ID,    /* IMAP: said where ID is offered; whether it counts is unseen */
	INTRODUCE_PROXY, /* before all else, by `source_proxy` */
	INTRODUCE_COUNT
};

struct leg {
	enum leg_address from;
	enum leg_introduction introduction;
};

struct legs {
	struct leg of[SERVICE_COUNT];
};

/* Mail comes in by it: 25, 465, 587. */
bool leg_is_smtp(enum service_id service);

/* What `up` has found out. */
int legs_write(struct registry *r, const struct legs *found, struct error *err);
/* What holds. Without a registry, or where it cannot be read (-errno): the most
   careful. */
int legs_read(const struct settings *s, struct registry *r, struct legs *ret);

#endif
