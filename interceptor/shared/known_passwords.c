/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/shared/known_passwords.h"

#include <sodium.h>
#include <stddef.h>
#include <string.h>

#define ROW_BITS 48
#define ROW_MASK ((UINT64_C(1) << ROW_BITS) - 1)

_Static_assert(
	KNOWN_KEY_SIZE == 2 * crypto_shorthash_KEYBYTES, "two keys of libsodium's");

/* SipHash, of the password by one half of the key, and of that with the account by the
   other: it is made twice in each login, and is a ninth of what BLAKE2b costs for
   words so short. */
known_print known_passwords_print(
	const struct known_passwords *k, int64_t account, struct str password)
{
	uint8_t words[sizeof(account) + crypto_shorthash_BYTES];
	uint8_t hash[crypto_shorthash_BYTES];
	known_print print;

	memcpy(words, &account, sizeof(account));
	(void)crypto_shorthash(words + sizeof(account),
		(const unsigned char *)password.ptr, password.len, k->key);
	(void)crypto_shorthash(
		hash, words, sizeof(words), k->key + crypto_shorthash_KEYBYTES);
	memcpy(&print, hash, sizeof(print));
	sodium_memzero(words, sizeof(words));
	sodium_memzero(hash, sizeof(hash));
	return print;
}

static size_t set_of(int64_t account)
{
	return (uint64_t)account % KNOWN_SETS;
}

static uint64_t place(int64_t row, known_print print)
{
	return (uint64_t)print << ROW_BITS | ((uint64_t)row & ROW_MASK);
}

int64_t known_passwords_row(
	const struct known_passwords *k, int64_t account, known_print print)
{
	const uint64_t *set = k->places[set_of(account)];

	for (size_t i = 0; i < KNOWN_WAYS; i++) {
		uint64_t p = __atomic_load_n(&set[i], __ATOMIC_RELAXED);

		if (p && p >> ROW_BITS == print)
			return (int64_t)(p & ROW_MASK);
	}
	return 0;
}

/* The place of that row, else a free one, else whose turn it is. */
void known_passwords_add(
	struct known_passwords *k, int64_t account, int64_t row, known_print print)
{
	uint64_t *set = k->places[set_of(account)];
	size_t at = (uint64_t)row % KNOWN_WAYS;

	for (size_t i = KNOWN_WAYS; i > 0; i--) {
		uint64_t p = __atomic_load_n(&set[i - 1], __ATOMIC_RELAXED);

		if (!p)
			at = i - 1;
	}
	for (size_t i = 0; i < KNOWN_WAYS; i++)
		if ((__atomic_load_n(&set[i], __ATOMIC_RELAXED) & ROW_MASK) ==
			(uint64_t)row)
			at = i;
	__atomic_store_n(&set[at], place(row, print), __ATOMIC_RELAXED);
}
