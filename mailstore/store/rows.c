/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/rows.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <stdlib.h>

#define STEPS_MAX 32 /* over rows that nobody asked for; then looking anew is cheaper */

/* ── reading ───────────────────────────────────────────────────────────────────────── */

void store_rows_begin(struct store_rows *r, struct store *s, int64_t mailbox,
	uint32_t version, unsigned wants)
{
	*r = (struct store_rows){
		.store = s, .mailbox = mailbox, .version = version, .wants = wants
	};
}

void store_rows_end(struct store_rows *r)
{
	if (r->query) {
		query_end(r->query);
		free(r->query);
	}
	r->query = NULL;
	r->row.uid = 0;
	r->is_over = false;
}

static struct str kept(const struct query *q, int column)
{
	if (query_is_null(q, column))
		return (struct str){ 0 };
	return query_bytes(q, column).len ? query_bytes(q, column) : STR_LIT("");
}

static void read_row(struct store_rows *r)
{
	const struct query *q = r->query;

	r->row = (struct store_row){ .uid = (uint32_t)query_number(q, 0),
		.keywords = query_bytes(q, 1),
		.date = (int64_t)query_number(q, 2),
		.zone = (int16_t)query_number(q, 3),
		.size = query_number(q, 4),
		.body_len = query_number(q, 5),
		.saved = (int64_t)query_number(q, 6),
		.email = query_number(q, 7) };
	if (r->wants)
		r->row.header = (struct store_header){ .fields = kept(q, 8),
			.envelope = kept(q, 9),
			.structure = kept(q, 10) };
}

static int look_anew(struct store_rows *r, uint32_t uid, uint32_t to, struct error *err)
{
	struct store *s = r->store;

	store_rows_end(r);
	r->query = calloc(1, sizeof(*r->query));
	if (!r->query)
		return error_set(err, -ENOMEM, "no memory");
	r->to = to < uid ? uid : to;
	if (!r->wants)
		return query_begin(s->db, SQL_EACH_ROW,
			SQL_VALUES(sql_signed(r->mailbox), sql_number(uid),
				sql_number(r->to)),
			r->query, err);
	return query_begin(s->db, SQL_EACH_ROW_KEPT,
		SQL_VALUES(sql_signed(r->mailbox), sql_number(uid), sql_number(r->to),
			sql_number(r->version), sql_number(r->wants)),
		r->query, err);
}

/* To the first row from uid on, if it is near. */
static int advance(struct store_rows *r, uint32_t uid, struct error *err)
{
	int n = 1;

	r->from = uid;
	if (r->is_over) /* another step would begin the statement anew */
		return 0;
	for (unsigned steps = 0; r->row.uid < uid && steps < STEPS_MAX; steps++) {
		n = query_next(r->query, err);
		if (n <= 0)
			break;
		read_row(r);
	}
	r->is_over |= n == 0;
	return n < 0 ? n : 0;
}

int store_rows_find(struct store_rows *r, uint32_t uid, uint32_t to,
	struct store_row *ret, struct error *err)
{
	int code = 0;

	if (!r->query || uid > r->to || uid < r->from)
		code = look_anew(r, uid, to, err);
	if (code == 0)
		code = advance(r, uid, err);
	if (code == 0 && !r->is_over && r->row.uid < uid) {
		code = look_anew(r, uid, to, err);
		if (code == 0)
			code = advance(r, uid, err);
	}
	if (code < 0 || r->row.uid != uid)
		return code;
	*ret = r->row;
	return 1;
}

int store_read_begin(struct store *s, struct error *err)
{
	int code;

	if (s->in_transaction || database_in_transaction(s->db))
		return 0;
	code = database_begin_reading(s->db, err);
	if (code == 0)
		places_begin_reading(&s->places);
	return code;
}

void store_read_end(struct store *s)
{
	places_end_reading(&s->places);
	if (!s->in_transaction && database_in_transaction(s->db))
		(void)database_commit(s->db, NULL);
}

/* ── keeping ───────────────────────────────────────────────────────────────────────── */

int store_each_unread(struct store *s, uint32_t version, unsigned examined,
	unread_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct store_unread m = { 0 };
	uint64_t from = 0, last;
	unsigned n = 0;
	int code = store_writing(s, err);

	if (code == 0)
		code = sql_get(
			s->db, SQL_READ_TO, SQL_VALUES(sql_number(version)), &from, err);
	last = from;
	if (code == 0)
		code = query_begin(s->db, SQL_EACH_UNREAD,
			SQL_VALUES(sql_number(from), sql_number(version),
				sql_number(examined)),
			&q, err);
	while (code == 0 && (code = query_next(&q, err)) == 1) {
		bool again = query_number(&q, 0) == m.email;

		m = (struct store_unread){ .email = query_number(&q, 0),
			.mailbox = (int64_t)query_number(&q, 1),
			.uid = (uint32_t)query_number(&q, 2),
			.body_len = query_number(&q, 3) };
		n++;
		code = again || query_number(&q, 4) ? 0 : each(context, &m);
		if (code == 0)
			last = m.email;
	}
	query_end(&q);
	if (code < 0)
		return code;
	if (last != from)
		code = sql_run(s->db, SQL_SET_READ_TO,
			SQL_VALUES(sql_number(version), sql_number(last)), err);
	return code < 0 ? code : (n < examined && last == m.email) || !n;
}

int store_keep_header(struct store *s, uint64_t email, uint32_t version,
	const struct store_header *h, struct error *err)
{
	const struct str *parts[] = { &h->fields, &h->envelope, &h->structure };
	struct sql_value values[5] = { sql_number(email), sql_number(version) };
	int code = store_writing(s, err);

	for (size_t i = 0; i < 3; i++)
		values[2 + i] = parts[i]->ptr ? sql_blob(*parts[i]) : sql_null();
	return code < 0 ? code
	                : sql_run(s->db, SQL_SET_HEADER, values,
				  sizeof(values) / sizeof(values[0]), err);
}
