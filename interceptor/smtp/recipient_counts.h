/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_RECIPIENT_COUNTS_H
#define INTERCEPTOR_SMTP_RECIPIENT_COUNTS_H
/* Counts recipients that the source was asked for, in memory; the registry gets the sums
   now and then (registry/recipients.h). */
#include "registry/recipients.h"

#define RECIPIENT_COUNTS_HELD 512      /* different ones; then they are handed over */
#define RECIPIENT_COUNTS_EVERY_MS 5000 /* what a crash may forget */

struct recipient_counts {
	struct arena arena; /* the strings of `seen` */
	struct recipients_seen seen[RECIPIENT_COUNTS_HELD];
	uint64_t hashes[RECIPIENT_COUNTS_HELD];
	size_t n;
	uint64_t since_ms; /* wall time of the first */
};

void recipient_counts_init(struct recipient_counts *all);

/* false: it is full, or without memory; hand it over and count again. */
bool recipient_counts_add(struct recipient_counts *all, struct str local,
	struct str domain, struct str client, bool accepted, uint64_t wall_ms);
/* Hands over what there is. 0 or -errno; it is empty afterwards. */
int recipient_counts_hand_over(
	struct recipient_counts *all, struct registry *r, struct error *err);

#endif
