/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/retire.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define RETIRED STR_LIT("retired")

int registry_retired(struct registry *r, uint64_t *ret_since, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	uint64_t since = 0;
	int n = query_first(r->db, SQL_FACT, SQL_VALUES(sql_text(RETIRED)), &row, err);

	if (n == 1 && !str_to_u64(query_bytes(&row, 0), &since))
		return error_set(err, -EUCLEAN, "%s: the fact `retired` is not a time",
			database_path(r->db));
	if (n < 0)
		return n;
	*ret_since = since;
	return 0;
}

int refuse_when_retired(struct registry *r, struct error *err)
{
	uint64_t since = 0;
	int code = registry_retired(r, &since, err);

	if (code == 0 && since)
		return error_set(err, -EPERM,
			"the source is retired; nothing goes back to it or comes from "
			"it");
	return code;
}

static int retire(struct registry *r, struct error *err)
{
	char now[24];
	uint64_t since = 0, unverified = 0;
	int code = sql_get(r->db, SQL_ANY_UNVERIFIED, SQL_NO_VALUES, &unverified, err);

	if (code == 0 && unverified)
		return error_set(
			err, -EAGAIN, "an account has no verifier of its password yet");
	if (code == 0)
		code = registry_retired(r, &since, err);
	if (code == 0 && !since) {
		(void)snprintf(now, sizeof(now), "%" PRIu64, clock_wall_ms());
		code = registry_set_fact(r, RETIRED, str_from(now), err);
	}
	if (code == 0)
		code = sql_run(r->db, SQL_FORGET_UNPROVEN, SQL_NO_VALUES, err);
	return code < 0 ? code : sql_run(r->db, SQL_ERASE_SEALED, SQL_NO_VALUES, err);
}

int registry_retire(struct registry *r, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, retire(r, err), err);
}

int registry_erase_log(struct registry *r, struct error *err)
{
	return database_empty_log(r->db, err);
}
