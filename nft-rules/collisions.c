/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/collisions.h"

#include "base/fd.h"
#include "nft-rules/expression.h"
#include "nft-rules/marks.h"
#include "nft-rules/netlink.h"
#include "nft-rules/policy.h"

#include <errno.h>
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
#define SENTENCE_MAX 320

struct search {
	collision_fn *found;
	void *context;
};

/* ---- ip rules ---- */

struct asked {
	uint32_t priority, mark, mask;
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
	return MNL_CB_OK;
}

/* A rule that wants our bits to be 0 (0x2/0xffffffff) leaves our packets alone. */
static bool takes_ours(const struct asked *a)
{
	return a->has_mark && a->protocol != POLICY_PROTOCOL &&
	       (a->mask & a->mark & MARK_MASK) != 0;
}

static int take_ip_rule(const struct nlmsghdr *answer, void *data)
{
	const struct search *s = data;
	struct asked a = { .mask = UINT32_MAX };
	char text[SENTENCE_MAX];

	if (mnl_attr_parse(answer, sizeof(struct fib_rule_hdr), read_attribute, &a) < 0 ||
		!takes_ours(&a))
		return MNL_CB_OK;
	(void)snprintf(text, sizeof(text),
		"the ip rule of somebody else with preference %u (fwmark 0x%x/0x%x) asks for "
		"bits of ours (0x%x): packets of our sockets would go its way; give it other "
		"bits",
		a.priority, a.mark, a.mask, MARK_MASK);
	s->found(s->context, COLLISION_IP_RULE, text);
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

/* ---- rules that write the connection's mark ---- */

struct reading {
	struct op before, now;
	bool erases;
};

static uint32_t word(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Of iptables: CONNMARK of revision 1 and 2 begin alike. */
static bool target_erases(const struct op *o)
{
	struct xt_connmark_tginfo1 info;

	if (strcmp(o->name, "CONNMARK") != 0 || o->data_len < sizeof(info))
		return false;
	memcpy(&info, o->data, sizeof(info));
	if (o->v[0] == 2) /* mode lies behind shift_dir and shift_bits */
		info.mode = o->data[offsetof(struct xt_connmark_tginfo1, mode) + 2];
	return info.mode != XT_CONNMARK_RESTORE && (info.ctmask & CT_MARK_DIRECT);
}

/* `ct mark set ct mark & MASK | …` keeps what MASK has; all else is a whole new mark. */
static bool set_erases(const struct op *o, const struct op *before)
{
	if (o->kind != OP_CT_SET || o->v[0] != NFT_CT_MARK)
		return false;
	return before->kind != OP_BITWISE || before->data_len != 4 ||
	       !(word(before->data) & CT_MARK_DIRECT);
}

static int take_expression(struct nftnl_expr *expr, void *data)
{
	struct reading *r = data;

	r->before = r->now;
	expression_read(expr, &r->now);
	r->erases = r->erases || set_erases(&r->now, &r->before) ||
	            (r->now.kind == OP_TARGET && target_erases(&r->now));
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

static void judge_rule(const struct search *s, struct nftnl_rule *rule)
{
	const char *table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
	const char *chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
	const char *family = family_name(nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY));
	struct reading r = { 0 };
	char text[SENTENCE_MAX];

	if (!family || !table || !chain ||
		(strcmp(family, "inet") == 0 && strcmp(table, RULES_TABLE) == 0))
		return;
	(void)nftnl_expr_foreach(rule, take_expression, &r);
	if (!r.erases)
		return;
	(void)snprintf(text, sizeof(text),
		"table %s %s, chain %s overwrites connections' whole marks: what `mailferry "
		"admit` lets past us would be forgotten, and cut off once an account lives "
		"here; let it keep bit 0x%x (nft: ct mark set ct mark and 0x%x or …; "
		"iptables: --ctmask)",
		family, table, chain, CT_MARK_DIRECT, CT_MARK_DIRECT);
	s->found(s->context, COLLISION_CONNECTION_MARK, text);
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

int collisions_find(collision_fn *found, void *context, struct error *err)
{
	struct search s = { found, context };
	int code = look_at_ip_rules(&s, AF_INET, err);

	if (code == 0)
		code = look_at_ip_rules(&s, AF_INET6, err);
	if (code == 0)
		code = look_at_rules(&s, err);
	return code < 0 ? error_errno(err, code, "looking for others' marks") : 0;
}
