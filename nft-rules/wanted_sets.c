/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the rules look things up in. One lookup counts and decides, however many services
 * there are:
 *
 *   source4, source6, upstream4, upstream6   addresses
 *   services, upstream-ports                 ports
 *   count-in, count-out                      socket mark and port ──► counter
 *   undecided-in                             port ──► counter, before there is a mark
 *   direct-in, refused-in, dropped-in, …     port ──► counter
 *   unseen, unseen-in, unseen-out            the same for ports that are not diverted
 *
 * A counter is named service-route-direction: rules_counters() takes it apart again.
 */
#include "nft-rules/wanted.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

bool wanted_has_family(const struct sockaddr_storage *list, size_t n, int family)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].ss_family == family)
			return true;
	return false;
}

int wanted_set(struct plan *p, const char *name, uint32_t key_type, uint32_t key_len,
	uint32_t flags)
{
	struct plan_set *set = plan_add_set(p);

	if (!set)
		return -ENOMEM;
	plan_name(set->name, sizeof(set->name), name);
	set->key_type = key_type;
	set->key_len = key_len;
	set->flags = flags;
	if (flags & NFT_SET_OBJECT)
		set->object_type = NFT_OBJECT_COUNTER;
	return 0;
}

static int add_element(struct plan *p, const char *set, const void *key, uint32_t len,
	const char *counter)
{
	struct plan_element *element = plan_add_element(p);
	uint32_t key_type = 0;

	if (!element)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_sets; i++)
		if (!strcmp(p->sets[i].name, set))
			key_type = p->sets[i].key_type;
	plan_name(element->set, sizeof(element->set), set);
	element->key_type = key_type;
	memcpy(element->key, key, len);
	element->key_len = len;
	plan_name(element->object, sizeof(element->object), counter);
	return 0;
}

static bool has_element(
	const struct plan *p, const char *set, const void *key, size_t len)
{
	for (size_t i = 0; i < p->n_elements; i++)
		if (!strcmp(p->elements[i].set, set) && p->elements[i].key_len == len &&
			!memcmp(p->elements[i].key, key, len))
			return true;
	return false;
}

static int add_port(struct plan *p, const char *set, uint16_t port, const char *counter)
{
	uint16_t key = htons(port);

	if (has_element(p, set, &key, sizeof(key)))
		return 0;
	return add_element(p, set, &key, sizeof(key), counter);
}

static int add_mark_port(struct plan *p, const char *map, uint32_t mark, uint16_t port,
	const char *counter)
{
	/* Each member of a concatenation begins on a register of its own. */
	struct {
		uint32_t mark;
		uint16_t port;
		uint16_t padding;
	} key = { .mark = mark, .port = htons(port) };

	return add_element(p, map, &key, sizeof(key), counter);
}

static int add_addresses(struct plan *p, const char *set4, const char *set6,
	const struct sockaddr_storage *list, size_t n)
{
	int code = 0;

	if (wanted_has_family(list, n, AF_INET))
		code = wanted_set(p, set4, PLAN_KEY_IPV4, sizeof(struct in_addr), 0);
	if (!code && wanted_has_family(list, n, AF_INET6))
		code = wanted_set(p, set6, PLAN_KEY_IPV6, sizeof(struct in6_addr), 0);
	for (size_t i = 0; i < n && !code; i++) {
		struct str address = address_bytes(&list[i]);

		code = add_element(p, list[i].ss_family == AF_INET ? set4 : set6,
			address.ptr, (uint32_t)address.len, "");
	}
	return code;
}

static void counter_name(char name[static PLAN_NAME_MAX],
	const struct rules_service *service, enum rules_route route,
	const char *direction)
{
	(void)snprintf(name, PLAN_NAME_MAX, "%s-%s-%s", service->name,
		rules_route_name(route), direction);
}

/* Which marks are counted as which route. MARK_LISTENER only outwards: see above. */
static const struct counted {
	enum mark mark;
	enum rules_route route;
	bool in;
} counted[] = {
	{ MARK_LISTENER, RULES_ROUTE_UNDECIDED, false },
	{ MARK_UNDECIDED, RULES_ROUTE_UNDECIDED, true },
	{ MARK_SOURCE, RULES_ROUTE_SOURCE, true },
	{ MARK_BUSY, RULES_ROUTE_BUSY, true },
	{ MARK_LOCAL, RULES_ROUTE_LOCAL, true },
};
#define N_COUNTED (sizeof(counted) / sizeof(counted[0]))

static int add_counter(
	struct plan *p, const struct rules_service *s, enum rules_route route, bool in)
{
	struct plan_counter *counter = plan_add_counter(p);

	if (!counter)
		return -ENOMEM;
	counter->type = NFT_OBJECT_COUNTER;
	counter_name(counter->name, s, route, in ? "in" : "out");
	return 0;
}

/* Past us go only those that the fail mode has, unless there are verdicts on flows.
   Resets there are always: what comes too late for its socket. */
static bool is_counted(const struct ruleset *r, enum rules_route route)
{
	if (route <= RULES_ROUTE_LOCAL || route == RULES_ROUTE_REFUSED)
		return true;
	if (route == RULES_ROUTE_DIRECT && r->fail == RULES_FAIL_OPEN)
		return true;
	return route != RULES_ROUTE_UNSEEN && ruleset_has_admission(r);
}

static int add_service_counters(
	struct plan *p, const struct rules_service *s, const struct ruleset *r)
{
	int code = 0;

	for (int route = 0; route < RULES_ROUTE_COUNT && !code; route++) {
		if (!is_counted(r, (enum rules_route)route))
			continue;
		code = add_counter(p, s, (enum rules_route)route, true);
		if (!code)
			code = add_counter(p, s, (enum rules_route)route, false);
	}
	return code;
}

/* Those that no mark of a socket tells: by port alone. */
static int add_past_elements(
	struct plan *p, const struct rules_service *s, const struct ruleset *r)
{
	static const struct {
		enum rules_route route;
		const char *in, *out;
	} rows[] = {
		{ RULES_ROUTE_DIRECT, "direct-in", "direct-out" },
		{ RULES_ROUTE_REFUSED, "refused-in", "refused-out" },
		{ RULES_ROUTE_DROPPED, "dropped-in", NULL },
	};
	char name[PLAN_NAME_MAX];
	int code = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !code; i++) {
		if (!is_counted(r, rows[i].route))
			continue;
		counter_name(name, s, rows[i].route, "in");
		code = add_port(p, rows[i].in, s->port, name);
		counter_name(name, s, rows[i].route, "out");
		if (!code && rows[i].out)
			code = add_port(p, rows[i].out, s->port, name);
	}
	return code;
}

static int add_service_elements(
	struct plan *p, const struct rules_service *s, const struct ruleset *r)
{
	char in[PLAN_NAME_MAX], out[PLAN_NAME_MAX];
	uint32_t mark;
	int code = add_port(p, "services", s->port, "");

	if (!code)
		code = add_port(p, "upstream-ports", s->upstream_port, "");
	for (size_t i = 0; i < N_COUNTED && !code; i++) {
		counter_name(in, s, counted[i].route, "in");
		counter_name(out, s, counted[i].route, "out");
		mark = mark_bits(&r->marks, counted[i].mark);
		code = add_mark_port(p, "count-out", mark, s->port, out);
		if (!code && counted[i].in)
			code = add_mark_port(p, "count-in", mark, s->port, in);
	}
	counter_name(in, s, RULES_ROUTE_UNDECIDED, "in");
	if (!code)
		code = add_port(p, "undecided-in", s->port, in);
	return code ? code : add_past_elements(p, s, r);
}

static int add_unseen_service(struct plan *p, const struct rules_service *s)
{
	char in[PLAN_NAME_MAX], out[PLAN_NAME_MAX];
	int code = add_counter(p, s, RULES_ROUTE_UNSEEN, true);

	counter_name(in, s, RULES_ROUTE_UNSEEN, "in");
	counter_name(out, s, RULES_ROUTE_UNSEEN, "out");
	if (!code)
		code = add_counter(p, s, RULES_ROUTE_UNSEEN, false);
	if (!code)
		code = add_port(p, "unseen", s->port, "");
	if (!code)
		code = add_port(p, "unseen-in", s->port, in);
	return code ? code : add_port(p, "unseen-out", s->port, out);
}

static int add_unseen(struct plan *p, const struct ruleset *r)
{
	int code = wanted_set(p, "unseen", PLAN_KEY_PORT, 2, 0);

	if (!code)
		code = wanted_set(p, "unseen-in", PLAN_KEY_PORT, 2, NFT_SET_OBJECT);
	if (!code)
		code = wanted_set(p, "unseen-out", PLAN_KEY_PORT, 2, NFT_SET_OBJECT);
	for (size_t i = 0; i < r->n_unseen && !code; i++)
		code = add_unseen_service(p, &r->unseen[i]);
	return code;
}

int wanted_sets(struct plan *p, const struct ruleset *r)
{
	static const struct {
		const char *name;
		uint32_t type, len, flags;
		enum rules_route of; /* UNDECIDED: always there */
	} sets[] = {
		{ "services", PLAN_KEY_PORT, 2, 0, 0 },
		{ "upstream-ports", PLAN_KEY_PORT, 2, 0, 0 },
		{ "count-in", PLAN_KEY_MARK_PORT, 8, NFT_SET_OBJECT, 0 },
		{ "count-out", PLAN_KEY_MARK_PORT, 8, NFT_SET_OBJECT, 0 },
		{ "undecided-in", PLAN_KEY_PORT, 2, NFT_SET_OBJECT, 0 },
		{ "direct-in", PLAN_KEY_PORT, 2, NFT_SET_OBJECT, RULES_ROUTE_DIRECT },
		{ "direct-out", PLAN_KEY_PORT, 2, NFT_SET_OBJECT, RULES_ROUTE_DIRECT },
		{ "refused-in", PLAN_KEY_PORT, 2, NFT_SET_OBJECT, RULES_ROUTE_REFUSED },
		{ "refused-out", PLAN_KEY_PORT, 2, NFT_SET_OBJECT, RULES_ROUTE_REFUSED },
		{ "dropped-in", PLAN_KEY_PORT, 2, NFT_SET_OBJECT, RULES_ROUTE_DROPPED },
	};
	int code = 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && !code; i++)
		if (is_counted(r, sets[i].of))
			code = wanted_set(p, sets[i].name, sets[i].type, sets[i].len,
				sets[i].flags);
	for (size_t i = 0; i < r->n_services && !code; i++)
		code = add_service_counters(p, &r->services[i], r);
	for (size_t i = 0; i < r->n_services && !code; i++)
		code = add_service_elements(p, &r->services[i], r);
	if (!code && r->n_unseen)
		code = add_unseen(p, r);
	if (!code)
		code = add_addresses(p, "source4", "source6", r->sources, r->n_sources);
	if (!code && !r->n_upstreams)
		return add_addresses(
			p, "upstream4", "upstream6", r->sources, r->n_sources);
	if (!code)
		code = add_addresses(
			p, "upstream4", "upstream6", r->upstreams, r->n_upstreams);
	return code;
}
