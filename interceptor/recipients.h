/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_RECIPIENTS_H
#define INTERCEPTOR_RECIPIENTS_H
/* Counts recipients that the source was asked for, in memory; the registry gets the sums
   now and then (registry/recipients.h). */
#include "registry/recipients.h"

#define RECIPIENTS_HELD 512      /* different ones; then they are handed over */
#define RECIPIENTS_EVERY_MS 5000 /* what a crash may forget */

struct recipients {
	struct arena arena; /* the strings of `seen` */
	struct recipients_seen seen[RECIPIENTS_HELD];
	uint32_t hashes[RECIPIENTS_HELD];
	size_t n;
	uint64_t since_ms; /* wall time of the first */
};

void recipients_init(struct recipients *all);

/* false: it is full, or without memory; hand it over and count again. */
bool recipients_count(struct recipients *all, struct str local, struct str domain,
	struct str client, bool accepted, uint64_t wall_ms);
/* Hands over what there is. 0 or -errno; it is empty afterwards. */
int recipients_hand_over(struct recipients *all, struct registry *r, struct error *err);

#endif
