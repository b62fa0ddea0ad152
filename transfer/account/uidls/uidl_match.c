/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/uidls/uidl_match.h"

#include <stdlib.h>
#include <string.h>

typedef int side_order(const struct uidl_side *a, const struct uidl_side *b);

static int by_number(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_uidl(const struct uidl_side *a, const struct uidl_side *b)
{
	return str_cmp(a->uidl, b->uidl);
}

static int by_size(const struct uidl_side *a, const struct uidl_side *b)
{
	return by_number(a->size, b->size);
}

static int by_header(const struct uidl_side *a, const struct uidl_side *b)
{
	return memcmp(a->header, b->header, UIDL_DIGEST);
}

static int by_size_and_header(const struct uidl_side *a, const struct uidl_side *b)
{
	int order = by_size(a, b);

	return order ? order : by_header(a, b);
}

/* ── sorted views of one side ──────────────────────────────────────────────────────── */

struct sorted {
	struct uidl_side **at;
	size_t count;
};

struct sorting {
	side_order *order;
};

static int compare(const void *a, const void *b, void *context)
{
	const struct sorting *s = context;
	const struct uidl_side *x = *(struct uidl_side *const *)a;
	const struct uidl_side *y = *(struct uidl_side *const *)b;
	int order = s->order(x, y);

	if (order == 0)
		order = by_number(x->rank, y->rank);
	/* equal ones keep the order of their side */
	return order ? order : (x > y) - (x < y);
}

typedef bool side_filter(const struct uidl_side *s);

static bool has_uidl(const struct uidl_side *s)
{
	return !s->is_matched && s->uidl.len;
}

static bool is_open(const struct uidl_side *s)
{
	return !s->is_matched;
}

static bool is_kept(const struct uidl_side *s)
{
	return !s->is_matched && !s->is_deleted;
}

static bool has_header(const struct uidl_side *s)
{
	return !s->is_matched && s->has_header;
}

static bool sort(struct sorted *ret, struct uidl_side *sides, size_t n,
	side_filter *filter, side_order *order)
{
	struct sorting s = { order };

	ret->count = 0;
	ret->at = malloc((n ? n : 1) * sizeof(struct uidl_side *));
	if (!ret->at)
		return false;
	for (size_t i = 0; i < n; i++)
		if (filter(&sides[i]))
			ret->at[ret->count++] = &sides[i];
	qsort_r(ret->at, ret->count, sizeof(struct uidl_side *), compare, &s);
	return true;
}

/* How many from `from` on are equal to the first of them. */
static size_t run_of(const struct sorted *s, size_t from, side_order *order)
{
	size_t n = 1;

	while (from + n < s->count && order(s->at[from], s->at[from + n]) == 0)
		n++;
	return n;
}

static void pair(struct uidl_side *drop, struct uidl_side *inbox)
{
	drop->is_matched = inbox->is_matched = true;
	drop->wants_header = inbox->wants_header = false;
	drop->partner = inbox->id;
}

typedef void run_fn(
	struct uidl_side **drop, size_t n_drop, struct uidl_side **inbox, size_t n_inbox);

/* Walks both sides by `order` and calls back for each run of equal ones on both. */
static bool join(
	struct uidl_match *m, side_filter *filter, side_order *order, run_fn *found)
{
	struct sorted drop = { 0 }, inbox = { 0 };
	size_t i = 0, j = 0;
	bool ok = sort(&drop, m->drop, m->n_drop, filter, order) &&
	          sort(&inbox, m->inbox, m->n_inbox, filter, order);

	while (ok && i < drop.count && j < inbox.count) {
		int is = order(drop.at[i], inbox.at[j]);
		size_t n = run_of(&drop, i, order), k = run_of(&inbox, j, order);

		if (is == 0)
			found(&drop.at[i], n, &inbox.at[j], k);
		i += is <= 0 ? n : 0;
		j += is >= 0 ? k : 0;
	}
	free(drop.at);
	free(inbox.at);
	return ok;
}

static void pair_single(
	struct uidl_side **drop, size_t n_drop, struct uidl_side **inbox, size_t n_inbox)
{
	if (n_drop == 1 && n_inbox == 1)
		pair(drop[0], inbox[0]);
}

/* Several of one unique-id are in the order in which they were matched, if all are there.
 */
static void pair_known(
	struct uidl_side **drop, size_t n_drop, struct uidl_side **inbox, size_t n_inbox)
{
	for (size_t i = 0; i < n_drop && n_drop == n_inbox; i++)
		pair(drop[i], inbox[i]);
}

static void pair_in_order(
	struct uidl_side **drop, size_t n_drop, struct uidl_side **inbox, size_t n_inbox)
{
	for (size_t i = 0; i < n_drop && i < n_inbox; i++)
		pair(drop[i], inbox[i]);
}

/* ── the steps ─────────────────────────────────────────────────────────────────────── */

static void want_headers(struct uidl_side *sides, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sides[i].wants_header = !sides[i].is_matched;
}

/* Whether what the filter leaves of both sides is the same collection of sizes. */
static bool same_sizes(struct uidl_match *m, side_filter *filter, bool *ret_same)
{
	struct sorted drop = { 0 }, inbox = { 0 };
	bool ok = sort(&drop, m->drop, m->n_drop, filter, by_size) &&
	          sort(&inbox, m->inbox, m->n_inbox, filter, by_size);
	bool same = ok && drop.count == inbox.count;

	for (size_t i = 0; same && i < drop.count; i++)
		same = by_size(drop.at[i], inbox.at[i]) == 0;
	free(drop.at);
	free(inbox.at);
	*ret_same = same;
	return ok;
}

static bool pair_by_size(struct uidl_match *m)
{
	side_filter *const filters[] = { is_open, is_kept };
	bool ok = true, same = false;

	for (size_t i = 0; ok && !same && i < 2; i++) {
		ok = same_sizes(m, filters[i], &same);
		if (ok && same)
			ok = join(m, filters[i], by_size, pair_single);
	}
	return ok;
}

bool uidl_match_sizes(struct uidl_match *m)
{
	bool ok = join(m, has_uidl, by_uidl, pair_known) && pair_by_size(m);

	want_headers(m->drop, m->n_drop);
	/* INBOX's own headers cost a read of its body each: only when there is something
	   to find */
	if (uidl_match_unproven(m))
		want_headers(m->inbox, m->n_inbox);
	return ok;
}

bool uidl_match_headers(struct uidl_match *m)
{
	return join(m, has_header, by_size_and_header, pair_in_order) &&
	       join(m, has_header, by_header, pair_in_order);
}

size_t uidl_match_unproven(const struct uidl_match *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_drop; i++)
		n += !m->drop[i].is_matched;
	return n;
}

/* The oldest UID that is in the maildrop for sure. */
static uint32_t first_shown(const struct uidl_match *m)
{
	uint32_t first = UINT32_MAX;

	for (size_t i = 0; i < m->n_drop; i++)
		if (m->drop[i].is_matched && m->drop[i].partner < first)
			first = m->drop[i].partner;
	return first == UINT32_MAX ? 0 : first;
}

void uidl_match_hide(struct uidl_match *m)
{
	bool is_proven = uidl_match_unproven(m) == 0;
	uint32_t first = first_shown(m);

	for (size_t i = 0; i < m->n_inbox; i++) {
		struct uidl_side *s = &m->inbox[i];

		s->is_hidden = !s->is_matched && (is_proven || s->id < first);
	}
}
