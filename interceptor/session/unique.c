/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/unique.h"

#include "base/hex.h"

#include <stdint.h>
#include <sys/random.h>

#define POOL 32 /* 256 bytes: so many are given whole, or not at all (getrandom(2)) */

/* Each is used once; a call for each would be two in every login. */
static bool take(uint64_t *ret)
{
	static uint64_t pool[POOL];
	static size_t left;

	if (!left && getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
		return false;
	if (!left)
		left = POOL;
	*ret = pool[--left];
	pool[left] = 0;
	return true;
}

bool unique_make(char ret[static UNIQUE_LEN + 1])
{
	uint64_t bits = 0;
	bool ok = take(&bits);

	hex_write((const unsigned char *)&bits, sizeof(bits), ret);
	return ok;
}
