/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/mendings.h"

#include "registry/internal.h"

#include <errno.h>

int registry_mending(struct registry *r, int64_t account, struct arena *arena,
	struct mending *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(
		r->db, SQL_MENDING, SQL_VALUES(sql_signed(account)), &row, err);

	*ret = (struct mending){ .result = STR("") };
	if (n < 1)
		return n;
	*ret = (struct mending){ .at = query_number(&row, 0),
		.left = query_number(&row, 1),
		.result = arena_str(arena, query_bytes(&row, 2)) };
	return ret->result.ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}

int registry_set_mending(
	struct registry *r, int64_t account, const struct mending *m, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_SET_MENDING,
		SQL_VALUES(sql_signed(account), sql_number(m->at), sql_number(m->left),
			sql_text(m->result)),
		err);
	return database_finish(r->db, code, err);
}
