/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One folder's messages that are not there: all of them planned, then sent, a few
   together; what is answered and not noted is found again by its bytes. */
#include "transfer/back/carry_parts.h"

#include <errno.h>
#include <stdlib.h>

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

/* ---- a few at a time ---- */

/* That are sent together. */
struct batch {
	struct writer_message messages[WRITER_APPEND_MAX];
	const struct carry_row *rows[WRITER_APPEND_MAX];
	struct body bodies[WRITER_APPEND_MAX];
	size_t n, bytes;
};

static void let_go(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		store_body_release(&b->bodies[i]);
	b->n = b->bytes = 0;
}

/* 1: it has to be the first of the next ones. \\Deleted comes at the end: without
   UIDPLUS it would stand in the way of an expunge. */
static int add_one(struct carry *c, const struct carry_match *m,
	const struct writer_folder *f, const struct carry_row *row, struct batch *b)
{
	struct str keywords = carry_keywords(c, f, row->keywords);
	struct body *body = &b->bodies[b->n];
	int r = keywords.ptr ? store_body(c->store, m->box->id, row->uid, body, c->err)
	                     : carry_no_memory(c);

	if (r < 0)
		return r;
	if (b->n && body->bytes.len > WRITER_APPEND_BYTES - b->bytes) {
		store_body_release(body);
		return 1;
	}
	b->messages[b->n] = (struct writer_message){
		.mail = { .flags = row->flags & f->flags & ~(unsigned)MAIL_DELETED,
			.keywords = keywords,
			.date = row->date,
			.zone = row->zone },
		.body = body->bytes
	};
	b->rows[b->n++] = row;
	b->bytes += body->bytes.len;
	return 0;
}

static int gather(struct carry *c, const struct carry_match *m,
	const struct writer_folder *f, size_t *i, struct batch *b)
{
	int r = 0;

	while (r == 0 && *i < m->n_rows && b->n < WRITER_APPEND_MAX &&
		b->bytes < WRITER_APPEND_BYTES) {
		if (m->rows[*i].pair == CARRY_ALONE)
			r = add_one(c, m, f, &m->rows[*i], b);
		if (r == 0)
			++*i;
	}
	return r < 0 ? r : 0;
}

/* What was answered is known, however it ended. */
static int note_taken(struct carry *c, const struct carry_match *m, const struct batch *b)
{
	int r = store_begin(c->store, c->err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < b->n; i++) {
		const struct writer_message *is = &b->messages[i];

		if (is->end != APPEND_TAKEN)
			continue;
		c->sums.messages++;
		c->sums.bytes += is->body.len;
		c->sums.put_back += b->rows[i]->was_there;
		r = note_answer(c, m, b->rows[i], is->uidvalidity, is->uid);
	}
	if (r == 0)
		return store_commit(c->store, c->err);
	store_rollback(c->store);
	return r;
}

static int check_refused(
	struct carry *c, const struct carry_match *m, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->messages[i].end == APPEND_REFUSED)
			return error_set(c->err, -EREMOTEIO, "UID %u of \"%.*s\": %s",
				b->rows[i]->uid, STR_ARG(m->box->name),
				b->messages[i].why);
	return 0;
}

static int append_batch(struct carry *c, const struct carry_match *m, struct batch *b)
{
	int r = c->writer.ops->append(
		c->writer.self, m->box->name_there, b->messages, b->n, c->err);
	struct error why = *c->err;
	int noted = note_taken(c, m, b);

	if (r) {
		*c->err = why;
		return r;
	}
	return noted ? noted : check_refused(c, m, b);
}

static int append_all(struct carry *c, const struct carry_match *m,
	const struct writer_folder *f, struct batch *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n_rows;) {
		r = gather(c, m, f, &i, b);
		if (r == 0 && b->n)
			r = append_batch(c, m, b);
		let_go(b);
		if (r == 0 && c->tick)
			r = c->tick(c->context);
	}
	return r;
}

int carry_append(struct carry *c, const struct carry_match *m)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	struct writer_folder f;
	int r = batch ? carry_open(c, m, &f) : carry_no_memory(c);

	if (r == 0)
		r = plan(c, m);
	if (r == 0)
		r = append_all(c, m, &f, batch);
	free(batch);
	return r;
}
