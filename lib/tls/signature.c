/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/signature.h"

#include <errno.h>
#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

static const struct row {
	enum tls_scheme scheme;
	const char *key_type, *digest;
	size_t n_digest;
	int padding; /* of RSA; 0: none */
} rows[] = {
	{ TLS_RSA_PKCS1_SHA256, "RSA", "SHA256", 32, RSA_PKCS1_PADDING },
	{ TLS_RSA_PKCS1_SHA384, "RSA", "SHA384", 48, RSA_PKCS1_PADDING },
	{ TLS_RSA_PKCS1_SHA512, "RSA", "SHA512", 64, RSA_PKCS1_PADDING },
	{ TLS_ECDSA_SHA256, "EC", "SHA256", 32, 0 },
	{ TLS_ECDSA_SHA384, "EC", "SHA384", 48, 0 },
	{ TLS_ECDSA_SHA512, "EC", "SHA512", 64, 0 },
	{ TLS_RSA_PSS_SHA256, "RSA", "SHA256", 32, RSA_PKCS1_PSS_PADDING },
	{ TLS_RSA_PSS_SHA384, "RSA", "SHA384", 48, RSA_PKCS1_PSS_PADDING },
	{ TLS_RSA_PSS_SHA512, "RSA", "SHA512", 64, RSA_PKCS1_PSS_PADDING },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *find(unsigned scheme)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if ((unsigned)rows[i].scheme == scheme)
			return &rows[i];
	return NULL;
}

bool tls_scheme_is_known(unsigned code_point)
{
	return find(code_point) != NULL;
}

/* "SHA256", "SHA2-256", "SHA-256": one name each way. */
static bool is_digest(const struct row *row, const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	bool same = md && EVP_MD_is_a(md, row->digest);

	EVP_MD_free(md);
	return same;
}

int tls_scheme_of(int padding, const char *digest_name, enum tls_scheme *ret)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (rows[i].padding == padding && is_digest(&rows[i], digest_name)) {
			*ret = rows[i].scheme;
			return 0;
		}
	}
	return -EINVAL;
}

/* RFC 8446, 4.2.3: the salt is as long as the digest. */
static bool set_padding(EVP_PKEY_CTX *ctx, const struct row *row)
{
	return !row->padding || (EVP_PKEY_CTX_set_rsa_padding(ctx, row->padding) == 1 &&
					(row->padding != RSA_PKCS1_PSS_PADDING ||
						EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
							RSA_PSS_SALTLEN_DIGEST) == 1));
}

int tls_sign(EVP_PKEY *key, unsigned scheme, struct str digest,
	unsigned char ret[static TLS_SIGNATURE_MAX], size_t *ret_len)
{
	const struct row *row = find(scheme);
	EVP_PKEY_CTX *ctx;
	size_t len = TLS_SIGNATURE_MAX;
	bool ok;

	if (!row || !EVP_PKEY_is_a(key, row->key_type) || digest.len != row->n_digest ||
		EVP_PKEY_get_size(key) > TLS_SIGNATURE_MAX)
		return -EINVAL;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	ok = ctx && EVP_PKEY_sign_init(ctx) == 1 && set_padding(ctx, row) &&
	     EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(row->digest)) == 1 &&
	     EVP_PKEY_sign(
		     ctx, ret, &len, (const unsigned char *)digest.ptr, digest.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!ok)
		return -EIO;
	*ret_len = len;
	return 0;
}

void tls_signature_done(struct tls_signature *signature, int code, struct str bytes)
{
	struct tls_waiter *waiter = signature->waiter;

	if (!code && bytes.len > TLS_SIGNATURE_MAX)
		code = -EMSGSIZE;
	if (!code) {
		memcpy(signature->bytes, bytes.ptr, bytes.len);
		signature->n_bytes = bytes.len;
	}
	signature->code = code;
	signature->is_done = true;
	if (waiter)
		waiter->wake(waiter);
}

void tls_waiter_ask(struct tls_waiter *waiter)
{
	struct tls_signature *signature = waiter->pending;
	int r;

	if (!signature || signature->is_asked)
		return;
	signature->is_asked = true;
	r = signature->signer->ask(signature->signer, signature);
	if (r < 0)
		tls_signature_done(signature, r, STR_LIT(""));
}

void tls_signature_cancel(struct tls_signature *signature)
{
	if (signature->is_asked && !signature->is_done)
		signature->signer->forget(signature->signer, signature);
	signature->waiter = NULL;
	signature->code = -ECANCELED;
	signature->is_done = true;
}
