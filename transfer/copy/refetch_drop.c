/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/refetch_parts.h"

#include <errno.h>
#include <stdlib.h>

/* Messages that are read for one that is lost: each is transferred whole. */
#define LIKE_MAX 64
#define NEAR 16 /* from where it was: some came since, or went */
#define OTHER_FOLDER "the source has only POP3, which shows INBOX alone"

static int no_memory(struct refetch *r)
{
	return error_set(r->err, -ENOMEM, "no memory");
}

int refetch_drop_row(struct refetch *r, const struct mail *m)
{
	if (r->n_rows == r->cap_rows) {
		size_t cap = r->cap_rows ? r->cap_rows * 2 : 256;
		struct refetch_row *more = reallocarray(r->rows, cap, sizeof(*more));

		if (!more)
			return no_memory(r);
		r->rows = more;
		r->cap_rows = cap;
	}
	r->rows[r->n_rows++] = (struct refetch_row){ .uid = m->uid, .size = m->size };
	return 0;
}

/* ---- which of them may be one that is wanted ---- */

static bool is_known_as(const struct refetch_message *m, uint32_t uid)
{
	return uid == m->number + 1;
}

/* LIST's number, or (of one that came later) the bytes that were delivered here. */
static bool has_its_size(const struct refetch_message *m, uint64_t size)
{
	return size == m->size || size == m->len;
}

/* Those that came later have the highest UIDs, in their order. LIST may count otherwise
   than bytes are (qmail, mailutils). */
static bool is_near(const struct refetch *r, const struct refetch_message *m,
	const struct refetch_row *row)
{
	size_t from_end = r->n_rows - (size_t)(row - r->rows);

	return m->from_end && from_end + NEAR >= m->from_end &&
	       from_end <= (size_t)m->from_end + NEAR;
}

static bool is_like(const struct refetch *r, const struct refetch_message *m,
	const struct refetch_row *row)
{
	return r->by_likeness && m->state == REFETCH_WANTED &&
	       !is_known_as(m, row->uid) &&
	       (has_its_size(m, row->size) || is_near(r, m, row));
}

static int compare_rows(const void *a, const void *b)
{
	uint32_t x = ((const struct refetch_row *)a)->uid;
	uint32_t y = ((const struct refetch_row *)b)->uid;

	return (x > y) - (x < y);
}

static const struct refetch_row *row_of(const struct refetch *r, uint32_t uid)
{
	const struct refetch_row key = { .uid = uid };

	return r->n_rows ? bsearch(&key, r->rows, r->n_rows, sizeof(key), compare_rows)
	                 : NULL;
}

static int compare_numbers(const void *a, const void *b)
{
	size_t x = ((const struct refetch_message *)a)->number;
	size_t y = ((const struct refetch_message *)b)->number;

	return (x > y) - (x < y);
}

/* Whose unique-id it has. */
static struct refetch_message *known_as(const struct refetch *r, uint32_t uid)
{
	const struct refetch_message key = { .number = (size_t)uid - 1 };

	return bsearch(&key, r->at, r->n, sizeof(key), compare_numbers);
}

static int want(struct refetch *r, const struct refetch_row *row)
{
	if (r->n_wanted == r->cap_wanted) {
		size_t cap = r->cap_wanted ? r->cap_wanted * 2 : REFETCH_TOGETHER;
		struct wanted *more = reallocarray(r->wanted, cap, sizeof(*more));

		if (!more)
			return no_memory(r);
		r->wanted = more;
		r->cap_wanted = cap;
	}
	r->wanted[r->n_wanted++] = (struct wanted){ .uid = row->uid,
		.size = row->size < UINT32_MAX ? (uint32_t)row->size : UINT32_MAX,
		.listed = row->size };
	return 0;
}

static int compare_wanted(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted *)a)->uid, y = ((const struct wanted *)b)->uid;

	return (x > y) - (x < y);
}

/* Each once. */
static void sort_wanted(struct refetch *r)
{
	size_t n = 0;

	if (r->n_wanted)
		qsort(r->wanted, r->n_wanted, sizeof(*r->wanted), compare_wanted);
	for (size_t i = 0; i < r->n_wanted; i++)
		if (!n || r->wanted[n - 1].uid != r->wanted[i].uid)
			r->wanted[n++] = r->wanted[i];
	r->n_wanted = n;
}

static int find_candidates(struct refetch *r, const struct refetch_message *m)
{
	const struct refetch_row *known = row_of(r, (uint32_t)m->number + 1);
	size_t n = 0;
	int code = 0;

	if (!r->by_likeness)
		return known ? want(r, known) : 0;
	for (size_t k = 0; k < 2; k++) /* those about its place first */
		for (size_t i = 0; code == 0 && n < LIKE_MAX && i < r->n_rows; i++) {
			const struct refetch_row *row = &r->rows[i];

			if (!is_like(r, m, row) || is_near(r, m, row) == (k == 1))
				continue;
			code = want(r, row);
			n++;
		}
	return code;
}

/* The jobs point into r->wanted, which stays as it is until the last of them is over. */
static int ask_for(struct refetch *r)
{
	int code = 0;

	r->n_wanted = 0;
	for (size_t i = 0; code == 0 && i < r->n; i++)
		if (r->at[i].state == REFETCH_WANTED)
			code = find_candidates(r, &r->at[i]);
	sort_wanted(r);
	for (size_t i = 0; code == 0 && i < r->n_wanted; i += REFETCH_TOGETHER) {
		size_t n = r->n_wanted - i < REFETCH_TOGETHER ? r->n_wanted - i
		                                              : REFETCH_TOGETHER;

		code = r->source.ops->fetch(
			r->source.self, 0, STR_LIT("INBOX"), 0, &r->wanted[i], n, r->err);
	}
	return code;
}

/* Those first that have the unique-id that was copied. Without one, and where the bytes
   are not these, size and place are left to go by. */
int refetch_drop_listed(struct refetch *r)
{
	int code;

	if (r->n_rows)
		qsort(r->rows, r->n_rows, sizeof(*r->rows), compare_rows);
	r->by_likeness = false;
	code = ask_for(r);
	if (code || r->n_wanted)
		return code;
	r->by_likeness = true;
	return ask_for(r);
}

/* ---- what comes ---- */

typedef int candidate_fn(struct refetch *r, struct refetch_message *m, const void *what);

/* Those that this row of the maildrop may be. */
static int each_wanted(
	struct refetch *r, uint32_t uid, candidate_fn *each, const void *what)
{
	const struct refetch_row *row = row_of(r, uid);
	struct refetch_message *known = known_as(r, uid);
	int code = 0;

	if (!r->by_likeness)
		return known && known->state == REFETCH_WANTED ? each(r, known, what) : 0;
	for (size_t i = 0; row && code == 0 && i < r->n; i++)
		if (is_like(r, &r->at[i], row))
			code = each(r, &r->at[i], what);
	return code;
}

static int offer(struct refetch *r, struct refetch_message *m, const void *fd)
{
	int code = r->hand_on(r->context, m, *(const int *)fd, r->err);

	if (code == -EBADMSG) /* no reason against the next candidate */
		return str_eq(m->why, str_from(r->err->text))
		               ? 0
		               : refetch_set_why(r, m, str_from(r->err->text));
	if (code == 0)
		m->state = REFETCH_DONE;
	return code;
}

int refetch_drop_message(struct refetch *r, const struct mail *m, int fd)
{
	return each_wanted(r, m->uid, offer, &fd);
}

static int note_refusal(struct refetch *r, struct refetch_message *m, const void *text)
{
	return m->why.len ? 0 : refetch_set_why(r, m, *(const struct str *)text);
}

int refetch_drop_fetched(
	struct refetch *r, const struct wanted *first, size_t n, struct str text)
{
	struct str why = text.len ? text : STR_LIT(REFETCH_NOT_WHOLE);
	int code = 0;

	for (size_t i = 0; code == 0 && i < n; i++)
		code = each_wanted(r, first[i].uid, note_refusal, &why);
	if (code || r->by_likeness || first + n != r->wanted + r->n_wanted)
		return code;
	r->by_likeness = true;
	return ask_for(r);
}

/* ---- all of it, in one session ---- */

static int refuse_other_folders(struct refetch *r)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < r->n; i++)
		if (!str_ieq(r->at[i].folder, STR_LIT("INBOX")))
			code = refetch_refuse(r, &r->at[i], STR_LIT(OTHER_FOLDER));
	return code;
}

static int refuse_the_rest(struct refetch *r)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < r->n; i++) {
		struct refetch_message *m = &r->at[i];

		if (m->state == REFETCH_WANTED)
			code = refetch_refuse(
				r, m, m->why.len ? m->why : STR_LIT(REFETCH_GONE));
	}
	return code;
}

int refetch_drop_run(struct refetch *r)
{
	int code = refuse_other_folders(r);

	r->n_rows = 0;
	if (r->n)
		qsort(r->at, r->n, sizeof(*r->at), compare_numbers);
	if (code == 0)
		code = r->source.ops->list(r->source.self, 0, STR_LIT("INBOX"), r->err);
	if (code == 0)
		code = refetch_work(r);
	return code ? code : refuse_the_rest(r);
}
