/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/neighbours.h"

#include "base/address.h"
#include "base/fd.h"
#include "nft-rules/gateway.h"
#include "nft-rules/netlink.h"
#include "nft-rules/nft_write.h"
#include "nft-rules/own_address.h"
#include "nft-rules/rule_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
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

static void add_test(struct plan_rule *rule, const struct test *t, const void *source)
{
	const void *data = t->data ? t->data : source;

	rule_payload(rule, t->base, t->offset, t->len, R1);
	if (t->op == NFT_CMP_EQ)
		rule_equals(rule, data, t->len);
	else
		rule_differs(rule, data, t->len);
}

/* Asked elsewhere, where this router answers for it (proxy ARP), it is no neighbour's
   question. By name: an interface may be made anew. Without its kind nft lists the link
   address as something that it does not read again. */
static bool add_interface(struct plan_rule *rule, const struct sockaddr_storage *source)
{
	const uint16_t kind = ARPHRD_ETHER;
	char name[IF_NAMESIZE] = "";

	if (!if_indextoname(own_interface_near(source), name))
		return false;
	rule_meta(rule, NFT_META_IIFNAME, R1);
	rule_equals(rule, name, sizeof(name));
	rule_meta(rule, NFT_META_IIFTYPE, R1);
	rule_equals(rule, &kind, sizeof(kind));
	return true;
}

static int add_rule(
	struct plan *p, const struct listening *l, const struct sockaddr_storage *source)
{
	struct plan_rule *rule = rule_add(p, CHAIN);

	if (!rule || !add_interface(rule, source))
		return -ENOMEM;
	for (size_t i = 0; i < TESTS_MAX && l->tests[i].len; i++)
		add_test(rule, &l->tests[i], address_bytes(source).ptr);
	rule_payload(rule, NETWORK, l->asker, l->address_len, R1);
	rule_payload(rule, l->link_base, l->link, NEIGHBOUR_LINK_LEN,
		NFT_REG32_00 + l->address_len / 4);
	rule_update(rule, SET, 0, 0);
	return 0;
}

static int fill_plan(struct plan *p, const struct listening *l,
	const struct sockaddr_storage *sources, size_t n)
{
	struct plan_set *set = plan_add_set(p);
	struct plan_chain *chain = plan_add_chain(p);
	int code = set && chain ? 0 : -ENOMEM;

	if (code)
		return code;
	*set = (struct plan_set){ .name = SET,
		.flags = NFT_SET_EVAL | NFT_SET_TIMEOUT,
		.key_type = l->key_type,
		.key_len = key_len(l),
		.size = NEIGHBOURS_MAX,
		.timeout_ms = NEIGHBOURS_MS };
	*chain = (struct plan_chain){ .name = CHAIN,
		.base = true,
		.type = "filter",
		.hook = l->hook,
		.priority = PRIORITY_FIRST,
		.policy = NF_ACCEPT };
	for (size_t i = 0; i < n && !code; i++)
		if (sources[i].ss_family == l->family)
			code = add_rule(p, l, &sources[i]);
	return code;
}

/* What one that was killed has left is replaced. */
static int listen_of(struct neighbours *l, size_t family,
	const struct sockaddr_storage *sources, size_t n, struct error *err)
{
	struct plan p;
	int code;

	plan_init(&p);
	p.family = families[family].table_family;
	p.has_table = true;
	code = fill_plan(&p, &families[family], sources, n);
	code = code ? error_errno(err, code, "preparing to listen for neighbours")
	            : nft_write(&p, NULL, NEIGHBOURS_TABLE, NFT_COMMIT, err);
	plan_fini(&p);
	l->has[family] = code == 0;
	return code;
}

int neighbours_remove(bool *ret_changed, struct error *err)
{
	int code = 0;

	for (size_t k = 0; k < N_FAMILIES && !code; k++) {
		code = nft_delete(families[k].table_family, NEIGHBOURS_TABLE, err);
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
