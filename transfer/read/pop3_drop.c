/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/pop3_drop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256
#define OURS_MAX 70 /* a unique-id that we make (RFC 1939, 7) */

void pop3_drop_init(struct pop3_drop *d)
{
	*d = (struct pop3_drop){ 0 };
	buf_init(&d->names, UINT32_MAX);
}

void pop3_drop_fini(struct pop3_drop *d)
{
	free(d->at);
	free(d->by_name);
	free(d->by_uid);
	buf_fini(&d->names);
	pop3_drop_init(d);
}

/* ── filling ───────────────────────────────────────────────────────────────────────── */

static int grow(struct pop3_drop *d)
{
	size_t cap = d->cap ? d->cap * 2 : FIRST_CAP;
	struct pop3_drop_message *more = realloc(d->at, cap * sizeof(*more));

	if (!more)
		return -ENOMEM;
	d->at = more;
	d->cap = cap;
	return 0;
}

int pop3_drop_add(struct pop3_drop *d, uint32_t number, uint64_t size)
{
	int r = d->count == d->cap ? grow(d) : 0;

	if (r < 0)
		return r;
	if (d->count == UINT32_MAX)
		return -EOVERFLOW;
	d->at[d->count++] = (struct pop3_drop_message){ .number = number, .size = size };
	return 0;
}

static struct pop3_drop_message *by_number(struct pop3_drop *d, uint32_t number)
{
	/* nearly always in order and without gaps */
	if (number && number <= d->count && d->at[number - 1].number == number)
		return &d->at[number - 1];
	for (size_t i = 0; i < d->count; i++)
		if (d->at[i].number == number)
			return &d->at[i];
	return NULL;
}

static int set_name(struct pop3_drop *d, struct pop3_drop_message *m, struct str name)
{
	size_t at = buf_len(&d->names);
	int r = buf_append(&d->names, name);

	if (r < 0)
		return r;
	m->name = (uint32_t)at;
	m->name_len = (uint32_t)name.len;
	return 0;
}

int pop3_drop_name(struct pop3_drop *d, uint32_t number, struct str name)
{
	struct pop3_drop_message *m = by_number(d, number);

	if (!m)
		return -ENOENT;
	return m->name_len ? -EEXIST : set_name(d, m, name);
}

struct str pop3_drop_name_of(const struct pop3_drop *d, const struct pop3_drop_message *m)
{
	return str_take(str_skip(buf_view(&d->names), m->name), m->name_len);
}

/* ── the two orders ────────────────────────────────────────────────────────────────── */

static int compare_names(const void *a, const void *b, void *context)
{
	const struct pop3_drop *d = context;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order =
		str_cmp(pop3_drop_name_of(d, &d->at[x]), pop3_drop_name_of(d, &d->at[y]));

	return order ? order : (x > y) - (x < y);
}

static int compare_uids(const void *a, const void *b, void *context)
{
	const struct pop3_drop *d = context;
	uint32_t x = d->at[*(const uint32_t *)a].uid;
	uint32_t y = d->at[*(const uint32_t *)b].uid;

	return (x > y) - (x < y);
}

static int sort(struct pop3_drop *d, uint32_t **index,
	int (*order)(const void *a, const void *b, void *context))
{
	if (!*index)
		*index = malloc((d->count ? d->count : 1) * sizeof(**index));
	if (!*index)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++)
		(*index)[i] = (uint32_t)i;
	qsort_r(*index, d->count, sizeof(**index), order, d);
	return 0;
}

int pop3_drop_settle(struct pop3_drop *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (!d->at[i].name_len)
			return -ENODATA;
	return sort(d, &d->by_name, compare_names);
}

int pop3_drop_make_unique(struct pop3_drop *d)
{
	char text[OURS_MAX + 1];
	unsigned nth = 1;
	int r = 0;

	for (size_t i = 1; r == 0 && i < d->count; i++) {
		struct pop3_drop_message *m = &d->at[d->by_name[i]];
		struct pop3_drop_message *before = &d->at[d->by_name[i - 1]];
		struct str name = pop3_drop_name_of(d, m);
		struct str first = pop3_drop_name_of(d, before);

		/* the one before may have got its number just now */
		if (nth > 1)
			first = str_take(first, name.len);
		nth = str_eq(name, first) ? nth + 1 : 1;
		if (nth == 1)
			continue;
		(void)snprintf(text, sizeof(text), "%.*s.%u",
			STR_ARG(str_take(name, OURS_MAX - 12)), nth);
		r = set_name(d, m, str_from(text));
	}
	return r < 0 ? r : sort(d, &d->by_name, compare_names);
}

/* ── UIDs ──────────────────────────────────────────────────────────────────────────── */

/* The first of that name in by_name, or where it would be. */
static size_t first_named(const struct pop3_drop *d, struct str name)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct pop3_drop_message *m = &d->at[d->by_name[middle]];

		if (str_cmp(pop3_drop_name_of(d, m), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct pop3_drop_message *pop3_drop_know(
	struct pop3_drop *d, struct str name, uint64_t size, uint32_t uid)
{
	struct pop3_drop_message *found = NULL;

	for (size_t i = first_named(d, name); i < d->count; i++) {
		struct pop3_drop_message *m = &d->at[d->by_name[i]];

		if (!str_eq(pop3_drop_name_of(d, m), name))
			break;
		if (m->uid || (found && m->size != size))
			continue;
		found = m;
		if (m->size == size)
			break;
	}
	if (found)
		found->uid = uid;
	return found;
}

int pop3_drop_number(struct pop3_drop *d, uint32_t next)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->at[i].uid)
			continue;
		if (!next || next == UINT32_MAX)
			return -EOVERFLOW;
		d->at[i].uid = next++;
	}
	return sort(d, &d->by_uid, compare_uids);
}

const struct pop3_drop_message *pop3_drop_by_uid(const struct pop3_drop *d, uint32_t uid)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct pop3_drop_message *m = &d->at[d->by_uid[middle]];

		if (m->uid == uid)
			return m;
		if (m->uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
