/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/neighbours.h"

#include "base/address.h"
#include "base/fd.h"
#include "nft-rules/gateway.h"
#include "nft-rules/netlink.h"
#include "nft-rules/own_address.h"
#include "nft-rules/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SET "hosts"
#define CHAIN "questions"
#define REQUEST_MAX 256
#define PRIORITY_FIRST (-400) /* before all who drop */

/* nft's number for a link address, and the key of an address, then that (plan.h). */
#define KEY_ETHER 9U
#define KEY_PAIR(address) ((address) << 6 | KEY_ETHER)

#define NETWORK NFT_PAYLOAD_NETWORK_HEADER
#define TRANSPORT NFT_PAYLOAD_TRANSPORT_HEADER
#define LINK NFT_PAYLOAD_LL_HEADER

/* A load from the packet and what it is compared with. */
struct test {
	uint32_t base, offset, len;
	enum nft_cmp_ops op;
	const void *data; /* NULL: the source's address */
};

static const unsigned char zeros[16],
	request[] = { 0, 1 }, solicitation[] = { ND_NEIGHBOR_SOLICIT }, hops[] = { 255 },
	icmp6[] = { IPPROTO_ICMPV6 };

#define TESTS_MAX 6
static const struct listening {
	int family;
	uint8_t table_family;
	uint32_t hook, key_type, address_len;
	struct test tests[TESTS_MAX];
	uint32_t asker, link_base, link; /* where it says who it is */
} families[] = {
	/* RFC 826, for Ethernet and IPv4: the kernel has looked at the lengths. A probe
	   of one that wants the address has no sender yet. */
	{ AF_INET, NFPROTO_ARP, NF_ARP_IN, KEY_PAIR(PLAN_KEY_IPV4), 4,
		{ { NETWORK, 6, 2, NFT_CMP_EQ, request },
			{ NETWORK, 24, 4, NFT_CMP_EQ, NULL },
			{ NETWORK, 14, 4, NFT_CMP_NEQ, zeros },
			{ NETWORK, 14, 4, NFT_CMP_NEQ, NULL } },
		14, NETWORK, 8 },
	/* RFC 4861, 4.3 and 7.1.1: 255 hops are left to nobody from elsewhere */
	{ AF_INET6, NFPROTO_IPV6, NF_INET_PRE_ROUTING, KEY_PAIR(PLAN_KEY_IPV6), 16,
		{ { NETWORK, 7, 1, NFT_CMP_EQ, hops },
			{ NETWORK, 6, 1, NFT_CMP_EQ, icmp6 },
			{ TRANSPORT, 0, 1, NFT_CMP_EQ, solicitation },
			{ TRANSPORT, 8, 16, NFT_CMP_EQ, NULL },
			{ NETWORK, 8, 16, NFT_CMP_NEQ, zeros },
			{ NETWORK, 8, 16, NFT_CMP_NEQ, NULL } },
		8, LINK, 6 },
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

/* A member of a concatenation begins on a register of its own, of four bytes. */
#define LINK_ROOM 8U
static uint32_t key_len(const struct listening *l)
{
	return l->address_len + LINK_ROOM;
}

struct neighbours {
	struct mnl_socket *socket;
	int groups; /* a socket that is in the groups; -1 */
	bool has[N_FAMILIES];
};

/* ---- the rules ---- */

struct writing {
	struct netlink_batch *batch;
	const struct listening *of;
};

static struct nlmsghdr *start(const struct writing *w, uint16_t type, uint16_t flags)
{
	uint32_t sequence = 0;
	char *room = netlink_batch_room(w->batch, &sequence);

	return room ? nftnl_nlmsg_build_hdr(room, type, w->of->table_family,
			      (uint16_t)(NLM_F_ACK | NLM_F_CREATE | flags), sequence)
	            : NULL;
}

static int add_table(const struct writing *w, uint16_t type)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *message = start(w, type, 0);

	if (table && message) {
		(void)nftnl_table_set_str(table, NFTNL_TABLE_NAME, NEIGHBOURS_TABLE);
		nftnl_table_nlmsg_build_payload(message, table);
		netlink_batch_add(w->batch, message, "table " NEIGHBOURS_TABLE);
	}
	if (table)
		nftnl_table_free(table);
	return table && message ? 0 : -ENOMEM;
}

static int add_set(const struct writing *w)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *message = start(w, NFT_MSG_NEWSET, 0);

	if (set && message) {
		(void)nftnl_set_set_str(set, NFTNL_SET_TABLE, NEIGHBOURS_TABLE);
		(void)nftnl_set_set_str(set, NFTNL_SET_NAME, SET);
		nftnl_set_set_u32(set, NFTNL_SET_FAMILY, w->of->table_family);
		nftnl_set_set_u32(set, NFTNL_SET_ID, 1);
		nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, w->of->key_type);
		nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_len(w->of));
		nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_EVAL | NFT_SET_TIMEOUT);
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, NEIGHBOURS_MS);
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, NEIGHBOURS_MAX);
		nftnl_set_nlmsg_build_payload(message, set);
		netlink_batch_add(w->batch, message, "set " SET);
	}
	if (set)
		nftnl_set_free(set);
	return set && message ? 0 : -ENOMEM;
}

static int add_chain(const struct writing *w)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *message = start(w, NFT_MSG_NEWCHAIN, 0);

	if (chain && message) {
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NEIGHBOURS_TABLE);
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, CHAIN);
		(void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, w->of->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY_FIRST);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_nlmsg_build_payload(message, chain);
		netlink_batch_add(w->batch, message, "chain " CHAIN);
	}
	if (chain)
		nftnl_chain_free(chain);
	return chain && message ? 0 : -ENOMEM;
}

static bool add_load(struct nftnl_rule *rule, uint32_t base, uint32_t offset,
	uint32_t len, uint32_t reg)
{
	struct nftnl_expr *load = nftnl_expr_alloc("payload");

	if (!load)
		return false;
	nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_rule_add_expr(rule, load); /* the rule's now */
	return true;
}

static bool add_test(struct nftnl_rule *rule, const struct test *t, const void *source)
{
	struct nftnl_expr *compare = nftnl_expr_alloc("cmp");

	if (!compare || !add_load(rule, t->base, t->offset, t->len, NFT_REG_1)) {
		if (compare)
			nftnl_expr_free(compare);
		return false;
	}
	nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, t->op);
	(void)nftnl_expr_set(
		compare, NFTNL_EXPR_CMP_DATA, t->data ? t->data : source, t->len);
	nftnl_rule_add_expr(rule, compare);
	return true;
}

static bool add_meta_test(
	struct nftnl_rule *rule, uint32_t key, const void *data, uint32_t len)
{
	struct nftnl_expr *meta = nftnl_expr_alloc("meta");
	struct nftnl_expr *compare = nftnl_expr_alloc("cmp");

	if (!meta || !compare) {
		if (meta)
			nftnl_expr_free(meta);
		if (compare)
			nftnl_expr_free(compare);
		return false;
	}
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, meta);
	nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(compare, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	(void)nftnl_expr_set(compare, NFTNL_EXPR_CMP_DATA, data, len);
	nftnl_rule_add_expr(rule, compare);
	return true;
}

/* Asked elsewhere, where this router answers for it (proxy ARP), it is no neighbour's
   question. By name: an interface may be made anew. Without its kind nft lists the link
   address as something that it does not read again. */
static bool add_interface(struct nftnl_rule *rule, const struct sockaddr_storage *source)
{
	const uint16_t kind = ARPHRD_ETHER;
	char name[IF_NAMESIZE] = "";

	return if_indextoname(own_interface_near(source), name) &&
	       add_meta_test(rule, NFT_META_IIFNAME, name, sizeof(name)) &&
	       add_meta_test(rule, NFT_META_IIFTYPE, &kind, sizeof(kind));
}

static bool add_update(struct nftnl_rule *rule)
{
	struct nftnl_expr *update = nftnl_expr_alloc("dynset");

	if (!update)
		return false;
	nftnl_expr_set_u32(update, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG32_00);
	nftnl_expr_set_u32(update, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	(void)nftnl_expr_set_str(update, NFTNL_EXPR_DYNSET_SET_NAME, SET);
	nftnl_expr_set_u32(update, NFTNL_EXPR_DYNSET_SET_ID, 1);
	nftnl_rule_add_expr(rule, update);
	return true;
}

static bool fill_rule(
	struct nftnl_rule *rule, const struct listening *l, const void *source)
{
	bool fine = true;

	for (size_t i = 0; fine && i < TESTS_MAX && l->tests[i].len; i++)
		fine = add_test(rule, &l->tests[i], source);
	return fine && add_load(rule, NETWORK, l->asker, l->address_len, NFT_REG32_00) &&
	       add_load(rule, l->link_base, l->link, NEIGHBOUR_LINK_LEN,
		       NFT_REG32_00 + l->address_len / 4) &&
	       add_update(rule);
}

static int add_rule(const struct writing *w, const struct sockaddr_storage *source)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *message = start(w, NFT_MSG_NEWRULE, NLM_F_APPEND);
	bool fine = rule && message && add_interface(rule, source) &&
	            fill_rule(rule, w->of, address_bytes(source).ptr);

	if (fine) {
		(void)nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NEIGHBOURS_TABLE);
		(void)nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, CHAIN);
		nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, w->of->table_family);
		nftnl_rule_nlmsg_build_payload(message, rule);
		netlink_batch_add(w->batch, message, "rule of chain " CHAIN);
	}
	if (rule)
		nftnl_rule_free(rule);
	return fine ? 0 : -ENOMEM;
}

static int add_all(
	const struct writing *w, const struct sockaddr_storage *sources, size_t n)
{
	int code = netlink_batch_edge(w->batch, nftnl_batch_begin, "transaction");

	/* what one that was killed has left is replaced */
	if (!code)
		code = add_table(w, NFT_MSG_NEWTABLE);
	if (!code)
		code = add_table(w, NFT_MSG_DELTABLE);
	if (!code)
		code = add_table(w, NFT_MSG_NEWTABLE);
	if (!code)
		code = add_set(w);
	if (!code)
		code = add_chain(w);
	for (size_t i = 0; i < n && !code; i++)
		if (sources[i].ss_family == w->of->family)
			code = add_rule(w, &sources[i]);
	return code ? code
	            : netlink_batch_edge(
			      w->batch, nftnl_batch_end, "end of the transaction");
}

static int listen_of(struct neighbours *l, size_t family,
	const struct sockaddr_storage *sources, size_t n, struct error *err)
{
	struct writing w = { .batch = netlink_batch_new(), .of = &families[family] };
	int code = w.batch ? add_all(&w, sources, n) : -ENOMEM;

	code = code ? error_errno(err, code, "preparing to listen for neighbours")
	            : netlink_batch_send(l->socket, w.batch, err);
	netlink_batch_free(&w.batch);
	l->has[family] = code == 0;
	return code;
}

static int remove_of(struct mnl_socket *socket, size_t family, struct error *err)
{
	struct writing w = { .batch = netlink_batch_new(), .of = &families[family] };
	int code = w.batch ? netlink_batch_edge(w.batch, nftnl_batch_begin, "transaction")
	                   : -ENOMEM;

	if (!code)
		code = add_table(&w, NFT_MSG_DELTABLE);
	if (!code)
		code = netlink_batch_edge(
			w.batch, nftnl_batch_end, "end of the transaction");
	code = code ? error_errno(err, code, "removing who asked for the source")
	            : netlink_batch_send(socket, w.batch, err);
	netlink_batch_free(&w.batch);
	return code;
}

int neighbours_remove(bool *ret_changed, struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	for (size_t k = 0; k < N_FAMILIES && !code; k++) {
		code = remove_of(socket, k, err);
		*ret_changed = *ret_changed || !code;
		if (code == -ENOENT || code == -EOPNOTSUPP || code == -EAFNOSUPPORT)
			code = 0; /* there is none, or cannot be */
	}
	return code;
}

/* A network card lets through only groups that somebody is in; each IPv6 address has one
   (RFC 4291, 2.7.1). */
static void join_group(struct neighbours *l, const struct sockaddr_storage *source)
{
	const unsigned char *a = (const void *)address_bytes(source).ptr;
	struct ipv6_mreq group = { .ipv6mr_multiaddr.s6_addr = { 0xff,
					   2, [11] = 1, [12] = 0xff, a[13], a[14],
					   a[15] },
		.ipv6mr_interface = own_interface_near(source) };

	if (l->groups < 0)
		l->groups = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l->groups >= 0)
		(void)setsockopt(
			l->groups, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group));
}

int neighbours_near(const struct ruleset *r, struct sockaddr_storage *ret, size_t *ret_n,
	struct error *err)
{
	const struct sockaddr_storage *all = r->n_upstreams ? r->upstreams : r->sources;
	size_t n = r->n_upstreams ? r->n_upstreams : r->n_sources;

	*ret_n = 0;
	for (size_t i = 0; i < n; i++)
		if (own_interface_near(&all[i]))
			ret[(*ret_n)++] = all[i];
	return *ret_n ? 0
	              : error_set(err, -ENODEV,
				"the source is in no network of this host where hosts ask for link addresses");
}

static int listen_all(struct neighbours *l, const struct sockaddr_storage *near, size_t n,
	struct error *err)
{
	int code = netlink_open(NETLINK_NETFILTER, &l->socket, err);

	for (size_t k = 0; k < N_FAMILIES && !code; k++) {
		bool wanted = false;

		for (size_t i = 0; i < n; i++)
			wanted = wanted || near[i].ss_family == families[k].family;
		if (wanted)
			code = listen_of(l, k, near, n, err);
	}
	for (size_t i = 0; i < n && !code; i++)
		if (near[i].ss_family == AF_INET6)
			join_group(l, &near[i]);
	return code;
}

int neighbours_new(
	const struct ruleset *r, struct neighbours **ret_neighbours, struct error *err)
{
	struct sockaddr_storage near[RULES_ADDRESSES_MAX];
	size_t n;
	int code = neighbours_near(r, near, &n, err);
	struct neighbours *l = code ? NULL : calloc(1, sizeof(*l));

	if (code)
		return code;
	if (!l)
		return error_errno(err, -ENOMEM, "neighbours");
	l->groups = -1;
	code = listen_all(l, near, n, err);
	if (code)
		neighbours_free(&l);
	else
		*ret_neighbours = l;
	return code;
}

void neighbours_free(struct neighbours **neighbours)
{
	bool changed = false;

	if (!*neighbours)
		return;
	(void)neighbours_remove(&changed, NULL);
	netlink_close(&(*neighbours)->socket);
	fd_closep(&(*neighbours)->groups);
	free(*neighbours);
	*neighbours = NULL;
}

/* ---- who was heard ---- */

struct reading {
	const struct listening *of;
	struct gateways ways;
	struct neighbour found[NEIGHBOURS_MAX * N_FAMILIES];
	size_t n;
};

static int read_element(struct nftnl_set_elem *element, void *data)
{
	struct reading *r = data;
	struct neighbour *to = &r->found[r->n];
	uint32_t len = 0;
	const unsigned char *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &len);
	uint64_t left =
		nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_EXPIRATION)
			? nftnl_set_elem_get_u64(element, NFTNL_SET_ELEM_EXPIRATION)
			: 0;

	if (!key || len != key_len(r->of) || r->n == NEIGHBOURS_MAX * N_FAMILIES)
		return MNL_CB_OK;
	*to = (struct neighbour){
		.ago_ms = left < NEIGHBOURS_MS ? NEIGHBOURS_MS - (uint32_t)left : 0
	};
	address_from_bytes(r->of->family, key, &to->address);
	memcpy(to->link, key + r->of->address_len, sizeof(to->link));
	r->n++;
	return MNL_CB_OK;
}

static int read_elements(const struct nlmsghdr *answer, void *data)
{
	struct nftnl_set *set = nftnl_set_alloc();
	int code;

	if (!set) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	code = nftnl_set_elems_nlmsg_parse(answer, set) < 0
	               ? MNL_CB_ERROR
	               : nftnl_set_elem_foreach(set, read_element, data);
	nftnl_set_free(set);
	return code < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int read_family(
	const struct neighbours *l, struct reading *r, const struct listening *of)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(
		bytes, NFT_MSG_GETSETELEM, of->table_family, NLM_F_DUMP, 1);

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NEIGHBOURS_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, SET);
	r->of = of;
	return netlink_ask(l->socket, message, read_elements, r);
}

int neighbours_each(struct neighbours *neighbours, neighbour_fn *each, void *context,
	bool *ret_full, struct error *err)
{
	struct reading r = { .n = 0 };
	int code = 0;

	*ret_full = false;

	for (size_t k = 0; k < N_FAMILIES && !code; k++) {
		size_t before = r.n;

		if (neighbours->has[k])
			code = read_family(neighbours, &r, &families[k]);
		*ret_full = *ret_full || r.n - before >= NEIGHBOURS_MAX;
	}
	if (code < 0)
		return error_errno(err, code, "reading who asked for the source");
	if (r.n)
		code = gateways_find(&r.ways, err);
	for (size_t i = 0; i < r.n && !code; i++)
		if (!gateways_has(&r.ways, &r.found[i].address, r.found[i].link))
			code = each(context, &r.found[i]);
	return code;
}
