/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_NEIGHBOURS_H
#define NFT_RULES_NEIGHBOURS_H
/*
 * Hosts of the source's own network, which reach it without this router. Their packets do
 * not come here; but before the first of them a host asks all hosts of the network for
 * the source's link address, and that is heard:
 *
 *   arp  input       request, for the source ──► update @hosts { address, link address }
 *   ip6  prerouting  neighbour solicitation, ──► the same
 *                    hop limit 255
 *
 * on the interface by which this router goes to the source, not where it answers for it.
 *
 * The kernel looks and remembers, in two small tables of their own; nobody reads a packet
 * and nothing needs CAP_NET_RAW. They are not owned by a socket (NFT_TABLE_F_OWNER): nft
 * would list them to the admin, and refuse the whole file in which that was kept.
 *
 * A host that asks may read mail there or only be curious; one that knows the address
 * already need not ask for hours. So who is heard is told of, and silence proves nothing.
 */
#include "base/error.h"
#include "nft-rules/ruleset.h"

#define NEIGHBOURS_TABLE "mailferry-neighbours" /* families arp and ip6 */
#define NEIGHBOURS_MAX 64    /* at a time, of each family; others are not told of */
#define NEIGHBOURS_MS 300000 /* that long one that has asked is remembered there */
#define NEIGHBOUR_LINK_LEN 6 /* of an Ethernet address */

struct neighbour {
	struct sockaddr_storage address;
	unsigned char link[NEIGHBOUR_LINK_LEN];
	uint32_t ago_ms; /* it asked last */
};

struct neighbours;

/* Which of the source's addresses are in a network of this host, so that such questions
   can be heard; ret[RULES_ADDRESSES_MAX]. */
int neighbours_near(const struct ruleset *r, struct sockaddr_storage *ret, size_t *ret_n,
	struct error *err);

/* Listens for those. 0 or -errno with the sentence; -ENODEV: none is near. */
int neighbours_new(
	const struct ruleset *r, struct neighbours **ret_neighbours, struct error *err);
/* The tables go, too. */
void neighbours_free(struct neighbours **neighbours); /* NULL is fine */
/* Those that one that was killed has left; fine when there are none, and where the kernel
   cannot have them. *ret_changed becomes true when there were. */
int neighbours_remove(bool *ret_changed, struct error *err);

typedef int neighbour_fn(void *context, const struct neighbour *n);
/* All that are remembered but this host itself and its gateway, which carries what comes
   from elsewhere. *ret_full: there may be others, for whom there was no room. -ENOENT:
   others have removed the tables; -EINTR: they changed something meanwhile, ask again. */
int neighbours_each(struct neighbours *neighbours, neighbour_fn *each, void *context,
	bool *ret_full, struct error *err);

#endif
