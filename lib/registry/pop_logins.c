/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/pop_logins.h"

#include "registry/internal.h"

#include <errno.h>

int registry_pop_login(struct registry *r, int64_t account, struct arena *arena,
	struct pop_login *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(
		r->db, SQL_POP_LOGIN, SQL_VALUES(sql_signed(account)), &row, err);

	*ret = (struct pop_login){ .client = STR(""), .error = STR("") };
	if (n < 1)
		return n;
	*ret = (struct pop_login){ .at = query_number(&row, 0),
		.client = arena_str(arena, query_bytes(&row, 1)),
		.error = arena_str(arena, query_bytes(&row, 2)),
		.next_at = query_number(&row, 3) };
	return ret->client.ptr && ret->error.ptr ? 0
	                                         : error_set(err, -ENOMEM, "no memory");
}

int registry_set_pop_login(
	struct registry *r, int64_t account, const struct pop_login *l, struct error *err)
{
	int code = database_begin(r->db, false, err);

	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_SET_POP_LOGIN,
		SQL_VALUES(sql_signed(account), sql_number(l->at), sql_text(l->client),
			sql_text(l->error), sql_number(l->next_at)),
		err);
	return database_finish(r->db, code, err);
}
