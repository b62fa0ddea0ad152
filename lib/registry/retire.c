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
	sqlite3_stmt *row;
	uint64_t since = 0;
	int n = rsql_use(r, SQL_FACT, &row, err);

	if (n < 0)
		return n;
	rsql_bind(row, 1, RETIRED);
	n = rsql_step(r, row, err);
	if (n < 0)
		return n;
	if (n == 1 && !str_to_u64(rsql_text(row, 0), &since))
		n = error_set(err, -EUCLEAN,
			"registry %s: the fact `retired` is not a time", r->path);
	(void)sqlite3_reset(row);
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

static int any_unverified(struct registry *r, bool *ret_any, struct error *err)
{
	sqlite3_stmt *row;
	int n = rsql_use(r, SQL_ANY_UNVERIFIED, &row, err);

	if (n == 0)
		n = rsql_step(r, row, err);
	if (n < 0)
		return n;
	*ret_any = n == 1 && rsql_number(row, 0) != 0;
	(void)sqlite3_reset(row);
	return 0;
}

static int retire(struct registry *r, struct error *err)
{
	char now[24];
	sqlite3_stmt *statement;
	uint64_t since = 0;
	bool any = false;
	int code = any_unverified(r, &any, err);

	if (code == 0 && any)
		return error_set(
			err, -EAGAIN, "an account has no verifier of its password yet");
	if (code == 0)
		code = registry_retired(r, &since, err);
	if (code == 0 && !since) {
		(void)snprintf(now, sizeof(now), "%" PRIu64, clock_wall_ms());
		code = registry_set_fact(r, RETIRED, str_from(now), err);
	}
	if (code == 0)
		code = rsql_use(r, SQL_ERASE_SEALED, &statement, err);
	return code < 0 ? code : rsql_run(r, statement, err);
}

int registry_retire(struct registry *r, struct error *err)
{
	int code = rsql_begin(r, true, err);

	return code < 0 ? code : rsql_finish(r, retire(r, err), err);
}

int registry_erase_log(struct registry *r, struct error *err)
{
	int rc = sqlite3_wal_checkpoint_v2(
		r->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : rsql_error(r, rc, err);
}
