/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_NFT_READ_H
#define NFT_RULES_NFT_READ_H
/* The kernel's table into a plan. */
#include "nft-rules/plan.h"
#include "nft-rules/rules.h"

/* Replaces *p by what table `inet mailferry` holds; has_table says whether it is there.
   Taken between two equal generation numbers, so that no half of another transaction is
   in it. */
int nft_read(struct plan *p, struct error *err);

/* Its counters alone; sets has_table too. */
int nft_read_counters(struct plan *p, struct error *err);

/* Counters of a wanted plan begin with these values (counters.c). */
void plan_start_counters(struct plan *p, const struct rules_count *start, size_t n);

#endif
