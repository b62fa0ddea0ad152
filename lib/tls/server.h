/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H
/*
 * What we show to TLS clients: certificates by name, and one policy for all of them.
 *
 * Certificates of the same names (RSA and ECDSA side by side) share a context, and the
 * client chooses by what it supports. Private keys are not here (tls/remote_key.h). To
 * reload, make a new one and free the old one: sessions keep what they use.
 *
 * Always refused: renegotiation, compression, 0-RTT data (somebody could send it again).
 * Resumption is by tickets alone (tls/ticket.h); with TLS 1.3 each connection brings one.
 */
#include "base/error.h"
#include "tls/remote_key.h"
#include "tls/ticket.h"

#include <openssl/ssl.h>

struct tls_server; /* opaque */

struct tls_policy {
	int min_version;     /* TLS1_2_VERSION; lower ones only for the leg to a source */
	const char *ciphers; /* of TLS 1.2, as openssl-ciphers(1); "": TLS_CIPHERS */
};

/* Mozilla's "intermediate" (guidelines 5.7). */
#define TLS_CIPHERS                                                                      \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                     \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                     \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                     \
	"DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"                           \
	"DHE-RSA-CHACHA20-POLY1305"
#define TLS_GROUPS "X25519:P-256:P-384"

/* library, policy's strings and tickets must outlive it; tickets NULL: nobody resumes. */
int tls_server_new(struct tls_library *library, const struct tls_policy *policy,
	struct tls_tickets *tickets, struct tls_server **ret, struct error *err);
void tls_server_free(struct tls_server *s);

/* chain: PEM, the server's own certificate first. number: of its key. staple: an OCSP
   response (DER) to pass on; may be empty. file: for messages. The first that is added is
   shown to clients that ask for no name. */
int tls_server_add(struct tls_server *s, struct str chain, uint32_t number,
	struct str staple, const char *file, struct error *err);

/* The context for a client that asks for that name; NULL: we hold no key for it. "": it
   asks for none, and gets what is for the address that it wanted ("192.0.2.10"), else for
   the host's usual name (may be ""), else the first. */
SSL_CTX *tls_server_context(const struct tls_server *s, const char *name,
	const char *address, const char *usual);
/* The same, when its TLS has to end here whatever it asks for: the name's, or the first;
   NULL: there is none at all. */
SSL_CTX *tls_server_any_context(const struct tls_server *s, const char *name);

/* The protocol that the client may choose by ALPN (RFC 7301): "imap", "pop3"; NULL: none.
   A client that offers others goes on without, as it did with a server that knows no
   ALPN; only a web browser is refused, as somebody must have led it here. name: a
   constant. For an SSL of one of the contexts, before the handshake. */
void tls_server_offer_alpn(SSL *ssl, const char *name);

/* "1.2", "1.3" -> OpenSSL's number; 0: unknown. "1.0" and "1.1" are known, too. */
int tls_version_number(struct str text);

#endif
