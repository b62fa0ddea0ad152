/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nft-rules from a command line, for test_rules.py.
 *
 *   rules_driver COMMAND [source=ADDRESS] [upstream=ADDRESS]
 * [service=NAME:PORT[:UPSTREAM[:LISTENER]]] [unseen=NAME:PORT] [fail=open|closed]
 * [admit=PREFIX=VERDICT[=PORT]] [queue=none|nft|xt[:N]] [room=CONNECTIONS]
 * [table=NUMBER] [marks=MASK:MARK]
 *
 * Words are taken as they come. Exit 0: done, check found nothing; 1: failed, or check
 * found something; 2: wrong use.
 */
#include "nft-rules/collisions.h"
#include "nft-rules/flow_probe.h"
#include "nft-rules/nft_write.h"
#include "nft-rules/plan.h"
#include "nft-rules/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_address(const char *text, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };

	memset(ret_address, 0, sizeof(*ret_address));
	if (inet_pton(AF_INET, text, &a4.sin_addr) == 1)
		memcpy(ret_address, &a4, sizeof(a4));
	else if (inet_pton(AF_INET6, text, &a6.sin6_addr) == 1)
		memcpy(ret_address, &a6, sizeof(a6));
	else
		return -EINVAL;
	return 0;
}

static int take_source(struct ruleset *r, const char *value)
{
	struct sockaddr_storage a;
	int code = parse_address(value, &a);

	return code ? code : ruleset_add_source(r, (const struct sockaddr *)&a);
}

static int take_upstream(struct ruleset *r, const char *value)
{
	struct sockaddr_storage a;
	int code = parse_address(value, &a);

	return code ? code : ruleset_add_upstream(r, (const struct sockaddr *)&a);
}

static int take_service(struct ruleset *r, const char *value)
{
	struct str rest = str_from(value);
	struct str name = str_split(&rest, ':');
	struct str port = str_split(&rest, ':'), to = str_split(&rest, ':');
	uint32_t number = 0, upstream = 0, listener = 0;
	char text[RULES_NAME_MAX];

	if (!str_to_u32(port, &number) || number > UINT16_MAX ||
		(to.len && !str_to_u32(to, &upstream)) ||
		(rest.len && !str_to_u32(rest, &listener)))
		return -EINVAL;
	(void)snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
	return ruleset_add_service(
		r, text, (uint16_t)number, (uint16_t)upstream, (uint16_t)listener);
}

static int take_unseen(struct ruleset *r, const char *value)
{
	struct str rest = str_from(value);
	struct str name = str_split(&rest, ':');
	uint32_t number = 0;
	char text[RULES_NAME_MAX];

	if (!str_to_u32(rest, &number) || number > UINT16_MAX)
		return -EINVAL;
	(void)snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
	return ruleset_add_unseen(r, text, (uint16_t)number);
}

static int take_admission(struct ruleset *r, const char *value)
{
	struct str rest = str_from(value);
	struct str prefix = str_split(&rest, '='), verdict = str_split(&rest, '=');
	char prefix_text[64], verdict_text[RULES_NAME_MAX];
	enum rules_verdict v;
	uint32_t port = 0;

	if (rest.len && (!str_to_u32(rest, &port) || port > UINT16_MAX))
		return -EINVAL;
	(void)snprintf(prefix_text, sizeof(prefix_text), "%.*s", STR_ARG(prefix));
	(void)snprintf(verdict_text, sizeof(verdict_text), "%.*s", STR_ARG(verdict));
	if (rules_verdict_by_name(verdict_text, &v) < 0)
		return -EINVAL;
	return ruleset_add_admission(r, prefix_text, (uint16_t)port, v);
}

static int take_queue(struct ruleset *r, const char *value)
{
	struct str rest = str_from(value);
	struct str kind = str_split(&rest, ':');
	uint32_t n = 1;

	if (rest.len && (!str_to_u32(rest, &n) || !n || n > RULES_QUEUES_MAX))
		return -EINVAL;
	r->queue = str_eq(kind, STR_LIT("nft"))  ? RULES_QUEUE_NFT
	           : str_eq(kind, STR_LIT("xt")) ? RULES_QUEUE_XT
	                                         : RULES_QUEUE_NONE;
	r->n_queues = (uint16_t)n;
	return 0;
}

/* The kernel lets in by itself, of each network half of so many a second. */
static int take_room(struct ruleset *r, const char *value)
{
	r->has_room = true;
	return str_to_u32(str_from(value), &r->new_connections) ? 0 : -EINVAL;
}

static int take_fail(struct ruleset *r, const char *value)
{
	r->fail = !strcmp(value, "open") ? RULES_FAIL_OPEN : RULES_FAIL_CLOSED;
	return 0;
}

static int take_table(struct ruleset *r, const char *value)
{
	return str_to_u32(str_from(value), &r->route_table) ? 0 : -EINVAL;
}

/* MASK:MARK, as in 0x78000000:0x10000000 */
static int take_marks(struct ruleset *r, const char *value)
{
	char *end;
	unsigned long mask = strtoul(value, &end, 0);

	if (*end != ':')
		return -EINVAL;
	r->marks = marks_of((uint32_t)mask, (uint32_t)strtoul(end + 1, NULL, 0));
	return 0;
}

static const struct word {
	const char *name;
	int (*take)(struct ruleset *r, const char *value);
} words[] = {
	{ "source=", take_source },
	{ "upstream=", take_upstream },
	{ "service=", take_service },
	{ "unseen=", take_unseen },
	{ "fail=", take_fail },
	{ "admit=", take_admission },
	{ "queue=", take_queue },
	{ "room=", take_room },
	{ "table=", take_table },
	{ "marks=", take_marks },
};

static int take_word(struct ruleset *r, const char *argument)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].name);

		if (!strncmp(argument, words[i].name, len))
			return words[i].take(r, argument + len);
	}
	return -EINVAL;
}

/* ---- commands: 0, 1 or -errno with a sentence ---- */

static void print(struct buf *text)
{
	struct str view = buf_view(text);

	(void)fwrite(view.ptr, 1, view.len, stdout);
	buf_fini(text);
}

static int run_text(const struct ruleset *r, struct error *err)
{
	struct buf text;
	int code;

	buf_init(&text, 0);
	code = rules_text(r, &text, err);
	print(&text);
	return code;
}

static int run_show(const struct ruleset *r, struct error *err)
{
	struct buf text;
	int code;

	buf_init(&text, 0);
	code = rules_show(r->route_table, &text, err);
	print(&text);
	return code;
}

static int run_install(const struct ruleset *r, struct error *err)
{
	bool changed = false;
	int code = rules_install(r, &changed, err);

	if (!code)
		(void)puts(changed ? "changed" : "unchanged");
	return code;
}

static int run_check(const struct ruleset *r, struct error *err)
{
	struct buf lines;
	size_t n = 0;
	int code;

	buf_init(&lines, 0);
	code = rules_check(r, &lines, &n, err);
	print(&lines);
	return code ? code : n > 0;
}

static int run_remove(const struct ruleset *r, struct error *err)
{
	bool changed = false;
	int code = rules_remove(r->route_table, &changed, err);

	if (!code)
		(void)puts(changed ? "changed" : "unchanged");
	return code;
}

static int run_counters(const struct ruleset *r, struct error *err)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	size_t n = 0;
	int code = rules_counters(counts, &n, err);

	(void)r;
	for (size_t i = 0; i < n && !code; i++)
		(void)printf("%s %s %llu %llu %llu %llu\n", counts[i].service,
			rules_route_name(counts[i].route),
			(unsigned long long)counts[i].packets_in,
			(unsigned long long)counts[i].bytes_in,
			(unsigned long long)counts[i].packets_out,
			(unsigned long long)counts[i].bytes_out);
	return code;
}

static void print_collision(void *context, enum collision kind, const char *sentence)
{
	(void)context;
	(void)printf("%d %s\n", (int)kind, sentence);
}

static int run_collisions(const struct ruleset *r, struct error *err)
{
	return collisions_find(r, print_collision, NULL, err);
}

static int run_probe_queue(const struct ruleset *r, struct error *err)
{
	static const char *const names[] = { "none", "nft", "xt" };
	enum rules_queue queue = RULES_QUEUE_NONE;
	int code = rules_probe_queue(&queue, err);

	(void)r;
	if (!code)
		(void)puts(names[queue]);
	return code;
}

static int run_probe(const struct ruleset *r, struct error *err)
{
	struct rules_feature features[RULES_FEATURES_MAX];
	size_t n = 0;
	int code = rules_probe(features, &n, err);

	(void)r;
	for (size_t i = 0; i < n && !code; i++)
		(void)printf("%s %d %s\n", features[i].name, features[i].code,
			features[i].text);
	return code;
}

/* A transaction whose last rule the kernel must refuse. */
static int install_spoilt(
	const struct ruleset *r, void (*spoil)(struct op *op), struct error *err)
{
	struct plan p;
	int code;

	plan_init(&p);
	code = plan_wanted(r, &p);
	for (size_t i = 0; !code && i < p.rules[p.n_rules - 1].n_ops; i++)
		spoil(&p.rules[p.n_rules - 1].ops[i]);
	if (!code)
		code = nft_write(&p, NULL, RULES_TABLE, NFT_COMMIT, err);
	plan_fini(&p);
	return code;
}

static void spoil_set(struct op *op)
{
	if (op->kind == OP_COUNTER_MAP)
		plan_name(op->name, sizeof(op->name), "nowhere");
}

static void spoil_payload(struct op *op)
{
	if (op->kind == OP_PAYLOAD)
		op->v[3] = 0; /* no bytes */
}

static int run_install_unknown_set(const struct ruleset *r, struct error *err)
{
	return install_spoilt(r, spoil_set, err);
}

static int run_install_bad_payload(const struct ruleset *r, struct error *err)
{
	return install_spoilt(r, spoil_payload, err);
}

static int run_flow_probe(const struct ruleset *r, struct error *err)
{
	char said[FLOW_PROBE_TEXT_MAX];
	int code = flow_probe(r, said, err);

	if (code == -EHOSTUNREACH) {
		(void)fprintf(stderr, "%s\n", said);
		return 1;
	}
	return code;
}

static const struct command {
	const char *name;
	int (*run)(const struct ruleset *r, struct error *err);
} commands[] = {
	{ "text", run_text },
	{ "show", run_show },
	{ "install", run_install },
	{ "install-unknown-set", run_install_unknown_set },
	{ "install-bad-payload", run_install_bad_payload },
	{ "dry-run", rules_dry_run },
	{ "check", run_check },
	{ "remove", run_remove },
	{ "counters", run_counters },
	{ "probe", run_probe },
	{ "probe-queue", run_probe_queue },
	{ "collisions", run_collisions },
	{ "flow-probe", run_flow_probe },
};

int main(int argc, char **argv)
{
	struct error err = { 0 };
	struct ruleset r;
	int code = -EINVAL;

	ruleset_init(&r);
	for (int i = 2; i < argc; i++)
		if (take_word(&r, argv[i])) {
			(void)fprintf(stderr, "rules_driver: bad word: %s\n", argv[i]);
			return 2;
		}
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			code = commands[i].run(&r, &err);
	if (code < 0)
		(void)fprintf(stderr, "rules_driver: %s\n",
			err.code ? err.text : "no such command");
	return code ? 1 : 0;
}
