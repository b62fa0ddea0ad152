/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/policy.h"
#include "base/fd.h"
#include "nft-rules/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAX 256
#define METRIC_ROUTE6 1024U /* what the kernel gives an IPv6 route without a metric */

struct reading {
	struct plan *plan;
	uint32_t mark, table;
};

/* ---- reading ---- */

static void keep_raw(struct plan_raw *raw, const struct nlmsghdr *answer)
{
	size_t len = mnl_nlmsg_get_payload_len(answer);

	if (len > sizeof(raw->bytes))
		return;
	memcpy(raw->bytes, mnl_nlmsg_get_payload(answer), len);
	raw->len = len;
}

static int no_memory(void)
{
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

static int read_rule_attribute(const struct nlattr *attr, void *data)
{
	struct plan_ip_rule *rule = data;

	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		rule->priority = mnl_attr_get_u32(attr);
		break;
	case FRA_FWMARK:
		rule->mark = mnl_attr_get_u32(attr);
		break;
	case FRA_FWMASK:
		rule->mask = mnl_attr_get_u32(attr);
		break;
	case FRA_TABLE:
		rule->table = mnl_attr_get_u32(attr);
		break;
	case FRA_SRC:
	case FRA_DST:
	case FRA_IIFNAME:
	case FRA_OIFNAME:
	case FRA_GOTO:
	case FRA_TUN_ID:
	case FRA_L3MDEV:
	case FRA_UID_RANGE:
	case FRA_IP_PROTO:
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
		rule->other = true;
		break;
	default: /* FRA_PROTOCOL, FRA_SUPPRESS_*: who made it, and what never matters */
		break;
	}
	return MNL_CB_OK;
}

static int read_rule(const struct nlmsghdr *answer, void *data)
{
	const struct fib_rule_hdr *head = mnl_nlmsg_get_payload(answer);
	struct reading *r = data;
	struct plan_ip_rule rule = { .family = head->family, .table = head->table };
	struct plan_ip_rule *to;

	rule.other = head->action != FR_ACT_TO_TBL || head->tos ||
	             head->flags & FIB_RULE_INVERT;
	(void)mnl_attr_parse(answer, sizeof(*head), read_rule_attribute, &rule);
	if (rule.table != r->table && rule.mark != r->mark)
		return MNL_CB_OK;
	to = plan_add_ip_rule(r->plan);
	if (!to)
		return no_memory();
	*to = rule;
	keep_raw(&to->raw, answer);
	return MNL_CB_OK;
}

static int read_route_attribute(const struct nlattr *attr, void *data)
{
	struct plan_route *route = data;

	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		route->table = mnl_attr_get_u32(attr);
		break;
	case RTA_OIF:
		route->oif = mnl_attr_get_u32(attr);
		break;
	case RTA_PRIORITY:
		if (route->family != AF_INET6 || mnl_attr_get_u32(attr) != METRIC_ROUTE6)
			route->other = true;
		break;
	case RTA_DST:
	case RTA_SRC:
	case RTA_GATEWAY:
	case RTA_VIA:
	case RTA_MULTIPATH:
	case RTA_PREFSRC:
		route->other = true;
		break;
	default: /* RTA_CACHEINFO, RTA_PREF and other things that change nothing here */
		break;
	}
	return MNL_CB_OK;
}

static int read_route(const struct nlmsghdr *answer, void *data)
{
	const struct rtmsg *head = mnl_nlmsg_get_payload(answer);
	struct reading *r = data;
	struct plan_route route = { .family = head->rtm_family,
		.table = head->rtm_table,
		.type = head->rtm_type,
		.prefix_len = head->rtm_dst_len };
	struct plan_route *to;

	(void)mnl_attr_parse(answer, sizeof(*head), read_route_attribute, &route);
	if (route.table != r->table || head->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	to = plan_add_route(r->plan);
	if (!to)
		return no_memory();
	*to = route;
	keep_raw(&to->raw, answer);
	return MNL_CB_OK;
}

static int ask_rules(struct mnl_socket *socket, int family, struct reading *r)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct fib_rule_hdr *head = mnl_nlmsg_put_extra_header(request, sizeof(*head));

	request->nlmsg_type = RTM_GETRULE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	head->family = (unsigned char)family;
	return netlink_ask(socket, request, read_rule, r);
}

/* Only our table, so that a router with a million routes need not list them. */
static int ask_routes(struct mnl_socket *socket, int family, struct reading *r)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtmsg *head = mnl_nlmsg_put_extra_header(request, sizeof(*head));

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	head->rtm_family = (unsigned char)family;
	mnl_attr_put_u32(request, RTA_TABLE, r->table);
	return netlink_ask(socket, request, read_route, r);
}

/* What a kernel says about a table that was never used, or a family that it lacks. */
static bool means_nothing(int code)
{
	return code == -ENOENT || code == -EAFNOSUPPORT || code == -EOPNOTSUPP;
}

int policy_read(struct plan *p, uint32_t mark, uint32_t route_table, struct error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct reading r = { .plan = p, .mark = mark, .table = route_table };
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	if (code)
		return code;
	for (size_t i = 0; i < 2; i++) {
		code = ask_rules(socket, families[i], &r);
		if (code && !means_nothing(code))
			return error_errno(err, code, "reading the ip rules");
		code = ask_routes(socket, families[i], &r);
		if (code && !means_nothing(code))
			return error_errno(
				err, code, "reading routing table %u", route_table);
	}
	return 0;
}

int policy_probe(int family)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct plan p;
	struct reading r = { .plan = &p };
	int code = netlink_open(NETLINK_ROUTE, &socket, NULL);

	plan_init(&p);
	if (!code)
		code = ask_rules(socket, family, &r);
	plan_fini(&p);
	return code;
}

/* ---- writing ---- */

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

static int send_rule(struct mnl_socket *socket, uint16_t type,
	const struct plan_ip_rule *rule, struct error *err)
{
	struct netlink_batch *batch = netlink_batch_new();
	struct nlmsghdr *message = start(batch, type);
	struct fib_rule_hdr *head;

	if (message) {
		head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
		head->family = (unsigned char)rule->family;
		head->action = FR_ACT_TO_TBL;
		mnl_attr_put_u32(message, FRA_TABLE, rule->table);
		mnl_attr_put_u32(message, FRA_PRIORITY, rule->priority);
		mnl_attr_put_u32(message, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(message, FRA_FWMASK, rule->mask);
		netlink_batch_add(batch, message,
			"%s ip %srule pref %u fwmark 0x%08x lookup %u",
			type == RTM_NEWRULE ? "add" : "delete",
			rule->family == AF_INET6 ? "-6 " : "", rule->priority, rule->mark,
			rule->table);
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
		head->rtm_scope = RT_SCOPE_HOST;
		head->rtm_protocol = RTPROT_STATIC;
		mnl_attr_put_u32(message, RTA_TABLE, route->table);
		mnl_attr_put_u32(message, RTA_OIF, route->oif);
		netlink_batch_add(batch, message,
			"%s ip %sroute local default dev lo table %u",
			type == RTM_NEWROUTE ? "add" : "delete",
			route->family == AF_INET6 ? "-6 " : "", route->table);
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
	       a->mark == b->mark && a->mask == b->mask && a->table == b->table &&
	       a->other == b->other;
}

static bool same_route(const struct plan_route *a, const struct plan_route *b)
{
	return a->family == b->family && a->table == b->table && a->type == b->type &&
	       a->prefix_len == b->prefix_len && a->oif == b->oif && a->other == b->other;
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

int policy_delete(const struct plan *wanted, const struct plan *found, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	for (size_t i = 0; i < found->n_ip_rules && !code; i++) {
		if (!has_rule(wanted, &found->ip_rules[i]))
			code = send_raw(
				socket, RTM_DELRULE, &found->ip_rules[i].raw, err);
		code = is_gone(code) ? 0 : code;
	}
	for (size_t i = 0; i < found->n_routes && !code; i++) {
		if (!has_route(wanted, &found->routes[i]))
			code = send_raw(socket, RTM_DELROUTE, &found->routes[i].raw, err);
		code = is_gone(code) ? 0 : code;
	}
	return code;
}
