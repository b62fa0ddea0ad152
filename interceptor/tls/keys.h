/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_TLS_KEYS_H
#define INTERCEPTOR_TLS_KEYS_H
/*
 * What a worker needs to end its clients' TLS: certificates and a ticket secret, which
 * the vault gives it with the connection, and signatures, for which it asks the vault.
 *
 *   vault ──IDENTITIES, IDENTITY …──► a new tls/server.h takes the old one's place
 *   handshake ──SIGN──► vault ──SIGNED──► the handshake goes on
 */
#include "messages/message.h"
#include "settings/settings.h"
#include "tls/server.h"

/* Sends to the vault. 0 or -errno. */
typedef int tls_keys_ask(void *context, const struct message *m);

struct tls_keys {
	struct tls_signer signer; /* first */
	const struct settings *settings;
	tls_keys_ask *ask;
	void *context; /* of ask() */
	struct tls_library *library;
	struct tls_tickets tickets;
	struct tls_server *server; /* NULL: we hold no key */
	struct tls_server *coming; /* as far as the vault has said it */
	uint64_t still_to_come;    /* identities */
	LIST_HEAD(, tls_signature) asked;
	uint64_t next_number;
};

int tls_keys_init(struct tls_keys *k, const struct settings *settings, tls_keys_ask *ask,
	void *context);

/* What the vault says: IDENTITIES, IDENTITY, SIGNED. */
void tls_keys_begin(struct tls_keys *k, const struct message *m);
void tls_keys_identity(struct tls_keys *k, const struct message *m);
void tls_keys_signed(struct tls_keys *k, const struct message *m);

/* host_ops.tls_context() */
int tls_keys_context(
	struct tls_keys *k, const char *name, const char *address, SSL_CTX **ret);

#endif
