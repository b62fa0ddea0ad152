/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/conntrack.h"

#include "base/address.h"
#include "base/fd.h"
#include "nft-rules/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#define REQUEST_MAX 256

/* ---- attributes ---- */

struct attributes {
	const struct nlattr *at[CTA_MAX + 1];
};

static int keep(const struct nlattr *attr, void *data)
{
	struct attributes *all = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= CTA_MAX)
		all->at[type] = attr;
	return MNL_CB_OK;
}

/* What lies in one; all NULL when it is not there. */
static struct attributes inside(const struct nlattr *attr)
{
	struct attributes all = { { NULL } };

	if (attr)
		(void)mnl_attr_parse_nested(attr, keep, &all);
	return all;
}

static bool has(const struct nlattr *attr, size_t len)
{
	return attr && mnl_attr_get_payload_len(attr) == len;
}

static uint64_t number(const struct nlattr *attr)
{
	uint64_t n = 0;

	if (has(attr, sizeof(n)))
		memcpy(&n, mnl_attr_get_payload(attr), sizeof(n));
	return be64toh(n);
}

/* ---- one connection ---- */

struct end {
	struct sockaddr_storage address;
	uint16_t port; /* host order */
};

static bool read_address(const struct attributes *ip, uint16_t v4, uint16_t v6,
	uint16_t port, struct sockaddr_storage *ret)
{
	if (has(ip->at[v4], sizeof(struct in_addr)))
		address_from_bytes(AF_INET, mnl_attr_get_payload(ip->at[v4]), ret);
	else if (has(ip->at[v6], sizeof(struct in6_addr)))
		address_from_bytes(AF_INET6, mnl_attr_get_payload(ip->at[v6]), ret);
	else
		return false;
	address_set_port(ret, port);
	return true;
}

/* Who sends in that direction. */
static bool read_sender(const struct nlattr *tuple, struct end *ret)
{
	struct attributes parts = inside(tuple);
	struct attributes ip = inside(parts.at[CTA_TUPLE_IP]);
	struct attributes proto = inside(parts.at[CTA_TUPLE_PROTO]);

	if (!has(proto.at[CTA_PROTO_NUM], 1) ||
		mnl_attr_get_u8(proto.at[CTA_PROTO_NUM]) != IPPROTO_TCP ||
		!has(proto.at[CTA_PROTO_SRC_PORT], 2))
		return false;
	ret->port = ntohs(mnl_attr_get_u16(proto.at[CTA_PROTO_SRC_PORT]));
	return read_address(&ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, ret->port, &ret->address);
}

static bool is_source(const struct ruleset *r, const struct sockaddr_storage *address)
{
	for (size_t i = 0; i < r->n_sources; i++)
		if (address_is_same_host(&r->sources[i], address))
			return true;
	return false;
}

static const struct rules_service *service_of(const struct ruleset *r, uint16_t port)
{
	for (size_t i = 0; i < r->n_services; i++)
		if (r->services[i].port == port)
			return &r->services[i];
	for (size_t i = 0; i < r->n_unseen; i++)
		if (r->unseen[i].port == port)
			return &r->unseen[i];
	return NULL;
}

static uint8_t tcp_state(const struct nlattr *protoinfo)
{
	struct attributes parts = inside(protoinfo);
	struct attributes tcp = inside(parts.at[CTA_PROTOINFO_TCP]);
	const struct nlattr *state = tcp.at[CTA_PROTOINFO_TCP_STATE];

	return has(state, 1) ? mnl_attr_get_u8(state) : TCP_CONNTRACK_NONE;
}

static const char *state_name(uint8_t state)
{
	static const char *const names[] = { "NONE", "SYN_SENT", "SYN_RECV",
		"ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
		"SYN_SENT2" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : names[0];
}

static uint64_t bytes(const struct nlattr *counters)
{
	return number(inside(counters).at[CTA_COUNTERS_BYTES]);
}

/* Who answers is the source as it is, whatever clients call it. */
bool conntrack_read(
	const struct ruleset *r, const struct nlmsghdr *message, struct linked_flow *ret)
{
	struct attributes all = { { NULL } };
	struct linked_flow f = { 0 };
	struct end client, source;
	uint32_t mark;

	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), keep, &all) < 0 ||
		!read_sender(all.at[CTA_TUPLE_ORIG], &client) ||
		!read_sender(all.at[CTA_TUPLE_REPLY], &source) ||
		!is_source(r, &source.address))
		return false;
	f.service = service_of(r, source.port);
	if (!f.service)
		return false;
	f.client = client.address;
	mark = has(all.at[CTA_MARK], 4) ? ntohl(mnl_attr_get_u32(all.at[CTA_MARK])) : 0;
	f.is_direct = mark & r->marks.direct;
	f.is_alive = tcp_state(all.at[CTA_PROTOINFO]) == TCP_CONNTRACK_ESTABLISHED;
	f.state = state_name(tcp_state(all.at[CTA_PROTOINFO]));
	f.bytes_in = bytes(all.at[CTA_COUNTERS_ORIG]);
	f.bytes_out = bytes(all.at[CTA_COUNTERS_REPLY]);
	f.started_ms =
		number(inside(all.at[CTA_TIMESTAMP]).at[CTA_TIMESTAMP_START]) / 1000000;
	*ret = f;
	return true;
}

/* ---- all of them ---- */

struct listing {
	const struct ruleset *rules;
	linked_flow_fn *each;
	void *context;
	int code;
};

static int take(const struct nlmsghdr *message, void *data)
{
	struct listing *l = data;
	struct linked_flow f;

	if (!l->code && conntrack_read(l->rules, message, &f))
		l->code = l->each(l->context, &f);
	return MNL_CB_OK;
}

int conntrack_each(
	const struct ruleset *r, linked_flow_fn *each, void *context, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct listing l = { .rules = r, .each = each, .context = context };
	char request_bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(request_bytes);
	struct nfgenmsg *head;
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	if (code < 0)
		return code;
	request->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->nfgen_family = AF_UNSPEC;
	head->version = NFNETLINK_V0;
	code = netlink_ask(socket, request, take, &l);
	if (code < 0)
		return error_errno(err, code, "reading the tracked connections");
	return l.code;
}
