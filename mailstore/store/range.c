/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags of many messages changed at once. Rewriting 20,000 rows takes 30 ms, so that is
 * left for later: one row of range_change says what became of all of them.
 *
 *   UIDs first..last whose own modseq is below its modseq:
 *     flags    (flags | add_flags) & ~take_flags
 *     modseq   its modseq, if every one was changed, or if that changes the flags
 *
 * A message that is written later has a higher modseq, so it is none of them any more.
 * There is one such row for a mailbox at most: the next change of the same messages goes
 * into it, before any other one the rows are rewritten. All statements that read flags
 * or modseqs know of it (FLAGS_NOW in sql.c, the view message_now).
 */
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>

#define FEW 256 /* rows that are rewritten at once: 0.4 ms */

struct range_change {
	uint32_t first, last;
	unsigned add, take;
	uint64_t modseq; /* 0: there is none */
	bool every;
};

static int load(
	struct store *s, int64_t mailbox, struct range_change *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(
		s->db, SQL_RANGE_CHANGE, SQL_VALUES(sql_signed(mailbox)), &q, err);

	*ret = (struct range_change){ 0 };
	if (n == 1)
		*ret = (struct range_change){ .first = (uint32_t)query_number(&q, 0),
			.last = (uint32_t)query_number(&q, 1),
			.add = (unsigned)query_number(&q, 2),
			.take = (unsigned)query_number(&q, 3),
			.modseq = query_number(&q, 4),
			.every = query_number(&q, 5) };
	return n < 0 ? n : 0;
}

static int save(
	struct store *s, int64_t mailbox, const struct range_change *c, struct error *err)
{
	return sql_run(s->db, SQL_SET_RANGE_CHANGE,
		SQL_VALUES(sql_signed(mailbox), sql_number(c->first), sql_number(c->last),
			sql_number(c->add), sql_number(c->take), sql_number(c->modseq),
			sql_number(c->every)),
		err);
}

/* Makes the rows up to that UID what they are. */
static int rewrite(struct store *s, int64_t mailbox, const struct range_change *c,
	uint32_t last, struct error *err)
{
	return sql_run(s->db, SQL_REWRITE_RANGE,
		SQL_VALUES(sql_signed(mailbox), sql_number(c->first), sql_number(last),
			sql_number(c->add), sql_number(c->take), sql_number(c->modseq),
			sql_number(c->every)),
		err);
}

int range_forget(struct store *s, int64_t mailbox, struct error *err)
{
	return sql_run(
		s->db, SQL_DROP_RANGE_CHANGE, SQL_VALUES(sql_signed(mailbox)), err);
}

static int rewrite_all(
	struct store *s, int64_t mailbox, const struct range_change *c, struct error *err)
{
	int code = c->modseq ? rewrite(s, mailbox, c, c->last, err) : 0;

	return code < 0 || !c->modseq ? code : range_forget(s, mailbox, err);
}

/* ── a new change ──────────────────────────────────────────────────────────────────── */

#define FLAGS_COUNT (FLAG_RECENT << 1)

struct counts { /* of the messages in a range */
	uint32_t all, changed;
	uint32_t unseen, deleted; /* of the changed ones, before */
};

static unsigned changed(unsigned flags, unsigned add, unsigned take)
{
	return (flags | add) & ~take;
}

/* The rows are as they are but for what is joined. */
static int count(struct store *s, int64_t mailbox, const struct range_change *joined,
	const struct store_range *r, struct counts *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	uint32_t with[FLAGS_COUNT] = { 0 };
	int code = query_begin(s->db, SQL_EACH_FLAGS,
		SQL_VALUES(sql_signed(mailbox), sql_number(r->from), sql_number(r->to)),
		&q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1) {
		with[query_number(&q, 0) % FLAGS_COUNT]++;
		code = 0;
	}
	*ret = (struct counts){ 0 };
	for (unsigned flags = 0; flags < FLAGS_COUNT; flags++) {
		unsigned now = changed(flags, joined->add, joined->take);
		uint32_t n = changed(now, r->add, r->take) != now ? with[flags] : 0;

		ret->all += with[flags];
		ret->changed += n;
		ret->unseen += now & FLAG_SEEN ? 0 : n;
		ret->deleted += now & FLAG_DELETED ? n : 0;
	}
	return code;
}

/* What becomes of those that had it not (`without`) among n. */
static uint32_t left_without(
	const struct store_range *r, unsigned flag, uint32_t without, uint32_t n)
{
	if (r->take & flag)
		return n;
	return r->add & flag ? 0 : without;
}

static void count_change(
	struct box *b, const struct store_range *r, const struct counts *c)
{
	uint32_t n = c->changed;

	b->unseen += left_without(r, FLAG_SEEN, c->unseen, n) - c->unseen;
	b->deleted += n - left_without(r, FLAG_DELETED, n - c->deleted, n) - c->deleted;
}

/* What is there may become one with a change of the same messages, if that changes every
   one of them (change()): what the first has made of their modseqs is then of no
   importance. 1, or 0: it does not exist, or it cannot. */
static int is_joinable(struct store *s, int64_t mailbox, const struct range_change *c,
	const struct store_range *r, struct error *err)
{
	uint64_t newer = 0;
	int code;

	if (!c->modseq || c->first != r->from || c->last != r->to)
		return 0;
	code = sql_get(s->db, SQL_COUNT_NEWER,
		SQL_VALUES(sql_signed(mailbox), sql_number(c->modseq)), &newer, err);
	return code < 0 ? code : !newer;
}

/* *ret: what is there and may be joined, or nothing at all. */
static int prepare(struct store *s, int64_t mailbox, const struct store_range *r,
	struct range_change *ret, struct error *err)
{
	int code = load(s, mailbox, ret, err);

	if (code == 0)
		code = is_joinable(s, mailbox, ret, r, err);
	if (code != 0)
		return code < 0 ? code : 0;
	code = rewrite_all(s, mailbox, ret, err);
	*ret = (struct range_change){ 0 };
	return code;
}

static int change(struct store *s, int64_t mailbox, struct range_change *old,
	const struct store_range *r, const struct counts *counts, uint64_t modseq,
	struct error *err)
{
	bool every = counts->changed == counts->all;
	struct range_change new = { .first = r->from,
		.last = r->to,
		.add = (old->add | r->add) & ~r->take,
		.take = (old->take & ~r->add) | r->take,
		.modseq = modseq,
		.every = every };
	int code;

	if (old->modseq && !every) {
		code = rewrite_all(s, mailbox, old, err);
		if (code < 0)
			return code;
		new.add = r->add & ~r->take;
		new.take = r->take;
	}
	return counts->changed <= FEW ? rewrite(s, mailbox, &new, new.last, err)
	                              : save(s, mailbox, &new, err);
}

int store_change_range(struct store *s, int64_t mailbox, const struct store_range *range,
	uint64_t *ret_modseq, struct error *err)
{
	struct range_change old = { 0 };
	struct counts counts = { 0 };
	struct box *b;
	int code = box_get(s, mailbox, &b, err);

	if (code == 0)
		code = prepare(s, mailbox, range, &old, err);
	if (code == 0)
		code = count(s, mailbox, &old, range, &counts, err);
	if (code < 0 || counts.changed != range->n_changed)
		return code < 0 ? code : 0;
	if (counts.changed) {
		box_change(s, b, ret_modseq);
		count_change(b, range, &counts);
		code = change(s, mailbox, &old, range, &counts, *ret_modseq, err);
	}
	return code < 0 ? code : 1;
}

/* ── later ─────────────────────────────────────────────────────────────────────────── */

static int rewrite_some(
	struct store *s, int64_t mailbox, unsigned rows, struct error *err)
{
	struct range_change c;
	uint64_t last = 0;
	int code = load(s, mailbox, &c, err);

	if (code == 0)
		code = sql_get(s->db, SQL_RANGE_END,
			SQL_VALUES(sql_signed(mailbox), sql_number(c.first),
				sql_number(rows - 1)),
			&last, err);
	if (code < 0)
		return code;
	if (!last || last >= c.last)
		return rewrite_all(s, mailbox, &c, err);
	code = rewrite(s, mailbox, &c, (uint32_t)last, err);
	c.first = (uint32_t)last + 1;
	return code < 0 ? code : save(s, mailbox, &c, err);
}

int store_rewrite_changed(struct store *s, unsigned rows, struct error *err)
{
	uint64_t mailbox = 0;
	int code = sql_get(s->db, SQL_FIRST_RANGE_CHANGE, SQL_NO_VALUES, &mailbox, err);

	if (code < 0 || !mailbox)
		return code < 0 ? code : 1;
	code = store_begin_derived(s, err);
	if (code < 0)
		return code;
	code = rewrite_some(s, (int64_t)mailbox, rows, err);
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}
