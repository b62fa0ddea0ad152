/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/places.h"
#include "base/fd.h"

#include "mailstore/store/compared.h"
#include "mailstore/store/sql.h"

static void forget(struct places *p)
{
	p->first = p->count = 0;
	p->pack = 0;
}

void places_begin_reading(struct places *p)
{
	forget(p);
	p->in_reading = true;
}

void places_end_reading(struct places *p)
{
	forget(p);
	p->in_reading = false;
}

uint64_t place_number(const struct body_place *p)
{
	return (uint64_t)p->pack << 32 ^ (p->offset + 1);
}

static void read_row(const struct query *q, struct place *ret)
{
	*ret = (struct place){ .uid = (uint32_t)query_number(q, 0),
		.has_checksum = !query_is_null(q, 4),
		.at = { .pack = (uint32_t)query_number(q, 1),
			.offset = query_number(q, 2),
			.len = query_number(q, 3),
			.checksum = (uint32_t)query_number(q, 4),
			.inline_bytes = STR_LIT("") } };
}

/* The rows from uid on, `wanted` of them at the most. */
static int read_rows(struct places *p, struct database *db,
	const struct compared *compared, uint32_t uid, unsigned wanted, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(db, SQL_PLACES,
		SQL_VALUES(sql_signed(p->mailbox), sql_number(uid), sql_number(wanted)),
		&q, err);

	p->first = p->count = 0;
	while (code == 0 && p->count < wanted) {
		struct place *row = &p->rows[p->count];

		code = query_next(&q, err);
		if (code <= 0)
			break;
		read_row(&q, row);
		compared_expect(compared, place_number(&row->at));
		p->count++;
		code = 0;
	}
	if (code < 0)
		p->count = 0;
	return code;
}

static bool is_in_order(const struct places *p, int64_t mailbox, uint32_t uid)
{
	return p->in_reading && mailbox == p->mailbox && uid > p->uid &&
	       uid - p->uid <= PLACES_AHEAD;
}

int places_find(struct places *p, struct database *db, const struct compared *compared,
	int64_t mailbox, uint32_t uid, struct place *ret, struct error *err)
{
	bool in_order = is_in_order(p, mailbox, uid);
	int code = 0;

	while (in_order && p->count && p->rows[p->first].uid < uid) {
		p->first++;
		p->count--;
	}
	p->mailbox = mailbox;
	p->uid = uid;
	if (!in_order || !p->count)
		code = read_rows(p, db, compared, uid, in_order ? PLACES_AHEAD : 1, err);
	if (code < 0)
		return code;
	if (!p->count || p->rows[p->first].uid != uid)
		return 0;
	*ret = p->rows[p->first];
	return 1;
}

bool places_has_seen(const struct places *p, uint32_t pack, uint64_t end)
{
	return p->in_reading && p->pack == pack && end <= p->pack_size;
}

void places_saw(struct places *p, uint32_t pack, uint64_t size)
{
	p->pack = pack;
	p->pack_size = size;
}
