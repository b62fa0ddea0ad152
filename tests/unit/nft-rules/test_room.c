/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel lets in by itself: the rules as text, and limits that are not ours. */
#include "nft-rules/expression.h"
#include "nft-rules/plan.h"
#include "nft-rules/room.h"
#include "nft-rules/rules.h"
#include "nft-rules/watch.h"

#include <arpa/inet.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct ruleset make_ruleset(enum rules_fail fail)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct ruleset r;

	assert_int_equal(inet_pton(AF_INET, "192.0.2.10", &a4.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::10", &a6.sin6_addr), 1);
	ruleset_init(&r);
	r.fail = fail;
	r.queue = RULES_QUEUE_NFT;
	r.n_queues = 1;
	r.has_room = true;
	r.new_connections = 2000;
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a4), 0);
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a6), 0);
	assert_int_equal(ruleset_add_service(&r, "imap", 143, 0, 19143), 0);
	assert_int_equal(ruleset_add_admission(&r, "10.0.0.0/8", 0, RULES_DIRECT), 0);
	return r;
}

static void check_parts(
	const struct ruleset *r, const char *const *parts, size_t n, bool wanted)
{
	struct buf text;

	buf_init(&text, 0);
	assert_int_equal(rules_text(r, &text, NULL), 0);
	assert_int_equal(buf_byte(&text, '\0'), 0);
	for (size_t i = 0; i < n; i++)
		if (!strstr(buf_view(&text).ptr, parts[i]) == wanted)
			fail_msg("%s: \"%s\" in\n%s", wanted ? "missing" : "not wanted",
				parts[i], buf_view(&text).ptr);
	buf_fini(&text);
}

static const char *const room[] = {
	"\tcounter admitted { packets 0 bytes 0 }\n",
	"set room {\n\t\ttype inet_proto; size 2; flags dynamic,timeout;\n",
	"set rates6 {\n\t\ttype ipv6_addr; size 16384; flags dynamic,timeout;\n",
	"@admit-direct4 meta mark set meta mark & 0x8fffffff | 0x40000000 accept\n"
	"\t\tmeta nfproto ipv4 meta l4proto @room ip saddr != 198.18.77.70 update "
	"@rates4 { ip saddr & 255.255.255.0 timeout 4s limit rate 60000/minute burst "
	"2000 packets } meta mark set meta mark & 0x8fffffff | 0x30000000 counter name "
	"\"admitted\" accept\n"
	"\t\tmeta nfproto ipv6 meta l4proto @room ip6 saddr != 2001:2:0:4d46::1 update "
	"@rates6 { ip6 saddr & ffff:ffff:ffff:ff00:: timeout 4s limit rate 60000/minute "
	"burst 2000 packets } meta mark set meta mark & 0x8fffffff | 0x30000000 counter "
	"name \"admitted\" accept\n\t\tmeta l4proto tcp queue flags bypass to 19782\n",
	"meta mark & 0x70000000 == 0x50000000 meta mark set meta mark & 0x8fffffff | "
	"0x30000000 update @room { meta l4proto timeout 2s }\n",
};

static const char *const unlimited[] = {
	"@room ip saddr != 198.18.77.70 meta mark set meta mark & 0x8fffffff | "
	"0x30000000 counter name \"admitted\" accept\n",
};

static const char *const nothing[] = {
	"room",
	"admitted",
	"rates",
};

static void test_text(void **state)
{
	static const enum rules_fail modes[] = { RULES_FAIL_OPEN, RULES_FAIL_CLOSED };
	static const char *const rates[] = { "@rates" };

	(void)state;
	for (size_t mode = 0; mode < 2; mode++) {
		struct ruleset r = make_ruleset(modes[mode]);

		check_parts(&r, room, sizeof(room) / sizeof(room[0]), true);
		r.new_connections = 0;
		check_parts(&r, unlimited, 1, true);
		check_parts(&r, rates, 1, false);
		r.queue = RULES_QUEUE_NONE; /* nobody says that there is room */
		check_parts(&r, nothing, sizeof(nothing) / sizeof(nothing[0]), false);
		r.queue = RULES_QUEUE_XT;
		r.has_room = false; /* the kernel cannot */
		check_parts(&r, nothing, sizeof(nothing) / sizeof(nothing[0]), false);
	}
}

static void test_rule_text(void **state)
{
	static const struct {
		struct op ops[3];
		size_t n;
		const char *text;
	} rows[] = {
		{ { { OP_META_LOAD, .v = { NFT_META_MARK, 1 } },
			  { OP_UPDATE, .v = { 1, 1, 1500, 0 }, .name = "x" } },
			2, "update @x { meta mark timeout 1500ms }" },
		/* a network, and what is none */
		{ { { OP_PAYLOAD, .v = { 1, 1, 12, 4 } },
			  { OP_BITWISE, .v = { 1, 1, 4 }, .data = { 255, 255 },
				  .data_len = 4, .more_len = 4 },
			  { OP_UPDATE, .v = { 1, 1, 2000, 7 }, .name = "x" } },
			3,
			"update @x { ip saddr & 255.255.0.0 timeout 2s limit rate "
			"210/minute burst 7 packets }" },
		{ { { OP_PAYLOAD, .v = { 1, 1, 12, 4 } },
			  { OP_BITWISE, .v = { 1, 1, 4 }, .data = { 255 }, .data_len = 4,
				  .more = { 1 }, .more_len = 4 },
			  { OP_UPDATE, .v = { 2, 1, 0, 0 }, .name = "x" } },
			3, "update @x { ip saddr [bitwise] (register 2) }" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan_rule rule = { .n_ops = rows[i].n };
		char text[PLAN_TEXT_MAX];

		memcpy(rule.ops, rows[i].ops, sizeof(rows[i].ops));
		plan_rule_text(&rule, text);
		if (strcmp(text, rows[i].text) != 0)
			fail_msg("row %zu: \"%s\"", i, text);
	}
}

/* Half of the rate, all at once: another limit is not ours. */
static void test_another_limit_is_other(void **state)
{
	static const struct {
		uint64_t rate, unit;
		uint32_t burst, flags;
		size_t n;
		bool is_ours;
	} rows[] = {
		{ 60000, 60, 2000, 0, 1, true },
		{ 60001, 60, 2000, 0, 1, false },
		{ 60000, 1, 2000, 0, 1, false },
		{ 60000, 60, 1999, 0, 1, false },
		{ 60000, 60, 2000, NFT_LIMIT_F_INV, 1, false },
		{ 60000, 60, 2000, 0, 2, false },
		{ 0, 60, 0, 0, 1, false },
	};
	const struct op op = { OP_UPDATE, .v = { 1, 1, 2000 }, .name = "rates4" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nftnl_expr *expr = expression_build(&op);
		struct op back = { 0 };

		assert_non_null(expr);
		for (size_t j = 0; j < rows[i].n; j++) {
			struct nftnl_expr *limit = nftnl_expr_alloc("limit");

			assert_non_null(limit);
			nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, rows[i].rate);
			nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, rows[i].unit);
			nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, rows[i].burst);
			nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, rows[i].flags);
			nftnl_expr_add_expr(expr, NFTNL_EXPR_DYNSET_EXPRESSIONS, limit);
		}
		expression_read(expr, &back);
		nftnl_expr_free(expr);
		if ((back.kind == OP_UPDATE && back.v[3] == 2000) != rows[i].is_ours)
			fail_msg("row %zu was read as kind %d", i, (int)back.kind);
	}
}

/* It may come once a second: the rules are not read again for it. */
static void test_its_end_is_no_change(void **state)
{
	static const struct {
		uint16_t type;
		const char *set;
		bool is_change;
	} rows[] = {
		{ NFT_MSG_DELSETELEM, ROOM_SET, false },
		{ NFT_MSG_DELSETELEM, "source4", true },
		{ NFT_MSG_NEWSETELEM, ROOM_SET, true },
		{ NFT_MSG_DELSET, ROOM_SET, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char bytes[256] = { 0 };
		struct nlmsghdr *m =
			nftnl_nlmsg_build_hdr(bytes, rows[i].type, NFPROTO_INET, 0, 1);

		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, RULES_TABLE);
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, rows[i].set);
		if (rules_watch_concerns(NETLINK_NETFILTER, 0, bytes, m->nlmsg_len) !=
			rows[i].is_change)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_rule_text),
		cmocka_unit_test(test_another_limit_is_other),
		cmocka_unit_test(test_its_end_is_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
