/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/tcp_sockets.h"

#include "base/address.h"
#include "base/fd.h"
#include "nft-rules/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <string.h>

static bool is_service(const struct ruleset *r, uint16_t port)
{
	for (size_t i = 0; i < r->n_services; i++)
		if (r->services[i].port == port)
			return true;
	return false;
}

static bool is_source(
	const struct ruleset *r, const struct inet_diag_sockid *id, unsigned char family)
{
	for (size_t i = 0; i < r->n_sources; i++) {
		struct str source = address_bytes(&r->sources[i]);

		if (r->sources[i].ss_family == family &&
			memcmp(source.ptr, id->idiag_src, source.len) == 0)
			return true;
	}
	return false;
}

static void read_end(const uint32_t address[static 4], uint16_t port,
	unsigned char family, struct sockaddr_storage *ret)
{
	address_from_bytes(family, address, ret);
	address_set_port(ret, ntohs(port));
}

/* A newer kernel has more behind it, an older one less. */
static int read_info(const struct nlattr *attr, void *data)
{
	struct tcp_socket *s = data;
	struct tcp_info info = { 0 };
	size_t len = mnl_attr_get_payload_len(attr);

	if (mnl_attr_get_type(attr) != INET_DIAG_INFO)
		return MNL_CB_OK;
	memcpy(&info, mnl_attr_get_payload(attr),
		len < sizeof(info) ? len : sizeof(info));
	s->rtt_us = info.tcpi_rtt;
	s->retransmits = info.tcpi_total_retrans;
	return MNL_CB_OK;
}

bool tcp_socket_read(
	const struct ruleset *r, const struct nlmsghdr *message, struct tcp_socket *ret)
{
	struct inet_diag_msg m;
	struct tcp_socket s = { 0 };

	if (mnl_nlmsg_get_payload_len(message) < sizeof(m))
		return false;
	memcpy(&m, mnl_nlmsg_get_payload(message), sizeof(m));
	s.port = ntohs(m.id.idiag_sport);
	if ((m.idiag_family != AF_INET && m.idiag_family != AF_INET6) ||
		!is_service(r, s.port) || !is_source(r, &m.id, m.idiag_family))
		return false;
	read_end(m.id.idiag_dst, m.id.idiag_dport, m.idiag_family, &s.client);
	(void)mnl_attr_parse(message, sizeof(m), read_info, &s);
	*ret = s;
	return true;
}

struct listing {
	const struct ruleset *rules;
	tcp_socket_fn *each;
	void *context;
	int code;
};

static int take(const struct nlmsghdr *message, void *data)
{
	struct listing *l = data;
	struct tcp_socket s;

	if (!l->code && tcp_socket_read(l->rules, message, &s))
		l->code = l->each(l->context, &s);
	return MNL_CB_OK;
}

static int ask_both(bool info, mnl_cb_t callback, void *data, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_SOCK_DIAG, &socket, err);

	if (code == 0)
		code = netlink_ask_tcp(
			socket, AF_INET, TCP_ESTABLISHED, info, callback, data);
	if (code == 0)
		code = netlink_ask_tcp(
			socket, AF_INET6, TCP_ESTABLISHED, info, callback, data);
	return code < 0 ? error_errno(err, code, "reading the connected sockets") : 0;
}

int tcp_sockets_each(
	const struct ruleset *r, tcp_socket_fn *each, void *context, struct error *err)
{
	struct listing l = { .rules = r, .each = each, .context = context };
	int code = ask_both(true, take, &l, err);

	return code < 0 ? code : l.code;
}

/* ---- all ---- */

struct ends {
	tcp_end_fn *each;
	void *context;
	int code;
};

static int take_ends(const struct nlmsghdr *message, void *data)
{
	struct ends *e = data;
	struct inet_diag_msg m;
	struct sockaddr_storage end;

	if (e->code || mnl_nlmsg_get_payload_len(message) < sizeof(m))
		return MNL_CB_OK;
	memcpy(&m, mnl_nlmsg_get_payload(message), sizeof(m));
	if (m.idiag_family != AF_INET && m.idiag_family != AF_INET6)
		return MNL_CB_OK;
	read_end(m.id.idiag_dst, m.id.idiag_dport, m.idiag_family, &end);
	e->code = e->each(e->context, &end);
	read_end(m.id.idiag_src, m.id.idiag_sport, m.idiag_family, &end);
	if (!e->code)
		e->code = e->each(e->context, &end);
	return MNL_CB_OK;
}

int tcp_ends_each(tcp_end_fn *each, void *context, struct error *err)
{
	struct ends e = { .each = each, .context = context };
	int code = ask_both(false, take_ends, &e, err);

	return code < 0 ? code : e.code;
}
