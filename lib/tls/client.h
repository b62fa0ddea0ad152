/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H
/*
 * The leg to the source: what we accept from an old server. One context for each service,
 * since the admin may allow more for one of them than for another.
 */
#include "base/error.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum tls_verify {
	TLS_VERIFY_PIN,  /* the key that `mailferry check` saw and the admin confirmed */
	TLS_VERIFY_CA,   /* a certificate of a known authority for the server's name */
	TLS_VERIFY_NONE, /* anything: somebody between us and the source can listen */
	TLS_VERIFY_COUNT
};

#define TLS_PIN_SIZE 32 /* SHA-256 of the public key (SubjectPublicKeyInfo) */

struct tls_client_policy {
	enum tls_verify verify;
	unsigned char pin[TLS_PIN_SIZE]; /* with TLS_VERIFY_PIN */
	const char *name; /* with TLS_VERIFY_CA: the name that must be in it; copied */
	X509_STORE *authorities; /* with TLS_VERIFY_CA; NULL: tls_authorities() */
	int min_version; /* TLS1_VERSION: for an old server, with the weak ciphers of its
	                     time */
};

/* Those that this host knows, all read now: behind Landlock a process reads no more
   files. The caller's, for X509_STORE_free(); NULL: none is there. */
X509_STORE *tls_authorities(void);

/* The caller's, for SSL_CTX_free(). 0 or -errno. */
int tls_client_context(
	const struct tls_client_policy *policy, SSL_CTX **ret, struct error *err);

/* The key that the peer of this handshake has shown; false: it has shown none. */
bool tls_peer_pin(SSL *ssl, unsigned char ret[static TLS_PIN_SIZE]);
bool tls_certificate_pin(X509 *certificate, unsigned char ret[static TLS_PIN_SIZE]);

#endif
