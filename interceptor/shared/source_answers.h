/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SHARED_SOURCE_ANSWERS_H
#define INTERCEPTOR_SHARED_SOURCE_ANSWERS_H
/*
 * Questions to which the source has said yes lately, in memory that the workers share:
 * whether it minds this client, sender and recipient (smtp/policy.c). A refusal is not
 * kept: it costs the source nothing that it would not spend without us, and its limits
 * for clients that it refuses count them.
 *
 * A place says when (28 bits, seconds) and 36 bits of a keyed hash; another 14 bits of it
 * say where. Who does not know the key cannot make two questions alike, nor choose whose
 * place is taken: the worst that many questions do is that others are asked again. Using
 * an answer does not make it younger.
 *
 * A place is written and read whole.
 */
#include "base/str.h"

#include <stdint.h>

#define ANSWERS_KEY_SIZE 16
#define ANSWERS_SETS 16384 /* 512 KiB, which are touched as they fill */
#define ANSWERS_WAYS 4

struct source_answers {
	uint8_t key[ANSWERS_KEY_SIZE];
	uint64_t places[ANSWERS_SETS][ANSWERS_WAYS]; /* 0: free */
};

/* now: seconds of a clock that all workers share. */
bool source_answers_has(
	struct source_answers *a, struct str question, uint64_t now, uint32_t ttl);
void source_answers_add(struct source_answers *a, struct str question, uint64_t now);
void source_answers_drop(struct source_answers *a, struct str question);

#endif
