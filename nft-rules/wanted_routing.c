/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The policy routing of a ruleset, as policy.h draws it. */
#include "nft-rules/policy.h"
#include "nft-rules/wanted.h"

#include "base/address.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#define LOOPBACK 1U /* lo is always the first interface of a network namespace */

/* Our ip rules, from rule_priority on. */
enum { RULE_OWN, RULE_DIVERT, RULE_REFUSED, RULE_PORTS, RULE_END };

static int add_ip_rule(struct plan *p, const struct plan_ip_rule *rule)
{
	struct plan_ip_rule *to = plan_add_ip_rule(p);

	if (!to)
		return -ENOMEM;
	*to = *rule;
	return 0;
}

static int add_prohibited(
	struct plan *p, const struct ruleset *r, const struct sockaddr_storage *source)
{
	struct plan_route *route = plan_add_route(p);
	struct str address = address_bytes(source);

	if (!route)
		return -ENOMEM;
	route->family = source->ss_family;
	route->table = POLICY_WALL_TABLE(r->route_table);
	route->type = RTN_PROHIBIT;
	memcpy(route->destination, address.ptr, address.len);
	route->prefix_len = (uint8_t)(address.len * 8);
	return 0;
}

static int add_wall_ports(struct plan *p, const struct ruleset *r, int family)
{
	int code = 0;

	for (size_t i = 0; i < r->n_services && !code; i++)
		code = add_ip_rule(p, &(struct plan_ip_rule){ .family = family,
					      .priority = r->rule_priority + RULE_PORTS,
					      .port = r->services[i].port,
					      .action = FR_ACT_TO_TBL,
					      .to = POLICY_WALL_TABLE(r->route_table) });
	for (size_t i = 0; i < r->n_sources && !code; i++)
		if (r->sources[i].ss_family == family)
			code = add_prohibited(p, r, &r->sources[i]);
	return code;
}

static int add_wall(struct plan *p, const struct ruleset *r, int family)
{
	int code = add_ip_rule(p, &(struct plan_ip_rule){ .family = family,
					  .priority = r->rule_priority + RULE_REFUSED,
					  .mark = mark_bits(&r->marks, MARK_REFUSED),
					  .mask = r->marks.mask,
					  .action = FR_ACT_GOTO,
					  .to = r->rule_priority + RULE_END });

	return code ? code : add_wall_ports(p, r, family);
}

static int add_divert(struct plan *p, const struct ruleset *r, int family)
{
	int code = add_ip_rule(p, &(struct plan_ip_rule){ .family = family,
					  .priority = r->rule_priority + RULE_DIVERT,
					  .mark = r->marks.divert,
					  .mask = r->marks.mask,
					  .action = FR_ACT_TO_TBL,
					  .to = r->route_table });
	struct plan_route *route = code ? NULL : plan_add_route(p);

	if (!route)
		return -ENOMEM;
	route->family = family;
	route->table = r->route_table;
	route->type = RTN_LOCAL;
	route->oif = LOOPBACK;
	return 0;
}

/* See policy.h. */
static int add_routing(struct plan *p, const struct ruleset *r, int family)
{
	const uint32_t end = r->rule_priority + RULE_END;
	int code = add_ip_rule(p, &(struct plan_ip_rule){ .family = family,
					  .priority = r->rule_priority + RULE_OWN,
					  .from_here = true,
					  .action = FR_ACT_GOTO,
					  .to = end });

	if (!code)
		code = add_divert(p, r, family);
	if (!code && r->fail == RULES_FAIL_CLOSED &&
		wanted_has_family(r->sources, r->n_sources, family))
		code = add_wall(p, r, family);
	return code ? code
	            : add_ip_rule(p, &(struct plan_ip_rule){ .family = family,
					     .priority = end,
					     .action = FR_ACT_NOP });
}

/* A family that has no address is left alone: the kernel may lack IPv6. */
int wanted_routing(struct plan *p, const struct ruleset *r)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int code = 0;

	for (size_t i = 0; i < 2 && !code; i++)
		if (wanted_has_family(r->sources, r->n_sources, families[i]) ||
			wanted_has_family(r->upstreams, r->n_upstreams, families[i]))
			code = add_routing(p, r, families[i]);
	return code;
}
