/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/found.h"

#include "registry/internal.h"

#include <errno.h>

int registry_found(struct registry *r, int64_t account, struct arena *arena,
	struct found_record *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_FOUND, SQL_VALUES(sql_signed(account)), &row, err);

	*ret = (struct found_record){ .error = STR(""), .state = STR("") };
	if (n < 1)
		return n;
	*ret = (struct found_record){ .at = query_number(&row, 0),
		.error = arena_str(arena, query_bytes(&row, 1)),
		.state = arena_str(
			arena, str_take(query_bytes(&row, 2), FOUND_STATE_MAX)) };
	return ret->error.ptr && ret->state.ptr ? 0
	                                        : error_set(err, -ENOMEM, "no memory");
}

int registry_set_found(struct registry *r, int64_t account,
	const struct found_record *record, struct error *err)
{
	int code;

	if (record->state.len > FOUND_STATE_MAX)
		return error_set(err, -EMSGSIZE, "that is too much to be kept");
	code = database_begin(r->db, true, err);
	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_SET_FOUND,
		SQL_VALUES(sql_signed(account), sql_number(record->at),
			sql_text(record->error), sql_text(record->state)),
		err);
	return database_finish(r->db, code, err);
}
