/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/admission.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>

/* Each change gets a larger number than all before it. */
static int change(struct registry *r, enum sql_id id, const struct sql_value *values,
	size_t n, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	code = sql_run(r->db, id, values, n, err);
	if (code == 0 && database_changes(r->db) == 0)
		code = error_set(err, -ENOENT, "there is no such admission");
	if (code == 0)
		code = sql_run(r->db, SQL_STAMP_ADMISSIONS, SQL_NO_VALUES, err);
	return database_finish(r->db, code, err);
}

int registry_admit(struct registry *r, struct str prefix, struct str service,
	struct str verdict, struct error *err)
{
	return change(r, SQL_ADMIT,
		SQL_VALUES(sql_text(prefix), sql_text(service), sql_text(verdict),
			sql_number(clock_wall_ms())),
		err);
}

int registry_forget_admission(
	struct registry *r, struct str prefix, struct str service, struct error *err)
{
	return change(r, SQL_FORGET_ADMISSION,
		SQL_VALUES(sql_text(prefix), sql_text(service)), err);
}

int registry_each_admission(
	struct registry *r, admission_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_EACH_ADMISSION, SQL_NO_VALUES, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct admission one = { .prefix = query_bytes(&row, 0),
			.service = query_bytes(&row, 1),
			.verdict = query_bytes(&row, 2),
			.at = query_number(&row, 3) };

		n = each(context, &one);
	}
	return n;
}

int registry_admissions_stamp(struct registry *r, uint64_t *ret, struct error *err)
{
	return sql_get(r->db, SQL_ADMISSIONS_STAMP, SQL_NO_VALUES, ret, err);
}
