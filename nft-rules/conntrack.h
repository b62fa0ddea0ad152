/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_CONNTRACK_H
#define NFT_RULES_CONNTRACK_H
/* Connections that this host tracks on their way to the source: those that we divert end
   here, so these are the ones past us, and what we see of them is all that there is. */
#include "nft-rules/ruleset.h"

struct linked_flow {
	struct sockaddr_storage client; /* with its port */
	const struct rules_service *service;
	bool is_direct;    /* admitted to the source (marks.h) */
	bool is_alive;     /* established, and not closing */
	const char *state; /* of TCP, as conntrack(8) calls it: "ESTABLISHED" */
	uint64_t bytes_in,
		bytes_out;   /* from the client, to it; 0 without nf_conntrack_acct */
	uint64_t started_ms; /* wall clock; 0 without nf_conntrack_timestamp */
};

typedef int linked_flow_fn(void *context, const struct linked_flow *f);

/* All TCP connections to the source's mail ports, diverted ones or not. `service` points
   into the ruleset. Stops at the first callback that is not 0. */
int conntrack_each(
	const struct ruleset *r, linked_flow_fn *each, void *context, struct error *err);

struct nlmsghdr;
/* One as the kernel tells it; false: it is none of those. Any bytes are fine. */
bool conntrack_read(
	const struct ruleset *r, const struct nlmsghdr *message, struct linked_flow *ret);

#endif
