/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_OWN_ADDRESS_H
#define NFT_RULES_OWN_ADDRESS_H
#include "nft-rules/rules.h"

/* -EADDRINUSE and the sentence when a source is an address of this host and has not moved
   elsewhere: we would connect to ourselves, in chains. */
int own_address_refuse(const struct ruleset *r, struct error *err);

/* The number of the interface by which this host reaches that address without a router,
   or in whose network it is; 0: none that has link addresses. */
unsigned own_interface_near(const struct sockaddr_storage *a);

#endif
