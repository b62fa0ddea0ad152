/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
/*
 * Memory that is given back all at once: a connection's pre-login state, one command.
 *
 * Everything is overwritten when it is given back: passwords live here.
 */
#include "base/str.h"

struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t used;                /* bytes handed out, for limits */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a); /* wipes and frees all; may be called twice */

/* Zeroed, aligned for any type; NULL without memory. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy with a NUL behind it. ptr == NULL without memory. */
struct str arena_str(struct arena *a, struct str s);

#endif
