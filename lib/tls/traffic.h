/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_TRAFFIC_H
#define TLS_TRAFFIC_H
/*
 * What must be known to go on, without OpenSSL's TLS, with a connection whose handshake
 * it has done: the keys of both directions, and how many records went with them. OpenSSL
 * is asked for the secrets (as for a key log, which is never written) and watched.
 *
 *   SSL ── tls_traffic_keys() ──► stream_ktls.h     the kernel goes on
 *                            └──► stream_records.h  we do, in little memory
 */
#include "net/stream_ktls.h"

#include <openssl/ssl.h>
#include <stdbool.h>

#define TLS_IV_SIZE 12 /* of all ciphers here */
#define TLS_KEY_MAX 32
#define TLS_SECRET_MAX 48 /* SHA-384 */

/* One direction's keys. */
struct tls_direction {
	unsigned char key[TLS_KEY_MAX];
	unsigned char iv[TLS_IV_SIZE]; /* TLS 1.2 with GCM: the salt alone */
	unsigned char
		secret[TLS_SECRET_MAX]; /* TLS 1.3: what the next keys are made of */
	size_t n_secret;
	uint64_t records; /* that went with them; the next one's number */
};

struct tls_traffic_cipher;

struct tls_traffic_keys {
	const struct tls_traffic_cipher *cipher;
	const char *digest;
	bool is_server; /* we are */
	bool is_12;     /* else TLS 1.3 */
	struct tls_direction send, receive;
};

enum tls_traffic_use {
	TLS_TRAFFIC_OFF,    /* OpenSSL keeps its connections */
	TLS_TRAFFIC_HERE,   /* stream_records.h */
	TLS_TRAFFIC_KERNEL, /* stream_ktls_probe() has said that it can */
};

/* For all connections that begin from now on. Off, nothing is kept nor watched. */
void tls_traffic_enable(enum tls_traffic_use use);
bool tls_traffic_has_kernel(void);
/* Before the handshake; what it keeps is freed, wiped, with the SSL. 0 or -ENOMEM. */
int tls_traffic_attach(SSL *ssl);
/* Between two records on both sides, with AES-GCM or ChaCha20: 0; the caller wipes them.
   Else -EAGAIN or -EOPNOTSUPP. */
int tls_traffic_keys(SSL *ssl, struct tls_traffic_keys *ret);

/* As the kernel takes them; to be wiped, too. */
void tls_traffic_for_kernel(
	const struct tls_traffic_keys *keys, struct stream_ktls_keys *ret);
/* The cipher by the name that EVP_CIPHER_fetch(3) knows, the length of its key, and
   whether its nonce stands in each record (TLS 1.2 with GCM). */
const char *tls_traffic_cipher_name(const struct tls_traffic_cipher *cipher);
size_t tls_traffic_key_len(const struct tls_traffic_cipher *cipher);
bool tls_traffic_shows_nonce(const struct tls_traffic_keys *keys);
/* KeyUpdate (RFC 8446, 7.2): one of the two directions. */
bool tls_traffic_next(const struct tls_traffic_keys *keys, struct tls_direction *d);

#endif
