/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/gateway.h"

#include "base/address.h"
#include "base/fd.h"
#include "nft-rules/flow_probe.h"
#include "nft-rules/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define REQUEST_MAX 256

static const struct family {
	int family;
	uint32_t len;
	const char *elsewhere; /* an address that is nobody's */
} families[] = { { AF_INET, 4, FLOW_PROBE_CLIENT4 },
	{ AF_INET6, 16, FLOW_PROBE_CLIENT6 } };

static void add_link(struct gateways *g, const void *link)
{
	for (size_t i = 0; i < g->n_links; i++) /* VLANs share one */
		if (!memcmp(g->links[i], link, GATEWAY_LINK_LEN))
			return;
	if (g->n_links < GATEWAY_LINKS_MAX)
		memcpy(g->links[g->n_links++], link, GATEWAY_LINK_LEN);
}

static void add_own(struct gateways *g, const struct ifaddrs *all)
{
	for (; all; all = all->ifa_next) {
		const struct sockaddr_ll *link = (const void *)all->ifa_addr;

		if (link && link->sll_family == AF_PACKET &&
			link->sll_halen == GATEWAY_LINK_LEN)
			add_link(g, link->sll_addr);
	}
}

/* ---- what the kernel says ---- */

struct answer {
	uint16_t wanted[2]; /* attributes */
	unsigned char bytes[2][16];
	size_t len[2]; /* 0: it did not come */
};

static int keep(const struct nlattr *attr, void *data)
{
	struct answer *a = data;
	size_t len = mnl_attr_get_payload_len(attr);

	for (size_t i = 0; i < 2; i++)
		if (mnl_attr_get_type(attr) == a->wanted[i] &&
			len <= sizeof(a->bytes[i])) {
			memcpy(a->bytes[i], mnl_attr_get_payload(attr), len);
			a->len[i] = len;
		}
	return MNL_CB_OK;
}

static int read_route(const struct nlmsghdr *answer, void *data)
{
	return mnl_attr_parse(answer, sizeof(struct rtmsg), keep, data);
}

static int read_neighbour(const struct nlmsghdr *answer, void *data)
{
	return mnl_attr_parse(answer, sizeof(struct ndmsg), keep, data);
}

/* Its gateway and the number of the interface. False: no route. */
static bool find_way(struct mnl_socket *socket, const struct family *f, const void *to,
	struct answer *ret)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtmsg *head;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->rtm_family = (unsigned char)f->family;
	head->rtm_dst_len = (unsigned char)(f->len * 8);
	mnl_attr_put(request, RTA_DST, f->len, to);
	*ret = (struct answer){ .wanted = { RTA_GATEWAY, RTA_OIF } };
	return netlink_ask(socket, request, read_route, ret) == 0 &&
	       ret->len[1] == sizeof(uint32_t);
}

static bool find_route(
	struct mnl_socket *socket, const struct family *f, struct answer *ret)
{
	unsigned char elsewhere[16];

	return inet_pton(f->family, f->elsewhere, elsewhere) == 1 &&
	       find_way(socket, f, elsewhere, ret) && ret->len[0] == f->len;
}

static bool find_link(struct mnl_socket *socket, const struct family *f,
	const struct answer *route, struct answer *ret)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ndmsg *head;
	uint32_t interface;

	memcpy(&interface, route->bytes[1], sizeof(interface));
	request->nlmsg_type = RTM_GETNEIGH;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->ndm_family = (unsigned char)f->family;
	head->ndm_ifindex = (int)interface;
	mnl_attr_put(request, NDA_DST, f->len, route->bytes[0]);
	*ret = (struct answer){ .wanted = { NDA_LLADDR, NDA_LLADDR } };
	return netlink_ask(socket, request, read_neighbour, ret) == 0 &&
	       ret->len[0] == GATEWAY_LINK_LEN;
}

static void find_gateway(struct gateways *g, struct mnl_socket *socket, size_t i)
{
	struct answer route, link;

	if (!find_route(socket, &families[i], &route))
		return;
	address_from_bytes(families[i].family, route.bytes[0], &g->addresses[i]);
	if (find_link(socket, &families[i], &route, &link))
		add_link(g, link.bytes[0]);
}

int gateways_find(struct gateways *ret, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct gateways g = { .n_links = 0 };
	struct ifaddrs *all;
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	if (code < 0)
		return code;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		find_gateway(&g, socket, i);
	if (getifaddrs(&all) < 0)
		return error_errno(err, -errno, "reading this host's addresses");
	add_own(&g, all);
	freeifaddrs(all);
	*ret = g;
	return 0;
}

bool gateway_has_links(unsigned number)
{
	char name[IF_NAMESIZE] = "";
	struct ifaddrs *all;
	bool has = false;

	if (!if_indextoname(number, name) || getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *i = all; i && !has; i = i->ifa_next) {
		const struct sockaddr_ll *link = (const void *)i->ifa_addr;

		has = link && link->sll_family == AF_PACKET &&
		      link->sll_halen == GATEWAY_LINK_LEN &&
		      !(i->ifa_flags & (IFF_NOARP | IFF_LOOPBACK)) &&
		      !strcmp(i->ifa_name, name);
	}
	freeifaddrs(all);
	return has;
}

int gateway_interface_to(const struct sockaddr_storage *address, unsigned *ret)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	const struct family *f = &families[address->ss_family == AF_INET6];
	struct answer way;
	uint32_t number;
	int code = netlink_open(NETLINK_ROUTE, &socket, NULL);

	if (code < 0)
		return code;
	if (!find_way(socket, f, address_bytes(address).ptr, &way) || way.len[0])
		return -ENODEV;
	memcpy(&number, way.bytes[1], sizeof(number));
	if (!gateway_has_links(number))
		return -ENODEV;
	*ret = number;
	return 0;
}

bool gateways_has(const struct gateways *g, const struct sockaddr_storage *address,
	const unsigned char link[static GATEWAY_LINK_LEN])
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (address_is_same_host(&g->addresses[i], address))
			return true;
	for (size_t i = 0; i < g->n_links; i++)
		if (!memcmp(g->links[i], link, GATEWAY_LINK_LEN))
			return true;
	return false;
}
