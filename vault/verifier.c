/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scrypt verifiers (RFC 7914) for logins that are answered here. */
#include "vault/seal.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sodium.h>
#include <string.h>

#define SALT_SIZE 16
#define HASH_SIZE 32
/* 128 * N * r = 32 MiB and some 100 ms: dear for who steals the file. A login pays it
   once after a start (judge.h). */
#define COST_N (1u << 15)
#define COST_R 8u
#define COST_P 1u
#define MEMORY_MAX (72u << 20) /* what a verifier of another version may ask for */
#define MAC_SIZE 32
#define BOUND STR_LIT("bound$")
#define SOURCE_NAME STR_LIT("name$") /* where a verifier begins with "scrypt$" */

struct verifier {
	uint64_t n, r, p;
	unsigned char salt[SALT_SIZE], hash[HASH_SIZE];
};

static int derive(struct str password, const struct verifier *v, unsigned char *ret_hash)
{
	if (EVP_PBE_scrypt(password.len ? password.ptr : "", password.len, v->salt,
		    SALT_SIZE, v->n, v->r, v->p, MEMORY_MAX, ret_hash, HASH_SIZE) != 1)
		return -EBADMSG;
	return 0;
}

static int put_hex(struct buf *out, const unsigned char *bytes, size_t len)
{
	char *space;
	int r = buf_reserve(out, 2 * len + 1, &space);

	if (r == 0) {
		hex_write(bytes, len, space);
		buf_commit(out, 2 * len);
	}
	return r;
}

static bool read_verifier(struct str text, struct verifier *ret)
{
	return str_eq(str_split(&text, '$'), STR_LIT("scrypt")) &&
	       str_to_u64(str_split(&text, '$'), &ret->n) &&
	       str_to_u64(str_split(&text, '$'), &ret->r) &&
	       str_to_u64(str_split(&text, '$'), &ret->p) &&
	       hex_read(str_split(&text, '$'), ret->salt, SALT_SIZE) &&
	       hex_read(text, ret->hash, HASH_SIZE);
}

int verifier_make(struct str password, struct buf *out)
{
	struct verifier v = { .n = COST_N, .r = COST_R, .p = COST_P };
	int r;

	if (RAND_bytes(v.salt, SALT_SIZE) != 1)
		return -EIO;
	r = derive(password, &v, v.hash);
	if (r == 0)
		r = buf_printf(out, "scrypt$%u$%u$%u$", COST_N, COST_R, COST_P);
	if (r == 0)
		r = put_hex(out, v.salt, SALT_SIZE);
	if (r == 0)
		r = buf_byte(out, '$');
	if (r == 0)
		r = put_hex(out, v.hash, HASH_SIZE);
	explicit_bzero(&v, sizeof(v));
	return r;
}

int verifier_check(struct str verifier, struct str password)
{
	unsigned char hash[HASH_SIZE];
	struct verifier v;
	int r;

	if (!read_verifier(verifier, &v))
		return -EBADMSG;
	r = derive(password, &v, hash);
	if (r == 0 && CRYPTO_memcmp(hash, v.hash, HASH_SIZE) != 0)
		r = -EACCES;
	explicit_bzero(hash, sizeof(hash));
	return r;
}

int verifier_check_any(struct str verifiers, struct str password)
{
	int r = -EBADMSG;

	while (verifiers.len && r != 0)
		r = verifier_check(str_split(&verifiers, '\n'), password);
	return r;
}

/* ── bound to an account ───────────────────────────────────────────────────────────── */

static int make_mac(const struct vault_keys *keys, struct str account, struct str text,
	unsigned char mac[static MAC_SIZE])
{
	crypto_generichash_state state;
	unsigned char len = (unsigned char)account.len;
	int r;

	if (account.len > UINT8_MAX)
		return -EINVAL;
	r = crypto_generichash_init(
		&state, keys->binding, sizeof(keys->binding), MAC_SIZE);
	r |= crypto_generichash_update(&state, &len, 1);
	r |= crypto_generichash_update(
		&state, (const unsigned char *)account.ptr, account.len);
	r |= crypto_generichash_update(&state, (const unsigned char *)text.ptr, text.len);
	r |= crypto_generichash_final(&state, mac, MAC_SIZE);
	return r ? -EIO : 0;
}

int verifier_bind(const struct vault_keys *keys, struct str account, struct str verifier,
	struct buf *out)
{
	unsigned char mac[MAC_SIZE];
	int r = make_mac(keys, account, verifier, mac);

	if (r == 0)
		r = buf_append(out, BOUND);
	if (r == 0)
		r = put_hex(out, mac, MAC_SIZE);
	if (r == 0)
		r = buf_byte(out, '$');
	return r < 0 ? r : buf_append(out, verifier);
}

int verifier_unbind(const struct vault_keys *keys, struct str account, struct str bound,
	struct str *ret)
{
	unsigned char mac[MAC_SIZE], given[MAC_SIZE];
	struct str text;

	if (!str_starts(bound, BOUND))
		return -EBADMSG;
	text = str_skip(bound, BOUND.len);
	if (!hex_read(str_split(&text, '$'), given, MAC_SIZE) ||
		make_mac(keys, account, text, mac) < 0 ||
		CRYPTO_memcmp(mac, given, MAC_SIZE) != 0)
		return -EBADMSG;
	*ret = text;
	return 0;
}

/* ── what the source calls it ──────────────────────────────────────────────────────── */

int source_name_bind(const struct vault_keys *keys, struct str account, struct str name,
	struct buf *out)
{
	struct buf text;
	int r;

	buf_init(&text, 0);
	r = buf_append(&text, SOURCE_NAME);
	if (r == 0)
		r = buf_append(&text, name);
	if (r == 0)
		r = verifier_bind(keys, account, buf_view(&text), out);
	buf_fini(&text);
	return r;
}

int source_name_unbind(const struct vault_keys *keys, struct str account,
	struct str bound, struct str *ret)
{
	struct str text;
	int r = verifier_unbind(keys, account, bound, &text);

	if (r < 0 || !str_starts(text, SOURCE_NAME))
		return -EBADMSG;
	*ret = str_skip(text, SOURCE_NAME.len);
	return 0;
}

/* ── where it lives ────────────────────────────────────────────────────────────────── */

/* It begins with a word that neither a verifier nor a name of the source begins with. */
int residence_bind(const struct vault_keys *keys, struct str account, struct str text,
	struct buf *out)
{
	return str_starts(text, RESIDENCE) ? verifier_bind(keys, account, text, out)
	                                   : -EINVAL;
}

bool residence_is_bound(
	const struct vault_keys *keys, struct str account, struct str bound)
{
	struct str text;

	return verifier_unbind(keys, account, bound, &text) == 0 &&
	       str_starts(text, RESIDENCE);
}
