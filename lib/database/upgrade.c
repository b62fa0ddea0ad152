/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose file it is, and from which version it has to come up. */
#include "database/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* cell_size_check: damage is found where it is, not later. temp_store: a process may be
   in a chroot without /tmp. */
static const char setup[] = "PRAGMA journal_mode = WAL;"
			    "PRAGMA foreign_keys = ON;"
			    "PRAGMA temp_store = MEMORY;"
			    "PRAGMA cell_size_check = ON;"
			    "PRAGMA journal_size_limit = 16777216;";

static int read_number(
	struct database *d, const char *sql, uint32_t *ret, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(d->db, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*ret = (uint32_t)sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? 0 : database_error(d, rc, err);
}

static int not_ours(const struct database *d, struct error *err)
{
	return error_set(
		err, -EUCLEAN, "%s is not %s of mailferry", d->path, d->schema->noun);
}

/* A file that lost its tables looks like a new one. To go on with it would be to say that
   nothing is there, so only a caller that may create gets one. */
static int check_new(struct database *d, bool create, struct error *err)
{
	uint32_t tables = 0;
	int code = read_number(d, "SELECT count(*) FROM sqlite_schema", &tables, err);

	if (code < 0)
		return code;
	if (tables)
		return not_ours(d, err);
	if (!create)
		return error_set(
			err, -EUCLEAN, "%s is empty; %s", d->path, d->schema->cure);
	return 0;
}

static int check_old(struct database *d, uint32_t version, struct error *err)
{
	uint32_t id = 0;
	int code = read_number(d, "PRAGMA application_id", &id, err);

	if (code < 0)
		return code;
	if (d->schema->application_id && id != d->schema->application_id)
		return not_ours(d, err);
	if (version > d->schema->n_upgrades)
		return error_set(err, -EUCLEAN,
			"%s is of a newer mailferry (%u, this one knows %zu); install "
			"that one",
			d->path, version, d->schema->n_upgrades);
	return 0;
}

static int upgrade_from_here(struct database *d, struct error *err)
{
	char end[96];
	uint32_t version;
	int code = read_number(d, "PRAGMA user_version", &version, err);

	for (size_t i = version; code == 0 && i < d->schema->n_upgrades; i++)
		code = database_execute(d, d->schema->upgrades[i], err);
	if (code < 0)
		return code;
	(void)snprintf(end, sizeof(end),
		"PRAGMA user_version = %zu; PRAGMA application_id = %" PRIu32,
		d->schema->n_upgrades, d->schema->application_id);
	return database_execute(d, end, err);
}

/* One picture: another process may be making the tables. */
static int check(
	struct database *d, bool create, uint32_t *ret_version, struct error *err)
{
	int code = database_begin_reading(d, err);

	if (code == 0)
		code = read_number(d, "PRAGMA user_version", ret_version, err);
	if (code == 0)
		code = *ret_version ? check_old(d, *ret_version, err)
		                    : check_new(d, create, err);
	return database_finish(d, code, err);
}

int database_upgrade(struct database *d, bool create, struct error *err)
{
	uint32_t version = 0;
	int code = check(d, create, &version, err);

	if (code == 0)
		code = database_execute(d, setup, err);
	if (code == 0)
		code = database_execute(d, d->schema->setup, err);
	/* another process may have been faster: looked at again inside */
	if (code == 0 && version < d->schema->n_upgrades) {
		code = database_begin(d, true, err);
		if (code == 0)
			code = database_finish(d, upgrade_from_here(d, err), err);
	}
	if (code == 0)
		code = database_execute(d,
			d->schema->durable ? "PRAGMA synchronous = FULL"
					   : "PRAGMA synchronous = NORMAL",
			err);
	d->full_sync = d->schema->durable;
	return code;
}
