/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/ranges.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 16
#define EDGES_MAX (2 * (size_t)RULES_ADMISSIONS_MAX)

/* The first address behind a place where the verdict may change; `is_end` behind the last
   address that there is. */
struct edge {
	unsigned char at[WIDTH];
	bool is_end;
};

static size_t width(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool covers(const struct rules_admission *a, const unsigned char *address)
{
	size_t bytes = a->prefix_len / 8, bits = a->prefix_len % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - bits));

	if (memcmp(a->address, address, bytes) != 0)
		return false;
	return !bits || ((a->address[bytes] ^ address[bytes]) & mask) == 0;
}

static bool concerns(const struct rules_admission *a, int family, uint16_t port)
{
	return a->family == family && (!a->port || a->port == port);
}

/* The longest prefix; of two equal ones that which names the service. */
static enum rules_verdict verdict_of(
	const struct ruleset *r, int family, uint16_t port, const unsigned char *address)
{
	const struct rules_admission *best = NULL;

	for (size_t i = 0; i < r->n_admissions; i++) {
		const struct rules_admission *a = &r->admissions[i];

		if (!concerns(a, family, port) || !covers(a, address))
			continue;
		if (!best || a->prefix_len > best->prefix_len ||
			(a->prefix_len == best->prefix_len && a->port))
			best = a;
	}
	return best ? best->verdict : RULES_DIVERT;
}

static struct edge begin_of(const struct rules_admission *a)
{
	struct edge e = { 0 };
	size_t bytes = a->prefix_len / 8, bits = a->prefix_len % 8;

	memcpy(e.at, a->address, bytes);
	if (bits)
		e.at[bytes] = (unsigned char)(a->address[bytes] & (0xff << (8 - bits)));
	return e;
}

static struct edge end_of(const struct rules_admission *a)
{
	struct edge e = begin_of(a);
	unsigned carry = 1;
	size_t i = (a->prefix_len + 7u) / 8;

	if (a->prefix_len % 8)
		carry = 1u << (8 - a->prefix_len % 8);
	while (i-- > 0 && carry) {
		carry += e.at[i];
		e.at[i] = (unsigned char)carry;
		carry >>= 8;
	}
	e.is_end = carry != 0;
	return e;
}

static int compare(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return x->is_end != y->is_end ? (x->is_end ? 1 : -1)
	                              : memcmp(x->at, y->at, WIDTH);
}

static size_t edges_of(
	const struct ruleset *r, int family, uint16_t port, struct edge *edges)
{
	size_t n = 0, unique = 0;

	for (size_t i = 0; i < r->n_admissions; i++)
		if (concerns(&r->admissions[i], family, port)) {
			edges[n++] = begin_of(&r->admissions[i]);
			edges[n++] = end_of(&r->admissions[i]);
		}
	qsort(edges, n, sizeof(*edges), compare);
	for (size_t i = 0; i < n; i++)
		if (!unique || compare(&edges[unique - 1], &edges[i]) != 0)
			edges[unique++] = edges[i];
	return unique;
}

/* The address before an edge. */
static void before(const struct edge *e, size_t bytes, unsigned char *ret)
{
	memset(ret, 0, WIDTH);
	memcpy(ret, e->at, bytes);
	for (size_t i = bytes; i-- > 0;)
		if (ret[i]--)
			break;
}

size_t ranges_of(const struct ruleset *r, int family, uint16_t port,
	enum rules_verdict verdict, struct range ret[static RANGES_MAX])
{
	struct edge edges[EDGES_MAX];
	size_t n_edges = edges_of(r, family, port, edges), n = 0;
	bool joins = false; /* the range before reaches up to here */

	/* Between two edges all addresses have one verdict; outside of all, none has. */
	for (size_t i = 0; i + 1 < n_edges; i++) {
		if (verdict_of(r, family, port, edges[i].at) != verdict) {
			joins = false;
			continue;
		}
		if (!joins)
			memcpy(ret[n++].first, edges[i].at, WIDTH);
		before(&edges[i + 1], width(family), ret[n - 1].last);
		joins = true;
	}
	return n;
}
