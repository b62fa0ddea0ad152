/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening and closing, and the key that belongs to the file. */
#include "registry/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_LOG_PAGES 8192 /* of 4 KiB */

int registry_any_password(struct registry *r, bool *ret_any, struct error *err)
{
	uint64_t any;
	int code = sql_get(r->db, SQL_ANY_SEALED, SQL_NO_VALUES, &any, err);

	if (code == 0)
		*ret_any = any != 0;
	return code;
}

#define KEY_CHECK STR_LIT("key-check")
#define KEY_CHECK_TEXT STR_LIT("mailferry")

static int write_key_check(struct registry *r, struct error *err)
{
	struct buf sealed;
	int code;

	buf_init(&sealed, 0);
	code = seal(r->key, KEY_CHECK, KEY_CHECK_TEXT, &sealed);
	if (code == 0)
		code = registry_set_fact(r, KEY_CHECK, buf_view(&sealed), err);
	buf_fini(&sealed);
	return code;
}

/* A key that does not open the passwords here would be noticed at the first transfer, by
   a user who is told that his password is wrong. So it is noticed now. */
static int check_key(
	struct registry *r, const char *key_path, bool anything_sealed, struct error *err)
{
	struct arena arena;
	struct str sealed, clear;
	int code;

	arena_init(&arena);
	code = registry_fact(r, KEY_CHECK, &arena, &sealed, NULL);
	if (code == 0)
		code = unseal(r->key, KEY_CHECK, sealed, &arena, &clear);
	arena_fini(&arena);
	if (code == 0)
		return 0;
	if (code == -EBADMSG && anything_sealed)
		return error_set(err, -EBADMSG,
			"the key file %s is not the one that the passwords in %s are "
			"sealed with; restore that one",
			key_path, database_path(r->db));
	return write_key_check(r, err);
}

static int load_key(
	struct registry *r, const char *key_path, bool create_key, struct error *err)
{
	bool sealed;
	int code = registry_any_password(r, &sealed, err);

	if (code < 0)
		return code;
	if (sealed && create_key && access(key_path, F_OK) < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"the key file %s is missing, but passwords in %s are sealed with "
			"it; restore it from your backup",
			key_path, database_path(r->db));
	code = seal_key_load(key_path, create_key, r->key, err);
	if (code < 0)
		return code;
	r->has_key = true;
	return check_key(r, key_path, sealed, err);
}

int registry_open(const char *path, const char *key_path, bool create_key,
	struct registry **ret, struct error *err)
{
	struct registry *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return error_set(err, -ENOMEM, "no memory");
	r->delimiters = "+";
	code = database_open(path, true, &registry_schema, &r->db, err);
	if (code == 0 && key_path)
		code = load_key(r, key_path, create_key, err);
	if (code < 0) {
		registry_close(r);
		return code;
	}
	*ret = r;
	return 0;
}

void registry_set_patience(struct registry *r, unsigned ms)
{
	database_set_patience(r->db, ms);
}

void registry_leave_checkpoints(struct registry *r)
{
	database_checkpoint_at(r->db, LONG_LOG_PAGES);
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
	database_close(r->db);
	explicit_bzero(r->key, sizeof(r->key));
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
