/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/watch.h"
#include "nft-rules/netlink.h"
#include "nft-rules/policy.h"
#include "nft-rules/room.h"
#include "nft-rules/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MESSAGES_MAX 32768 /* the most that one recv() brings (MNL_SOCKET_DUMP_SIZE) */
#define ROOM (1 << 20)     /* of the socket: a ruleset of some thousand rules flushed */

enum bus { BUS_NETFILTER, BUS_ROUTE };
static const int buses[RULES_WATCH_FDS] = { NETLINK_NETFILTER, NETLINK_ROUTE };
static const int groups[RULES_WATCH_FDS][4] = {
	[BUS_NETFILTER] = { NFNLGRP_NFTABLES },
	[BUS_ROUTE] = { RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE },
};

struct rules_watch {
	struct mnl_socket *sockets[RULES_WATCH_FDS];
	uint32_t route_table;
};

/* ---- whose message is it? ---- */

struct wanted_attribute {
	uint16_t type;
	const void *value;
	size_t len;
	bool found;
};

static int look_at_attribute(const struct nlattr *attr, void *data)
{
	struct wanted_attribute *w = data;

	if (mnl_attr_get_type(attr) == w->type &&
		mnl_attr_get_payload_len(attr) >= w->len &&
		!memcmp(mnl_attr_get_payload(attr), w->value, w->len))
		w->found = true;
	return MNL_CB_OK;
}

static bool has_attribute(const struct nlmsghdr *m, size_t header, uint16_t type,
	const void *value, size_t len)
{
	struct wanted_attribute w = { .type = type, .value = value, .len = len };

	if (mnl_nlmsg_get_payload_len(m) < header)
		return false;
	(void)mnl_attr_parse(m, (unsigned)header, look_at_attribute, &w);
	return w.found;
}

/* The admission empties it, as often as once a second. */
static bool is_end_of_room(const struct nlmsghdr *m)
{
	return (m->nlmsg_type & 0xff) == NFT_MSG_DELSETELEM &&
	       has_attribute(m, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_SET, ROOM_SET,
		       sizeof(ROOM_SET));
}

/* The table's name is the first attribute of whatever lies in a table. */
static bool is_our_nft(const struct nlmsghdr *m)
{
	_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 &&
			       NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
			       NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1,
		"one number for all");
	return m->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
	       (m->nlmsg_type & 0xff) != NFT_MSG_NEWGEN && !is_end_of_room(m) &&
	       has_attribute(m, sizeof(struct nfgenmsg), NFTA_TABLE_NAME, RULES_TABLE,
		       sizeof(RULES_TABLE));
}

static bool is_our_routing(const struct nlmsghdr *m, uint32_t table)
{
	_Static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr) &&
			       (int)FRA_TABLE == (int)RTA_TABLE,
		"rules and routes alike");
	const uint32_t wall = POLICY_WALL_TABLE(table);
	const uint8_t ours = POLICY_PROTOCOL;

	if (m->nlmsg_type < RTM_NEWROUTE || m->nlmsg_type > RTM_GETRULE)
		return false;
	return has_attribute(m, sizeof(struct rtmsg), RTA_TABLE, &table, sizeof(table)) ||
	       has_attribute(m, sizeof(struct rtmsg), RTA_TABLE, &wall, sizeof(wall)) ||
	       (m->nlmsg_type >= RTM_NEWRULE &&
		       has_attribute(m, sizeof(struct fib_rule_hdr), FRA_PROTOCOL, &ours,
			       sizeof(ours)));
}

/* mnl_nlmsg_ok() takes a length for a signed number. */
static bool is_whole(const struct nlmsghdr *m, int left)
{
	return mnl_nlmsg_ok(m, left) && m->nlmsg_len <= (uint32_t)left;
}

bool rules_watch_concerns(int bus, uint32_t route_table, const void *bytes, size_t len)
{
	const struct nlmsghdr *m = bytes;
	int left = (int)len;

	for (; is_whole(m, left); m = mnl_nlmsg_next(m, &left))
		if (bus == NETLINK_NETFILTER ? is_our_nft(m)
					     : is_our_routing(m, route_table))
			return true;
	return false;
}

/* ---- sockets ---- */

static int join(struct mnl_socket *socket, enum bus bus)
{
	int fd = mnl_socket_get_fd(socket), room = ROOM;

	/* without the right to force it the kernel's own limit stays */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups[0]) / sizeof(groups[0][0]); i++) {
		int group = groups[bus][i];

		if (group && mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group,
				     sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int rules_watch_new(
	uint32_t route_table, struct rules_watch **ret_watch, struct error *err)
{
	struct rules_watch *w = calloc(1, sizeof(*w));
	int code = w ? 0 : error_errno(err, -ENOMEM, "watching the rules");

	for (size_t i = 0; i < RULES_WATCH_FDS && !code; i++) {
		code = netlink_open(buses[i], &w->sockets[i], err);
		if (!code) {
			code = join(w->sockets[i], (enum bus)i);
			if (code)
				(void)error_errno(err, code, "watching the rules");
		}
	}
	if (code) {
		rules_watch_free(&w);
		return code;
	}
	w->route_table = route_table;
	*ret_watch = w;
	return 0;
}

void rules_watch_free(struct rules_watch **watch)
{
	if (!*watch)
		return;
	for (size_t i = 0; i < RULES_WATCH_FDS; i++)
		netlink_close(&(*watch)->sockets[i]);
	free(*watch);
	*watch = NULL;
}

void rules_watch_fds(const struct rules_watch *watch, int ret_fds[static RULES_WATCH_FDS])
{
	for (size_t i = 0; i < RULES_WATCH_FDS; i++)
		ret_fds[i] = mnl_socket_get_fd(watch->sockets[i]);
}

/* ENOBUFS: some were lost, ours may be among them. */
static bool read_all(const struct rules_watch *w, enum bus bus)
{
	static _Alignas(struct nlmsghdr) char bytes[MESSAGES_MAX];
	bool ours = false;
	ssize_t n;

	while ((n = recv(mnl_socket_get_fd(w->sockets[bus]), bytes, sizeof(bytes), 0)) >
		0)
		ours = ours ||
		       rules_watch_concerns(buses[bus], w->route_table, bytes, (size_t)n);
	return ours || errno != EAGAIN;
}

bool rules_watch_read(struct rules_watch *watch)
{
	bool nft = read_all(watch, BUS_NETFILTER);
	bool routing = read_all(watch, BUS_ROUTE);

	return nft || routing;
}
