/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One folder's messages that are not there: planned, all of them, then sent. */
#include "transfer/back/carry_parts.h"

#include <errno.h>

#define COMMIT_EVERY 64 /* answers of APPEND; one that is not noted is found again */

static int plan(struct carry *c, const struct carry_match *m)
{
	int r = store_begin(c->store, c->err);

	for (size_t i = 0; r == 0 && i < m->n_rows; i++) {
		struct carry_row *row = &m->rows[i];

		if (row->pair != CARRY_ALONE)
			continue;
		/* on the way on it may be another message than the one that was noted */
		row->digest = c->way == CARRY_ON
		                      ? carry_digest_here(c, m->box->id, row->uid)
		                      : carry_digest(c, m, row);
		if (!row->digest)
			r = c->err->code ? c->err->code : -EIO;
		if (r == 0)
			r = carry_note_pair(c, m,
				&(struct carry_note){ .mailbox = m->box->id,
					.uid = row->uid,
					.digest = row->digest },
				c->err);
	}
	if (r == 0)
		return store_commit(c->store, c->err);
	store_rollback(c->store);
	return r;
}

/* A UID that may be any other's is as if it had not been said: its bytes find it. */
static int note_answer(struct carry *c, const struct carry_match *m,
	const struct carry_row *row, uint32_t uidvalidity, uint32_t uid)
{
	struct carry_note pair = { .mailbox = m->box->id,
		.uid = row->uid,
		.other_uid = uid,
		.digest = row->digest };

	if (!uid || uidvalidity != m->box->looks.uidvalidity ||
		listing_find(&c->listing, uid) != CARRY_ALONE)
		pair.other_uid = STORE_UID_UNSAID;
	return carry_note_pair(c, m, &pair, c->err);
}

/* \\Deleted comes at the end: without UIDPLUS it would stand in the way of an expunge. */
static int append_one(struct carry *c, const struct carry_match *m,
	const struct writer_folder *f, const struct carry_row *row)
{
	struct mail mail = { .flags = row->flags & f->flags & ~(unsigned)MAIL_DELETED,
		.keywords = carry_keywords(c, f, row->keywords),
		.date = row->date,
		.zone = row->zone };
	uint32_t uidvalidity = 0, uid = 0;
	struct body body;
	uint64_t len;
	int r = mail.keywords.ptr
	                ? store_body(c->store, m->box->id, row->uid, &body, c->err)
	                : carry_no_memory(c);

	if (r < 0)
		return r;
	len = body.bytes.len;
	r = c->writer.ops->append(c->writer.self, m->box->name_there, &mail, body.bytes,
		&uidvalidity, &uid, c->err);
	store_body_release(&body);
	if (r == -EREMOTEIO) {
		struct error why = *c->err;

		return error_set(c->err, r, "UID %u of \"%.*s\": %s", row->uid,
			STR_ARG(m->box->name), why.text);
	}
	if (r < 0)
		return r;
	c->sums.messages++;
	c->sums.bytes += len;
	c->sums.put_back += row->was_there;
	return note_answer(c, m, row, uidvalidity, uid);
}

static int append_some(struct carry *c, const struct carry_match *m,
	const struct writer_folder *f, size_t *i)
{
	struct error ignored;
	int r = store_begin(c->store, c->err);

	for (unsigned n = 0; r == 0 && *i < m->n_rows && n < COMMIT_EVERY; ++*i) {
		if (m->rows[*i].pair != CARRY_ALONE)
			continue;
		n++;
		r = append_one(c, m, f, &m->rows[*i]);
		if (r == 0 && c->tick)
			r = c->tick(c->context);
	}
	/* what was answered is known, however it ended */
	if (r == 0)
		return store_commit(c->store, c->err);
	(void)store_commit(c->store, &ignored);
	return r;
}

int carry_append(struct carry *c, const struct carry_match *m)
{
	struct writer_folder f;
	int r = carry_open(c, m, &f);
	if (r == 0)
		r = plan(c, m);
	for (size_t i = 0; r == 0 && i < m->n_rows;)
		r = append_some(c, m, &f, &i);
	return r;
}
