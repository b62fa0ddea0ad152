/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/policy.h"
#include "base/fd.h"
#include "nft-rules/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

size_t policy_address_length(int family)
{
	return family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

static int send_one(
	struct mnl_socket *socket, struct netlink_batch **batch, struct error *err)
{
	int code = *batch ? netlink_batch_send(socket, *batch, err)
	                  : error_errno(err, -ENOMEM, "policy routing");

	netlink_batch_free(batch);
	return code;
}

static struct nlmsghdr *start(struct netlink_batch *batch, uint16_t type)
{
	uint32_t sequence = 0;
	char *room = batch ? netlink_batch_room(batch, &sequence) : NULL;
	struct nlmsghdr *message = room ? mnl_nlmsg_put_header(room) : NULL;

	if (!message)
		return NULL;
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWRULE || type == RTM_NEWROUTE)
		message->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	message->nlmsg_seq = sequence;
	return message;
}

static void put_rule(struct nlmsghdr *message, const struct plan_ip_rule *rule)
{
	struct fib_rule_hdr *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	struct fib_rule_port_range range = { rule->port, rule->port };

	head->family = (unsigned char)rule->family;
	head->action = rule->action;
	mnl_attr_put_u32(message, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u8(message, FRA_PROTOCOL, POLICY_PROTOCOL);
	if (rule->action != FR_ACT_NOP)
		mnl_attr_put_u32(message,
			rule->action == FR_ACT_GOTO ? FRA_GOTO : FRA_TABLE, rule->to);
	if (rule->mask) {
		mnl_attr_put_u32(message, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(message, FRA_FWMASK, rule->mask);
	}
	if (rule->from_here)
		mnl_attr_put_strz(message, FRA_IIFNAME, "lo");
	if (rule->port) {
		mnl_attr_put_u8(message, FRA_IP_PROTO, IPPROTO_TCP);
		mnl_attr_put(message, FRA_DPORT_RANGE, sizeof(range), &range);
	}
}

static int send_rule(struct mnl_socket *socket, uint16_t type,
	const struct plan_ip_rule *rule, struct error *err)
{
	struct netlink_batch *batch = netlink_batch_new();
	struct nlmsghdr *message = start(batch, type);

	if (message) {
		put_rule(message, rule);
		netlink_batch_add(batch, message, "%s ip %srule pref %u",
			type == RTM_NEWRULE ? "add" : "delete",
			rule->family == AF_INET6 ? "-6 " : "", rule->priority);
	} else {
		netlink_batch_free(&batch);
	}
	return send_one(socket, &batch, err);
}

static int send_route(struct mnl_socket *socket, uint16_t type,
	const struct plan_route *route, struct error *err)
{
	struct netlink_batch *batch = netlink_batch_new();
	struct nlmsghdr *message = start(batch, type);
	struct rtmsg *head;

	if (message) {
		head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
		head->rtm_family = (unsigned char)route->family;
		head->rtm_dst_len = route->prefix_len;
		head->rtm_type = route->type;
		head->rtm_scope = route->oif ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
		head->rtm_protocol = RTPROT_STATIC;
		mnl_attr_put_u32(message, RTA_TABLE, route->table);
		if (route->oif)
			mnl_attr_put_u32(message, RTA_OIF, route->oif);
		if (route->prefix_len)
			mnl_attr_put(message, RTA_DST,
				policy_address_length(route->family), route->destination);
		netlink_batch_add(batch, message, "%s ip %sroute %s table %u",
			type == RTM_NEWROUTE ? "add" : "delete",
			route->family == AF_INET6 ? "-6 " : "",
			route->oif ? "local default dev lo" : "prohibit", route->table);
	} else {
		netlink_batch_free(&batch);
	}
	return send_one(socket, &batch, err);
}

/* The dumped message sent back as an order to delete names the thing with everything it
   has, also with what we have no word for. */
static int send_raw(struct mnl_socket *socket, uint16_t type, const struct plan_raw *raw,
	struct error *err)
{
	const char *what = type == RTM_DELRULE ? "ip rule" : "ip route";
	struct netlink_batch *batch = netlink_batch_new();
	struct nlmsghdr *message = start(batch, type);

	if (message && raw->len) {
		memcpy(mnl_nlmsg_put_extra_header(message, raw->len), raw->bytes,
			raw->len);
		netlink_batch_add(batch, message, "delete %s", what);
	} else {
		netlink_batch_free(&batch);
	}
	return send_one(socket, &batch, err);
}

static bool same_rule(const struct plan_ip_rule *a, const struct plan_ip_rule *b)
{
	return a->family == b->family && a->priority == b->priority &&
	       a->mark == b->mark && a->mask == b->mask && a->action == b->action &&
	       a->to == b->to && a->from_here == b->from_here && a->port == b->port &&
	       a->other == b->other;
}

static bool same_route(const struct plan_route *a, const struct plan_route *b)
{
	return a->family == b->family && a->table == b->table && a->type == b->type &&
	       a->prefix_len == b->prefix_len && a->oif == b->oif &&
	       !memcmp(a->destination, b->destination, sizeof(a->destination)) &&
	       a->other == b->other;
}

static bool has_rule(const struct plan *p, const struct plan_ip_rule *rule)
{
	for (size_t i = 0; p && i < p->n_ip_rules; i++)
		if (same_rule(&p->ip_rules[i], rule))
			return true;
	return false;
}

static bool has_route(const struct plan *p, const struct plan_route *route)
{
	for (size_t i = 0; p && i < p->n_routes; i++)
		if (same_route(&p->routes[i], route))
			return true;
	return false;
}

bool policy_is_foreign(const struct plan_route *route)
{
	return route->other || (route->type != RTN_LOCAL && route->type != RTN_PROHIBIT);
}

/* Takes out the first n rules and routes that `found` had not: the other half of
   policy_add(). What fails here has gone already. */
static void undo(struct mnl_socket *socket, const struct plan *wanted,
	const struct plan *found, size_t n_routes, size_t n_rules)
{
	for (size_t i = 0; i < n_rules; i++)
		if (!has_rule(found, &wanted->ip_rules[i]))
			(void)send_rule(socket, RTM_DELRULE, &wanted->ip_rules[i], NULL);
	for (size_t i = 0; i < n_routes; i++)
		if (!has_route(found, &wanted->routes[i]))
			(void)send_route(socket, RTM_DELROUTE, &wanted->routes[i], NULL);
}

int policy_add(const struct plan *wanted, const struct plan *found, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	size_t routes = 0, rules = 0;
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	/* First the routes: a rule without them would send packets nowhere. */
	while (!code && routes < wanted->n_routes) {
		const struct plan_route *route = &wanted->routes[routes];

		if (!has_route(found, route))
			code = send_route(socket, RTM_NEWROUTE, route, err);
		routes += !code;
	}
	while (!code && rules < wanted->n_ip_rules) {
		const struct plan_ip_rule *rule = &wanted->ip_rules[rules];

		if (!has_rule(found, rule))
			code = send_rule(socket, RTM_NEWRULE, rule, err);
		rules += !code;
	}
	if (code && socket)
		undo(socket, wanted, found, routes, rules);
	return code;
}

int policy_undo(const struct plan *wanted, const struct plan *found, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	if (!code)
		undo(socket, wanted, found, wanted->n_routes, wanted->n_ip_rules);
	return code;
}

/* Somebody else deleted it in the meantime: what we wanted. */
static bool is_gone(int code)
{
	return code == -ENOENT || code == -ESRCH;
}

/* The wall's ports go before the rules that lead our own packets past it. */
static int delete_rules(struct mnl_socket *socket, const struct plan *wanted,
	const struct plan *found, bool of_ports, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < found->n_ip_rules && !code; i++) {
		const struct plan_ip_rule *rule = &found->ip_rules[i];

		if ((rule->port != 0) == of_ports && !has_rule(wanted, rule))
			code = send_raw(socket, RTM_DELRULE, &rule->raw, err);
		code = is_gone(code) ? 0 : code;
	}
	return code;
}

int policy_delete(const struct plan *wanted, const struct plan *found, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	if (!code)
		code = delete_rules(socket, wanted, found, true, err);
	if (!code)
		code = delete_rules(socket, wanted, found, false, err);
	for (size_t i = 0; i < found->n_routes && !code; i++) {
		if (!has_route(wanted, &found->routes[i]))
			code = send_raw(socket, RTM_DELROUTE, &found->routes[i].raw, err);
		code = is_gone(code) ? 0 : code;
	}
	return code;
}
