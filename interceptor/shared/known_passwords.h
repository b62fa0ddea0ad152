/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SHARED_KNOWN_PASSWORDS_H
#define INTERCEPTOR_SHARED_KNOWN_PASSWORDS_H
/*
 * Which row of the registry holds which password, as far as the workers know: memory that
 * they share, so that a login that teaches nothing asks nobody.
 *
 * A place says a row and 16 bits of a keyed hash of account and password. That is enough
 * to know a password again: another one is taken for it once in 65,536 times, and is then
 * learnt when the source has refused the row's from us (worker/keeper.c). It is too
 * little for a thief of this memory: a guess cannot be confirmed with it, only put off.
 *
 * A place is written and read whole. Accounts have four places each, as their numbers
 * follow each other; the fifth password of those that share them puts one out.
 */
#include "base/str.h"

#include <stdint.h>

#define KNOWN_KEY_SIZE 32
#define KNOWN_SETS 16384 /* of accounts; 512 KiB, which are touched as they fill */
#define KNOWN_WAYS 4

struct known_passwords {
	uint8_t key[KNOWN_KEY_SIZE];
	uint64_t places[KNOWN_SETS][KNOWN_WAYS]; /* print 16 bits, row 48 bits; 0: free */
};

typedef uint16_t known_print;

known_print known_passwords_print(
	const struct known_passwords *k, int64_t account, struct str password);
/* The row that holds it, 0: not known. It may be gone by now, and another account's. */
int64_t known_passwords_row(
	const struct known_passwords *k, int64_t account, known_print print);
void known_passwords_add(
	struct known_passwords *k, int64_t account, int64_t row, known_print print);

#endif
