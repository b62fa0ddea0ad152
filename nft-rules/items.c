/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A plan as lines of text: one for each thing that can be missing or be wrong. */
#include "nft-rules/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_TEXT_MAX (2 * PLAN_KEY_MAX + 3) /* in hexadecimal, "0x" and a NUL */

/* Elements come by `update`, and go. */
#define FILLED_BY_PACKETS ((uint32_t)NFT_SET_EVAL | (uint32_t)NFT_SET_TIMEOUT)

_Static_assert(2 * KEY_TEXT_MAX < PLAN_TEXT_MAX, "an interval has two keys");

/* ---- one text for each kind ---- */

static void table_text(const struct plan *p, char *text)
{
	const char *dormant = p->table_flags & NFT_TABLE_F_DORMANT ? " (dormant)" : "";
	const char *owned =
		p->table_flags & NFT_TABLE_F_OWNER ? " (owned by another program)" : "";

	(void)snprintf(
		text, PLAN_TEXT_MAX, "table inet %s%s%s", RULES_TABLE, dormant, owned);
}

static void counter_text(const struct plan_counter *c, char *text)
{
	if (c->type == NFT_OBJECT_COUNTER)
		(void)snprintf(text, PLAN_TEXT_MAX, "counter %s", c->name);
	else
		(void)snprintf(text, PLAN_TEXT_MAX, "object #%u %s", c->type, c->name);
}

static const char *key_type_text(uint32_t type, char unknown[static 16])
{
	switch (type) {
	case PLAN_KEY_IPV4:
		return "ipv4_addr";
	case PLAN_KEY_IPV6:
		return "ipv6_addr";
	case PLAN_KEY_PROTOCOL:
		return "inet_proto";
	case PLAN_KEY_PORT:
		return "inet_service";
	case PLAN_KEY_MARK_PORT:
		return "mark . inet_service";
	default:
		(void)snprintf(unknown, 16, "#%u", type);
		return unknown;
	}
}

static void set_text(const struct plan_set *s, char *text)
{
	bool map = s->flags & (NFT_SET_OBJECT | NFT_SET_MAP);
	uint32_t known = NFT_SET_OBJECT | NFT_SET_INTERVAL | FILLED_BY_PACKETS;
	uint32_t others = s->flags & ~known;
	const char *words = s->flags & NFT_SET_INTERVAL ? " flags interval;" : "";
	char unknown[16], object[32] = "", flags[32] = "", size[32] = "",
			  timeout[48] = "";

	if ((s->flags & FILLED_BY_PACKETS) == FILLED_BY_PACKETS)
		words = " flags dynamic,timeout;";
	else
		others |= s->flags & FILLED_BY_PACKETS;

	if (s->flags & NFT_SET_OBJECT && s->object_type == NFT_OBJECT_COUNTER)
		(void)snprintf(object, sizeof(object), " : counter");
	else if (s->flags & NFT_SET_OBJECT)
		(void)snprintf(object, sizeof(object), " : object #%u", s->object_type);
	if (others)
		(void)snprintf(flags, sizeof(flags), " (flags 0x%x)", others);
	if (s->size)
		(void)snprintf(size, sizeof(size), " size %u;", s->size);
	if (s->timeout_ms)
		(void)snprintf(timeout, sizeof(timeout), " timeout %llums;",
			(unsigned long long)s->timeout_ms);
	(void)snprintf(text, PLAN_TEXT_MAX, "%s %s { type %s%s;%s%s%s }%s",
		map ? "map" : "set", s->name, key_type_text(s->key_type, unknown), object,
		size, words, timeout, flags);
}

static void key_bytes(const struct plan_element *e, const unsigned char *key, char *text)
{
	size_t len = (size_t)snprintf(text, KEY_TEXT_MAX, "0x");

	for (uint32_t i = 0; i < e->key_len; i++)
		len += (size_t)snprintf(text + len, KEY_TEXT_MAX - len, "%02x", key[i]);
}

static void key_text(const struct plan_element *e, const unsigned char *key, char *text)
{
	uint32_t mark = 0;
	uint16_t port = 0;

	if (e->key_type == PLAN_KEY_IPV4 && e->key_len == 4) {
		(void)inet_ntop(AF_INET, key, text, INET6_ADDRSTRLEN);
	} else if (e->key_type == PLAN_KEY_IPV6 && e->key_len == 16) {
		(void)inet_ntop(AF_INET6, key, text, INET6_ADDRSTRLEN);
	} else if (e->key_type == PLAN_KEY_PORT && e->key_len == 2) {
		memcpy(&port, key, sizeof(port));
		(void)snprintf(text, KEY_TEXT_MAX, "%u", ntohs(port));
	} else if (e->key_type == PLAN_KEY_MARK_PORT && e->key_len == 8) {
		memcpy(&mark, key, sizeof(mark));
		memcpy(&port, key + sizeof(mark), sizeof(port));
		(void)snprintf(text, KEY_TEXT_MAX, "0x%08x . %u", mark, ntohs(port));
	} else {
		key_bytes(e, key, text);
	}
}

static void element_text(const struct plan_element *e, char *text)
{
	size_t len;

	key_text(e, e->key, text);
	len = strlen(text);
	if (e->is_interval && memcmp(e->key, e->last, e->key_len) != 0) {
		text[len] = '-';
		key_text(e, e->last, text + len + 1);
		len = strlen(text);
	}
	if (e->object[0])
		(void)snprintf(text + len, PLAN_TEXT_MAX - len, " : \"%s\"", e->object);
}

static void chain_text(const struct plan_chain *c, char *text)
{
	static const char *const hooks[] = { "prerouting", "input", "forward", "output",
		"postrouting", "ingress" };

	if (!c->base) {
		(void)snprintf(text, PLAN_TEXT_MAX, "chain %s", c->name);
		return;
	}
	(void)snprintf(text, PLAN_TEXT_MAX,
		"chain %s { type %s hook %s priority %d; policy %s; }", c->name, c->type,
		c->hook < sizeof(hooks) / sizeof(hooks[0]) ? hooks[c->hook] : "?",
		c->priority, c->policy == NF_ACCEPT ? "accept" : "drop");
}

static const char *family_option(int family)
{
	return family == AF_INET6 ? "-6 " : "";
}

static void ip_rule_text(const struct plan_ip_rule *r, char *text)
{
	char mark[32] = "", port[32] = "", to[24];

	if (r->mask || r->mark)
		(void)snprintf(
			mark, sizeof(mark), " fwmark 0x%08x/0x%08x", r->mark, r->mask);
	if (r->port)
		(void)snprintf(port, sizeof(port), " ipproto tcp dport %u", r->port);
	if (r->action == FR_ACT_NOP)
		(void)snprintf(to, sizeof(to), "nop");
	else
		(void)snprintf(to, sizeof(to), "%s %u",
			r->action == FR_ACT_GOTO ? "goto" : "lookup", r->to);
	(void)snprintf(text, PLAN_TEXT_MAX, "ip %srule add pref %u%s%s%s %s%s",
		family_option(r->family), r->priority, r->from_here ? " iif lo" : "",
		mark, port, to, r->other ? " (and more conditions)" : "");
}

static void prohibit_text(const struct plan_route *r, char *text)
{
	char address[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(r->family, r->destination, address, sizeof(address));
	(void)snprintf(text, PLAN_TEXT_MAX, "ip %sroute add prohibit %s table %u%s",
		family_option(r->family), address, r->table,
		r->other ? " (and more)" : "");
}

static void route_text(const struct plan_route *r, char *text)
{
	char type[16];

	if (r->type == RTN_PROHIBIT) {
		prohibit_text(r, text);
		return;
	}
	(void)snprintf(type, sizeof(type), "type #%u", r->type);
	(void)snprintf(text, PLAN_TEXT_MAX, "ip %sroute add %s %s%s dev %s table %u%s",
		family_option(r->family),
		r->type == RTN_LOCAL     ? "local"
		: r->type == RTN_UNICAST ? "unicast"
					 : type,
		r->prefix_len ? "a network" : "default", "",
		r->oif == 1 ? "lo" : "another", r->table, r->other ? " (and more)" : "");
}

/* ---- the list ---- */

static struct plan_item *add_item(
	struct plan_items *list, enum plan_kind kind, const char *owner, const char *name)
{
	struct plan_item *item = &list->items[list->n++];

	item->kind = kind;
	item->owner = owner;
	item->name = name;
	return item;
}

static void add_table_items(const struct plan *p, struct plan_items *list)
{
	table_text(p, add_item(list, PLAN_TABLE, "", RULES_TABLE)->text);
	for (size_t i = 0; i < p->n_counters; i++)
		counter_text(&p->counters[i],
			add_item(list, PLAN_COUNTER, "", p->counters[i].name)->text);
	for (size_t i = 0; i < p->n_sets; i++)
		set_text(
			&p->sets[i], add_item(list, PLAN_SET, "", p->sets[i].name)->text);
	for (size_t i = 0; i < p->n_elements; i++)
		element_text(&p->elements[i],
			add_item(list, PLAN_ELEMENT, p->elements[i].set, "")->text);
	for (size_t i = 0; i < p->n_chains; i++)
		chain_text(&p->chains[i],
			add_item(list, PLAN_CHAIN, "", p->chains[i].name)->text);
	for (size_t i = 0; i < p->n_rules; i++)
		plan_rule_text(&p->rules[i],
			add_item(list, PLAN_RULE, p->rules[i].chain, "")->text);
}

int plan_items(const struct plan *p, struct plan_items *ret_items)
{
	size_t most = 1 + p->n_counters + p->n_sets + p->n_elements + p->n_chains +
	              p->n_rules + p->n_ip_rules + p->n_routes;
	struct plan_items list = { .items = calloc(most, sizeof(*list.items)) };

	if (!list.items)
		return -ENOMEM;
	if (p->has_table)
		add_table_items(p, &list);
	for (size_t i = 0; i < p->n_ip_rules; i++)
		ip_rule_text(
			&p->ip_rules[i], add_item(&list, PLAN_IP_RULE, "",
						 family_option(p->ip_rules[i].family))
						 ->text);
	for (size_t i = 0; i < p->n_routes; i++)
		route_text(&p->routes[i], add_item(&list, PLAN_ROUTE, "",
						  family_option(p->routes[i].family))
						  ->text);
	*ret_items = list;
	return 0;
}

void plan_items_fini(struct plan_items *items)
{
	free(items->items);
	*items = (struct plan_items){ 0 };
}
