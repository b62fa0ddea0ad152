/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/carries.h"

#include "registry/internal.h"

#include <errno.h>

int registry_carry(struct registry *r, int64_t account, bool dry, struct arena *arena,
	struct carry_record *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_CARRY,
		SQL_VALUES(sql_signed(account), sql_number(dry)), &row, err);

	*ret = (struct carry_record){ .result = STR("") };
	if (n < 1)
		return n;
	*ret = (struct carry_record){ .at = query_number(&row, 0),
		.result = arena_str(arena, query_bytes(&row, 1)) };
	return ret->result.ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}

int registry_set_carry(struct registry *r, int64_t account, bool dry,
	const struct carry_record *record, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_SET_CARRY,
		SQL_VALUES(sql_signed(account), sql_number(dry), sql_number(record->at),
			sql_text(record->result)),
		err);
	return database_finish(r->db, code, err);
}
