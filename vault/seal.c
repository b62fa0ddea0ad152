/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vault/seal.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define VERSION 1
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define OVERHEAD (1 + NONCE_SIZE + TAG_SIZE)

static const unsigned char *bytes_of(struct str s)
{
	return (const unsigned char *)(s.len ? s.ptr : "");
}

static int encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, struct str associated,
	struct str clear, unsigned char *out)
{
	unsigned char *nonce = out + 1, *body = nonce + NONCE_SIZE;
	int n, last;

	out[0] = VERSION;
	if (RAND_bytes(nonce, NONCE_SIZE) != 1 ||
		EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
		EVP_EncryptUpdate(ctx, NULL, &n, out, 1) != 1 ||
		EVP_EncryptUpdate(
			ctx, NULL, &n, bytes_of(associated), (int)associated.len) != 1 ||
		EVP_EncryptUpdate(ctx, body, &n, bytes_of(clear), (int)clear.len) != 1 ||
		EVP_EncryptFinal_ex(ctx, body + n, &last) != 1 ||
		EVP_CIPHER_CTX_ctrl(
			ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, body + clear.len) != 1)
		return -EIO;
	return 0;
}

int seal(const uint8_t key[static SEAL_KEY_SIZE], struct str associated, struct str clear,
	struct buf *out)
{
	EVP_CIPHER_CTX *ctx;
	char *space;
	int r;

	if (clear.len > INT_MAX - OVERHEAD || associated.len > INT_MAX)
		return -EINVAL;
	r = buf_reserve(out, clear.len + OVERHEAD, &space);
	if (r < 0)
		return r;
	ctx = EVP_CIPHER_CTX_new();
	r = ctx ? encrypt(ctx, key, associated, clear, (unsigned char *)space) : -ENOMEM;
	EVP_CIPHER_CTX_free(ctx);
	if (r == 0)
		buf_commit(out, clear.len + OVERHEAD);
	return r;
}

static int decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, struct str associated,
	struct str sealed, char *clear, size_t len)
{
	const unsigned char *nonce = bytes_of(sealed) + 1, *body = nonce + NONCE_SIZE;
	unsigned char tag[TAG_SIZE], *out = (unsigned char *)clear;
	int n, last;

	memcpy(tag, body + len, TAG_SIZE);
	if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
		EVP_DecryptUpdate(ctx, NULL, &n, bytes_of(sealed), 1) != 1 ||
		EVP_DecryptUpdate(
			ctx, NULL, &n, bytes_of(associated), (int)associated.len) != 1 ||
		EVP_DecryptUpdate(ctx, out, &n, body, (int)len) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) != 1 ||
		EVP_DecryptFinal_ex(ctx, out + n, &last) != 1) {
		explicit_bzero(clear, len);
		return -EBADMSG;
	}
	return 0;
}

int unseal(const uint8_t key[static SEAL_KEY_SIZE], struct str associated,
	struct str sealed, struct arena *arena, struct str *ret_clear)
{
	EVP_CIPHER_CTX *ctx;
	size_t len;
	char *clear;
	int r;

	if (sealed.len < OVERHEAD || sealed.len > INT_MAX || sealed.ptr[0] != VERSION ||
		associated.len > INT_MAX)
		return -EBADMSG;
	len = sealed.len - OVERHEAD;
	clear = arena_alloc(arena, len + 1);
	ctx = EVP_CIPHER_CTX_new();
	r = clear && ctx ? decrypt(ctx, key, associated, sealed, clear, len) : -ENOMEM;
	EVP_CIPHER_CTX_free(ctx);
	if (r == 0)
		*ret_clear = str_of(clear, len);
	return r;
}
