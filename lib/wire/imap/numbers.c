/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/numbers.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct imap_numbers *t, uint32_t n)
{
	uint32_t cap = t->cap ? t->cap : 256;
	uint32_t *more;

	if (n <= t->cap)
		return true;
	while (cap < n && cap < IMAP_NUMBERS_MAX)
		cap *= 2;
	more = n <= IMAP_NUMBERS_MAX ? realloc(t->uids, cap * sizeof(*more)) : NULL;
	if (!more)
		return false;
	t->uids = more;
	t->cap = cap;
	return true;
}

bool imap_numbers_set(struct imap_numbers *t, uint32_t n, uint32_t uid)
{
	if (!n || !uid || !make_room(t, n))
		return false;
	while (t->n < n)
		t->uids[t->n++] = 0;
	if (t->uids[n - 1] && t->uids[n - 1] != uid)
		return false;
	t->uids[n - 1] = uid;
	return true;
}

/* `count` of them go, from index `first` on. */
static void take_out(struct imap_numbers *t, uint32_t first, uint32_t count)
{
	uint32_t behind = t->n - first - count;

	memmove(t->uids + first, t->uids + first + count, behind * sizeof(*t->uids));
	t->n -= count;
	t->moved += behind;
	if (t->moved > IMAP_NUMBERS_MOVED_MAX)
		imap_numbers_clear(t);
}

void imap_numbers_expunge(struct imap_numbers *t, uint32_t n)
{
	if (n && n <= t->n)
		take_out(t, n - 1, 1);
}

/* The first that is not below uid. */
static uint32_t index_of(const struct imap_numbers *t, uint64_t uid)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void imap_numbers_vanish(struct imap_numbers *t, uint32_t from, uint32_t to)
{
	uint32_t first = index_of(t, from), end = index_of(t, (uint64_t)to + 1);

	if (end > first)
		take_out(t, first, end - first);
}

bool imap_numbers_are_all(const struct imap_numbers *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!t->uids[i] || (i && t->uids[i] <= t->uids[i - 1]))
			return false;
	return true;
}

void imap_numbers_clear(struct imap_numbers *t)
{
	free(t->uids);
	*t = (struct imap_numbers){ 0 };
}
