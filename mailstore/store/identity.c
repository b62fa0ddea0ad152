/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose folder it is, and whether the account is served from it. */
#include "mailstore/store/internal.h"
#include "mailstore/store/schema.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *const service_names[] = { "copying", "served", "leaving", "left" };
_Static_assert(sizeof(service_names) / sizeof(service_names[0]) == STORE_SERVICE_COUNT,
	"a name for each");

const char *store_service_name(enum store_service s)
{
	return service_names[s];
}

static int read_identity(struct database *d, struct arena *arena,
	struct store_identity *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct store_identity found = { 0 };
	int n = query_first(d, SQL_IDENTITY, SQL_NO_VALUES, &row, err);

	if (n < 0)
		return n;
	while (n == 1 && found.service < STORE_SERVICE_COUNT &&
		!str_eq(query_bytes(&row, 1),
			str_from(store_service_name(found.service))))
		found.service++;
	if (n == 0 || found.service == STORE_SERVICE_COUNT)
		return error_set(err, -EUCLEAN, "%s does not say whose it is; %s",
			database_path(d), store_schema.cure);
	found.owner = arena_str(arena, query_bytes(&row, 0));
	found.served_at = query_number(&row, 2);
	found.residence = arena_str(arena, query_bytes(&row, 3));
	if (!found.owner.ptr || !found.residence.ptr)
		return error_set(err, -ENOMEM, "no memory");
	*ret = found;
	return 0;
}

int store_identity(struct store *s, struct arena *arena, struct store_identity *ret,
	struct error *err)
{
	return read_identity(s->db, arena, ret, err);
}

int store_set_identity(
	struct store *s, const struct store_identity *identity, struct error *err)
{
	int code = store_writing(s, err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_SET_IDENTITY,
				  SQL_VALUES(sql_text(identity->owner),
					  sql_text(str_from(
						  store_service_name(identity->service))),
					  sql_number(identity->served_at),
					  sql_text(identity->residence.ptr
							   ? identity->residence
							   : STR_LIT(""))),
				  err);
}

int store_take_into_service(
	struct store *s, struct str residence, uint64_t now, struct error *err)
{
	struct store_identity is;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_identity(s, &arena, &is, err);
	is.service = STORE_SERVED;
	is.served_at = now;
	is.residence = residence;
	if (code == 0)
		code = store_set_identity(s, &is, err);
	arena_fini(&arena);
	return code;
}

int store_set_residence(struct store *s, struct str residence, struct error *err)
{
	int code = store_writing(s, err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_SET_RESIDENCE,
				  SQL_VALUES(sql_text(residence)), err);
}

static int write_service(
	struct store *s, const struct store_identity *identity, struct error *err)
{
	int code = store_begin(s, err);

	if (code < 0)
		return code;
	code = store_set_identity(s, identity, err);
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

int store_set_service(
	struct store *s, enum store_service service, uint64_t now, struct error *err)
{
	struct store_identity is;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_identity(s, &arena, &is, err);
	if (code == 0 && is.service != service) {
		is.service = service;
		if (service == STORE_COPYING || service == STORE_LEFT) {
			is.served_at = 0;
			is.residence = STR_LIT("");
		} else if (!is.served_at) {
			is.served_at = now;
		}
		code = write_service(s, &is, err);
	}
	arena_fini(&arena);
	return code;
}

static int write_rename(struct store *s, struct str owner, struct str drop,
	struct str residence, struct error *err)
{
	int code = store_writing(s, err);

	if (code == 0)
		code = sql_run(s->db, SQL_ADD_FORMER, SQL_VALUES(sql_text(owner)), err);
	if (code == 0)
		code = sql_run(s->db, SQL_SET_OWNER,
			SQL_VALUES(sql_text(owner), sql_text(residence)), err);
	if (code == 0)
		code = sql_run(
			s->db, SQL_FORGET_FORMER, SQL_VALUES(sql_text(owner)), err);
	if (code == 0)
		code = sql_run(s->db, SQL_FORGET_FORMER, SQL_VALUES(sql_text(drop)), err);
	return code;
}

int store_rename(struct store *s, struct str owner, struct str drop, struct str residence,
	struct error *err)
{
	int code = store_begin(s, err);

	if (code < 0)
		return code;
	code = write_rename(s, owner, drop, residence, err);
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

static int read_former(struct database *d, struct arena *arena,
	struct store_identity *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct str *names = arena_alloc(arena, FORMER_NAMES_MAX * sizeof(*names));
	int n = names ? query_first(d, SQL_EACH_FORMER,
				SQL_VALUES(sql_number(FORMER_NAMES_MAX)), &row, err)
	              : -ENOMEM;

	ret->former = names;
	while (n == 1) {
		names[ret->n_former] = arena_str(arena, query_bytes(&row, 0));
		n = names[ret->n_former++].ptr ? query_next(&row, err) : -ENOMEM;
	}
	return n == -ENOMEM ? error_set(err, n, "no memory") : n;
}

#define PAGE 4096 /* of SQLite: one holds no table of ours, they have a page each */

/* Killed before its tables were there: no mail was ever in it. With bodies beside it an
   empty index is a damaged one. */
static bool has_just_begun(const char *folder)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat about;
	bool any = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/index.sqlite", folder);
	if (stat(path, &about) < 0 || about.st_size > PAGE)
		return false;
	(void)snprintf(path, sizeof(path), "%s/bodies", folder); /* shorter */
	d = opendir(path);
	while (d && !any && (entry = readdir(d)))
		any = entry->d_name[0] != '.';
	if (d)
		(void)closedir(d);
	return !any;
}

int store_peek(const char *folder, struct arena *arena, struct store_identity *ret,
	struct error *err)
{
	struct database *d;
	int code = index_open(folder, &d, err);

	if (code == -EUCLEAN && has_just_begun(folder))
		return error_set(err, -ENOENT, "%s has just begun", folder);
	if (code < 0)
		return code;
	code = read_identity(d, arena, ret, err);
	if (code == 0)
		code = read_former(d, arena, ret, err);
	database_close(d);
	return code;
}
