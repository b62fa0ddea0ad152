/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this kernel can do, by asking it: each feature is a small table with one rule,
 * sent as a transaction that is never committed. The answer is the kernel's own, after it
 * has loaded the modules it wants.
 */
#include "nft-rules/marks.h"
#include "nft-rules/nft_write.h"
#include "nft-rules/plan.h"
#include "nft-rules/policy.h"
#include "nft-rules/rules.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PROBE_TABLE "mailferry-probe"

/* ---- features that are one rule ---- */

static const struct expression_probe {
	const char *name;
	const char *cure;
	struct op ops[2];
} expressions[] = {
	{ "tproxy", "the kernel cannot divert: load nft_tproxy (CONFIG_NFT_TPROXY)",
		{ { .kind = OP_IMMEDIATE,
			  .v = { NFT_REG_1 },
			  .data = { 0, 143 },
			  .data_len = 2 },
			{ .kind = OP_TPROXY, .v = { NFPROTO_UNSPEC, NFT_REG_1 } } } },
	{ "socket",
		"the kernel cannot recognise our connections: load nft_socket "
		"(CONFIG_NFT_SOCKET)",
		{ { .kind = OP_SOCKET, .v = { NFT_SOCKET_TRANSPARENT, NFT_REG_1 } } } },
	{ "socket-mark",
		"the kernel cannot count by route: it needs Linux 5.9 (socket mark)",
		{ { .kind = OP_SOCKET, .v = { NFT_SOCKET_MARK, NFT_REG_1 } } } },
	{ "socket-wildcard",
		"the kernel cannot tell sessions that began before us: it needs Linux "
		"5.11 "
		"(socket wildcard)",
		{ { .kind = OP_SOCKET, .v = { NFT_SOCKET_WILDCARD, NFT_REG_1 } } } },
	{ "mark", "the kernel cannot mark packets: enable CONFIG_NF_TABLES",
		{ { .kind = OP_IMMEDIATE, .v = { NFT_REG_1 }, .data_len = 4 },
			{ .kind = OP_META_SET, .v = { NFT_META_MARK, NFT_REG_1 } } } },
	{ "mark-bits",
		"the kernel cannot change single bits of a mark: enable "
		"CONFIG_NF_TABLES",
		{ { .kind = OP_META_LOAD, .v = { NFT_META_MARK, NFT_REG_1 } },
			{ .kind = OP_BITWISE,
				.v = { NFT_REG_1, NFT_REG_1, 4 },
				.data_len = 4,
				.more_len = 4 } } },
	{ "connection-mark",
		"the kernel cannot remember what was admitted to the source: load nft_ct "
		"(CONFIG_NFT_CT, CONFIG_NF_CONNTRACK_MARK)",
		{ { .kind = OP_CT_LOAD, .v = { NFT_CT_MARK, NFT_REG_1 } },
			{ .kind = OP_CT_SET, .v = { NFT_CT_MARK, NFT_REG_1 } } } },
	{ "named-counters",
		"the kernel has no named counters: load nft_objref "
		"(CONFIG_NFT_OBJREF)",
		{ { .kind = OP_COUNTER,
			.v = { NFT_OBJECT_COUNTER },
			.name = "probe" } } },
	{ "reject",
		"the kernel cannot reset connections (fail = closed): load "
		"nft_reject_inet (CONFIG_NFT_REJECT_INET)",
		{ { .kind = OP_REJECT, .v = { NFT_REJECT_TCP_RST } } } },
};
#define N_EXPRESSIONS (sizeof(expressions) / sizeof(expressions[0]))

static int add_probe_set(struct plan *p)
{
	struct plan_set *set = plan_add_set(p);

	if (!set)
		return -ENOMEM;
	*set = (struct plan_set){ .name = "probe",
		.flags = NFT_SET_EVAL | NFT_SET_TIMEOUT,
		.key_type = PLAN_KEY_PROTOCOL,
		.key_len = 1,
		.size = 1 };
	return 0;
}

static int fill_probe(struct plan *p, const struct expression_probe *probe)
{
	struct plan_counter *counter = plan_add_counter(p);
	struct plan_chain *chain = plan_add_chain(p);
	struct plan_rule *rule = plan_add_rule(p);

	if (!counter || !chain || !rule)
		return -ENOMEM;
	plan_name(counter->name, sizeof(counter->name), "probe");
	counter->type = NFT_OBJECT_COUNTER;
	plan_name(chain->name, sizeof(chain->name), "probe");
	chain->base = true;
	plan_name(chain->type, sizeof(chain->type), "filter");
	/* reject belongs into the forward chain, all others into prerouting. */
	chain->hook =
		probe->ops[0].kind == OP_REJECT ? NF_INET_FORWARD : NF_INET_PRE_ROUTING;
	chain->policy = NF_ACCEPT;
	plan_name(rule->chain, sizeof(rule->chain), "probe");
	for (size_t i = 0; i < 2 && probe->ops[i].kind != OP_OTHER; i++)
		rule->ops[rule->n_ops++] = probe->ops[i];
	return probe->ops[1].kind == OP_UPDATE ? add_probe_set(p) : 0;
}

static int probe_expression(const struct expression_probe *probe, struct error *err)
{
	struct plan p;
	int code;

	plan_init(&p);
	p.has_table = true;
	code = fill_probe(&p, probe);
	code = code ? error_errno(err, code, "preparing a probe")
	            : nft_write(&p, NULL, PROBE_TABLE, NFT_ABORT, err);
	plan_fini(&p);
	return code;
}

/* ---- settings of this network namespace that would spoil it ---- */

struct setting_probe {
	const char *name, *path;
	char wrong; /* first character of the value that spoils it */
	const char *cure;
};

static const struct setting_probe settings[] = {
	{ "forwarding-ipv4", "/proc/sys/net/ipv4/ip_forward", '0',
		"this host does not route IPv4: sysctl -w net.ipv4.ip_forward=1" },
	{ "forwarding-ipv6", "/proc/sys/net/ipv6/conf/all/forwarding", '0',
		"this host does not route IPv6: sysctl -w "
		"net.ipv6.conf.all.forwarding=1" },
	{ "fwmark-reflect-ipv4", "/proc/sys/net/ipv4/fwmark_reflect", '1',
		"resets would carry our mark and never leave: sysctl -w "
		"net.ipv4.fwmark_reflect=0" },
	{ "fwmark-reflect-ipv6", "/proc/sys/net/ipv6/fwmark_reflect", '1',
		"resets would carry our mark and never leave: sysctl -w "
		"net.ipv6.fwmark_reflect=0" },
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

_Static_assert(N_EXPRESSIONS + N_SETTINGS + 2 <= RULES_FEATURES_MAX, "room for each");

/* A missing file (no IPv6 in this kernel) has no wrong value. */
static bool is_wrong(const struct setting_probe *probe)
{
	FILE *file = fopen(probe->path, "re");
	int value = file ? fgetc(file) : EOF;

	if (file)
		(void)fclose(file);
	return value == probe->wrong;
}

/* ---- all ---- */

static void add(struct rules_feature *features, size_t *n, const char *name, int code,
	const char *cure, const char *kernel)
{
	struct rules_feature *f = &features[(*n)++];

	*f = (struct rules_feature){ .name = name, .code = code };
	if (code)
		(void)snprintf(f->text, sizeof(f->text), "%.250s%s%.200s", cure,
			kernel[0] ? "; the kernel says: " : "", kernel);
}

static int probe_expressions(struct rules_feature *features, size_t *n, struct error *err)
{
	for (size_t i = 0; i < N_EXPRESSIONS; i++) {
		const struct expression_probe *probe = &expressions[i];
		struct error said = { 0 };
		int code = probe_expression(probe, &said);

		/* Without the right to ask, no answer means anything. */
		if (code == -EPERM || code == -ENOMEM)
			return error_set(err, code, "%s", said.text);
		add(features, n, probe->name, code, probe->cure, said.text);
	}
	return 0;
}

/* ---- the way to a program that judges ---- */

static const struct expression_probe queues[] = {
	[RULES_QUEUE_NFT] = { "queue", "",
		{ { .kind = OP_QUEUE,
			.v = { RULES_QUEUE_FIRST, 1, NFT_QUEUE_FLAG_BYPASS } } } },
	[RULES_QUEUE_XT] = { "queue", "",
		{ { .kind = OP_TARGET,
			.v = { 3 },
			.name = PLAN_QUEUE_TARGET,
			.data_len = 8 } } },
};

/* What the kernel says to an expression that it does not have. All else says nothing of
   the kernel: rules must not change because of it. */
static bool is_missing(int code)
{
	return code == -ENOENT || code == -EOPNOTSUPP || code == -EINVAL;
}

int rules_probe_queue(enum rules_queue *ret_queue, struct error *err)
{
	struct expression_probe probe = queues[RULES_QUEUE_XT];
	struct xt_NFQ_info_v3 info = {
		.queuenum = RULES_QUEUE_FIRST, .queues_total = 1, .flags = NFQ_FLAG_BYPASS
	};
	enum rules_queue queue = RULES_QUEUE_NFT;
	struct error said = { 0 };
	int code = probe_expression(&queues[RULES_QUEUE_NFT], &said);

	if (is_missing(code)) {
		memcpy(probe.ops[0].data, &info, sizeof(info));
		queue = RULES_QUEUE_XT;
		code = probe_expression(&probe, &said);
	}
	if (is_missing(code)) {
		queue = RULES_QUEUE_NONE;
		code = 0;
	}
	if (code < 0)
		return error_set(err, code, "%s", said.text);
	*ret_queue = queue;
	return 0;
}

int rules_probe_room(bool *ret_has, struct error *err)
{
	static const struct expression_probe room = { "room", "",
		{ { .kind = OP_META_LOAD, .v = { NFT_META_L4PROTO, NFT_REG_1 } },
			{ .kind = OP_UPDATE,
				.v = { NFT_REG_1, NFT_DYNSET_OP_UPDATE, 1000, 1 },
				.name = "probe" } } };
	struct error said = { 0 };
	int code = probe_expression(&room, &said);

	if (code < 0 && !is_missing(code))
		return error_set(err, code, "%s", said.text);
	*ret_has = code == 0;
	return 0;
}

int rules_probe(struct rules_feature ret_features[static RULES_FEATURES_MAX],
	size_t *ret_n, struct error *err)
{
	size_t n = 0;
	int code = probe_expressions(ret_features, &n, err);

	if (code)
		return code;
	add(ret_features, &n, "policy-routing-ipv4", policy_probe(AF_INET),
		"the kernel has no IPv4 policy routing (CONFIG_IP_MULTIPLE_TABLES)", "");
	add(ret_features, &n, "policy-routing-ipv6", policy_probe(AF_INET6),
		"the kernel has no IPv6 policy routing (CONFIG_IPV6_MULTIPLE_TABLES)",
		"");
	for (size_t i = 0; i < N_SETTINGS; i++)
		add(ret_features, &n, settings[i].name,
			is_wrong(&settings[i]) ? -EINVAL : 0, settings[i].cure, "");
	*ret_n = n;
	return 0;
}
