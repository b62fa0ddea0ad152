/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/nft_write.h"
#include "base/fd.h"
#include "nft-rules/expression.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Of one statement: two in the kernel for an interval, some 60 bytes each. */
#define ELEMENTS_MAX ((size_t)NETLINK_STATEMENT_MAX / 2 / 64)

struct transaction {
	struct netlink_batch *batch;
	uint8_t family;
	const char *table;
};

/* ---- one statement each: 0 or -ENOMEM ---- */

static struct nlmsghdr *start(struct transaction *t, uint16_t type, uint16_t flags)
{
	uint32_t sequence = 0;
	char *room = netlink_batch_room(t->batch, &sequence);

	if (!room)
		return NULL;
	return nftnl_nlmsg_build_hdr(room, type, t->family, NLM_F_ACK | flags, sequence);
}

static const char *family_word(uint8_t family)
{
	return family == NFPROTO_ARP ? "arp" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

static int add_table(struct transaction *t, uint16_t type, const char *verb)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *message =
		start(t, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	if (table && message) {
		(void)nftnl_table_set_str(table, NFTNL_TABLE_NAME, t->table);
		nftnl_table_nlmsg_build_payload(message, table);
		netlink_batch_add(t->batch, message, "%s table %s %s", verb,
			family_word(t->family), t->table);
	}
	if (table)
		nftnl_table_free(table);
	return table && message ? 0 : -ENOMEM;
}

static int add_counter(struct transaction *t, const struct plan_counter *c)
{
	struct nftnl_obj *object = nftnl_obj_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_NEWOBJ, NLM_F_CREATE);

	if (object && message) {
		nftnl_obj_set_str(object, NFTNL_OBJ_TABLE, t->table);
		nftnl_obj_set_str(object, NFTNL_OBJ_NAME, c->name);
		nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE, c->type);
		nftnl_obj_set_u64(object, NFTNL_OBJ_CTR_PKTS, c->packets);
		nftnl_obj_set_u64(object, NFTNL_OBJ_CTR_BYTES, c->bytes);
		nftnl_obj_nlmsg_build_payload(message, object);
		netlink_batch_add(t->batch, message, "counter %s", c->name);
	}
	if (object)
		nftnl_obj_free(object);
	return object && message ? 0 : -ENOMEM;
}

static int delete_counter(struct transaction *t, const struct plan_counter *c)
{
	struct nftnl_obj *object = nftnl_obj_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_DELOBJ, 0);

	if (object && message) {
		nftnl_obj_set_str(object, NFTNL_OBJ_TABLE, t->table);
		nftnl_obj_set_str(object, NFTNL_OBJ_NAME, c->name);
		nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE, c->type);
		nftnl_obj_nlmsg_build_payload(message, object);
		netlink_batch_add(t->batch, message, "delete counter %s", c->name);
	}
	if (object)
		nftnl_obj_free(object);
	return object && message ? 0 : -ENOMEM;
}

static struct nftnl_set *new_set(
	const struct transaction *t, const struct plan_set *s, uint32_t id)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return NULL;
	(void)nftnl_set_set_str(set, NFTNL_SET_TABLE, t->table);
	(void)nftnl_set_set_str(set, NFTNL_SET_NAME, s->name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, t->family);
	nftnl_set_set_u32(set, NFTNL_SET_ID, id);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, s->key_type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, s->key_len);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, s->flags);
	if (s->object_type)
		nftnl_set_set_u32(set, NFTNL_SET_OBJ_TYPE, s->object_type);
	if (s->size)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, s->size);
	if (s->timeout_ms)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, s->timeout_ms);
	return set;
}

static int add_set(struct transaction *t, const struct plan_set *s, uint32_t id)
{
	struct nftnl_set *set = new_set(t, s, id);
	struct nlmsghdr *message = start(t, NFT_MSG_NEWSET, NLM_F_CREATE);

	if (set && message) {
		nftnl_set_nlmsg_build_payload(message, set);
		netlink_batch_add(t->batch, message, "set %s", s->name);
	}
	if (set)
		nftnl_set_free(set);
	return set && message ? 0 : -ENOMEM;
}

static int delete_set(struct transaction *t, const struct plan_set *s)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_DELSET, 0);

	if (set && message) {
		(void)nftnl_set_set_str(set, NFTNL_SET_TABLE, t->table);
		(void)nftnl_set_set_str(set, NFTNL_SET_NAME, s->name);
		nftnl_set_nlmsg_build_payload(message, set);
		netlink_batch_add(t->batch, message, "delete set %s", s->name);
	}
	if (set)
		nftnl_set_free(set);
	return set && message ? 0 : -ENOMEM;
}

/* The kernel has an interval as two elements: where it begins, and where it has ended. */
static bool put_interval(struct nftnl_set *set, const struct plan_element *e)
{
	struct nftnl_set_elem *end;
	unsigned char behind[PLAN_KEY_MAX];
	size_t i = e->key_len;

	memcpy(behind, e->last, e->key_len);
	while (i-- > 0)
		if (++behind[i])
			break;
	if (i == SIZE_MAX)
		return true; /* up to the last key that there is: it never ends */
	end = nftnl_set_elem_alloc();
	if (!end)
		return false;
	(void)nftnl_set_elem_set(end, NFTNL_SET_ELEM_KEY, behind, e->key_len);
	nftnl_set_elem_set_u32(end, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nftnl_set_elem_add(set, end); /* the set's now */
	return true;
}

static bool put_element(struct nftnl_set *set, const struct plan_element *e)
{
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();

	if (!element)
		return false;
	(void)nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, e->key, e->key_len);
	if (e->object[0])
		(void)nftnl_set_elem_set_str(element, NFTNL_SET_ELEM_OBJREF, e->object);
	nftnl_set_elem_add(set, element); /* the set's now */
	return !e->is_interval || put_interval(set, e);
}

static bool has_element(const struct plan *p, const struct plan_element *e)
{
	for (size_t i = 0; p && i < p->n_elements; i++) {
		const struct plan_element *is = &p->elements[i];

		if (is->key_len == e->key_len && is->is_interval == e->is_interval &&
			!memcmp(is->key, e->key, e->key_len) &&
			(!e->is_interval || !memcmp(is->last, e->last, e->key_len)) &&
			!strcmp(is->set, e->set) && !strcmp(is->object, e->object))
			return true;
	}
	return false;
}

/* Elements of p that another plan (NULL: none) has not. */
struct elements {
	const struct plan *p, *without;
	uint16_t type; /* of the message */
};

/* As many from *at on as one statement holds. */
static bool put_elements(struct nftnl_set *set, const char *name,
	const struct elements *of, size_t *at, size_t *ret_n)
{
	const struct plan *p = of->p;
	size_t n = 0;

	for (; *at < p->n_elements && n < ELEMENTS_MAX; (*at)++) {
		if (strcmp(p->elements[*at].set, name) != 0 ||
			has_element(of->without, &p->elements[*at]))
			continue;
		if (!put_element(set, &p->elements[*at]))
			return false;
		n++;
	}
	*ret_n = n;
	return true;
}

static int send_some_elements(struct transaction *t, const struct elements *of,
	const struct plan_set *s, uint32_t id, size_t *at)
{
	struct nftnl_set *set = new_set(t, s, id);
	struct nlmsghdr *message = NULL;
	size_t n = 0;
	bool fine = set && put_elements(set, s->name, of, at, &n);

	if (fine && n) {
		message = start(
			t, of->type, of->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
		fine = message != NULL;
	}
	if (message) {
		nftnl_set_elems_nlmsg_build_payload(message, set);
		netlink_batch_add(t->batch, message, "%s%zu elements of set %s",
			of->type == NFT_MSG_NEWSETELEM ? "" : "delete ", n, s->name);
	}
	if (set)
		nftnl_set_free(set);
	return fine ? 0 : -ENOMEM;
}

static int send_elements(struct transaction *t, const struct elements *of,
	const struct plan_set *s, uint32_t id)
{
	int code = 0;

	for (size_t at = 0; at < of->p->n_elements && !code;)
		code = send_some_elements(t, of, s, id, &at);
	return code;
}

static int add_chain(struct transaction *t, const struct plan_chain *c)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	if (chain && message) {
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, t->table);
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, c->name);
		if (c->base) {
			(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, c->type);
			nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, c->hook);
			nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, c->priority);
			nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, c->policy);
		}
		nftnl_chain_nlmsg_build_payload(message, chain);
		netlink_batch_add(t->batch, message, "chain %s", c->name);
	}
	if (chain)
		nftnl_chain_free(chain);
	return chain && message ? 0 : -ENOMEM;
}

static int delete_chain(struct transaction *t, const struct plan_chain *c)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_DELCHAIN, 0);

	if (chain && message) {
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, t->table);
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, c->name);
		nftnl_chain_nlmsg_build_payload(message, chain);
		netlink_batch_add(t->batch, message, "delete chain %s", c->name);
	}
	if (chain)
		nftnl_chain_free(chain);
	return chain && message ? 0 : -ENOMEM;
}

static bool put_expressions(struct nftnl_rule *rule, const struct plan_rule *r)
{
	for (size_t i = 0; i < r->n_ops; i++) {
		struct nftnl_expr *expr = expression_build(&r->ops[i]);

		if (!expr)
			return false;
		nftnl_rule_add_expr(rule, expr); /* the rule's now */
	}
	return true;
}

static int add_rule(struct transaction *t, const struct plan_rule *r)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	bool fine = rule && message && put_expressions(rule, r);

	if (fine) {
		char text[PLAN_TEXT_MAX];

		(void)nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, t->table);
		(void)nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, r->chain);
		nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, t->family);
		nftnl_rule_nlmsg_build_payload(message, rule);
		plan_rule_text(r, text);
		netlink_batch_add(t->batch, message, "rule '%s %s'", r->chain, text);
	}
	if (rule)
		nftnl_rule_free(rule);
	return fine ? 0 : -ENOMEM;
}

/* Of all chains. */
static int delete_rules(struct transaction *t)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *message = start(t, NFT_MSG_DELRULE, 0);

	if (rule && message) {
		(void)nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, t->table);
		nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, t->family);
		nftnl_rule_nlmsg_build_payload(message, rule);
		netlink_batch_add(t->batch, message, "delete all rules");
	}
	if (rule)
		nftnl_rule_free(rule);
	return rule && message ? 0 : -ENOMEM;
}

/* ---- the whole ---- */

static const struct plan_counter *find_counter(
	const struct plan *p, const struct plan_counter *c)
{
	for (size_t i = 0; p && i < p->n_counters; i++)
		if (!strcmp(p->counters[i].name, c->name) &&
			p->counters[i].type == c->type)
			return &p->counters[i];
	return NULL;
}

/* As it is, but for single elements. Intervals are made anew; so is what the kernel fills
   by itself, since limits in it are those of old rules. */
static bool has_set(const struct plan *p, const struct plan_set *s)
{
	for (size_t i = 0; p && i < p->n_sets; i++) {
		const struct plan_set *is = &p->sets[i];

		if (!strcmp(is->name, s->name))
			return is->flags == s->flags && is->key_type == s->key_type &&
			       is->key_len == s->key_len &&
			       is->object_type == s->object_type &&
			       is->timeout_ms == s->timeout_ms &&
			       !(s->flags & (NFT_SET_INTERVAL | NFT_SET_EVAL));
	}
	return false;
}

static int add_sets(struct transaction *t, const struct plan *p, const struct plan *old)
{
	int code = 0;

	for (size_t i = 0; i < p->n_sets && !code; i++)
		if (!has_set(old, &p->sets[i]))
			code = add_set(t, &p->sets[i], (uint32_t)i + 1);
	for (size_t i = 0; i < p->n_sets && !code; i++) {
		const struct plan_set *s = &p->sets[i];
		bool is_kept = has_set(old, s);

		if (is_kept)
			code = send_elements(t,
				&(struct elements){ old, p, NFT_MSG_DELSETELEM }, s,
				(uint32_t)i + 1);
		if (!code)
			code = send_elements(t,
				&(struct elements){
					p, is_kept ? old : NULL, NFT_MSG_NEWSETELEM },
				s, (uint32_t)i + 1);
	}
	return code;
}

/* As it is, but for its rules. */
static bool has_chain(const struct plan *p, const struct plan_chain *c)
{
	for (size_t i = 0; p && i < p->n_chains; i++) {
		const struct plan_chain *is = &p->chains[i];

		if (!strcmp(is->name, c->name))
			return is->base == c->base && !strcmp(is->type, c->type) &&
			       is->hook == c->hook && is->priority == c->priority &&
			       is->policy == c->policy;
	}
	return false;
}

static int add_contents(
	struct transaction *t, const struct plan *p, const struct plan *old, bool over)
{
	int code = 0;

	for (size_t i = 0; i < p->n_counters && !code; i++) {
		const struct plan_counter *was = find_counter(old, &p->counters[i]);

		if (!was || !over)
			code = add_counter(t, was ? was : &p->counters[i]);
	}
	if (!code)
		code = add_sets(t, p, over ? old : NULL);
	for (size_t i = 0; i < p->n_chains && !code; i++)
		if (!over || !has_chain(old, &p->chains[i]))
			code = add_chain(t, &p->chains[i]);
	for (size_t i = 0; i < p->n_rules && !code; i++)
		code = add_rule(t, &p->rules[i]);
	return code;
}

/* Behind all that may have referred to them. */
static int delete_counters(
	struct transaction *t, const struct plan *p, const struct plan *old)
{
	int code = 0;

	for (size_t i = 0; i < old->n_counters && !code; i++)
		if (!find_counter(p, &old->counters[i]))
			code = delete_counter(t, &old->counters[i]);
	return code;
}

/* Create, delete, create: deleting fails where nothing is, so first make sure there is
   something. */
static int add_new_table(struct transaction *t)
{
	int code = add_table(t, NFT_MSG_NEWTABLE, "create");

	if (!code)
		code = add_table(t, NFT_MSG_DELTABLE, "delete the old");
	return code ? code : add_table(t, NFT_MSG_NEWTABLE, "create");
}

/* All but the counters that are wanted: what they count meanwhile is not lost. And but
   the chains and sets: a packet that is on its way through an old one would find it
   empty. */
static int add_emptied_table(
	struct transaction *t, const struct plan *p, const struct plan *old)
{
	int code = delete_rules(t);

	for (size_t i = 0; i < old->n_chains && !code; i++)
		if (!has_chain(p, &old->chains[i]))
			code = delete_chain(t, &old->chains[i]);
	for (size_t i = 0; i < old->n_sets && !code; i++)
		if (!has_set(p, &old->sets[i]))
			code = delete_set(t, &old->sets[i]);
	return code;
}

static int add_all(struct transaction *t, const struct plan *p, const struct plan *old,
	bool over, enum nft_commit commit)
{
	int code = netlink_batch_edge(t->batch, nftnl_batch_begin, "transaction");

	if (!code)
		code = over ? add_emptied_table(t, p, old) : add_new_table(t);
	if (!code)
		code = add_contents(t, p, old, over);
	if (!code && over)
		code = delete_counters(t, p, old);
	if (!code && commit == NFT_COMMIT)
		code = netlink_batch_edge(
			t->batch, nftnl_batch_end, "end of the transaction");
	return code;
}

static int send_transaction(const struct transaction *t, int code, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;

	if (code)
		return error_errno(err, code, "preparing the rules");
	code = netlink_open(NETLINK_NETFILTER, &socket, err);
	return code ? code : netlink_batch_send(socket, t->batch, err);
}

static int write_table(const struct plan *p, const struct plan *old, bool over,
	const char *table, enum nft_commit commit, struct error *err)
{
	struct transaction t = { netlink_batch_new(), p->family, table };
	int code = t.batch ? add_all(&t, p, old, over, commit) : -ENOMEM;

	code = send_transaction(&t, code, err);
	netlink_batch_free(&t.batch);
	return code;
}

/* Deleting what is not there any more, or is in use by what we did not see, is refused;
   a table that is dormant or another program's is made anew, too. */
int nft_write(const struct plan *p, const struct plan *old, const char *table,
	enum nft_commit commit, struct error *err)
{
	bool over = old && old->has_table && !old->table_flags;

	if (over && write_table(p, old, true, table, commit, err) == 0)
		return 0;
	return write_table(p, old, false, table, commit, err);
}

int nft_delete(uint8_t family, const char *table, struct error *err)
{
	struct transaction t = { netlink_batch_new(), family, table };
	int code = t.batch ? netlink_batch_edge(t.batch, nftnl_batch_begin, "transaction")
	                   : -ENOMEM;

	if (!code)
		code = add_table(&t, NFT_MSG_DELTABLE, "delete");
	if (!code)
		code = netlink_batch_edge(
			t.batch, nftnl_batch_end, "end of the transaction");
	code = send_transaction(&t, code, err);
	netlink_batch_free(&t.batch);
	return code;
}
