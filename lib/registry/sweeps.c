/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/sweeps.h"

#include "registry/internal.h"

#include <errno.h>

/* How far ahead the next look is at the most. */
static uint64_t latest(uint64_t interval)
{
	interval *= 2;
	return interval > SWEEP_REFUSED_AGAIN_MS ? interval : SWEEP_REFUSED_AGAIN_MS;
}

int registry_each_sweep_due(struct registry *r, uint64_t now, uint64_t interval,
	unsigned most, sweep_due_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_EACH_SWEEP_DUE,
		SQL_VALUES(sql_number(now), sql_number(most), sql_number(interval),
			sql_number(latest(interval))),
		&row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1)
		n = each(context, (int64_t)query_number(&row, 0), query_bytes(&row, 1));
	return n;
}

int registry_plan_sweep(
	struct registry *r, int64_t account, uint64_t next_at, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code == 0)
		code = database_finish(r->db,
			sql_run(r->db, SQL_PLAN_SWEEP,
				SQL_VALUES(sql_signed(account), sql_number(next_at)),
				err),
			err);
	return code;
}

int registry_sweep(struct registry *r, int64_t account, struct arena *arena,
	struct sweep_record *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_SWEEP, SQL_VALUES(sql_signed(account)), &row, err);

	*ret = (struct sweep_record){ .error = STR(""), .state = STR("") };
	if (n < 1)
		return n;
	*ret = (struct sweep_record){ .next_at = query_number(&row, 0),
		.looked_at = query_number(&row, 1),
		.last_at = query_number(&row, 2),
		.messages = query_number(&row, 3),
		.error = arena_str(arena, query_bytes(&row, 4)),
		.state = arena_str(arena, query_bytes(&row, 5)),
		.changed_at = query_number(&row, 6) };
	return ret->error.ptr && ret->state.ptr ? 0
	                                        : error_set(err, -ENOMEM, "no memory");
}

int registry_set_sweep(struct registry *r, int64_t account,
	const struct sweep_record *record, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_SET_SWEEP,
		SQL_VALUES(sql_signed(account), sql_number(record->next_at),
			sql_number(record->looked_at), sql_number(record->last_at),
			sql_number(record->messages), sql_text(record->error),
			sql_text(record->state), sql_number(record->changed_at)),
		err);
	return database_finish(r->db, code, err);
}

int registry_changed_there(struct registry *r, uint64_t since_ms, struct arena *arena,
	uint64_t *ret_n, struct str *ret_name, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(
		r->db, SQL_CHANGED_THERE, SQL_VALUES(sql_number(since_ms)), &row, err);

	if (n < 0)
		return n;
	*ret_n = n ? query_number(&row, 0) : 0;
	*ret_name = *ret_n ? arena_str(arena, query_bytes(&row, 1)) : STR_LIT("");
	return ret_name->ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}
