/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_RANGES_H
#define NFT_RULES_RANGES_H
/*
 * Overlapping prefixes, of which the longest wins, as ranges that do not overlap: the
 * kernel's sets of intervals know no overlap.
 *
 *   192.0.2.0/24 direct                192.0.2.0-192.0.2.6     direct
 *   192.0.2.7    divert      ──►       192.0.2.8-192.0.2.255   direct
 */
#include "nft-rules/ruleset.h"

struct range {
	unsigned char first[16], last[16]; /* both belong to it */
};

/* At most that many, of any verdict. */
#define RANGES_MAX (2 * (size_t)RULES_ADMISSIONS_MAX + 1)

/* Those clients of a family whose new flows to a service get this verdict; port 0: to a
   service that has no admission of its own. In the order of addresses. Returns how many.
 */
size_t ranges_of(const struct ruleset *r, int family, uint16_t port,
	enum rules_verdict verdict, struct range ret[static RANGES_MAX]);

#endif
