/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_GATEWAY_H
#define NFT_RULES_GATEWAY_H
/* Who speaks on our links without being a host of its own: this host, and the gateways by
   which it reaches everybody else. By address and by link address: a router asks from
   whichever of its addresses it likes. */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define GATEWAY_LINK_LEN 6
#define GATEWAY_LINKS_MAX 1024 /* of gateways, and of a router's interfaces */

struct gateways {
	struct sockaddr_storage addresses[2]; /* one of each family; 0: there is none */
	unsigned char links[GATEWAY_LINKS_MAX][GATEWAY_LINK_LEN];
	size_t n_links;
};

int gateways_find(struct gateways *ret, struct error *err);
/* Whether that interface has link addresses, by which its hosts find each other. */
bool gateway_has_links(unsigned number);
/* Such an interface by which the routes lead there without a gateway; 0
   or -errno: there is none. */
int gateway_interface_to(const struct sockaddr_storage *address, unsigned *ret);
bool gateways_has(const struct gateways *g, const struct sockaddr_storage *address,
	const unsigned char link[static GATEWAY_LINK_LEN]);

#endif
