/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/set.h"

#include <inttypes.h>
#include <stdlib.h>

static bool set_number(struct imap_cursor *c, uint32_t *ret)
{
	if (imap_char(c, '*')) {
		*ret = 0;
		return true;
	}
	return imap_number(c, ret) && *ret > 0;
}

static bool set_range(struct imap_cursor *c, struct imap_range *ret)
{
	if (!set_number(c, &ret->from))
		return false;
	if (imap_char(c, ':'))
		return set_number(c, &ret->to);
	ret->to = ret->from;
	return true;
}

static size_t count_ranges(struct str s)
{
	size_t n = 1;

	for (size_t i = 0; i < s.len && s.ptr[i] != ' '; i++)
		n += s.ptr[i] == ',';
	return n;
}

bool imap_set(struct imap_cursor *c, struct arena *arena, struct imap_set *ret)
{
	struct imap_cursor at = *c;
	size_t most = count_ranges(c->rest);
	struct imap_set set = { .ranges = arena_alloc(
					arena, most * sizeof(struct imap_range)) };

	if (!set.ranges)
		return false;
	if (imap_char(&at, '$')) {
		set.saved = true;
		*ret = set;
		*c = at;
		return true;
	}
	do {
		if (set.count == most || !set_range(&at, &set.ranges[set.count++]))
			return false;
	} while (imap_char(&at, ','));
	*ret = set;
	*c = at;
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static uint32_t resolve_range(struct imap_range *range, uint32_t last)
{
	uint32_t highest = range->from > range->to ? range->from : range->to;

	if (!range->from)
		range->from = last;
	if (!range->to)
		range->to = last;
	if (range->from > range->to)
		*range = (struct imap_range){ range->to, range->from };
	return highest;
}

void imap_set_resolve(struct imap_set *set, uint32_t last, uint32_t *ret_highest)
{
	uint32_t highest = 0;
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		uint32_t n = resolve_range(&set->ranges[i], last);

		highest = n > highest ? n : highest;
	}
	if (set->count)
		qsort(set->ranges, set->count, sizeof(set->ranges[0]), by_start);
	for (size_t i = 1; i < set->count; i++) {
		struct imap_range *kept_one = &set->ranges[kept];

		if (set->ranges[i].from <= kept_one->to ||
			set->ranges[i].from == kept_one->to + 1) {
			if (set->ranges[i].to > kept_one->to)
				kept_one->to = set->ranges[i].to;
		} else {
			set->ranges[++kept] = set->ranges[i];
		}
	}
	if (set->count)
		set->count = kept + 1;
	if (ret_highest)
		*ret_highest = highest;
}

bool imap_set_has(const struct imap_set *set, uint32_t number)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].to < number)
			low = middle + 1;
		else
			high = middle;
	}
	return number && low < set->count && set->ranges[low].from <= number;
}

static int put_range(struct imap_set_writer *w)
{
	int r = w->some ? buf_byte(w->out, ',') : 0;

	w->some = true;
	if (r < 0)
		return r;
	return w->from == w->to
	               ? buf_printf(w->out, "%" PRIu32, w->from)
	               : buf_printf(w->out, "%" PRIu32 ":%" PRIu32, w->from, w->to);
}

int imap_set_put(struct imap_set_writer *w, uint32_t number)
{
	int r = 0;

	if (w->from && number == w->to + 1) {
		w->to = number;
		return 0;
	}
	if (w->from)
		r = put_range(w);
	w->from = w->to = number;
	return r;
}

int imap_set_end(struct imap_set_writer *w)
{
	return w->from ? put_range(w) : 0;
}
