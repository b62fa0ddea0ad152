/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/rule_build.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <string.h>

struct op *rule_op(struct plan_rule *rule, enum op_kind kind)
{
	struct op *o = &rule->ops[rule->n_ops++];

	o->kind = kind;
	return o;
}

void rule_meta(struct plan_rule *rule, uint32_t key, uint32_t reg)
{
	struct op *o = rule_op(rule, OP_META_LOAD);

	o->v[0] = key;
	o->v[1] = reg;
}

void rule_socket(struct plan_rule *rule, uint32_t key, uint32_t reg)
{
	struct op *o = rule_op(rule, OP_SOCKET);

	o->v[0] = key;
	o->v[1] = reg;
}

void rule_payload(struct plan_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
	uint32_t reg)
{
	struct op *o = rule_op(rule, OP_PAYLOAD);

	o->v[0] = reg;
	o->v[1] = base;
	o->v[2] = offset;
	o->v[3] = len;
}

static void compare(
	struct plan_rule *rule, uint32_t comparison, const void *data, uint32_t len)
{
	struct op *o = rule_op(rule, OP_COMPARE);

	o->v[0] = R1;
	o->v[1] = comparison;
	memcpy(o->data, data, len);
	o->data_len = len;
}

void rule_equals(struct plan_rule *rule, const void *data, uint32_t len)
{
	compare(rule, NFT_CMP_EQ, data, len);
}

void rule_differs(struct plan_rule *rule, const void *data, uint32_t len)
{
	compare(rule, NFT_CMP_NEQ, data, len);
}

void rule_equals_u8(struct plan_rule *rule, uint8_t value)
{
	rule_equals(rule, &value, sizeof(value));
}

void rule_immediate(struct plan_rule *rule, const void *data, uint32_t len)
{
	struct op *o = rule_op(rule, OP_IMMEDIATE);

	o->v[0] = R1;
	memcpy(o->data, data, len);
	o->data_len = len;
}

void rule_lookup(struct plan_rule *rule, enum op_kind kind, const char *set)
{
	struct op *o = rule_op(rule, kind);

	o->v[0] = R1;
	plan_name(o->name, sizeof(o->name), set);
}

void rule_verdict(struct plan_rule *rule, int32_t code, const char *chain)
{
	struct op *o = rule_op(rule, chain ? OP_GOTO : OP_VERDICT);

	o->v[0] = NFT_REG_VERDICT;
	o->v[1] = (uint32_t)code;
	plan_name(o->name, sizeof(o->name), chain);
}

void rule_is_tcp(struct plan_rule *rule)
{
	rule_meta(rule, NFT_META_L4PROTO, R1);
	rule_equals_u8(rule, IPPROTO_TCP);
}

void rule_tcp_port(struct plan_rule *rule, uint32_t offset, uint32_t reg)
{
	rule_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2, reg);
}

void rule_masked(struct plan_rule *rule, const void *mask, uint32_t len)
{
	struct op *o = rule_op(rule, OP_BITWISE);

	o->v[0] = o->v[1] = R1;
	o->v[2] = o->data_len = o->more_len = len;
	memcpy(o->data, mask, len);
}

static void bitwise(struct plan_rule *rule, uint32_t mask, uint32_t xor)
{
	rule_masked(rule, &mask, sizeof(mask));
	memcpy(rule->ops[rule->n_ops - 1].more, &xor, sizeof(xor));
}

void rule_update(
	struct plan_rule *rule, const char *set, uint32_t timeout_ms, uint32_t per_second)
{
	struct op *o = rule_op(rule, OP_UPDATE);

	o->v[0] = R1;
	o->v[1] = NFT_DYNSET_OP_UPDATE;
	o->v[2] = timeout_ms;
	o->v[3] = per_second;
	plan_name(o->name, sizeof(o->name), set);
}

/* Marks belong to others, too: only the bits of the mask change. */
static void set_bits(struct plan_rule *rule, enum op_kind load, uint32_t key,
	uint32_t mask, uint32_t bits)
{
	struct op *o = rule_op(rule, load);

	o->v[0] = key;
	o->v[1] = R1;
	bitwise(rule, ~mask, bits);
	o = rule_op(rule, load == OP_CT_LOAD ? OP_CT_SET : OP_META_SET);
	o->v[0] = key;
	o->v[1] = R1;
}

void rule_set_mark(struct plan_rule *rule, const struct marks *m, enum mark mark)
{
	set_bits(rule, OP_META_LOAD, NFT_META_MARK, m->mask, mark_bits(m, mark));
}

static void compare_mark(struct plan_rule *rule, uint32_t comparison,
	const struct marks *m, enum mark mark)
{
	const uint32_t bits = mark_bits(m, mark);

	rule_meta(rule, NFT_META_MARK, R1);
	bitwise(rule, m->mask, 0);
	compare(rule, comparison, &bits, sizeof(bits));
}

void rule_mark_is(struct plan_rule *rule, const struct marks *m, enum mark mark)
{
	compare_mark(rule, NFT_CMP_EQ, m, mark);
}

void rule_mark_differs(struct plan_rule *rule, const struct marks *m, enum mark mark)
{
	compare_mark(rule, NFT_CMP_NEQ, m, mark);
}

void rule_set_direct(struct plan_rule *rule, const struct marks *m)
{
	set_bits(rule, OP_CT_LOAD, NFT_CT_MARK, m->direct, m->direct);
}

void rule_is_direct(struct plan_rule *rule, const struct marks *m)
{
	struct op *o = rule_op(rule, OP_CT_LOAD);

	o->v[0] = NFT_CT_MARK;
	o->v[1] = R1;
	bitwise(rule, m->direct, 0);
	rule_equals(rule, &m->direct, sizeof(m->direct));
}

void rule_family(struct plan_rule *rule, bool v6)
{
	rule_meta(rule, NFT_META_NFPROTO, R1);
	rule_equals_u8(rule, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
}

void rule_address_load(struct plan_rule *rule, bool v6, bool source)
{
	if (v6)
		rule_payload(rule, NFT_PAYLOAD_NETWORK_HEADER,
			source ? IPV6_SADDR : IPV6_DADDR, 16, R1);
	else
		rule_payload(rule, NFT_PAYLOAD_NETWORK_HEADER,
			source ? IPV4_SADDR : IPV4_DADDR, 4, R1);
}

void rule_address(struct plan_rule *rule, bool v6, bool source, const char *set)
{
	rule_family(rule, v6);
	rule_address_load(rule, v6, source);
	rule_lookup(rule, OP_LOOKUP, set);
}

void rule_divert(struct plan_rule *rule, const struct marks *m)
{
	rule_set_mark(rule, m, MARK_DIVERT);
	rule_verdict(rule, NF_ACCEPT, NULL);
}

struct plan_rule *rule_add(struct plan *p, const char *chain)
{
	struct plan_rule *rule = plan_add_rule(p);

	if (rule)
		plan_name(rule->chain, sizeof(rule->chain), chain);
	return rule;
}
