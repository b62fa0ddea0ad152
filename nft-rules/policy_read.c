/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel has of ip rules and routes, as far as it is ours. */
#include "base/fd.h"
#include "nft-rules/netlink.h"
#include "nft-rules/policy.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAX 256
#define METRIC_ROUTE6 1024U /* what the kernel gives an IPv6 route without a metric */

struct reading {
	struct plan *plan;
	uint32_t table;
	uint32_t lowest; /* priority of others' rules that could take a packet of ours */
};

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

static bool is_interface_lo(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof("lo") &&
	       !memcmp(mnl_attr_get_payload(attr), "lo", sizeof("lo"));
}

static void read_port(struct plan_ip_rule *rule, const struct nlattr *attr)
{
	struct fib_rule_port_range range = { 0 };

	if (mnl_attr_get_payload_len(attr) >= sizeof(range))
		memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
	rule->port = range.start;
	rule->other = rule->other || range.start != range.end;
}

static void read_interface(struct plan_ip_rule *rule, const struct nlattr *attr)
{
	rule->from_here = is_interface_lo(attr);
	rule->other = rule->other || !rule->from_here;
}

struct rule_reading {
	struct plan_ip_rule rule;
	uint8_t protocol;    /* who made it */
	uint8_t ip_protocol; /* of its packets */
};

static uint32_t u32_of(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (mnl_attr_get_payload_len(attr) >= sizeof(value))
		memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return value;
}

static uint8_t u8_of(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) ? mnl_attr_get_u8(attr) : 0;
}

static int read_rule_attribute(const struct nlattr *attr, void *data)
{
	struct rule_reading *reading = data;
	struct plan_ip_rule *rule = &reading->rule;

	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		rule->priority = u32_of(attr);
		break;
	case FRA_FWMARK:
		rule->mark = u32_of(attr);
		break;
	case FRA_FWMASK:
		rule->mask = u32_of(attr);
		break;
	case FRA_TABLE:
		if (rule->action == FR_ACT_TO_TBL)
			rule->to = u32_of(attr);
		break;
	case FRA_GOTO:
		rule->to = u32_of(attr);
		break;
	case FRA_IIFNAME:
		read_interface(rule, attr);
		break;
	case FRA_IP_PROTO:
		reading->ip_protocol = u8_of(attr);
		break;
	case FRA_DPORT_RANGE:
		read_port(rule, attr);
		break;
	case FRA_PROTOCOL:
		reading->protocol = u8_of(attr);
		break;
	case FRA_SRC:
	case FRA_DST:
	case FRA_OIFNAME:
	case FRA_TUN_ID:
	case FRA_L3MDEV:
	case FRA_UID_RANGE:
	case FRA_SPORT_RANGE:
		rule->other = true;
		break;
	default: /* FRA_SUPPRESS_*: what never matters */
		break;
	}
	return MNL_CB_OK;
}

static bool is_known_action(uint8_t action)
{
	return action == FR_ACT_TO_TBL || action == FR_ACT_GOTO || action == FR_ACT_NOP;
}

static bool is_our_table(const struct reading *r, uint32_t table)
{
	return table == r->table || table == POLICY_WALL_TABLE(r->table);
}

/* Ours by where it leads, whoever made it; or by who made it, wherever it leads. */
static bool is_our_rule(const struct reading *r, const struct rule_reading *found)
{
	const struct plan_ip_rule *rule = &found->rule;

	return (rule->action == FR_ACT_TO_TBL && is_our_table(r, rule->to)) ||
	       found->protocol == POLICY_PROTOCOL;
}

/* The table of the host's own addresses, which comes first and where it must. */
static bool is_of_host(const struct plan_ip_rule *rule)
{
	return rule->action == FR_ACT_TO_TBL && rule->to == RT_TABLE_LOCAL;
}

static void note_other(struct reading *r, const struct plan_ip_rule *rule)
{
	if (!is_of_host(rule) && rule->priority < r->lowest)
		r->lowest = rule->priority;
}

static int read_rule(const struct nlmsghdr *answer, void *data)
{
	const struct fib_rule_hdr *head = mnl_nlmsg_get_payload(answer);
	struct reading *r = data;
	struct rule_reading found = { 0 };
	struct plan_ip_rule *to;

	if (mnl_nlmsg_get_payload_len(answer) < sizeof(*head))
		return MNL_CB_OK;
	found.rule.family = head->family;
	found.rule.action = head->action;
	if (head->action == FR_ACT_TO_TBL)
		found.rule.to = head->table;
	found.rule.other = !is_known_action(head->action) || head->tos ||
	                   head->flags & FIB_RULE_INVERT;
	(void)mnl_attr_parse(answer, sizeof(*head), read_rule_attribute, &found);
	found.rule.other = found.rule.other ||
	                   found.ip_protocol != (found.rule.port ? IPPROTO_TCP : 0);
	if (!is_our_rule(r, &found)) {
		note_other(r, &found.rule);
		return MNL_CB_OK;
	}
	to = plan_add_ip_rule(r->plan);
	if (!to)
		return no_memory();
	*to = found.rule;
	keep_raw(&to->raw, answer);
	return MNL_CB_OK;
}

/* A network, and not one address, is none of ours. */
static void read_destination(struct plan_route *route, const struct nlattr *attr)
{
	size_t len = policy_address_length(route->family);

	if (mnl_attr_get_payload_len(attr) == len && route->prefix_len == len * 8)
		memcpy(route->destination, mnl_attr_get_payload(attr), len);
	else
		route->other = true;
}

/* An IPv6 route that prohibits names lo by itself. */
static void read_interface_of_route(struct plan_route *route, const struct nlattr *attr)
{
	if (route->type != RTN_PROHIBIT)
		route->oif = u32_of(attr);
}

static int read_route_attribute(const struct nlattr *attr, void *data)
{
	struct plan_route *route = data;

	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		route->table = u32_of(attr);
		break;
	case RTA_OIF:
		read_interface_of_route(route, attr);
		break;
	case RTA_PRIORITY:
		if (route->family != AF_INET6 || u32_of(attr) != METRIC_ROUTE6)
			route->other = true;
		break;
	case RTA_DST:
		read_destination(route, attr);
		break;
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
	struct plan_route route = { 0 };
	struct plan_route *to;

	if (mnl_nlmsg_get_payload_len(answer) < sizeof(*head))
		return MNL_CB_OK;
	route = (struct plan_route){ .family = head->rtm_family,
		.table = head->rtm_table,
		.type = head->rtm_type,
		.prefix_len = head->rtm_dst_len };
	(void)mnl_attr_parse(answer, sizeof(*head), read_route_attribute, &route);
	if (!is_our_table(r, route.table) || head->rtm_flags & RTM_F_CLONED)
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

/* Only our tables, so that a router with a million routes need not list them. */
static int ask_routes(
	struct mnl_socket *socket, int family, uint32_t table, struct reading *r)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct rtmsg *head = mnl_nlmsg_put_extra_header(request, sizeof(*head));

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	head->rtm_family = (unsigned char)family;
	mnl_attr_put_u32(request, RTA_TABLE, table);
	return netlink_ask(socket, request, read_route, r);
}

/* What a kernel says about a table that was never used, or a family that it lacks. */
static bool means_nothing(int code)
{
	return code == -ENOENT || code == -EAFNOSUPPORT || code == -EOPNOTSUPP;
}

static int read_family(
	struct mnl_socket *socket, int family, struct reading *r, struct error *err)
{
	const uint32_t tables[] = { r->table, POLICY_WALL_TABLE(r->table) };
	int code = ask_rules(socket, family, r);

	if (code && !means_nothing(code))
		return error_errno(err, code, "reading the ip rules");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		code = ask_routes(socket, family, tables[i], r);
		if (code && !means_nothing(code))
			return error_errno(
				err, code, "reading routing table %u", tables[i]);
	}
	return 0;
}

int policy_read(
	struct plan *p, uint32_t route_table, uint32_t *priority, struct error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct reading r = { .plan = p, .table = route_table, .lowest = UINT32_MAX };
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	for (size_t i = 0; i < 2 && !code; i++)
		code = read_family(socket, families[i], &r, err);
	if (!code && r.lowest <= POLICY_PRIORITIES)
		return error_set(err, -EADDRNOTAVAIL,
			"an ip rule with preference %u stands before ours and could take "
			"what is diverted: give it one above %u",
			r.lowest, POLICY_PRIORITIES);
	if (!code)
		*priority = r.lowest < *priority + POLICY_PRIORITIES
		                    ? r.lowest - POLICY_PRIORITIES
		                    : *priority;
	return code;
}

int policy_read_answer(
	struct plan *p, uint32_t route_table, const struct nlmsghdr *answer)
{
	struct reading r = { .plan = p, .table = route_table, .lowest = UINT32_MAX };
	int code = MNL_CB_OK;

	if (answer->nlmsg_type == RTM_NEWRULE)
		code = read_rule(answer, &r);
	else if (answer->nlmsg_type == RTM_NEWROUTE)
		code = read_route(answer, &r);
	return code < 0 ? -errno : 0;
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
