/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who judges a new flow to the source: a table of prefixes in the kernel, then a program
 * behind a queue. The verdict is a mark, which the next chain obeys (wanted.c).
 *
 *   admission ── a SYN, to the source's address and port ──► admit
 *     admit     others' marks in our bits are wiped; a repeated SYN of a flow that was
 *               admitted to the source is not judged again
 *               a service that has prefixes of its own ──► admit-SERVICE
 *               by the client's address: drop, refuse, direct
 *               what is left: divert; or, while there is room, what wanted_room.c
 *               lets in; or to the queue, which has `bypass`: with nobody
 *               behind it, or when it is full, the SYN goes on without a verdict
 *
 * A packet that comes back from the queue goes on with the next base chain.
 */
#include "nft-rules/ranges.h"
#include "nft-rules/rule_build.h"
#include "nft-rules/wanted.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_ADMISSION (-99) /* just behind dstnat */
#define XT_QUEUE_REVISION 3
#define XT_ALIGNMENT 8 /* of a target's info */

static const enum rules_verdict by_prefix[] = { RULES_DROP, RULES_REFUSE, RULES_DIRECT };
#define N_BY_PREFIX (sizeof(by_prefix) / sizeof(by_prefix[0]))
static const int families[] = { AF_INET, AF_INET6 };

/* A table of prefixes: of one service that has its own, or of all others (NULL). */
struct table {
	const struct rules_service *service;
	char chain[RULES_NAME_MAX + 8];
};

static void set_name(char ret[static PLAN_NAME_MAX], const struct table *t, int family,
	enum rules_verdict verdict)
{
	(void)snprintf(ret, PLAN_NAME_MAX, "%s-%s%s", t->chain,
		rules_verdict_name(verdict), family == AF_INET ? "4" : "6");
}

static uint16_t port_of(const struct table *t)
{
	return t->service ? t->service->port : 0;
}

static bool has_own_prefixes(const struct ruleset *r, const struct rules_service *service)
{
	for (size_t i = 0; i < r->n_admissions; i++)
		if (r->admissions[i].port == service->port)
			return true;
	return false;
}

/* Calls back for the common table, then for each service's own. */
static int each_table(struct plan *p, const struct ruleset *r,
	int (*each)(struct plan *p, const struct ruleset *r, const struct table *t))
{
	struct table t = { NULL, "admit" };
	int code = each(p, r, &t);

	for (size_t i = 0; i < r->n_services && !code; i++) {
		if (!has_own_prefixes(r, &r->services[i]))
			continue;
		t.service = &r->services[i];
		(void)snprintf(t.chain, sizeof(t.chain), "admit-%s", t.service->name);
		code = each(p, r, &t);
	}
	return code;
}

/* ---- sets ---- */

static int add_ranges(
	struct plan *p, const char *set, int family, const struct range *ranges, size_t n)
{
	bool v4 = family == AF_INET;
	uint32_t type = v4 ? PLAN_KEY_IPV4 : PLAN_KEY_IPV6, len = v4 ? 4 : 16;
	int code = n ? wanted_set(p, set, type, len, NFT_SET_INTERVAL) : 0;

	for (size_t i = 0; i < n && !code; i++) {
		struct plan_element *e = plan_add_element(p);

		if (!e)
			return -ENOMEM;
		plan_name(e->set, sizeof(e->set), set);
		e->key_type = type;
		e->key_len = len;
		e->is_interval = true;
		memcpy(e->key, ranges[i].first, len);
		memcpy(e->last, ranges[i].last, len);
	}
	return code;
}

static int add_table_sets(struct plan *p, const struct ruleset *r, const struct table *t)
{
	struct range *ranges = calloc(RANGES_MAX, sizeof(*ranges));
	char name[PLAN_NAME_MAX];
	int code = ranges ? 0 : -ENOMEM;

	for (size_t i = 0; i < 2 * N_BY_PREFIX && !code; i++) {
		int family = families[i % 2];
		enum rules_verdict verdict = by_prefix[i / 2];

		set_name(name, t, family, verdict);
		code = add_ranges(p, name, family, ranges,
			ranges_of(r, family, port_of(t), verdict, ranges));
	}
	free(ranges);
	return code;
}

int wanted_admission_sets(struct plan *p, const struct ruleset *r)
{
	int code = r->n_admissions ? each_table(p, r, add_table_sets) : 0;

	return code || !wanted_room(r) ? code : wanted_room_sets(p, r);
}

/* ---- chains ---- */

static int add_table_chain(struct plan *p, const struct ruleset *r, const struct table *t)
{
	(void)r;
	return wanted_chain(p, t->chain);
}

int wanted_admission_chains(struct plan *p, const struct ruleset *r)
{
	int code = each_table(p, r, add_table_chain);

	return code ? code
	            : wanted_base_chain(
			      p, "admission", NF_INET_PRE_ROUTING, PRIORITY_ADMISSION);
}

/* ---- rules ---- */

static void give_verdict(
	struct plan_rule *rule, const struct marks *m, enum rules_verdict verdict)
{
	if (verdict == RULES_DROP) {
		rule_is_tcp(rule);
		rule_tcp_port(rule, TCP_DPORT, R1);
		rule_lookup(rule, OP_COUNTER_MAP, "dropped-in");
		rule_verdict(rule, NF_DROP, NULL);
		return;
	}
	rule_set_mark(rule, m,
		verdict == RULES_DIRECT ? MARK_VERDICT_DIRECT : MARK_VERDICT_REFUSE);
	rule_verdict(rule, NF_ACCEPT, NULL);
}

static bool has_set(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_sets; i++)
		if (!strcmp(p->sets[i].name, name))
			return true;
	return false;
}

static int add_queue(struct plan *p, const struct ruleset *r, const struct table *t)
{
	struct plan_rule *rule = rule_add(p, t->chain);
	struct xt_NFQ_info_v3 info = { .queuenum = RULES_QUEUE_FIRST,
		.queues_total = r->n_queues,
		.flags = NFQ_FLAG_BYPASS };
	struct op *o;

	if (!rule)
		return -ENOMEM;
	rule_is_tcp(rule); /* an xt target does not end a rule that is empty */
	o = rule_op(rule, r->queue == RULES_QUEUE_NFT ? OP_QUEUE : OP_TARGET);
	if (r->n_queues > 1)
		info.flags |= NFQ_FLAG_CPU_FANOUT;
	if (o->kind == OP_QUEUE) {
		o->v[0] = info.queuenum;
		o->v[1] = info.queues_total;
		o->v[2] = NFT_QUEUE_FLAG_BYPASS |
		          (r->n_queues > 1 ? NFT_QUEUE_FLAG_CPU_FANOUT : 0);
		return 0;
	}
	plan_name(o->name, sizeof(o->name), PLAN_QUEUE_TARGET);
	o->v[0] = XT_QUEUE_REVISION;
	memcpy(o->data, &info, sizeof(info));
	o->data_len = XT_ALIGNMENT;
	return 0;
}

static int add_table_rules(struct plan *p, const struct ruleset *r, const struct table *t)
{
	char set[PLAN_NAME_MAX];
	struct plan_rule *rule;

	for (size_t i = 0; i < 2 * N_BY_PREFIX; i++) {
		set_name(set, t, families[i % 2], by_prefix[i / 2]);
		if (!has_set(p, set))
			continue;
		rule = rule_add(p, t->chain);
		if (!rule)
			return -ENOMEM;
		rule_address(rule, families[i % 2] == AF_INET6, true, set);
		give_verdict(rule, &r->marks, by_prefix[i / 2]);
	}
	if (r->queue == RULES_QUEUE_NONE)
		return 0;
	if (wanted_room(r) && wanted_room_rules(p, r, t->chain) < 0)
		return -ENOMEM;
	return add_queue(p, r, t);
}

static int add_own_tables(struct plan *p, const struct ruleset *r)
{
	char chain[PLAN_NAME_MAX];

	for (size_t i = 0; i < r->n_services; i++) {
		const struct rules_service *service = &r->services[i];
		uint16_t port = htons(service->port);
		struct plan_rule *rule;

		if (!has_own_prefixes(r, service))
			continue;
		rule = rule_add(p, "admit");
		if (!rule)
			return -ENOMEM;
		rule_is_tcp(rule);
		rule_tcp_port(rule, TCP_DPORT, R1);
		rule_equals(rule, &port, sizeof(port));
		(void)snprintf(chain, sizeof(chain), "admit-%s", service->name);
		rule_verdict(rule, NFT_GOTO, chain);
	}
	return 0;
}

static int add_before(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "admission");

	/* first of all: nearly every packet is none, and needs no set then */
	if (!rule)
		return -ENOMEM;
	wanted_no_syn(rule);
	rule_verdict(rule, NFT_RETURN, NULL);
	rule = rule_add(p, "admit");
	if (!rule)
		return -ENOMEM;
	rule_set_mark(rule, &r->marks, MARK_NONE);
	rule = rule_add(p, "admit");
	if (!rule)
		return -ENOMEM;
	rule_is_direct(rule, &r->marks);
	rule_verdict(rule, NFT_RETURN, NULL);
	return 0;
}

static int add_entrance(struct plan *p, const struct ruleset *r, int family)
{
	bool v6 = family == AF_INET6;
	struct plan_rule *rule;

	if (!wanted_has_family(r->sources, r->n_sources, family))
		return 0;
	rule = rule_add(p, "admission");
	if (!rule)
		return -ENOMEM;
	rule_address(rule, v6, false, v6 ? "source6" : "source4");
	rule_is_tcp(rule);
	rule_tcp_port(rule, TCP_DPORT, R1);
	rule_lookup(rule, OP_LOOKUP, "services");
	rule_verdict(rule, NFT_GOTO, "admit");
	return 0;
}

int wanted_admission_rules(struct plan *p, const struct ruleset *r)
{
	int code = add_before(p, r);

	if (!code)
		code = add_own_tables(p, r);
	if (!code)
		code = each_table(p, r, add_table_rules);
	for (size_t i = 0; i < 2 && !code; i++)
		code = add_entrance(p, r, families[i]);
	return code;
}
