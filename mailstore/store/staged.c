/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that are on the disk and in no mailbox yet. */
#include "mailstore/store/internal.h"

#include <errno.h>

int store_stage(struct store *s, const struct store_message *m,
	const struct body_place *body, int64_t *ret_id, struct error *err)
{
	struct body_place place = *body;
	int code = store_writing(s, err);

	if (code == 0)
		code = store_take_place(s, &place, err);
	if (code == 0)
		code = sql_run(s->db, SQL_INSERT_STAGED,
			SQL_VALUES(sql_signed(m->date), sql_signed(m->zone),
				sql_number(m->size), sql_number(place.pack),
				sql_number(place.offset), sql_number(place.len),
				sql_number(place.checksum)),
			err);
	if (code == 0)
		*ret_id = database_last_id(s->db);
	return code;
}

static int find_staged(struct store *s, int64_t id, struct store_message *ret,
	struct body_place *ret_place, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, SQL_STAGED, SQL_VALUES(sql_signed(id)), &q, err);

	if (code == 0)
		code = query_next(&q, err);
	if (code == 1) {
		*ret = (struct store_message){ .flags = FLAG_RECENT,
			.keywords = STR_LIT(""),
			.date = (int64_t)query_number(&q, 0),
			.zone = (int16_t)query_number(&q, 1),
			.size = query_number(&q, 2),
			.uidl = STR_LIT("") };
		*ret_place = (struct body_place){ .pack = (uint32_t)query_number(&q, 3),
			.offset = query_number(&q, 4),
			.len = query_number(&q, 5),
			.checksum = (uint32_t)query_number(&q, 6) };
	}
	query_end(&q);
	if (code < 0)
		return code;
	return code ? 0
	            : error_set(err, -ENOENT, "no staged message %lld", (long long)id);
}

int store_deliver(struct store *s, int64_t id, int64_t mailbox, uint32_t *ret_uid,
	struct error *err)
{
	struct store_message m = { 0 };
	struct body_place place = { 0 };
	int code = store_writing(s, err);

	if (code == 0)
		code = find_staged(s, id, &m, &place, err);
	if (code == 0)
		code = store_add_taken(s, mailbox, &m, &place, ret_uid, err);
	/* the message first: else the body would go with its last row */
	if (code == 0)
		code = sql_run(s->db, SQL_DELETE_STAGED, SQL_VALUES(sql_signed(id)), err);
	return code;
}

int store_discard(struct store *s, int64_t id, struct error *err)
{
	struct store_message m = { 0 };
	struct body_place place = { 0 };
	int code = store_writing(s, err);

	if (code == 0)
		code = find_staged(s, id, &m, &place, err);
	if (code == 0)
		code = store_lose_pack(s, place.pack, err);
	if (code == 0)
		code = sql_run(s->db, SQL_DELETE_STAGED, SQL_VALUES(sql_signed(id)), err);
	return code;
}

/* ── settling ──────────────────────────────────────────────────────────────────────── */

static int first_staged(struct store *s, int64_t *ret_id, struct error *err)
{
	uint64_t id = 0;
	int code = sql_get(s->db, SQL_FIRST_STAGED, SQL_NO_VALUES, &id, err);

	*ret_id = (int64_t)id;
	return code;
}

static int deliver_all(struct store *s, uint64_t *ret_count, struct error *err)
{
	int64_t id = 0, inbox;
	int code = store_find_inbox(s, &inbox, err);

	if (code == 0)
		code = first_staged(s, &id, err);
	while (code == 0 && id) {
		code = store_deliver(s, id, inbox, NULL, err);
		if (code == 0) {
			(*ret_count)++;
			code = first_staged(s, &id, err);
		}
	}
	return code;
}

int store_settle(struct store *s, uint64_t *ret_count, struct error *err)
{
	uint64_t count = 0;
	int64_t id;
	int code = first_staged(s, &id, err);

	*ret_count = 0;
	if (code < 0 || !id)
		return code;
	code = store_begin(s, err);
	if (code < 0)
		return code;
	code = deliver_all(s, &count, err);
	if (code == 0)
		code = store_commit(s, err);
	else
		store_rollback(s);
	if (code == 0)
		*ret_count = count;
	return code;
}

uint64_t store_settled(const struct store *s)
{
	return s->settled;
}
