/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SASL_BOUND_H
#define WIRE_SASL_BOUND_H
/*
 * Mechanisms that are bound to the TLS between client and server cannot pass somebody
 * who ends it for both: -PLUS (channel binding), and EXTERNAL (the client's certificate).
 * Where a server offers -PLUS, plain SCRAM does not pass either: a client that could bind
 * and is not offered it says so ("y"), and is refused (RFC 5802, 6).
 */
#include "base/buf.h"

/* name: one of all, words with that prefix ("AUTH=", ""). */
bool sasl_is_bound(struct str all, struct str prefix, struct str name);
/* Those of all (without a prefix) that can pass, each behind a space, the first behind
   `first`. 0 or -errno. */
int sasl_put_unbound(struct str all, char first, struct buf *out);
/* Whether any of the words is one of those. */
bool sasl_any_bound(struct str all, struct str prefix);

#endif
