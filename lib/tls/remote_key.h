/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_REMOTE_KEY_H
#define TLS_REMOTE_KEY_H
/*
 * A key as OpenSSL uses it in a handshake, whose private part is in another process: an
 * OpenSSL provider of our own with two kinds of keys (RSA, EC) that can do one thing,
 * sign, by asking a struct tls_signer.
 *
 * Signing pauses the handshake (OpenSSL's async jobs): SSL_do_handshake() answers
 * SSL_ERROR_WANT_ASYNC; its driver calls tls_waiter_ask(), and SSL_do_handshake() again
 * after the waiter was woken (tls/stream_tls.c). Outside a job, where nothing could wait,
 * a signature must be there at once or it fails.
 */
#include "tls/signature.h"

#include <openssl/ssl.h>

/* A library context with OpenSSL's default provider and ours. Everything that uses a
   remote key is made in it (SSL_CTX_new_ex). NULL: OpenSSL could not. */
struct tls_library; /* opaque */
struct tls_library *tls_library_new(struct tls_signer *signer);
void tls_library_free(struct tls_library *l); /* after all that was made in it */
OSSL_LIB_CTX *tls_library_context(struct tls_library *l);

/* The private key that belongs to the public one of a certificate; number: the signer's
   name for it. The caller's to free. NULL: neither RSA nor EC, or no memory. */
EVP_PKEY *tls_remote_key_new(
	struct tls_library *l, EVP_PKEY *public_key, uint32_t number);

/* Lets the handshake of this SSL be paused for it; waiter: its driver's. */
bool tls_remote_key_attach(SSL *ssl, struct tls_waiter *waiter);

#endif
