/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_TLS_FIXTURE_H
#define TEST_TLS_FIXTURE_H
/* A process that holds a key, played by the test; and certificates. */
#include "base/buf.h"
#include "tls/remote_key.h"

#include <openssl/ssl.h>

/* Stands for the vault: holds the private key, answers when it is told to. */
struct fake_vault {
	struct tls_signer signer;    /* first */
	EVP_PKEY *key;               /* the caller's */
	struct tls_signature *asked; /* NULL: nothing is */
	unsigned questions, forgotten;
	bool at_once, refuses;
};

#define FAKE_KEY_NUMBER 7

void fake_vault_init(struct fake_vault *v, EVP_PKEY *key);
void fake_vault_answer(struct fake_vault *v);

/* Signed by itself, for mail.example.com; the caller's. */
X509 *fake_certificate(EVP_PKEY *key);
/* For these names: "DNS:a.example,DNS:*.b.example". */
X509 *fake_certificate_for(EVP_PKEY *key, const char *names);
/* As PEM, appended. */
void fake_pem(X509 *certificate, struct buf *out);
/* Both ends in turns, until both are through (0), the server waits for its key (-EAGAIN)
   or one of them has failed (-EPROTO). */
void fake_connect(SSL *client, SSL *server);
int fake_turns(SSL *client, SSL *server);
EVP_PKEY *fake_rsa_key(void);
EVP_PKEY *fake_ec_key(void);
EVP_PKEY *fake_ec384_key(void);

#endif
