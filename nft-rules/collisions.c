/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything is looked at twice: first which bits others use, then what collides. */
#include "nft-rules/collisions.h"

#include "base/fd.h"
#include "nft-rules/expression.h"
#include "nft-rules/netlink.h"
#include "nft-rules/policy.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_MAX 256
#define SENTENCE_MAX 480
#define PRIORITY_OURS (-99) /* whoever sets marks before that is no trouble */

struct search {
	const struct ruleset *rules;
	collision_fn *found; /* NULL: only look which bits are used */
	void *context;
	uint32_t used; /* bits that others ask for or set */
};

static void tell(const struct search *s, enum collision kind, const char *text)
{
	if (s->found)
		s->found(s->context, kind, text);
}

/* ", or set mark_mask = …": four neighbours that nobody uses; "" when there are none. */
static const char *propose(const struct search *s, char text[static 64])
{
	text[0] = '\0';
	for (int shift = 28; shift >= 0 && !text[0]; shift--)
		if (!(s->used & 0xfU << shift))
			(void)snprintf(text, 64, ", or set mark_mask = \"0x%08x\"",
				0xfU << shift);
	return text;
}

/* ---- ip rules ---- */

struct asked {
	uint32_t priority, mark, mask, table;
	uint8_t protocol;
	bool has_mark;
};

static int read_attribute(const struct nlattr *attr, void *data)
{
	struct asked *a = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type == FRA_PROTOCOL && mnl_attr_get_payload_len(attr) >= 1)
		a->protocol = mnl_attr_get_u8(attr);
	if (mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return MNL_CB_OK;
	if (type == FRA_PRIORITY)
		a->priority = mnl_attr_get_u32(attr);
	if (type == FRA_FWMARK) {
		a->mark = mnl_attr_get_u32(attr);
		a->has_mark = true;
	}
	if (type == FRA_FWMASK)
		a->mask = mnl_attr_get_u32(attr);
	if (type == FRA_TABLE)
		a->table = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* A rule that wants our bits to be 0 (0x2/0xffffffff) leaves our packets alone. */
static bool takes_ours(const struct search *s, const struct asked *a)
{
	return a->has_mark && (a->mask & a->mark & s->rules->marks.mask) != 0;
}

static void tell_table(struct search *s, uint32_t table, const char *who)
{
	char text[SENTENCE_MAX + 128];

	(void)snprintf(text, sizeof(text),
		"routing table %u is in use: %s; mailferry wants it and the next one for "
		"itself: set route_table to another number",
		table, who);
	tell(s, COLLISION_ROUTE_TABLE, text);
}

static bool is_our_table(const struct search *s, uint32_t table)
{
	return table == s->rules->route_table ||
	       table == POLICY_WALL_TABLE(s->rules->route_table);
}

static int take_ip_rule(const struct nlmsghdr *answer, void *data)
{
	struct search *s = data;
	struct asked a = { .mask = UINT32_MAX };
	char text[SENTENCE_MAX], other[64];

	if (mnl_attr_parse(answer, sizeof(struct fib_rule_hdr), read_attribute, &a) < 0 ||
		a.protocol == POLICY_PROTOCOL)
		return MNL_CB_OK;
	if (a.has_mark)
		s->used |= a.mask == UINT32_MAX ? a.mark : a.mask;
	if (is_our_table(s, a.table)) {
		(void)snprintf(text, sizeof(text),
			"an ip rule of somebody else (preference %u) leads there",
			a.priority);
		tell_table(s, a.table, text);
	}
	if (!takes_ours(s, &a))
		return MNL_CB_OK;
	(void)snprintf(text, sizeof(text),
		"the ip rule of somebody else with preference %u (fwmark 0x%x/0x%x) asks for "
		"bits of ours (0x%x): packets of our sockets would go its way; give it other "
		"bits%s",
		a.priority, a.mark, a.mask, s->rules->marks.mask, propose(s, other));
	tell(s, COLLISION_IP_RULE, text);
	return MNL_CB_OK;
}

static int look_at_ip_rules(struct search *s, uint8_t family, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct fib_rule_hdr *head;
	int code = netlink_open(NETLINK_ROUTE, &socket, err);

	if (code < 0)
		return code;
	request->nlmsg_type = RTM_GETRULE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->family = family;
	code = netlink_ask(socket, request, take_ip_rule, s);
	/* without IPv6 there are none */
	return code == -EAFNOSUPPORT || code == -EOPNOTSUPP ? 0 : code;
}

/* ---- the routing tables ---- */

static int look_at_routes(struct search *s, struct error *err)
{
	uint32_t priority = s->rules->rule_priority;
	struct plan found;
	int code;

	plan_init(&found);
	code = policy_read(&found, s->rules->route_table, &priority, err);
	if (code == -EADDRNOTAVAIL)
		code = 0; /* rules_install() says it */
	for (size_t i = 0; i < found.n_routes && code == 0; i++) {
		if (!policy_is_foreign(&found.routes[i]))
			continue;
		tell_table(s, found.routes[i].table,
			found.routes[i].family == AF_INET6 ? "`ip -6 route show table` "
							     "has routes there"
							   : "`ip route show table` has "
							     "routes there");
		break;
	}
	plan_fini(&found);
	return code;
}

/* ---- rules that write marks ---- */

struct reading {
	struct op before, now;
	uint32_t used;
	uint32_t direct, mask; /* ours */
	bool erases_connection, erases_packet;
};

static uint32_t word(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Of iptables: CONNMARK of revision 1 and 2 begin alike. */
static void read_target(struct reading *r)
{
	const struct op *o = &r->now;
	struct xt_connmark_tginfo1 info;

	if (strcmp(o->name, "CONNMARK") != 0 || o->data_len < sizeof(info))
		return;
	memcpy(&info, o->data, sizeof(info));
	if (o->v[0] == 2) /* mode lies behind shift_dir and shift_bits */
		info.mode = o->data[offsetof(struct xt_connmark_tginfo1, mode) + 2];
	if (info.mode != XT_CONNMARK_RESTORE && (info.ctmask & r->direct))
		r->erases_connection = true;
	r->used |= info.ctmask == UINT32_MAX ? info.ctmark : info.ctmask;
}

/* `meta mark set meta mark & MASK | …` keeps what MASK has; all else is a whole new mark.
 */
static uint32_t kept_by(const struct reading *r)
{
	return r->before.kind == OP_BITWISE && r->before.data_len == 4
	               ? word(r->before.data)
	               : 0;
}

static void note_used(struct reading *r)
{
	if (r->before.kind == OP_IMMEDIATE && r->before.data_len == 4)
		r->used |= word(r->before.data);
	if (r->before.kind == OP_BITWISE && r->before.more_len == 4)
		r->used |= word(r->before.more);
}

static int take_expression(struct nftnl_expr *expr, void *data)
{
	struct reading *r = data;
	const struct op *o = &r->now;

	r->before = r->now;
	expression_read(expr, &r->now);
	if (o->kind == OP_TARGET)
		read_target(r);
	if (o->kind == OP_CT_SET && o->v[0] == NFT_CT_MARK) {
		note_used(r);
		r->erases_connection = r->erases_connection || !(kept_by(r) & r->direct);
	}
	if (o->kind == OP_META_SET && o->v[0] == NFT_META_MARK) {
		note_used(r);
		r->erases_packet = r->erases_packet || (kept_by(r) & r->mask) != r->mask;
	}
	return MNL_CB_OK;
}

static const char *family_name(uint32_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	default:
		return NULL; /* bridges and devices meet no connection of ours */
	}
}

struct place {
	uint32_t family;
	const char *table, *chain;
	bool is_behind_us; /* at prerouting, where what we have marked comes by */
	int priority;
};

static int take_chain(const struct nlmsghdr *answer, void *data)
{
	struct place *p = data;
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (!chain)
		return MNL_CB_ERROR;
	if (nftnl_chain_nlmsg_parse(answer, chain) == 0 &&
		nftnl_chain_is_set(chain, NFTNL_CHAIN_PRIO) &&
		nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_PRE_ROUTING) {
		p->priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
		p->is_behind_us = p->priority >= PRIORITY_OURS;
	}
	nftnl_chain_free(chain);
	return MNL_CB_OK;
}

/* A chain that is jumped to has no place of its own: the flow probe finds those. */
static void find_place(struct place *p)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	char bytes[REQUEST_MAX + 2 * PLAN_NAME_MAX] = { 0 };
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(
		bytes, NFT_MSG_GETCHAIN, (uint16_t)p->family, NLM_F_ACK, 1);

	if (!chain)
		return;
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, p->table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, p->chain);
	nftnl_chain_nlmsg_build_payload(request, chain);
	nftnl_chain_free(chain);
	if (netlink_open(NETLINK_NETFILTER, &socket, NULL) == 0)
		(void)netlink_ask(socket, request, take_chain, p);
}

static void tell_connection(const struct search *s, const struct place *p)
{
	const uint32_t direct = s->rules->marks.direct;
	char text[SENTENCE_MAX];

	(void)snprintf(text, sizeof(text),
		"table %s %s, chain %s overwrites connections' whole marks: what `mailferry "
		"admit` lets past us would be forgotten, and cut off once an account lives "
		"here; let it keep bit 0x%x (nft: ct mark set ct mark and 0x%x or …; "
		"iptables: --ctmask)",
		family_name(p->family), p->table, p->chain, direct, direct);
	tell(s, COLLISION_CONNECTION_MARK, text);
}

static void tell_packet(const struct search *s, struct place *p)
{
	char text[SENTENCE_MAX];

	if (!s->found)
		return;
	find_place(p);
	if (!p->is_behind_us)
		return;
	(void)snprintf(text, sizeof(text),
		"table %s %s, chain %s (prerouting, priority %d) overwrites packets' marks "
		"behind our rules: what is diverted would go to the source; give the chain "
		"a priority below %d (mangle), or let it keep our bits (meta mark set meta "
		"mark and 0x%x or …)",
		family_name(p->family), p->table, p->chain, p->priority, PRIORITY_OURS,
		s->rules->marks.mask);
	tell(s, COLLISION_PACKET_MARK, text);
}

static void judge_rule(struct search *s, struct nftnl_rule *rule)
{
	struct place p = { .family = nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY),
		.table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE),
		.chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN) };
	struct reading r = { .direct = s->rules->marks.direct,
		.mask = s->rules->marks.mask };

	if (!family_name(p.family) || !p.table || !p.chain ||
		(p.family == NFPROTO_INET && strcmp(p.table, RULES_TABLE) == 0))
		return;
	(void)nftnl_expr_foreach(rule, take_expression, &r);
	s->used |= r.used;
	if (r.erases_connection)
		tell_connection(s, &p);
	if (r.erases_packet)
		tell_packet(s, &p);
}

static int take_rule(const struct nlmsghdr *answer, void *data)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule)
		return MNL_CB_ERROR;
	if (nftnl_rule_nlmsg_parse(answer, rule) == 0)
		judge_rule(data, rule);
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

static int look_at_rules(struct search *s, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	char bytes[REQUEST_MAX] = { 0 };
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	if (code < 0)
		return code;
	return netlink_ask(socket,
		nftnl_nlmsg_build_hdr(
			bytes, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP, 1),
		take_rule, s);
}

static int look(struct search *s, struct error *err)
{
	int code = look_at_ip_rules(s, AF_INET, err);

	if (code == 0)
		code = look_at_ip_rules(s, AF_INET6, err);
	return code == 0 ? look_at_rules(s, err) : code;
}

int collisions_find(
	const struct ruleset *r, collision_fn *found, void *context, struct error *err)
{
	struct search s = { .rules = r };
	int code = look(&s, err);

	s.found = found;
	s.context = context;
	if (code == 0)
		code = look(&s, err);
	if (code == 0)
		code = look_at_routes(&s, err);
	return code < 0 ? error_errno(err, code, "looking for others' marks") : 0;
}
