/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/uid_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_FIRST 16

void uid_set_fini(struct uid_set *s)
{
	free(s->at);
	*s = (struct uid_set){ 0 };
}

static int push(struct uid_set *s, uint32_t first, uint32_t last)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : RANGES_FIRST;
		struct uid_span *at = reallocarray(s->at, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		s->at = at;
		s->cap = cap;
	}
	s->at[s->count++] = (struct uid_span){ first, last };
	return 0;
}

int uid_set_add(struct uid_set *s, uint32_t first, uint32_t last)
{
	struct uid_span *end = s->count ? &s->at[s->count - 1] : NULL;
	int r = 0;

	if (!first || last < first || (end && first <= end->last))
		return -ERANGE;
	if (end && first == end->last + 1)
		end->last = last;
	else
		r = push(s, first, last);
	if (r == 0)
		s->n += (uint64_t)last - first + 1;
	return r;
}

/* The range with this UID, or the first one behind it; NULL: none. */
static const struct uid_span *at_or_behind(const struct uid_set *s, uint32_t uid)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->count ? &s->at[low] : NULL;
}

bool uid_set_has(const struct uid_set *s, uint32_t uid)
{
	const struct uid_span *r = at_or_behind(s, uid);

	return r && r->first <= uid;
}

bool uid_set_is_equal(const struct uid_set *a, const struct uid_set *b)
{
	return a->count == b->count &&
	       (!a->count || memcmp(a->at, b->at, a->count * sizeof(*a->at)) == 0);
}

uint32_t uid_set_next_missing(
	const struct uid_set *a, const struct uid_set *b, uint32_t from)
{
	for (;;) {
		const struct uid_span *has = at_or_behind(a, from), *other;
		uint32_t uid;

		if (!has)
			return 0;
		uid = has->first > from ? has->first : from;
		other = at_or_behind(b, uid);
		if (!other || other->first > uid)
			return uid;
		if (other->last == UINT32_MAX)
			return 0;
		from = other->last + 1;
	}
}
