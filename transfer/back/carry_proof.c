/* SPDX-License-Identifier: GPL-3.0-or-later */
/* On the way on: that the destination has the bytes of each message, in the same order.
   Flags, dates and sizes are compared with each listing; bytes are read there once. */
#include "transfer/back/carry_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_EVERY 1000 /* notes; one that is lost is read again */

static uint32_t uid_there(const struct carry *c, const struct carry_row *row)
{
	return c->listing.rows[row->pair].uid;
}

static int compare_uids(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted *)a)->uid, y = ((const struct wanted *)b)->uid;

	return (x > y) - (x < y);
}

static int want_unproven(struct carry *c, struct carry_match *m)
{
	free(m->wanted);
	free(m->found);
	m->n_wanted = 0;
	m->wanted = calloc(m->n_rows + 1, sizeof(*m->wanted));
	m->found = calloc(m->n_rows + 1, sizeof(*m->found));
	if (!m->wanted || !m->found)
		return carry_no_memory(c);
	for (size_t i = 0; i < m->n_rows; i++) {
		const struct carry_row *row = &m->rows[i];

		if (!row->is_proven)
			m->wanted[m->n_wanted++] = (struct wanted){ .uid = uid_there(
									    c, row),
				.size = row->size > UINT32_MAX ? UINT32_MAX
				                               : (uint32_t)row->size };
	}
	qsort(m->wanted, m->n_wanted, sizeof(*m->wanted), compare_uids);
	return 0;
}

static int prove_row(struct carry *c, const struct carry_match *m, struct carry_row *row)
{
	const struct wanted key = { .uid = uid_there(c, row) };
	const struct wanted *w =
		bsearch(&key, m->wanted, m->n_wanted, sizeof(key), compare_uids);
	const unsigned char *digest = carry_digest_here(c, m->box->id, row->uid);

	if (!digest)
		return c->err->code ? c->err->code : -EIO;
	if (!w || !w->came ||
		memcmp(digest, m->found[w - m->wanted], BODY_DIGEST_SIZE) != 0)
		return error_set(c->err, -EREMOTEIO,
			"UID %u of \"%.*s\": the destination gives other bytes than it "
			"was given (its UID %u)",
			row->uid, STR_ARG(m->box->name), key.uid);
	row->is_proven = true;
	return carry_note_pair(c, m,
		&(struct carry_note){ .mailbox = m->box->id,
			.uid = row->uid,
			.other_uid = key.uid,
			.digest = digest,
			.is_proven = true },
		c->err);
}

static int prove_some(struct carry *c, const struct carry_match *m, size_t *i)
{
	int r = store_begin(c->store, c->err);

	for (unsigned n = 0; r == 0 && *i < m->n_rows && n < COMMIT_EVERY; ++*i) {
		if (m->rows[*i].is_proven)
			continue;
		n++;
		r = prove_row(c, m, &m->rows[*i]);
	}
	if (r == 0)
		return store_commit(c->store, c->err);
	store_rollback(c->store);
	return r;
}

static void count(struct carry *c, const struct carry_match *m)
{
	uint32_t last = 0;

	c->proof.others += c->listing.count - m->n_rows;
	for (size_t i = 0; i < m->n_rows; i++) {
		uint32_t uid = uid_there(c, &m->rows[i]);

		c->proof.messages++;
		c->proof.bytes += m->rows[i].size;
		c->proof.out_of_order += uid < last;
		last = uid > last ? uid : last;
	}
}

int carry_prove(struct carry *c, struct carry_match *m)
{
	int r = want_unproven(c, m);

	if (r == 0)
		r = carry_fetch(c, m);
	for (size_t i = 0; r == 0 && m->n_wanted && i < m->n_rows;)
		r = prove_some(c, m, &i);
	if (r == 0)
		count(c, m);
	return r;
}
