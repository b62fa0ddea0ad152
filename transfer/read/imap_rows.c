/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 16 /* nearly all servers need none */
#define TOLD_FIRST 1024
#define ROW_ITEMS (IMAP_ROW_NEEDS | (unsigned)IMAP_FETCHED_SIZE)

void imap_rows_init(struct imap_rows *r)
{
	*r = (struct imap_rows){ .at = NULL };
}

static void row_fini(struct imap_row *row)
{
	free(row->keywords);
	free(row->line);
}

void imap_rows_fini(struct imap_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		row_fini(&r->at[i]);
	free(r->at);
	free(r->told);
	imap_rows_init(r);
}

struct mail imap_mail_of(const struct imap_fetched *f)
{
	return (struct mail){ .uid = f->uid,
		.flags = f->flags,
		.keywords = f->keywords,
		.date = f->date.seconds,
		.zone = f->date.zone,
		.size = f->has & IMAP_FETCHED_SIZE ? f->size : MAIL_SIZE_UNKNOWN };
}

/* ---- the rows that are not complete ---- */

static bool is_about(
	const struct imap_row *row, uint32_t number, const struct imap_fetched *f)
{
	if (f->has & row->fetched.has & IMAP_FETCHED_UID)
		return f->uid == row->fetched.uid;
	return number && number == row->number;
}

static struct imap_row *find(
	struct imap_rows *r, uint32_t number, const struct imap_fetched *f)
{
	for (size_t i = 0; i < r->count; i++) {
		size_t k = (r->hint + i) % r->count;

		if (!is_about(&r->at[k], number, f))
			continue;
		r->hint = k;
		return &r->at[k];
	}
	return NULL;
}

static struct imap_row *push(struct imap_rows *r, uint32_t number)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : ROWS_FIRST;
		struct imap_row *at = reallocarray(r->at, cap, sizeof(*at));

		if (!at)
			return NULL;
		r->at = at;
		r->cap = cap;
	}
	r->at[r->count] = (struct imap_row){ .number = number };
	return &r->at[r->count++];
}

/* The order is of no use to anybody. */
static void drop(struct imap_rows *r, struct imap_row *row)
{
	row_fini(row);
	*row = r->at[--r->count];
}

static int keep_line(struct imap_row *row, struct str line)
{
	char *copy = strndup(line.len ? line.ptr : "",
		line.len < IMAP_LINE_MAX ? line.len : IMAP_LINE_MAX);

	if (!copy)
		return -ENOMEM;
	free(row->line);
	row->line = copy;
	return 0;
}

/* The last word counts. */
static int merge(struct imap_row *row, const struct imap_fetched *f)
{
	struct imap_fetched *to = &row->fetched;

	if (f->has & IMAP_FETCHED_UID)
		to->uid = f->uid;
	if (f->has & IMAP_FETCHED_DATE)
		to->date = f->date;
	if (f->has & IMAP_FETCHED_SIZE)
		to->size = f->size;
	if (f->has & IMAP_FETCHED_FLAGS) {
		char *copy =
			strndup(f->keywords.len ? f->keywords.ptr : "", f->keywords.len);

		if (!copy)
			return -ENOMEM;
		free(row->keywords);
		row->keywords = copy;
		to->flags = f->flags;
		to->keywords = str_of(copy, f->keywords.len);
	}
	to->has |= f->has;
	return 0;
}

static bool is_complete(const struct imap_fetched *f)
{
	return (f->has & ROW_ITEMS) == ROW_ITEMS;
}

/* ---- what was told ---- */

static int tell(struct imap_rows *r, const struct imap_fetched *f, struct mail *ret)
{
	if (r->n_told == r->cap_told) {
		size_t cap = r->cap_told ? r->cap_told * 2 : TOLD_FIRST;
		uint32_t *told = reallocarray(r->told, cap, sizeof(*told));

		if (!told)
			return -ENOMEM;
		r->told = told;
		r->cap_told = cap;
	}
	r->is_unsorted =
		r->is_unsorted || (r->n_told && r->told[r->n_told - 1] >= f->uid);
	r->told[r->n_told++] = f->uid;
	*ret = imap_mail_of(f);
	return 0;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

size_t imap_rows_told(struct imap_rows *r)
{
	size_t kept = 0;

	if (!r->is_unsorted)
		return r->n_told;
	qsort(r->told, r->n_told, sizeof(*r->told), by_uid);
	for (size_t i = 0; i < r->n_told; i++)
		if (!kept || r->told[kept - 1] != r->told[i])
			r->told[kept++] = r->told[i];
	r->n_told = kept;
	r->is_unsorted = false;
	return kept;
}

/* ---- what comes ---- */

static void drop_done(struct imap_rows *r)
{
	if (r->done)
		drop(r, &r->at[r->done - 1]);
	r->done = 0;
}

int imap_rows_take(struct imap_rows *r, uint32_t number, const struct imap_fetched *f,
	struct str line, struct mail *ret, bool *ret_complete)
{
	struct imap_row *row;
	int code;

	drop_done(r);
	row = r->count ? find(r, number, f) : NULL;
	*ret_complete = is_complete(f);
	if (*ret_complete) {
		if (row)
			drop(r, row);
		return tell(r, f, ret);
	}
	if (!row)
		row = push(r, number);
	if (!row)
		return -ENOMEM;
	code = merge(row, f);
	if (code == 0)
		code = keep_line(row, line);
	if (code < 0 || !is_complete(&row->fetched))
		return code;
	r->done = (size_t)(row - r->at) + 1; /* its strings are in use */
	*ret_complete = true;
	return tell(r, &row->fetched, ret);
}

int imap_rows_bad(struct imap_rows *r, uint32_t number, const struct imap_fetched *f,
	struct str line)
{
	const struct imap_fetched id = { .has = f->has & IMAP_FETCHED_UID,
		.uid = f->uid };
	struct imap_row *row;

	drop_done(r);
	row = r->count ? find(r, number, &id) : NULL;
	if (!row)
		row = push(r, number);
	if (!row || merge(row, &id) < 0)
		return -ENOMEM;
	return keep_line(row, line);
}

void imap_rows_shift(struct imap_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->at[i].number = 0;
}

/* ---- the end ---- */

bool imap_rows_next_without_size(struct imap_rows *r, size_t *i, struct mail *ret)
{
	drop_done(r);
	while (*i < r->count) {
		struct imap_row *row = &r->at[*i];

		if ((row->fetched.has & IMAP_ROW_NEEDS) != IMAP_ROW_NEEDS) {
			++*i;
			continue;
		}
		r->done = *i + 1; /* the last one takes its place */
		return tell(r, &row->fetched, ret) == 0;
	}
	return false;
}

const char *imap_lacks(unsigned has, bool with_body)
{
	static const struct {
		unsigned item;
		const char *name;
	} items[] = {
		{ IMAP_FETCHED_BODY, "body" },
		{ IMAP_FETCHED_UID, "UID" },
		{ IMAP_FETCHED_FLAGS, "FLAGS" },
		{ IMAP_FETCHED_DATE, "INTERNALDATE" },
	};

	for (size_t i = with_body ? 0 : 1; i < sizeof(items) / sizeof(items[0]); i++)
		if (!(has & items[i].item))
			return items[i].name;
	return "sense";
}

void imap_row_complaint(const struct imap_row *row, char *text, size_t size)
{
	(void)snprintf(text, size, "message %u: no %s in \"%s\"", row->number,
		imap_lacks(row->fetched.has, false), row->line ? row->line : "");
}
