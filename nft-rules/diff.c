/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What differs between two plans, one sentence for each thing.
 *
 * First equal items are paired; what remains on both sides with the same kind, owner and
 * name was altered; what then remains is missing or does not belong there. What lies in
 * something missing is not said again.
 */
#include "nft-rules/plan.h"

#include <string.h>

struct comparison {
	struct plan_items wanted, found;
	struct buf *lines;         /* NULL: only count */
	size_t n[PLAN_KIND_COUNT]; /* differences */
	int code;                  /* first failure to append */
};

static bool same_place(const struct plan_item *a, const struct plan_item *b)
{
	return a->kind == b->kind && !strcmp(a->owner, b->owner) &&
	       !strcmp(a->name, b->name);
}

static bool is_equal(const struct plan_item *a, const struct plan_item *b)
{
	return same_place(a, b) && !strcmp(a->text, b->text);
}

/* The first unpaired item for which match(item, like) holds. */
static struct plan_item *find(struct plan_items *list, const struct plan_item *like,
	bool (*match)(const struct plan_item *, const struct plan_item *))
{
	for (size_t i = 0; i < list->n; i++)
		if (!list->items[i].matched && match(&list->items[i], like))
			return &list->items[i];
	return NULL;
}

static bool has_named(
	const struct plan_items *list, enum plan_kind kind, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].kind == kind && !strcmp(list->items[i].name, name))
			return true;
	return false;
}

/* Whether the thing that `item` lies in is itself missing from `other`. */
static bool goes_without_saying(
	const struct plan_item *item, const struct plan_items *other)
{
	switch (item->kind) {
	case PLAN_TABLE:
	case PLAN_IP_RULE:
	case PLAN_ROUTE:
		return false;
	case PLAN_ELEMENT:
		return !has_named(other, PLAN_SET, item->owner);
	case PLAN_RULE:
		return !has_named(other, PLAN_CHAIN, item->owner);
	case PLAN_COUNTER:
	case PLAN_SET:
	case PLAN_CHAIN:
	case PLAN_KIND_COUNT:
	default:
		return !has_named(other, PLAN_TABLE, RULES_TABLE);
	}
}

/* " of chain forward", for what lies in something. */
static const char *preposition(enum plan_kind kind)
{
	return kind == PLAN_RULE ? " of chain " : kind == PLAN_ELEMENT ? " of set " : "";
}

static void say(struct comparison *c, const char *verb, const struct plan_item *item)
{
	bool inner = item->kind == PLAN_RULE || item->kind == PLAN_ELEMENT;
	const char *what = item->kind == PLAN_RULE      ? "rule "
	                   : item->kind == PLAN_ELEMENT ? "element "
	                                                : "";

	c->n[item->kind]++;
	if (c->lines && !c->code)
		c->code = buf_printf(c->lines, "%s: %s%s%s%s\n", verb, what, item->text,
			preposition(item->kind), inner ? item->owner : "");
}

static void say_altered(struct comparison *c, const struct plan_item *wanted,
	const struct plan_item *found)
{
	c->n[wanted->kind]++;
	if (c->lines && !c->code)
		c->code = buf_printf(c->lines, "altered%s%s: %s; wanted: %s\n",
			wanted->kind == PLAN_RULE ? " in chain " : "", wanted->owner,
			found->text, wanted->text);
}

static void pair_equal(struct comparison *c)
{
	for (size_t i = 0; i < c->wanted.n; i++) {
		struct plan_item *other = find(&c->found, &c->wanted.items[i], is_equal);

		if (!other)
			continue;
		other->matched = true;
		c->wanted.items[i].matched = true;
	}
}

static void say_wanted(struct comparison *c)
{
	for (size_t i = 0; i < c->wanted.n; i++) {
		const struct plan_item *item = &c->wanted.items[i];
		struct plan_item *other;

		if (item->matched || goes_without_saying(item, &c->found))
			continue;
		/* An element has no identity beside its text. */
		other = item->kind == PLAN_ELEMENT ? NULL
		                                   : find(&c->found, item, same_place);
		if (!other) {
			say(c, "missing", item);
			continue;
		}
		other->matched = true;
		say_altered(c, item, other);
	}
}

static void say_found(struct comparison *c)
{
	for (size_t i = 0; i < c->found.n; i++)
		if (!c->found.items[i].matched &&
			!goes_without_saying(&c->found.items[i], &c->wanted))
			say(c, "not wanted", &c->found.items[i]);
}

/* The next rule of that chain from *at on, or NULL. */
static const struct plan_item *next_rule(
	const struct plan_items *list, const char *chain, size_t *at)
{
	while (*at < list->n) {
		const struct plan_item *item = &list->items[(*at)++];

		if (item->kind == PLAN_RULE && !strcmp(item->owner, chain))
			return item;
	}
	return NULL;
}

/* For chains that hold all the right rules and no others. */
static bool same_order(const struct comparison *c, const char *chain)
{
	size_t i = 0, j = 0;
	const struct plan_item *a, *b;

	do {
		a = next_rule(&c->wanted, chain, &i);
		b = next_rule(&c->found, chain, &j);
		if (a && b && strcmp(a->text, b->text) != 0)
			return false;
	} while (a && b);
	return true;
}

static void say_order(struct comparison *c)
{
	if (c->n[PLAN_RULE])
		return;
	for (size_t i = 0; i < c->wanted.n; i++) {
		const struct plan_item *item = &c->wanted.items[i];

		if (item->kind != PLAN_CHAIN || same_order(c, item->name))
			continue;
		c->n[PLAN_RULE]++;
		if (c->lines && !c->code)
			c->code = buf_printf(c->lines,
				"altered: the rules of chain %s are in another order\n",
				item->name);
	}
}

static int compare(
	const struct plan *wanted, const struct plan *found, struct comparison *c)
{
	int code = plan_items(wanted, &c->wanted);

	if (!code)
		code = plan_items(found, &c->found);
	if (!code) {
		pair_equal(c);
		say_wanted(c);
		say_found(c);
		say_order(c);
		code = c->code;
	}
	plan_items_fini(&c->wanted);
	plan_items_fini(&c->found);
	return code;
}

int plan_diff(const struct plan *wanted, const struct plan *found, struct buf *lines,
	size_t *ret_n)
{
	struct comparison c = { .lines = lines };
	int code = compare(wanted, found, &c);
	size_t n = 0;

	for (int kind = 0; kind < PLAN_KIND_COUNT; kind++)
		n += c.n[kind];
	if (!code)
		*ret_n = n;
	return code;
}

int plan_differs(const struct plan *wanted, const struct plan *found, bool *ret_table,
	bool *ret_routing)
{
	struct comparison c = { 0 };
	int code = compare(wanted, found, &c);
	size_t table = 0;

	for (int kind = 0; kind < PLAN_IP_RULE; kind++)
		table += c.n[kind];
	if (code)
		return code;
	*ret_table = table > 0;
	*ret_routing = c.n[PLAN_IP_RULE] || c.n[PLAN_ROUTE];
	return 0;
}
