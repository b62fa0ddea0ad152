/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules as text, plans compared, and expressions on their way through libnftnl. */
#include "nft-rules/expression.h"
#include "nft-rules/marks.h"
#include "nft-rules/plan.h"
#include "nft-rules/rules.h"

#include <arpa/inet.h>
#include <errno.h>
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
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a4), 0);
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a6), 0);
	assert_int_equal(ruleset_add_service(&r, "imap", 143, 0, 19143), 0);
	assert_int_equal(ruleset_add_service(&r, "smtp", 25, 2525, 0), 0);
	return r;
}

static void add_admissions(struct ruleset *r)
{
	assert_int_equal(ruleset_add_admission(r, "10.0.0.0/8", 0, RULES_DIRECT), 0);
	assert_int_equal(ruleset_add_admission(r, "10.1.0.0/16", 0, RULES_DIVERT), 0);
	assert_int_equal(ruleset_add_admission(r, "10.1.2.3", 25, RULES_DROP), 0);
	assert_int_equal(ruleset_add_admission(r, "2001:db8:9::/48", 0, RULES_REFUSE), 0);
}

/* With all that a rule can have, so that each kind of expression is in it. */
static struct plan make_plan_of(enum rules_queue queue)
{
	struct ruleset r = make_ruleset(RULES_FAIL_OPEN);
	struct plan p;

	add_admissions(&r);
	r.queue = queue;
	r.n_queues = 2;
	r.has_room = true;
	r.new_connections = 2000;
	assert_int_equal(plan_wanted(&r, &p), 0);
	return p;
}

static struct plan make_plan(void)
{
	struct ruleset r = make_ruleset(RULES_FAIL_OPEN);
	struct plan p;

	assert_int_equal(plan_wanted(&r, &p), 0);
	return p;
}

/* ---- a ruleset as text ---- */

static void contains(const char *text, const char *part, bool wanted)
{
	if (!strstr(text, part) == wanted)
		fail_msg("%s: \"%s\" in\n%s", wanted ? "missing" : "not wanted", part,
			text);
}

struct text_row {
	const char *part;
	bool open, closed; /* whether it is there, by fail mode */
};

static void check_rows(const struct ruleset *r, const struct text_row *rows, size_t n)
{
	struct buf text;

	buf_init(&text, 0);
	assert_int_equal(rules_text(r, &text, NULL), 0);
	assert_int_equal(buf_byte(&text, '\0'), 0);
	for (size_t i = 0; i < n; i++)
		contains(buf_view(&text).ptr, rows[i].part,
			r->fail == RULES_FAIL_OPEN ? rows[i].open : rows[i].closed);
	buf_fini(&text);
}

static const enum rules_fail modes[] = { RULES_FAIL_OPEN, RULES_FAIL_CLOSED };

static void test_text(void **state)
{
	static const struct text_row rows[] = {
		{ "table inet mailferry {\n", true, true },
		{ "\tcounter imap-source-in { packets 0 bytes 0 }\n", true, true },
		{ "imap-direct-in", true, false },
		{ "imap-refused-in", true, true },
		{ "\t\t\t192.0.2.10\n", true, true },
		{ "\t\t\t2001:db8::10\n", true, true },
		{ "0x40000000 . 143 : \"imap-source-in\"", true, true },
		/* A listener's own mark is counted outwards only: its SYNs go to tproxy.
		 */
		{ "0x20000000 . 143 : \"imap-undecided-out\"", true, true },
		{ "0x20000000 . 143 : \"imap-undecided-in\"", false, false },
		{ "tcp flags != 0xc2 socket transparent 1 counter name tcp dport map "
		  "@undecided-in meta mark set meta mark & 0x8fffffff | 0x10000000 "
		  "accept\n",
			true, true },
		{ "tcp flags != 0x02 tcp flags != 0xc2 return\n", true, false },
		{ "tcp flags != 0xc2 meta mark set meta mark & 0x8fffffff | 0x70000000 "
		  "return\n",
			false, true },
		{ "\t\tmeta l4proto tcp tcp dport 143 tproxy to :19143 counter name "
		  "\"imap-undecided-in\" meta mark set meta mark & 0x8fffffff | "
		  "0x10000000 accept\n",
			true, true },
		{ "tcp sport @upstream-ports goto from-source\n", true, true },
		{ "\t\t\t2525\n", true, true },
		{ "\t\tmeta l4proto tcp reject with tcp reset\n", false, true },
		{ "type filter hook prerouting priority -98; policy accept;\n", true,
			true },
		/* without prefixes and queue nobody judges */
		{ "admi", false, false },
		{ "ct mark", false, false },
		{ "# ip -6 rule add pref 1000 iif lo goto 1004\n", true, true },
		{ "# ip rule add pref 1001 fwmark 0x10000000/0x70000000 lookup 19782\n",
			true, true },
		{ "# ip -6 route add local default dev lo table 19782\n", true, true },
		{ "\t\tmeta mark set meta mark & 0x8fffffff | 0x70000000\n", false,
			true },
		{ "# ip rule add pref 1002 fwmark 0x70000000/0x70000000 goto 1004\n",
			false, true },
		{ "# ip rule add pref 1003 ipproto tcp dport 25 lookup 19783\n", false,
			true },
		{ "# ip rule add pref 1004 nop\n", true, true },
		{ "# ip -6 route add prohibit 2001:db8::10 table 19783\n", false, true },
	};

	(void)state;
	for (size_t mode = 0; mode < 2; mode++) {
		struct ruleset r = make_ruleset(modes[mode]);

		check_rows(&r, rows, sizeof(rows) / sizeof(rows[0]));
	}
}

static void test_text_with_admission(void **state)
{
	static const struct text_row rows[] = {
		{ "imap-direct-in", true, true },
		{ "imap-refused-out", true, true },
		{ "smtp-dropped-in", true, true },
		{ "set admit-direct4 {\n\t\ttype ipv4_addr; flags interval;\n", true,
			true },
		{ "\t\t\t10.0.0.0-10.0.255.255,\n\t\t\t10.2.0.0-10.255.255.255\n", true,
			true },
		{ "priority -99; policy accept;\n", true, true },
		{ "\t\tmeta mark set meta mark & 0x8fffffff\n", true, true },
		{ "ip saddr @admit-smtp-drop4 meta l4proto tcp counter name tcp dport "
		  "map @dropped-in drop\n",
			true, true },
		{ "\t\tmeta l4proto tcp queue flags bypass,fanout to 19782-19783\n", true,
			true },
		{ "meta mark & 0x70000000 == 0x40000000 ct mark set ct mark & "
		  "0xf7ffffff | 0x08000000 meta mark set meta mark & 0x8fffffff | "
		  "0x70000000 return\n",
			false, true },
		{ "\t\tct mark & 0x08000000 == 0x08000000 accept\n", false, true },
		{ "\t\tmeta mark & 0x70000000 == 0x70000000 meta l4proto tcp reject "
		  "with tcp reset\n",
			true, false },
	};

	(void)state;
	for (size_t mode = 0; mode < 2; mode++) {
		struct ruleset r = make_ruleset(modes[mode]);

		add_admissions(&r);
		r.queue = RULES_QUEUE_NFT;
		r.n_queues = 2;
		check_rows(&r, rows, sizeof(rows) / sizeof(rows[0]));
	}
}

static void test_ipv4_alone_needs_no_ipv6(void **state)
{
	struct ruleset r = make_ruleset(RULES_FAIL_OPEN);
	struct buf text;

	(void)state;
	r.n_sources = 1;
	buf_init(&text, 0);
	assert_int_equal(rules_text(&r, &text, NULL), 0);
	assert_int_equal(buf_byte(&text, '\0'), 0);
	contains(buf_view(&text).ptr, "ip6", false);
	contains(buf_view(&text).ptr, "source6", false);
	contains(buf_view(&text).ptr, "ip -6", false);
	buf_fini(&text);
}

/* ---- rules that are not ours ---- */

static void test_rule_text(void **state)
{
	static const struct {
		struct op ops[4];
		const char *text;
	} rows[] = {
		{ { { OP_VERDICT, .v = { 0, NF_DROP } } }, "drop" },
		{ { { OP_VERDICT, .v = { 0, 77 } } }, "verdict #77" },
		{ { { OP_GOTO, .v = { 0, (uint32_t)NFT_JUMP }, .name = "x" } },
			"jump x" },
		{ { { OP_META_LOAD, .v = { 99, 1 } },
			  { OP_COMPARE, .v = { 1, NFT_CMP_NEQ }, .data = { 1, 2 },
				  .data_len = 2 } },
			"meta #99 != 0x0102" },
		{ { { OP_PAYLOAD, .v = { 1, 2, 12, 1 } },
			  { OP_COMPARE, .v = { 1, NFT_CMP_EQ }, .data = { 2 },
				  .data_len = 1 } },
			"@2,96,8 0x02" },
		/* compares another register than was loaded */
		{ { { OP_META_LOAD, .v = { NFT_META_L4PROTO, 2 } },
			  { OP_COMPARE, .v = { 1, NFT_CMP_EQ }, .data = { 6 },
				  .data_len = 1 } },
			"meta l4proto (register 1) tcp" },
		{ { { OP_SOCKET, .v = { NFT_SOCKET_MARK, 1 } } },
			"(unused socket mark)" },
		{ { { OP_COUNTER, .v = { NFT_OBJECT_QUOTA }, .name = "q" } },
			"object #2 name \"q\"" },
		{ { { OP_REJECT, .v = { NFT_REJECT_ICMP_UNREACH } } }, "reject #0" },
		{ { { OP_TPROXY, .v = { NFPROTO_IPV4, 1 } } },
			"tproxy ip to :(nothing)" },
		{ { { OP_TARGET, .v = { 2 }, .name = "NFQUEUE", .data_len = 8 } },
			"[target NFQUEUE revision 2]" },
		{ { { OP_TARGET, .v = { 3 }, .name = "TEE", .data_len = 8 } },
			"[target TEE revision 3]" },
		{ { { OP_QUEUE, .v = { 5, 1, 0 } } }, "queue to 5" },
		{ { { OP_META_LOAD, .v = { NFT_META_MARK, 1 } },
			  { OP_BITWISE, .v = { 1, 1, 4 }, .data = { 1 }, .data_len = 4,
				  .more = { 1 }, .more_len = 4 },
			  { OP_META_SET, .v = { NFT_META_MARK, 1 } } },
			"meta mark set meta mark [bitwise]" },
		{ { { OP_OTHER, .name = "log" }, { OP_VERDICT, .v = { 0, NF_ACCEPT } } },
			"[log] accept" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan_rule rule = { 0 };
		char text[PLAN_TEXT_MAX];

		for (; rule.n_ops < 4; rule.n_ops++) {
			const struct op *o = &rows[i].ops[rule.n_ops];

			if (o->kind == OP_OTHER && !o->name[0])
				break;
			rule.ops[rule.n_ops] = *o;
		}
		plan_rule_text(&rule, text);
		if (strcmp(text, rows[i].text) != 0)
			fail_msg("row %zu: \"%s\", expected \"%s\"", i, text,
				rows[i].text);
	}
}

static void test_rule_text_is_cut(void **state)
{
	struct plan_rule rule = { .n_ops = PLAN_OPS_MAX };
	char text[PLAN_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < rule.n_ops; i++) {
		rule.ops[i].kind = OP_OTHER;
		memset(rule.ops[i].name, 'x', sizeof(rule.ops[i].name) - 1);
	}
	plan_rule_text(&rule, text);
	assert_int_equal(strlen(text), PLAN_TEXT_MAX - 1);
}

/* ---- through libnftnl and back ---- */

static void come_back(struct plan *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		for (size_t j = 0; j < p->rules[i].n_ops; j++) {
			const struct op *o = &p->rules[i].ops[j];
			struct nftnl_expr *expr = expression_build(o);
			struct op back = { 0 };

			assert_non_null(expr);
			expression_read(expr, &back);
			nftnl_expr_free(expr);
			if (memcmp(&back, o, sizeof(back)) != 0)
				fail_msg("rule %zu, expression %zu: kind %d came back "
					 "as %d",
					i, j, (int)o->kind, (int)back.kind);
		}
	plan_fini(p);
}

static void test_expressions_come_back(void **state)
{
	struct plan p = make_plan();

	(void)state;
	come_back(&p);
	p = make_plan_of(RULES_QUEUE_NFT);
	come_back(&p);
	p = make_plan_of(RULES_QUEUE_XT);
	come_back(&p);
}

/* `tcp dport != @services`, a lookup that gives data, a payload that is written: close to
   ours, and not ours. */
static void test_more_than_ours_is_other(void **state)
{
	static const struct {
		struct op op;
		uint16_t attribute;
		const char *name;
	} rows[] = {
		{ { OP_LOOKUP, .v = { 1 }, .name = "services" }, NFTNL_EXPR_LOOKUP_FLAGS,
			"lookup" },
		{ { OP_LOOKUP, .v = { 1 }, .name = "services" }, NFTNL_EXPR_LOOKUP_DREG,
			"lookup" },
		{ { OP_PAYLOAD, .v = { 1, 2, 0, 2 } }, NFTNL_EXPR_PAYLOAD_SREG,
			"payload" },
		{ { OP_TPROXY, .v = { 0, 1 } }, NFTNL_EXPR_TPROXY_REG_ADDR, "tproxy" },
		{ { OP_UPDATE, .v = { 1, 1, 2000 }, .name = "room" },
			NFTNL_EXPR_DYNSET_SREG_DATA, "dynset" },
		{ { OP_UPDATE, .v = { 1, 1, 2000 }, .name = "room" },
			NFTNL_EXPR_DYNSET_FLAGS, "dynset" },
		{ { OP_UPDATE, .v = { 1, 0, 2000 }, .name = "room" },
			NFTNL_EXPR_DYNSET_SREG_KEY, "dynset" }, /* adds only */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nftnl_expr *expr = expression_build(&rows[i].op);
		struct op back = { 0 };

		assert_non_null(expr);
		nftnl_expr_set_u32(expr, rows[i].attribute, 1);
		expression_read(expr, &back);
		nftnl_expr_free(expr);
		if (back.kind != OP_OTHER || strcmp(back.name, rows[i].name) != 0)
			fail_msg("row %zu was read as kind %d", i, (int)back.kind);
	}
}

/* ---- comparison ---- */

static void nothing(struct plan *p)
{
	(void)p;
}

static void drop_table(struct plan *p)
{
	struct plan_ip_rule *rules = p->ip_rules;
	struct plan_route *routes = p->routes;
	size_t n_rules = p->n_ip_rules, n_routes = p->n_routes;

	p->ip_rules = NULL;
	p->routes = NULL;
	plan_fini(p);
	p->ip_rules = rules;
	p->routes = routes;
	p->n_ip_rules = n_rules;
	p->n_routes = n_routes;
}

static void drop_last_rule(struct plan *p)
{
	p->n_rules--;
}

static void alter_rule(struct plan *p)
{
	struct plan_rule *rule = &p->rules[p->n_rules - 1];

	plan_name(rule->ops[rule->n_ops - 1].name, RULES_NAME_MAX, "count-in");
}

static void swap_rules(struct plan *p)
{
	struct plan_rule first = p->rules[0];

	p->rules[0] = p->rules[1];
	p->rules[1] = first;
}

static void add_chain(struct plan *p)
{
	struct plan_chain *chain = plan_add_chain(p);
	struct plan_rule *rule = plan_add_rule(p);

	assert_non_null(chain);
	assert_non_null(rule);
	plan_name(chain->name, sizeof(chain->name), "mine");
	plan_name(rule->chain, sizeof(rule->chain), "mine");
}

static void alter_priority(struct plan *p)
{
	for (size_t i = 0; i < p->n_chains; i++)
		if (!strcmp(p->chains[i].name, "output"))
			p->chains[i].priority = 7;
}

static void alter_element(struct plan *p)
{
	p->elements[0].key[1]++;
}

static void alter_timeout(struct plan *p)
{
	for (size_t i = 0; i < p->n_sets; i++)
		if (!strcmp(p->sets[i].name, "services"))
			p->sets[i].timeout_ms = 5000;
}

static void double_route(struct plan *p)
{
	struct plan_route copy = p->routes[0];
	struct plan_route *route = plan_add_route(p);

	assert_non_null(route);
	*route = copy;
}

static void alter_ip_rule(struct plan *p)
{
	p->ip_rules[1].mask = 0xff;
}

static const struct diff_row {
	void (*spoil)(struct plan *p);
	const char *lines;
	bool table, routing;
} diff_rows[] = {
	{ nothing, "", false, false },
	{ drop_table, "missing: table inet mailferry\n", true, false },
	{ drop_last_rule,
		"missing: rule meta l4proto tcp counter name meta mark . tcp "
		"sport map @count-out of chain output\n",
		true, false },
	{ alter_rule,
		"altered in chain output: meta l4proto tcp counter name meta "
		"mark "
		". tcp sport map @count-in; wanted: meta l4proto tcp counter "
		"name meta mark . tcp sport map @count-out\n",
		true, false },
	{ swap_rules, "altered: the rules of chain from-client are in another order\n",
		true, false },
	{ add_chain, "not wanted: chain mine\n", true, false },
	{ alter_priority,
		"altered: chain output { type filter hook output priority 7; "
		"policy accept; }; wanted: chain output { type filter hook "
		"output priority -310; policy accept; }\n",
		true, false },
	{ alter_element,
		"missing: element 143 of set services\n"
		"not wanted: element 144 of set services\n",
		true, false },
	{ alter_timeout,
		"altered: set services { type inet_service; timeout 5000ms; }; "
		"wanted: set services { type inet_service; }\n",
		true, false },
	{ double_route, "not wanted: ip route add local default dev lo table 19782\n",
		false, true },
	{ alter_ip_rule,
		"altered: ip rule add pref 1001 fwmark 0x10000000/0x000000ff "
		"lookup 19782; wanted: ip rule add pref 1001 fwmark "
		"0x10000000/0x70000000 lookup 19782\n",
		false, true },
};

static void test_diff(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(diff_rows) / sizeof(diff_rows[0]); i++) {
		struct plan wanted = make_plan(), found = make_plan();
		bool table = false, routing = false;
		struct buf lines;
		size_t n = 99;

		diff_rows[i].spoil(&found);
		buf_init(&lines, 0);
		assert_int_equal(plan_diff(&wanted, &found, &lines, &n), 0);
		if (!str_eq(buf_view(&lines), str_from(diff_rows[i].lines)))
			fail_msg("row %zu: \"%.*s\"", i, STR_ARG(buf_view(&lines)));
		assert_int_equal(n == 0, diff_rows[i].lines[0] == '\0');
		assert_int_equal(plan_differs(&wanted, &found, &table, &routing), 0);
		if (table != diff_rows[i].table || routing != diff_rows[i].routing)
			fail_msg("row %zu: table %d, routing %d", i, table, routing);
		buf_fini(&lines);
		plan_fini(&wanted);
		plan_fini(&found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_with_admission),
		cmocka_unit_test(test_ipv4_alone_needs_no_ipv6),
		cmocka_unit_test(test_rule_text),
		cmocka_unit_test(test_rule_text_is_cut),
		cmocka_unit_test(test_expressions_come_back),
		cmocka_unit_test(test_more_than_ours_is_other),
		cmocka_unit_test(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
