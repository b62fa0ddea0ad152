/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_SIGNATURE_H
#define TLS_SIGNATURE_H
/*
 * A signature that a handshake needs, made by the process that holds the private key.
 *
 *   handshake ──► tls/remote_key.h ──► struct tls_signer ──message──► vault: tls_sign()
 *             ◄── paused meanwhile ◄── tls_signature_done() ◄─message─
 *
 * What is asked for is a TLS signature scheme (RFC 8446, 4.2.3) over a digest. A raw RSA
 * operation cannot be asked for: it would decrypt, too.
 */
#include "base/str.h"

#include <openssl/evp.h>
#include <sys/queue.h>

#define TLS_DIGEST_MAX 64      /* SHA-512 */
#define TLS_SIGNATURE_MAX 1024 /* RSA with 8192 bits; ECDSA has 139 at the most */

/* Code points of TLS; those that "intermediate" clients use. */
enum tls_scheme {
	TLS_RSA_PKCS1_SHA256 = 0x0401,
	TLS_RSA_PKCS1_SHA384 = 0x0501,
	TLS_RSA_PKCS1_SHA512 = 0x0601,
	TLS_ECDSA_SHA256 = 0x0403,
	TLS_ECDSA_SHA384 = 0x0503,
	TLS_ECDSA_SHA512 = 0x0603,
	TLS_RSA_PSS_SHA256 = 0x0804,
	TLS_RSA_PSS_SHA384 = 0x0805,
	TLS_RSA_PSS_SHA512 = 0x0806,
};

/* One signature that is waited for. It lies on the stack of the paused handshake. */
struct tls_signature {
	uint32_t key; /* as tls_remote_key_new() was told */
	enum tls_scheme scheme;
	unsigned char digest[TLS_DIGEST_MAX];
	size_t n_digest;

	bool is_asked, is_done;
	int code; /* 0 or -errno */
	unsigned char bytes[TLS_SIGNATURE_MAX];
	size_t n_bytes;

	struct tls_signer *signer;
	struct tls_waiter *waiter; /* NULL: nobody is woken */
	uint64_t number;           /* the signer's, to find it by */
	LIST_ENTRY(tls_signature) all;
};

/* The handshake that waits, for wake(): its signature is there. */
struct tls_waiter {
	struct tls_signature *pending; /* NULL: none */
	void (*wake)(struct tls_waiter *waiter);
};

/* Whoever brings the question to the private key. */
struct tls_signer {
	/* 0: tls_signature_done() follows, inside the call or later; else -errno. */
	int (*ask)(struct tls_signer *signer, struct tls_signature *signature);
	/* Nobody waits any more: the signature is gone when this returns. */
	void (*forget)(struct tls_signer *signer, struct tls_signature *signature);
};

/* The answer. code: 0 or -errno, then bytes are not looked at. Wakes the handshake. */
void tls_signature_done(struct tls_signature *signature, int code, struct str bytes);

/* Asks for what a paused handshake waits for, once. The handshake runs on a small stack
   of its own, on which nothing of ours is called: so its driver does this when OpenSSL
   says SSL_ERROR_WANT_ASYNC. Nothing happens when nothing is pending. */
void tls_waiter_ask(struct tls_waiter *waiter);

/* The handshake ends: the signer forgets it, and its answer is -ECANCELED. Wakes nobody.
 */
void tls_signature_cancel(struct tls_signature *signature);

/* ---- on the side of the private key ---- */

bool tls_scheme_is_known(unsigned code_point);
/* Signs. *ret_len: its length in ret. 0; -EINVAL: the scheme is unknown, is not for this
   kind of key, or the digest has another length; -EIO. */
int tls_sign(EVP_PKEY *key, unsigned scheme, struct str digest,
	unsigned char ret[static TLS_SIGNATURE_MAX], size_t *ret_len);

/* What OpenSSL asks a key for, as a scheme. padding: RSA_PKCS1_PADDING,
   RSA_PKCS1_PSS_PADDING, 0 for ECDSA. -EINVAL: there is none. */
int tls_scheme_of(int padding, const char *digest_name, enum tls_scheme *ret);

#endif
