/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters by name: "imap-source-in" is service, route, direction. A service's name may
   have '-' itself, the others have not, so names are read from their end. */
#include "nft-rules/nft_read.h"
#include "nft-rules/rules.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

static const char *const route_names[] = { "undecided", "source", "busy", "local",
	"direct", "refused", "dropped", "unseen" };
_Static_assert(sizeof(route_names) / sizeof(route_names[0]) == RULES_ROUTE_COUNT,
	"a name for each route");

const char *rules_route_name(enum rules_route route)
{
	return (unsigned)route < RULES_ROUTE_COUNT ? route_names[route] : "?";
}

static struct str cut_last(struct str *name)
{
	size_t at = name->len;
	struct str last;

	while (at > 0 && name->ptr[at - 1] != '-')
		at--;
	last = str_skip(*name, at);
	*name = str_take(*name, at ? at - 1 : 0);
	return last;
}

static bool take_apart(struct str name, struct str *ret_service,
	enum rules_route *ret_route, bool *ret_in)
{
	struct str direction = cut_last(&name);
	struct str route = cut_last(&name);

	*ret_in = str_eq(direction, STR_LIT("in"));
	if (!name.len || name.len >= RULES_NAME_MAX ||
		(!*ret_in && !str_eq(direction, STR_LIT("out"))))
		return false;
	*ret_service = name;
	for (int i = 0; i < RULES_ROUTE_COUNT; i++)
		if (str_eq(route, str_from(route_names[i]))) {
			*ret_route = (enum rules_route)i;
			return true;
		}
	return false;
}

/* The entry of that service and route, a new one at the end, or NULL when all are used.
 */
static struct rules_count *entry(
	struct rules_count *counts, size_t *n, struct str service, enum rules_route route)
{
	for (size_t i = 0; i < *n; i++)
		if (counts[i].route == route &&
			str_eq(str_from(counts[i].service), service))
			return &counts[i];
	if (*n == RULES_COUNTS_MAX)
		return NULL;
	counts[*n] = (struct rules_count){ .route = route };
	(void)snprintf(
		counts[*n].service, sizeof(counts[*n].service), "%.*s", STR_ARG(service));
	return &counts[(*n)++];
}

static void add(struct rules_count *counts, size_t *n, const struct plan_counter *c)
{
	enum rules_route route = RULES_ROUTE_UNDECIDED;
	struct rules_count *to = NULL;
	struct str service = { 0 };
	bool in = false;

	if (c->type == NFT_OBJECT_COUNTER &&
		take_apart(str_from(c->name), &service, &route, &in))
		to = entry(counts, n, service, route);
	if (to && in) {
		to->packets_in += c->packets;
		to->bytes_in += c->bytes;
	} else if (to) {
		to->packets_out += c->packets;
		to->bytes_out += c->bytes;
	}
}

int rules_counters(struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err)
{
	struct plan p;
	size_t n = 0;
	int code;

	plan_init(&p);
	code = nft_read_counters(&p, err);
	if (!code && !p.has_table)
		code = error_set(err, -ENOENT,
			"no counters: the rules are not installed (mailferry rules "
			"install)");
	for (size_t i = 0; i < p.n_counters && !code; i++)
		add(ret_counts, &n, &p.counters[i]);
	plan_fini(&p);
	if (!code)
		*ret_n = n;
	return code;
}

int rules_unseen(struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err)
{
	size_t all = 0, n = 0;
	int code = rules_counters(ret_counts, &all, err);

	if (code)
		return code;
	for (size_t i = 0; i < all; i++)
		if (ret_counts[i].route == RULES_ROUTE_UNSEEN && ret_counts[i].packets_in)
			ret_counts[n++] = ret_counts[i];
	*ret_n = n;
	return 0;
}

static void begin_with(struct plan_counter *c, const struct rules_count *start, size_t n)
{
	enum rules_route route = RULES_ROUTE_UNDECIDED;
	struct str service = { 0 };
	bool in = false;

	if (!take_apart(str_from(c->name), &service, &route, &in))
		return;
	for (size_t i = 0; i < n; i++) {
		if (start[i].route != route ||
			!str_eq(str_from(start[i].service), service))
			continue;
		c->packets = in ? start[i].packets_in : start[i].packets_out;
		c->bytes = in ? start[i].bytes_in : start[i].bytes_out;
	}
}

void plan_start_counters(struct plan *p, const struct rules_count *start, size_t n)
{
	for (size_t i = 0; i < p->n_counters; i++)
		begin_with(&p->counters[i], start, n);
}
