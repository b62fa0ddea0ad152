/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * New connections that the kernel lets in by itself (room.h): of each network half of the
 * rate that it may have. Behind the prefixes, which decide first, and before the queue.
 *
 *   meta l4proto @room  update @rates4 { its /24, limit rate … }  counter  divert
 *
 * A limit that is used up, or a set that is full, ends the rule: the next one is the
 * queue. Our own probe is always judged there, where nobody counts it.
 */
#include "nft-rules/flow_probe.h"
#include "nft-rules/room.h"
#include "nft-rules/rule_build.h"
#include "nft-rules/wanted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <string.h>

static const struct family {
	int family;
	uint32_t key_type, len;
	const char *set, *probe;
	unsigned char mask[16]; /* a network, as admission/rates.h has it: /24, /56 */
} families[] = {
	{ AF_INET, PLAN_KEY_IPV4, 4, "rates4", FLOW_PROBE_CLIENT4, { 255, 255, 255 } },
	{ AF_INET6, PLAN_KEY_IPV6, 16, "rates6", FLOW_PROBE_CLIENT6,
		{ 255, 255, 255, 255, 255, 255, 255 } },
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static bool has_family(const struct ruleset *r, const struct family *f)
{
	return wanted_has_family(r->sources, r->n_sources, f->family);
}

bool wanted_room(const struct ruleset *r)
{
	return r->has_room && r->queue != RULES_QUEUE_NONE;
}

static int add_set(
	struct plan *p, const char *name, uint32_t key_type, uint32_t len, uint32_t size)
{
	int code = wanted_set(p, name, key_type, len, NFT_SET_EVAL | NFT_SET_TIMEOUT);

	if (!code)
		p->sets[p->n_sets - 1].size = size;
	return code;
}

int wanted_room_sets(struct plan *p, const struct ruleset *r)
{
	struct plan_counter *counter = plan_add_counter(p);
	int code = counter ? 0 : -ENOMEM;

	if (code)
		return code;
	counter->type = NFT_OBJECT_COUNTER;
	plan_name(counter->name, sizeof(counter->name), ROOM_COUNTER);
	code = add_set(p, ROOM_SET, PLAN_KEY_PROTOCOL, 1, ROOM_PLACES);
	for (size_t i = 0; i < N_FAMILIES && !code; i++)
		if (r->new_connections && has_family(r, &families[i]))
			code = add_set(p, families[i].set, families[i].key_type,
				families[i].len, ROOM_NETWORKS);
	return code;
}

static void begins_few(
	struct plan_rule *rule, const struct ruleset *r, const struct family *f)
{
	if (!r->new_connections)
		return;
	rule_address_load(rule, f->family == AF_INET6, true);
	rule_masked(rule, f->mask, f->len);
	rule_update(rule, f->set, ROOM_NETWORK_MS, r->new_connections);
}

static int add_rule(struct plan *p, const struct ruleset *r, const char *chain,
	const struct family *f)
{
	struct plan_rule *rule = rule_add(p, chain);
	unsigned char probe[16];
	struct op *o;

	if (!rule || inet_pton(f->family, f->probe, probe) != 1)
		return -ENOMEM;
	rule_family(rule, f->family == AF_INET6);
	rule_meta(rule, NFT_META_L4PROTO, R1);
	rule_lookup(rule, OP_LOOKUP, ROOM_SET);
	rule_address_load(rule, f->family == AF_INET6, true);
	rule_equals(rule, probe, f->len);
	rule->ops[rule->n_ops - 1].v[1] = NFT_CMP_NEQ;
	begins_few(rule, r, f);
	rule_set_mark(rule, &r->marks, MARK_VERDICT_DIVERT);
	o = rule_op(rule, OP_COUNTER);
	o->v[0] = NFT_OBJECT_COUNTER;
	plan_name(o->name, sizeof(o->name), ROOM_COUNTER);
	rule_verdict(rule, NF_ACCEPT, NULL);
	return 0;
}

int wanted_room_rules(struct plan *p, const struct ruleset *r, const char *chain)
{
	int code = 0;

	for (size_t i = 0; i < N_FAMILIES && !code; i++)
		if (has_family(r, &families[i]))
			code = add_rule(p, r, chain, &families[i]);
	return code;
}

/* The mark first: a set that has no place ends the rule, and the verdict holds. */
int wanted_room_renewal(struct plan *p, const struct ruleset *r, const char *chain)
{
	struct plan_rule *rule = rule_add(p, chain);

	if (!rule)
		return -ENOMEM;
	rule_mark_is(rule, &r->marks, MARK_VERDICT_DIVERT_ALL);
	rule_set_mark(rule, &r->marks, MARK_VERDICT_DIVERT);
	rule_meta(rule, NFT_META_L4PROTO, R1);
	rule_update(rule, ROOM_SET, ROOM_MS, 0);
	return 0;
}
