/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/sql.h"

static int bind(struct registry *r, enum sql_id id, int64_t account, struct str service,
	sqlite3_stmt **ret, struct error *err)
{
	int code = rsql_use(r, id, ret, err);

	if (code < 0)
		return code;
	rsql_bind_number(*ret, 1, (uint64_t)account);
	rsql_bind(*ret, 2, service);
	return 0;
}

int registry_uses_service(struct registry *r, int64_t id, struct str service,
	bool *ret_uses, struct error *err)
{
	sqlite3_stmt *row;
	int n = bind(r, SQL_SEEN_SERVICE, id, service, &row, err);

	if (n == 0)
		n = rsql_step(r, row, err);
	if (n < 0)
		return n;
	*ret_uses = n == 1 && rsql_number(row, 0) != 0;
	(void)sqlite3_reset(row);
	return 0;
}

int registry_note_service(
	struct registry *r, int64_t id, struct str service, struct error *err)
{
	sqlite3_stmt *statement;
	bool known;
	int code = registry_uses_service(r, id, service, &known, err);

	if (code < 0 || known)
		return code;
	code = bind(r, SQL_SEE_SERVICE, id, service, &statement, err);
	return code < 0 ? code : rsql_run(r, statement, err);
}
