/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keys that come from the one in key_file, and what opens with either of them. */
#include "vault/seal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define BOX_OVERHEAD (1 + BOX_KEY_SIZE + BOX_NONCE_SIZE + crypto_box_MACBYTES)

_Static_assert(BOX_KEY_SIZE == crypto_box_PUBLICKEYBYTES, "a key of libsodium's");
_Static_assert(BOX_KEY_SIZE == crypto_box_SEEDBYTES, "a seed of libsodium's");

static int derive(const uint8_t *key, const char *purpose, uint8_t *ret, size_t size)
{
	return crypto_generichash(ret, size, (const unsigned char *)purpose,
		strlen(purpose), key, SEAL_KEY_SIZE);
}

int keys_derive(const uint8_t key[static SEAL_KEY_SIZE], struct vault_keys *ret)
{
	uint8_t seed[crypto_box_SEEDBYTES];
	int r;

	if (sodium_init() < 0)
		return -EIO;
	memcpy(ret->sealing, key, SEAL_KEY_SIZE);
	r = derive(key, "mailferry verifier", ret->binding, sizeof(ret->binding));
	r |= derive(key, "mailferry box", seed, sizeof(seed));
	r |= crypto_box_seed_keypair(ret->box_public, ret->box_secret, seed);
	explicit_bzero(seed, sizeof(seed));
	return r ? -EIO : 0;
}

/* The name is inside, so that a box does not open for another account. */
static int check_name(struct str account, struct str plain, struct str *ret_clear)
{
	size_t len = plain.len ? (unsigned char)plain.ptr[0] : 0;

	if (!plain.len || len > plain.len - 1 ||
		!str_eq(str_take(str_skip(plain, 1), len), account))
		return -EBADMSG;
	*ret_clear = str_skip(plain, 1 + len);
	return 0;
}

static int box_open(const struct vault_keys *keys, struct str account, struct str box,
	struct arena *arena, struct str *ret_clear)
{
	const unsigned char *by, *nonce, *closed;
	size_t len;
	char *plain;

	if (box.len < BOX_OVERHEAD + 1)
		return -EBADMSG;
	by = (const unsigned char *)box.ptr + 1;
	nonce = by + BOX_KEY_SIZE;
	closed = nonce + BOX_NONCE_SIZE;
	len = box.len - BOX_OVERHEAD;
	plain = arena_alloc(arena, len + 1);
	if (!plain)
		return -ENOMEM;
	if (crypto_box_open_easy((unsigned char *)plain, closed,
		    len + crypto_box_MACBYTES, nonce, by, keys->box_secret) != 0)
		return -EBADMSG;
	return check_name(account, str_of(plain, len), ret_clear);
}

int seal_open(const struct vault_keys *keys, struct str account, struct str sealed,
	struct arena *arena, struct str *ret_clear, bool *ret_proven)
{
	*ret_proven = !sealed.len || sealed.ptr[0] != BOX_VERSION;
	return *ret_proven ? unseal(keys->sealing, account, sealed, arena, ret_clear)
	                   : box_open(keys, account, sealed, arena, ret_clear);
}

bool seal_same(struct str a, struct str b)
{
	return a.len == b.len && (!a.len || sodium_memcmp(a.ptr, b.ptr, a.len) == 0);
}
