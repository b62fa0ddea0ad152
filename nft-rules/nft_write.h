/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_NFT_WRITE_H
#define NFT_RULES_NFT_WRITE_H
/* A plan's table into the kernel, in one transaction. */
#include "nft-rules/netlink.h"
#include "nft-rules/plan.h"

enum nft_commit {
	NFT_COMMIT,
	NFT_ABORT, /* the transaction stays open at its end: judged, never committed */
};

/* Replaces whatever table is called `table` by p's, all or nothing. Counters that `old`
   (what the kernel has now) has, too, go on counting; the others, and all when `old` is
   NULL, start at what the plan says. */
int nft_write(const struct plan *p, const struct plan *old, const char *table,
	enum nft_commit commit, struct error *err);

/* Deletes the table, which must be there. */
int nft_delete(uint8_t family, const char *table, struct error *err);

#endif
