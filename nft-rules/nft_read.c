/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/nft_read.h"
#include "base/fd.h"
#include "nft-rules/expression.h"
#include "nft-rules/netlink.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define ATTEMPTS_MAX                                                                     \
	10               /* somebody else changes the ruleset all the time? then say so  \
	                  */
#define REQUEST_MAX 1024 /* a header and a table's or set's name */

struct reading {
	struct mnl_socket *socket;
	struct plan *plan;
	const struct plan_set *set; /* whose elements come in */
	uint32_t sequence;
};

static int no_memory(void)
{
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

static bool is_ours(const char *table)
{
	return table && !strcmp(table, RULES_TABLE);
}

/* ---- one callback for each kind of answer ---- */

static int read_table(const struct nlmsghdr *answer, void *data)
{
	struct reading *r = data;
	struct nftnl_table *table = nftnl_table_alloc();

	if (!table)
		return no_memory();
	if (nftnl_table_nlmsg_parse(answer, table) == 0 &&
		is_ours(nftnl_table_get_str(table, NFTNL_TABLE_NAME))) {
		r->plan->has_table = true;
		r->plan->table_flags = nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS);
	}
	nftnl_table_free(table);
	return MNL_CB_OK;
}

static int read_counter(const struct nlmsghdr *answer, void *data)
{
	struct reading *r = data;
	struct nftnl_obj *object = nftnl_obj_alloc();
	struct plan_counter *c = NULL;

	if (!object)
		return no_memory();
	if (nftnl_obj_nlmsg_parse(answer, object) < 0 ||
		!is_ours(nftnl_obj_get_str(object, NFTNL_OBJ_TABLE))) {
		nftnl_obj_free(object);
		return MNL_CB_OK;
	}
	c = plan_add_counter(r->plan);
	if (c) {
		plan_name(c->name, sizeof(c->name),
			nftnl_obj_get_str(object, NFTNL_OBJ_NAME));
		c->type = nftnl_obj_get_u32(object, NFTNL_OBJ_TYPE);
	}
	if (c && c->type == NFT_OBJECT_COUNTER) {
		c->packets = nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_PKTS);
		c->bytes = nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_BYTES);
	}
	nftnl_obj_free(object);
	return c ? MNL_CB_OK : no_memory();
}

static int read_set(const struct nlmsghdr *answer, void *data)
{
	struct reading *r = data;
	struct nftnl_set *set = nftnl_set_alloc();
	struct plan_set *s = NULL;

	if (!set)
		return no_memory();
	if (nftnl_set_nlmsg_parse(answer, set) < 0 ||
		!is_ours(nftnl_set_get_str(set, NFTNL_SET_TABLE))) {
		nftnl_set_free(set);
		return MNL_CB_OK;
	}
	s = plan_add_set(r->plan);
	if (s) {
		plan_name(
			s->name, sizeof(s->name), nftnl_set_get_str(set, NFTNL_SET_NAME));
		s->flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS);
		s->key_type = nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE);
		s->key_len = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN);
		if (nftnl_set_is_set(set, NFTNL_SET_DESC_SIZE))
			s->size = nftnl_set_get_u32(set, NFTNL_SET_DESC_SIZE);
		if (nftnl_set_is_set(set, NFTNL_SET_TIMEOUT))
			s->timeout_ms = nftnl_set_get_u64(set, NFTNL_SET_TIMEOUT);
		if (nftnl_set_is_set(set, NFTNL_SET_OBJ_TYPE))
			s->object_type = nftnl_set_get_u32(set, NFTNL_SET_OBJ_TYPE);
	}
	nftnl_set_free(set);
	return s ? MNL_CB_OK : no_memory();
}

static int read_element(struct nftnl_set_elem *element, void *data)
{
	struct reading *r = data;
	struct plan_element *e = plan_add_element(r->plan);
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &len);

	if (!e)
		return no_memory();
	plan_name(e->set, sizeof(e->set), r->set->name);
	e->key_type = r->set->key_type;
	if (key && len <= sizeof(e->key)) {
		memcpy(e->key, key, len);
		e->key_len = len;
	}
	e->is_end = nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_FLAGS) &&
	            nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS) &
	                    NFT_SET_ELEM_INTERVAL_END;
	if (nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_OBJREF))
		plan_name(e->object, sizeof(e->object),
			nftnl_set_elem_get_str(element, NFTNL_SET_ELEM_OBJREF));
	return MNL_CB_OK;
}

static int read_elements(const struct nlmsghdr *answer, void *data)
{
	struct nftnl_set *set = nftnl_set_alloc();
	int code;

	if (!set)
		return no_memory();
	code = nftnl_set_elems_nlmsg_parse(answer, set) < 0
	               ? MNL_CB_ERROR
	               : nftnl_set_elem_foreach(set, read_element, data);
	nftnl_set_free(set);
	return code < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int read_chain(const struct nlmsghdr *answer, void *data)
{
	struct reading *r = data;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct plan_chain *c = NULL;

	if (!chain)
		return no_memory();
	if (nftnl_chain_nlmsg_parse(answer, chain) < 0 ||
		!is_ours(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE))) {
		nftnl_chain_free(chain);
		return MNL_CB_OK;
	}
	c = plan_add_chain(r->plan);
	if (c) {
		plan_name(c->name, sizeof(c->name),
			nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
		c->base = nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM);
	}
	if (c && c->base) {
		plan_name(c->type, sizeof(c->type),
			nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE));
		c->hook = nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM);
		c->priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
		c->policy = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY);
	}
	nftnl_chain_free(chain);
	return c ? MNL_CB_OK : no_memory();
}

static int read_expression(struct nftnl_expr *expr, void *data)
{
	struct plan_rule *rule = data;

	if (rule->n_ops == PLAN_OPS_MAX) {
		struct op *last = &rule->ops[PLAN_OPS_MAX - 1];

		*last = (struct op){ .kind = OP_OTHER };
		plan_name(last->name, sizeof(last->name), "and more");
		return MNL_CB_OK;
	}
	expression_read(expr, &rule->ops[rule->n_ops++]);
	return MNL_CB_OK;
}

static int read_rule(const struct nlmsghdr *answer, void *data)
{
	struct reading *r = data;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct plan_rule *to = NULL;

	if (!rule)
		return no_memory();
	if (nftnl_rule_nlmsg_parse(answer, rule) < 0 ||
		!is_ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE))) {
		nftnl_rule_free(rule);
		return MNL_CB_OK;
	}
	to = plan_add_rule(r->plan);
	if (to) {
		plan_name(to->chain, sizeof(to->chain),
			nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
		(void)nftnl_expr_foreach(rule, read_expression, to);
	}
	nftnl_rule_free(rule);
	return to ? MNL_CB_OK : no_memory();
}

/* ---- questions ---- */

static int ask(struct reading *r, uint16_t type, uint16_t table_attribute,
	uint16_t set_attribute, mnl_cb_t callback)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(
		bytes, type, NFPROTO_INET, NLM_F_DUMP, ++r->sequence);

	if (table_attribute)
		mnl_attr_put_strz(request, table_attribute, RULES_TABLE);
	if (set_attribute)
		mnl_attr_put_strz(request, set_attribute, r->set->name);
	return netlink_ask(r->socket, request, callback, r);
}

static int read_generation(const struct nlmsghdr *answer, void *data)
{
	struct nftnl_gen *gen = nftnl_gen_alloc();
	uint32_t *id = data;

	if (!gen)
		return no_memory();
	if (nftnl_gen_nlmsg_parse(answer, gen) == 0)
		*id = nftnl_gen_get_u32(gen, NFTNL_GEN_ID);
	nftnl_gen_free(gen);
	return MNL_CB_OK;
}

static int generation(struct reading *r, uint32_t *ret_id)
{
	char bytes[REQUEST_MAX] = { 0 };
	/* An answer and an acknowledgement, where the reading ends. */
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(
		bytes, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, ++r->sequence);

	return netlink_ask(r->socket, request, read_generation, ret_id);
}

static int read_all_elements(struct reading *r)
{
	int code = 0;

	for (size_t i = 0; i < r->plan->n_sets && !code; i++) {
		size_t first = r->plan->n_elements;

		r->set = &r->plan->sets[i];
		if (r->set->flags & NFT_SET_EVAL)
			continue; /* what packets put there is nobody's wish */
		code = ask(r, NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_TABLE,
			NFTA_SET_ELEM_LIST_SET, read_elements);
		if (!code && r->set->flags & NFT_SET_INTERVAL)
			plan_join_intervals(r->plan, first);
	}
	return code;
}

static int read_contents(struct reading *r)
{
	int code = ask(r, NFT_MSG_GETTABLE, 0, 0, read_table);

	if (code || !r->plan->has_table)
		return code;
	code = ask(r, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, 0, read_counter);
	if (!code)
		code = ask(r, NFT_MSG_GETSET, NFTA_SET_TABLE, 0, read_set);
	if (!code)
		code = read_all_elements(r);
	if (!code)
		code = ask(r, NFT_MSG_GETCHAIN, 0, 0, read_chain);
	if (!code)
		code = ask(r, NFT_MSG_GETRULE, NFTA_RULE_TABLE, 0, read_rule);
	return code;
}

static int read_once(struct reading *r, bool *ret_stable)
{
	uint32_t before = 0, after = 0;
	int code = generation(r, &before);

	plan_fini(r->plan);
	if (!code)
		code = read_contents(r);
	if (!code)
		code = generation(r, &after);
	*ret_stable = !code && before == after;
	return code;
}

static int say(int code, struct error *err)
{
	if (code == -EPERM)
		return error_set(
			err, code, "reading the rules needs root or CAP_NET_ADMIN");
	return code ? error_errno(err, code, "reading the rules") : 0;
}

int nft_read(struct plan *p, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct reading r = { .plan = p };
	bool stable = false;
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	if (code)
		return code;
	r.socket = socket;
	for (int i = 0; i < ATTEMPTS_MAX && !stable; i++) {
		code = read_once(&r, &stable);
		/* -EINTR, -ENOENT: it changed or went away while we read it. */
		if (code && code != -EINTR && code != -ENOENT)
			return say(code, err);
	}
	if (!stable)
		return error_set(err, -EAGAIN,
			"reading the rules: somebody keeps changing them; try again");
	return 0;
}

int nft_read_counters(struct plan *p, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct reading r = { .plan = p };
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	if (code)
		return code;
	r.socket = socket;
	code = ask(&r, NFT_MSG_GETTABLE, 0, 0, read_table);
	if (!code && p->has_table)
		code = ask(&r, NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, 0, read_counter);
	return say(code, err);
}
