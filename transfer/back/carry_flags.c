/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Flags and keywords: what the source takes of them, and what has to be changed there. */
#include "transfer/back/carry_parts.h"

#include "wire/imap/flags.h"

#include <errno.h>
#include <stdlib.h>

/* ---- keywords ---- */

static bool is_kept(const struct writer_folder *f, struct str word)
{
	return imap_keywords_has(f->keywords, word) ||
	       (f->any_keyword && word.ptr[0] != '\\');
}

struct str carry_keywords(
	struct carry *c, const struct writer_folder *f, struct str words)
{
	struct str kept = STR_LIT("");

	while (words.len) {
		struct str word = str_split(&words, ' ');

		if (is_kept(f, word))
			kept = imap_keywords_add(&c->arena, kept, word);
		else
			carry_name(c, &c->lost.keywords, word);
	}
	return kept;
}

int carry_open(struct carry *c, const struct carry_match *m, struct writer_folder *f)
{
	int r = carry_refused(c,
		c->writer.ops->open(c->writer.self, m->box->name_there, f, c->err),
		m->box->name_there);

	if (r)
		return r;
	f->keywords = arena_str(&c->arena, f->keywords);
	if (!f->keywords.ptr)
		return carry_no_memory(c);
	return f->uidvalidity != m->box->looks.uidvalidity;
}

/* ---- flags ---- */

struct delta { /* what has to be changed at the source */
	unsigned add, take;
	struct str add_words, take_words;
};

static bool is_nothing(const struct delta *d)
{
	return !d->add && !d->take && !d->add_words.len && !d->take_words.len;
}

static bool is_equal(const struct delta *a, const struct delta *b)
{
	return a->add == b->add && a->take == b->take &&
	       str_eq(a->add_words, b->add_words) && str_eq(a->take_words, b->take_words);
}

/* What was not changed here is the source's business. */
static bool is_ours(const struct carry *c, const struct carry_row *row)
{
	return row->pair != CARRY_ALONE && c->way != CARRY_LATE &&
	       (row->is_noted || row->modseq > c->since);
}

static struct delta delta_of(struct carry *c, const struct carry_row *row)
{
	struct mail there = listing_at(&c->listing, row->pair);
	unsigned is = there.flags & KEPT_FLAGS;

	return (struct delta){ .add = row->flags & ~is,
		.take = is & ~row->flags,
		.add_words =
			imap_keywords_remove(&c->arena, row->keywords, there.keywords),
		.take_words =
			imap_keywords_remove(&c->arena, there.keywords, row->keywords) };
}

size_t carry_count_flags(struct carry *c, const struct carry_match *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_rows; i++) {
		struct delta d;

		if (!is_ours(c, &m->rows[i]))
			continue;
		d = delta_of(c, &m->rows[i]);
		n += !is_nothing(&d);
	}
	return n;
}

struct flagging {
	struct delta delta;
	uint32_t *uids;
	size_t n;
};

static int refused_is_left(int r)
{
	return r == -EREMOTEIO ? 0 : r;
}

static int flush(struct carry *c, struct flagging *w)
{
	const struct writer_ops *ops = c->writer.ops;
	const struct delta *d = &w->delta;
	int r = 0;

	if (w->n && (d->add || d->add_words.len))
		r = refused_is_left(ops->flag(c->writer.self, w->uids, w->n, true, d->add,
			d->add_words, c->err));
	if (r == 0 && w->n && (d->take || d->take_words.len))
		r = refused_is_left(ops->flag(c->writer.self, w->uids, w->n, false,
			d->take, d->take_words, c->err));
	if (r == 0)
		c->sums.flags += w->n;
	w->n = 0;
	return r;
}

static int flag_each(struct carry *c, const struct carry_match *m,
	const struct writer_folder *f, struct flagging *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_rows; i++) {
		struct delta d;

		if (!is_ours(c, &m->rows[i]))
			continue;
		d = delta_of(c, &m->rows[i]);
		d.add &= f->flags;
		d.add_words = carry_keywords(c, f, d.add_words);
		if (is_nothing(&d))
			continue;
		if (!is_equal(&d, &w->delta))
			r = flush(c, w);
		w->delta = d;
		w->uids[w->n++] = c->listing.rows[m->rows[i].pair].uid;
	}
	return r ? r : flush(c, w);
}

int carry_flags(struct carry *c, const struct carry_match *m)
{
	struct flagging w = { .uids = calloc(m->n_rows, sizeof(*w.uids)) };
	struct writer_folder f;
	int r = w.uids ? carry_open(c, m, &f) : carry_no_memory(c);

	if (r == 0)
		r = flag_each(c, m, &f, &w);
	free(w.uids);
	return r;
}
