/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who else judges packets on their way to a local socket: base chains at the INPUT hook,
   of whatever table, and what makes each of them let pass what we divert. */
#include "nft-rules/flow_probe.h"
#include "nft-rules/netlink.h"

#include "base/fd.h"
#include "settings/settings.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_MAX 256
#define CURE_MAX 2048 /* RULES_ADDRESSES_MAX rich rules */

static const struct {
	uint32_t family;
	const char *name;
} families[] = {
	{ NFPROTO_INET, "inet" },
	{ NFPROTO_IPV4, "ip" },
	{ NFPROTO_IPV6, "ip6" },
};

struct search {
	const struct ruleset *rules;
	char *text;  /* [BLOCKER_TEXT_MAX] */
	bool v4, v6; /* of which packets were lost */
	bool has_ufw;
};

static const char *family_name(const struct search *s, uint32_t family)
{
	if ((family == NFPROTO_IPV4 && !s->v4) || (family == NFPROTO_IPV6 && !s->v6))
		return NULL;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (families[i].family == family)
			return families[i].name;
	return NULL;
}

static void add(struct search *s, const char *table, const char *chain, const char *cure)
{
	size_t len = strlen(s->text);

	(void)snprintf(s->text + len, BLOCKER_TEXT_MAX - len,
		"%stable %s, chain %s may drop it; the cure: %s", len ? "; or " : "",
		table, chain, cure);
}

/* A zone of firewalld knows nothing of marks. What is for the source and yet local is
   what we divert; but where this host has the source's address (the source has moved),
   that would let in more than mail. */
static void cure_firewalld(const struct search *s, char cure[static CURE_MAX])
{
	const struct ruleset *r = s->rules;
	char address[ADDRESS_TEXT_MAX];
	int n = snprintf(cure, CURE_MAX, "firewall-cmd --permanent");

	for (size_t i = 0; i < r->n_services && r->n_upstreams; i++)
		n += snprintf(cure + n, CURE_MAX - (size_t)n, " --add-port=%u/tcp",
			r->services[i].port);
	for (size_t i = 0; i < r->n_sources && !r->n_upstreams; i++) {
		bool v6 = r->sources[i].ss_family == AF_INET6;

		address_text(&r->sources[i], address);
		if (v6 ? s->v6 : s->v4)
			n += snprintf(cure + n, CURE_MAX - (size_t)n,
				" --add-rich-rule='rule family=ipv%c destination "
				"address=%s accept'",
				v6 ? '6' : '4', address);
	}
	(void)snprintf(cure + n, CURE_MAX - (size_t)n, " && firewall-cmd --reload");
}

/* `ufw allow` is too late: ufw-not-local drops before it what is for another address. And
   what is put into the kernel alone is gone with the next `ufw reload`. */
static void cure_ufw(const struct marks *m, const char *v6, char cure[static CURE_MAX])
{
	(void)snprintf(cure, CURE_MAX,
		"sed -i '/^# End required/a -A ufw%s-before-input -m mark --mark 0x%x/0x%x "
		"-j ACCEPT' /etc/ufw/before%s.rules && ufw reload",
		v6, m->divert, m->mask, v6);
}

static bool is_ufw(
	const struct search *s, const char *family, const char *table, const char *chain)
{
	return s->has_ufw && strcmp(family, "inet") != 0 &&
	       strcmp(table, "filter") == 0 && strcmp(chain, "INPUT") == 0;
}

static void add_chain(
	struct search *s, const char *family, const char *table, const char *chain)
{
	const struct marks *m = &s->rules->marks;
	char name[64], cure[CURE_MAX];

	(void)snprintf(name, sizeof(name), "%s %s", family, table);
	if (strcmp(table, "firewalld") == 0)
		cure_firewalld(s, cure);
	else if (is_ufw(s, family, table, chain))
		cure_ufw(m, strcmp(family, "ip6") == 0 ? "6" : "", cure);
	else
		(void)snprintf(cure, sizeof(cure),
			"nft insert rule %s %s %s meta mark and 0x%x == 0x%x accept",
			family, table, chain, m->mask, m->divert);
	add(s, name, chain, cure);
}

/* Twice: first whether it is ufw's rule set, which has chains of that name. */
static int look_for_ufw(const struct nlmsghdr *answer, void *data)
{
	struct search *s = data;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *name;

	if (!chain)
		return MNL_CB_ERROR;
	if (nftnl_chain_nlmsg_parse(answer, chain) == 0) {
		name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
		s->has_ufw = s->has_ufw || (name && strncmp(name, "ufw-", 4) == 0);
	}
	nftnl_chain_free(chain);
	return MNL_CB_OK;
}

static int look_at_chain(const struct nlmsghdr *answer, void *data)
{
	struct search *s = data;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *family, *table, *name;

	if (!chain)
		return MNL_CB_ERROR;
	if (nftnl_chain_nlmsg_parse(answer, chain) == 0 &&
		nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) &&
		nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_LOCAL_IN) {
		family = family_name(s, nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY));
		table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
		name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
		if (family && table && name)
			add_chain(s, family, table, name);
	}
	nftnl_chain_free(chain);
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *socket, mnl_cb_t callback, struct search *s)
{
	char bytes[REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(
		bytes, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 1);

	return netlink_ask(socket, request, callback, s);
}

int flow_probe_blockers(const struct ruleset *r, bool v4, bool v6,
	char text[static BLOCKER_TEXT_MAX], struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct search s = { .rules = r, .text = text, .v4 = v4, .v6 = v6 };
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	text[0] = '\0';
	if (!code)
		code = dump(socket, look_for_ufw, &s);
	if (!code)
		code = dump(socket, look_at_chain, &s);
	return code;
}
