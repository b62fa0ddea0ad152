/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who else judges packets on their way to a local socket: base chains at the INPUT hook,
   of whatever table, and what makes each of them let pass what we divert. */
#include "nft-rules/flow_probe.h"
#include "nft-rules/netlink.h"

#include "base/fd.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_MAX 256

static const struct {
	uint32_t family;
	const char *name;
} families[] = {
	{ NFPROTO_INET, "inet" },
	{ NFPROTO_IPV4, "ip" },
	{ NFPROTO_IPV6, "ip6" },
};

struct search {
	const struct marks *marks;
	char *text; /* [BLOCKER_TEXT_MAX] */
	bool has_ufw;
};

static const char *family_name(uint32_t family)
{
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

static void add_chain(
	struct search *s, const char *family, const char *table, const char *chain)
{
	char name[64], cure[192];

	(void)snprintf(name, sizeof(name), "%s %s", family, table);
	if (strcmp(table, "firewalld") == 0)
		(void)snprintf(cure, sizeof(cure),
			"firewall-cmd --permanent --add-port={25,110,143}/tcp; "
			"firewall-cmd --reload");
	else if (s->has_ufw && strcmp(chain, "INPUT") == 0)
		(void)snprintf(cure, sizeof(cure),
			"%s -I ufw%s-before-input -m mark --mark 0x%x/0x%x -j ACCEPT",
			strcmp(family, "ip6") == 0 ? "ip6tables" : "iptables",
			strcmp(family, "ip6") == 0 ? "6" : "", s->marks->divert,
			s->marks->mask);
	else
		(void)snprintf(cure, sizeof(cure),
			"nft insert rule %s %s %s meta mark and 0x%x == 0x%x accept",
			family, table, chain, s->marks->mask, s->marks->divert);
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
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *family, *table, *name;

	if (!chain)
		return MNL_CB_ERROR;
	if (nftnl_chain_nlmsg_parse(answer, chain) == 0 &&
		nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM) &&
		nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == NF_INET_LOCAL_IN) {
		family = family_name(nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY));
		table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
		name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
		if (family && table && name)
			add_chain(data, family, table, name);
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

int flow_probe_blockers(
	const struct marks *m, char text[static BLOCKER_TEXT_MAX], struct error *err)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	struct search s = { .marks = m, .text = text };
	int code = netlink_open(NETLINK_NETFILTER, &socket, err);

	text[0] = '\0';
	if (!code)
		code = dump(socket, look_for_ufw, &s);
	if (!code)
		code = dump(socket, look_at_chain, &s);
	return code;
}
