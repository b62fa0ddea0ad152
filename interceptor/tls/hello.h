/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_TLS_HELLO_H
#define INTERCEPTOR_TLS_HELLO_H
/*
 * A client that begins with TLS (993, 995, 465): its first message says for which name.
 *
 *   HELLO ─► we hold a key for it: TLS ends here, and the service's own handler begins
 *     │
 *     └────► RECORDING: the registry is told of it
 *              │
 *              └─► PASSING: connects to the source and relays, unseen, unchanged and
 *                  from the client's own address; nobody is shown another certificate
 *                  than the source's
 */
#include "interceptor/session/session.h"
#include "wire/tls/hello.h"

extern const struct handler tls_hello_handler;

/* What the handler has to know of a service: s->protocol. */
struct tls_service {
	struct service_handler inside; /* once TLS is taken off */
	const char *alpn;              /* RFC 7301's name of the protocol; NULL: none */
};

/* Begins TLS with a client whose hello is read, when its service's `tls` and our keys
   allow it. What it has sent is in from_client. false: it does not end here. */
bool tls_hello_accept(struct session *s, const struct tls_hello *hello, const char *alpn);

#endif
