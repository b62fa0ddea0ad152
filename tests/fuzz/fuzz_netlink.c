/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel tells of ip rules and routes, and of changes to our table: any bytes
   become a plan, whose texts end where they must. A rule of the table is made of bytes
   behind libnftnl: that one trusts the kernel (an expression without a name ends it). */
#include "fuzz.h"

#include "nft-rules/conntrack.h"
#include "nft-rules/policy.h"
#include "nft-rules/watch.h"

#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>

static void check_items(const struct plan *p)
{
	struct plan_items list;

	if (plan_items(p, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++)
		if (!memchr(list.items[i].text, '\0', PLAN_TEXT_MAX))
			abort();
	plan_items_fini(&list);
}

/* A plan differs from itself in nothing. */
static void check_difference(const struct plan *p)
{
	bool table = true, routing = true;
	struct buf text;
	size_t n = 1;

	buf_init(&text, 0);
	if (plan_differs(p, p, &table, &routing) == 0 && (table || routing))
		abort();
	if (plan_diff(p, p, &text, &n) == 0 && n)
		abort();
	(void)plan_print(p, &text);
	buf_fini(&text);
}

/* Every source and every port is ours. */
static void read_connection(const struct nlmsghdr *m)
{
	const struct sockaddr_in any4 = { .sin_family = AF_INET };
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	struct linked_flow f;
	struct ruleset r;

	ruleset_init(&r);
	(void)ruleset_add_source(&r, (const struct sockaddr *)&any4);
	(void)ruleset_add_source(&r, (const struct sockaddr *)&any6);
	(void)ruleset_add_service(&r, "imap", 143, 0, 0);
	if (conntrack_read(&r, m, &f) && f.service != &r.services[0])
		abort();
}

static void read_all(struct plan *p, const struct nlmsghdr *m, int left)
{
	for (; mnl_nlmsg_ok(m, left) && m->nlmsg_len <= (uint32_t)left;
		m = mnl_nlmsg_next(m, &left)) {
		(void)policy_read_answer(p, RULES_ROUTE_TABLE, m);
		read_connection(m);
	}
}

/* As expression_read() leaves them: a kind that exists, no more data than fits. */
static void make_rule(struct plan *p, const uint8_t *data, size_t size)
{
	struct plan_rule *rule = plan_add_rule(p);

	p->has_table = true;
	while (rule && size >= sizeof(struct op) && rule->n_ops < PLAN_OPS_MAX) {
		struct op *o = &rule->ops[rule->n_ops++];

		memcpy(o->v, data, sizeof(o->v));
		memcpy(o->data, data + sizeof(o->v), sizeof(o->data));
		memcpy(o->name, data + 40, sizeof(o->name));
		o->name[sizeof(o->name) - 1] = '\0';
		o->kind = (enum op_kind)(data[32] % OP_KIND_COUNT);
		o->data_len = data[33] % (sizeof(o->data) + 1);
		data += sizeof(struct op);
		size -= sizeof(struct op);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1); /* aligned, and its end is watched */
	struct plan p;

	if (!copy || size > INT32_MAX)
		abort();
	if (size)
		memcpy(copy, data, size);
	plan_init(&p);
	read_all(&p, (const struct nlmsghdr *)(const void *)copy, (int)size);
	make_rule(&p, data, size);
	check_items(&p);
	check_difference(&p);
	plan_fini(&p);
	(void)rules_watch_concerns(NETLINK_NETFILTER, RULES_ROUTE_TABLE, copy, size);
	(void)rules_watch_concerns(NETLINK_ROUTE, RULES_ROUTE_TABLE, copy, size);
	free(copy);
	return 0;
}
