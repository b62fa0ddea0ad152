/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that may be at the source without that it was seen: found by their bytes, each
   of the source's for one of ours. */
#include "transfer/back/carry_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- ours ---- */

const unsigned char *carry_digest_here(struct carry *c, int64_t mailbox, uint32_t uid)
{
	unsigned char *digest = arena_alloc(&c->arena, BODY_DIGEST_SIZE);

	if (!digest) {
		(void)carry_no_memory(c);
		return NULL;
	}
	return store_body_digest(c->store, mailbox, uid, digest, c->err) < 0 ? NULL
	                                                                     : digest;
}

const unsigned char *carry_digest(
	struct carry *c, const struct carry_match *m, struct carry_row *row)
{
	if (!row->digest)
		row->digest = carry_digest_here(c, m->box->id, row->uid);
	return row->digest;
}

/* ---- the source's ---- */

void carry_body(struct carry_match *m, unsigned connection)
{
	body_digest_begin(&m->digests[connection]);
}

void carry_bytes(struct carry_match *m, unsigned connection, struct str bytes)
{
	body_digest_add(&m->digests[connection], bytes);
}

static int by_uid(const void *uid, const void *element)
{
	uint32_t x = *(const uint32_t *)uid, y = ((const struct wanted *)element)->uid;

	return (x > y) - (x < y);
}

struct wanted *carry_wanted(const struct carry_match *m, uint32_t uid)
{
	return m->n_wanted
	               ? bsearch(&uid, m->wanted, m->n_wanted, sizeof(*m->wanted), by_uid)
	               : NULL;
}

void carry_message(struct carry_match *m, unsigned connection, uint32_t uid)
{
	struct wanted *w = carry_wanted(m, uid);

	if (!w || w->came)
		return;
	w->came = true;
	body_digest_end(&m->digests[connection], m->found[w - m->wanted]);
}

/* On the way home bytes do not change any more, and what is new is read anyway. */
static bool may_be_missed(const struct carry *c, const struct carry_match *m,
	const struct listing_row *there)
{
	if (c->way != CARRY_HOME)
		return true;
	for (size_t i = 0; i < m->n_rows; i++)
		if (carry_misses(c, m, &m->rows[i]) &&
			(m->rows[i].size == there->size ||
				(m->rows[i].other != CARRY_ALONE &&
					there == &c->listing.rows[m->rows[i].other])))
			return true;
	return false;
}

static int want(struct carry *c, struct carry_match *m, bool only_missed)
{
	const struct listing *l = &c->listing;

	free(m->wanted);
	free(m->found);
	m->n_wanted = 0;
	m->wanted = calloc(l->count + 1, sizeof(*m->wanted));
	m->found = calloc(l->count + 1, sizeof(*m->found));
	if (!m->wanted || !m->found)
		return carry_no_memory(c);
	for (size_t i = 0; i < l->count; i++) {
		uint64_t size = l->rows[i].size;

		if (m->used[i] || (only_missed && !may_be_missed(c, m, &l->rows[i])))
			continue;
		m->wanted[m->n_wanted++] = (struct wanted){ .uid = l->rows[i].uid,
			.size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size };
	}
	return 0;
}

int carry_want_rest(struct carry *c, struct carry_match *m)
{
	return want(c, m, false);
}

/* On the way home its user may remove what was listed: the next pass lists it no more. */
static bool was_removed(struct carry *c, const struct carry_match *m)
{
	uint32_t before = c->missing;

	c->missing = 0;
	for (size_t i = 0; !c->missing && i < m->n_wanted; i++)
		if (!m->wanted[i].came)
			c->missing = m->wanted[i].uid;
	return c->way == CARRY_HOME && c->missing && c->missing != before;
}

int carry_fetch(struct carry *c, struct carry_match *m)
{
	size_t index = (size_t)(m->box - c->boxes);
	int r;

	if (!m->n_wanted)
		return 0;
	c->match = m;
	r = c->source.ops->fetch(c->source.self, index, m->box->name_there,
		m->box->looks.uidvalidity, m->wanted, m->n_wanted, c->err);
	if (r == 0)
		r = carry_run(c);
	c->match = NULL;
	if (r == 0 && *c->refused && was_removed(c, m))
		return 1;
	if (r == 0 && *c->refused)
		r = error_set(c->err, -EREMOTEIO,
			"the source does not give a message of \"%.*s\", so it cannot be "
			"told whether it is one of ours: %s",
			STR_ARG(m->box->name_there), c->refused);
	return r;
}

/* ---- pairs ---- */

int carry_note_pair(struct carry *c, const struct carry_match *m,
	const struct carry_note *n, struct error *err)
{
	const struct store_counterpart pair = { .side = carry_side(c),
		.mailbox = n->mailbox,
		.uid = n->uid,
		.folder = m->box->name_there,
		.uidvalidity = m->box->looks.uidvalidity,
		.other_uid = n->other_uid,
		.digest = str_of(n->digest, BODY_DIGEST_SIZE),
		.is_proven = n->is_proven };

	return store_set_counterpart(c->store, &pair, err);
}

static bool is_pair(const struct carry *c, const struct carry_match *m, size_t i,
	const unsigned char *digest, const int64_t *date)
{
	size_t k;

	if (!m->wanted[i].came ||
		(digest && memcmp(m->found[i], digest, BODY_DIGEST_SIZE) != 0))
		return false;
	k = listing_find(&c->listing, m->wanted[i].uid);
	return !m->used[k] && (!date || c->listing.rows[k].date == *date);
}

/* The next of the source's with that digest and that date; NULL: with any. Both sides are
   mostly in the same order. */
static size_t find_there(const struct carry *c, struct carry_match *m,
	const unsigned char *digest, const int64_t *date)
{
	while (m->first_free < m->n_wanted &&
		m->used[listing_find(&c->listing, m->wanted[m->first_free].uid)])
		m->first_free++;
	for (size_t i = m->first_free; i < m->n_wanted; i++)
		if (is_pair(c, m, i, digest, date))
			return listing_find(&c->listing, m->wanted[i].uid);
	return CARRY_ALONE;
}

static int keep_pair(
	struct carry *c, struct carry_match *m, struct carry_row *row, size_t k)
{
	row->pair = k;
	row->is_noted = true;
	m->used[k] = true;
	return carry_note_pair(c, m,
		&(struct carry_note){ .mailbox = m->box->id,
			.uid = row->uid,
			.other_uid = c->listing.rows[k].uid,
			.digest = row->digest },
		c->err);
}

/* In that order; on the way home by its bytes alone: what is new is read anyway. */
enum closeness { BYTES_AND_DATE, BYTES, TAKEN_AND_DATE, CLOSENESS_COUNT };

/* On the way on, only what may have been sent: what else is there is its user's. On the
   way back what was there may have got another UID: Courier gives one anew to a file that
   it did not see once, without another UIDVALIDITY. */
static bool may_be_there(
	const struct carry *c, const struct carry_match *m, const struct carry_row *row)
{
	return row->is_planned ||
	       (c->way == CARRY_BACK && (!m->is_same || row->was_there));
}

bool carry_misses(
	const struct carry *c, const struct carry_match *m, const struct carry_row *row)
{
	return row->pair == CARRY_ALONE && may_be_there(c, m, row);
}

bool carry_misses_any(const struct carry *c, const struct carry_match *m)
{
	bool any = false;

	for (size_t i = 0; !any && i < m->n_rows; i++)
		any = carry_misses(c, m, &m->rows[i]);
	return any;
}

static int pair_row(
	struct carry *c, struct carry_match *m, struct carry_row *row, enum closeness how)
{
	size_t k;

	if (!carry_misses(c, m, row) ||
		(how == TAKEN_AND_DATE && (!row->is_taken || c->way == CARRY_HOME)))
		return 0;
	if (!carry_digest(c, m, row))
		return c->err->code ? c->err->code : -EIO;
	k = find_there(c, m, how == TAKEN_AND_DATE ? NULL : row->digest,
		how == BYTES ? NULL : &row->date);
	return k == CARRY_ALONE ? 0 : keep_pair(c, m, row, k);
}

/* mailutils keeps neither bytes nor date. What it has taken is there: where nothing else
   is new, it is that, in the order in which it was sent. */
static int pair_in_order(struct carry *c, struct carry_match *m)
{
	size_t taken = 0, free_there = 0;
	int r = 0;

	for (size_t i = 0; i < m->n_rows; i++)
		taken += m->rows[i].pair == CARRY_ALONE && m->rows[i].is_taken;
	for (size_t i = 0; i < m->n_wanted; i++)
		free_there += is_pair(c, m, i, NULL, NULL);
	for (size_t i = 0; r == 0 && taken == free_there && i < m->n_rows; i++)
		if (m->rows[i].pair == CARRY_ALONE && m->rows[i].is_taken)
			r = keep_pair(c, m, &m->rows[i], find_there(c, m, NULL, NULL));
	return r;
}

static bool is_planned(const struct carry_note *n)
{
	return !n->other_uid || n->other_uid == STORE_UID_UNSAID;
}

/* Planned, perhaps sent, and removed here since: what is found is expunged there. */
static int pair_gone(struct carry *c, struct carry_match *m, struct carry_note *n)
{
	size_t k;

	if (!is_planned(n) || !n->digest || carry_row_of(m, n))
		return 0;
	k = find_there(c, m, n->digest, NULL);
	if (k == CARRY_ALONE)
		return 0;
	m->used[k] = true;
	n->other_uid = c->listing.rows[k].uid;
	if (carry_doom(m, n->other_uid) < 0)
		return carry_no_memory(c);
	return carry_note_pair(c, m, n, c->err);
}

static int pair_all(struct carry *c, struct carry_match *m)
{
	int r = 0;

	for (enum closeness how = 0; r == 0 && how < CLOSENESS_COUNT; how++)
		for (size_t i = 0; r == 0 && i < m->n_rows; i++)
			r = pair_row(c, m, &m->rows[i], how);
	if (c->way == CARRY_HOME) /* what has no pair is new */
		return r;
	if (r == 0)
		r = pair_in_order(c, m);
	for (size_t i = 0; r == 0 && i < m->n_notes; i++)
		r = pair_gone(c, m, &m->notes[i]);
	return r;
}

/* What a dry run finds is not noted. */
static int pair_and_note(struct carry *c, struct carry_match *m)
{
	int r = store_begin(c->store, c->err);

	if (r < 0)
		return r;
	r = pair_all(c, m);
	if (r == 0)
		return store_commit(c->store, c->err);
	store_rollback(c->store);
	return r;
}

static bool is_needed(const struct carry *c, const struct carry_match *m)
{
	bool any = carry_misses_any(c, m);

	for (size_t i = 0; !any && c->way != CARRY_HOME && i < m->n_notes; i++)
		any = is_planned(&m->notes[i]) && !carry_row_of(m, &m->notes[i]);
	return any;
}

int carry_match(struct carry *c, struct carry_match *m)
{
	int r;

	if (!is_needed(c, m) || !carry_may_change(c))
		return 0;
	r = want(c, m, true);
	if (r == 0)
		r = carry_fetch(c, m);
	return r || !m->n_wanted ? r : pair_and_note(c, m);
}
