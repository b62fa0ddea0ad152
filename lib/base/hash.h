/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_HASH_H
#define BASE_HASH_H
/* FNV-1a, for tables and to see a change. It has no key: who chooses the bytes can make
   two of them meet. */
#include "base/str.h"

#define HASH_FIRST UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * UINT64_C(0x100000001b3);
}

static inline uint64_t hash_bytes(uint64_t hash, struct str bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		hash = hash_mix(hash, (unsigned char)bytes.ptr[i]);
	return hash;
}

#endif
