/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A plan as a file that `nft -f` reads: sets with their elements, chains with their
   rules, the routing (which nft knows nothing of) as comments. */
#include "nft-rules/plan.h"

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

static int print_counter(const struct plan_counter *c, struct buf *text)
{
	return buf_printf(text, "\tcounter %s { packets %llu bytes %llu }\n", c->name,
		(unsigned long long)c->packets, (unsigned long long)c->bytes);
}

/* The elements of one set on one line each, between the set's braces. */
static int print_elements(
	const struct plan_items *list, const char *set, struct buf *text)
{
	const char *before = "\t\telements = {\n\t\t\t";
	int code = 0;

	for (size_t i = 0; i < list->n && !code; i++) {
		const struct plan_item *item = &list->items[i];

		if (item->kind != PLAN_ELEMENT || strcmp(item->owner, set) != 0)
			continue;
		code = buf_printf(text, "%s%s", before, item->text);
		before = ",\n\t\t\t";
	}
	if (!code && before[0] == ',')
		code = buf_append_c(text, "\n\t\t}\n");
	return code;
}

static int print_rules(const struct plan_items *list, const char *chain, struct buf *text)
{
	int code = 0;

	for (size_t i = 0; i < list->n && !code; i++)
		if (list->items[i].kind == PLAN_RULE &&
			!strcmp(list->items[i].owner, chain))
			code = buf_printf(text, "\t\t%s\n", list->items[i].text);
	return code;
}

/* "chain x { type …; }" opened again: what stands between the braces, then what belongs
   to it. */
static int print_block(
	const struct plan_items *list, const struct plan_item *item, struct buf *text)
{
	const char *brace = strstr(item->text, " {");
	const char *end = brace ? strrchr(brace, '}') : NULL;
	size_t head = brace ? (size_t)(brace - item->text) : strlen(item->text);
	int code = buf_printf(text, "\t%.*s {\n", (int)head, item->text);

	if (!code && end)
		code = buf_printf(text, "\t\t%.*s\n", (int)(end - brace - 4), brace + 3);
	if (!code)
		code = item->kind == PLAN_SET ? print_elements(list, item->name, text)
		                              : print_rules(list, item->name, text);
	if (!code)
		code = buf_append_c(text, "\t}\n");
	return code;
}

static int print_table(
	const struct plan *p, const struct plan_items *list, struct buf *text)
{
	int code = buf_printf(text, "table inet %s {\n", RULES_TABLE);

	if (!code && p->table_flags & NFT_TABLE_F_DORMANT)
		code = buf_append_c(text, "\tflags dormant\n");
	for (size_t i = 0; i < p->n_counters && !code; i++)
		code = print_counter(&p->counters[i], text);
	for (size_t i = 0; i < list->n && !code; i++)
		if (list->items[i].kind == PLAN_SET || list->items[i].kind == PLAN_CHAIN)
			code = print_block(list, &list->items[i], text);
	return code ? code : buf_append_c(text, "}\n");
}

int plan_print(const struct plan *p, struct buf *text)
{
	struct plan_items list;
	int code = plan_items(p, &list);

	if (code)
		return code;
	if (p->has_table)
		code = print_table(p, &list, text);
	for (size_t i = 0; i < list.n && !code; i++)
		if (list.items[i].kind == PLAN_IP_RULE ||
			list.items[i].kind == PLAN_ROUTE)
			code = buf_printf(text, "# %s\n", list.items[i].text);
	plan_items_fini(&list);
	return code;
}
