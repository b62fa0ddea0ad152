/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening and closing. */
#include "registry/internal.h"
#include "settings/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_LOG_PAGES 8192 /* of 4 KiB */

int registry_any_password(struct registry *r, bool *ret_any, struct error *err)
{
	uint64_t any;
	int code = sql_get(r->db, SQL_ANY_PASSWORD, SQL_NO_VALUES, &any, err);

	if (code == 0)
		*ret_any = any != 0;
	return code;
}

void registry_files(
	const struct registry *r, char ret[static REGISTRY_FILES][REGISTRY_FILE_MAX])
{
	static const char *const ends[REGISTRY_FILES] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < REGISTRY_FILES; i++)
		(void)snprintf(
			ret[i], REGISTRY_FILE_MAX, "%s%s", database_path(r->db), ends[i]);
}

static int open_or_make(
	const char *path, bool create, struct registry **ret, struct error *err)
{
	struct registry *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return error_set(err, -ENOMEM, "no memory");
	r->delimiters = "+";
	code = database_open(path, create, &registry_schema, &r->db, err);
	if (code < 0) {
		registry_close(r);
		return code;
	}
	*ret = r;
	return 0;
}

int registry_open_in(const char *state_dir, struct registry **ret, struct error *err)
{
	char path[REGISTRY_FILE_MAX];
	int n = snprintf(path, sizeof(path), "%s/" REGISTRY_FILE, state_dir);

	if (n < 0 || (size_t)n >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG, "%s", state_dir);
	return registry_open(path, ret, err);
}

int registry_open(const char *path, struct registry **ret, struct error *err)
{
	return open_or_make(path, false, ret, err);
}

int registry_make(const char *path, struct registry **ret, struct error *err)
{
	return open_or_make(path, true, ret, err);
}

bool registry_version(struct registry *r, struct registry_version *ret)
{
	struct database_version version;
	bool can_tell = database_version(r->db, &version);

	_Static_assert(sizeof(*ret) == sizeof(version), "the same words");
	if (can_tell)
		memcpy(ret, &version, sizeof(*ret));
	return can_tell;
}

void registry_set_patience(struct registry *r, unsigned ms)
{
	database_set_patience(r->db, ms);
}

void registry_leave_checkpoints(struct registry *r)
{
	database_checkpoint_at(r->db, LONG_LOG_PAGES);
}

void registry_drop_group(struct registry *r)
{
	database_rollback(r->db);
}

void registry_limit_new_accounts(struct registry *r, uint64_t an_hour)
{
	r->new_accounts_max = an_hour;
}

static void free_domains(char **domains, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(domains[i]);
	free(domains);
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	database_close(r->counts);
	database_close(r->db);
	free(r->recent);
	free_domains(r->domains, r->n_domains);
	free(r);
}

int registry_set_domains(struct registry *r, char *const *domains, size_t n_domains)
{
	char **copies = calloc(n_domains + 1, sizeof(*copies));

	for (size_t i = 0; copies && i < n_domains; i++) {
		copies[i] = strdup(domains[i]);
		if (!copies[i]) {
			free_domains(copies, i);
			copies = NULL;
		}
	}
	if (!copies)
		return -ENOMEM;
	free_domains(r->domains, r->n_domains);
	r->domains = copies;
	r->n_domains = n_domains;
	r->only_domain = n_domains == 1 ? copies[0] : NULL;
	return 0;
}

int registry_set_fact(
	struct registry *r, struct str name, struct str value, struct error *err)
{
	return sql_run(
		r->db, SQL_SET_FACT, SQL_VALUES(sql_text(name), sql_blob(value)), err);
}

int registry_fact(struct registry *r, struct str name, struct arena *arena,
	struct str *ret_value, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_FACT, SQL_VALUES(sql_text(name)), &row, err);

	if (n == 0)
		return error_set(err, -ENOENT, "%.*s is not known yet", STR_ARG(name));
	if (n < 0)
		return n;
	*ret_value = arena_str(arena, query_bytes(&row, 0));
	return ret_value->ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}
