/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/here.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>
#include <string.h>

static int write_line(struct registry *r, int64_t id, const char *event, const char *to,
	struct error *err)
{
	return journal_write(r, id,
		(struct journal_line){ .at = clock_wall_ms(),
			.event = str_from(event),
			.to = str_from(to),
			.by = STR_LIT("admin") },
		err);
}

int registry_name_of(
	struct registry *r, struct str login, char ret[static 256], struct error *err)
{
	struct name_keys keys;
	int code = name_keys(r, login, &keys);

	if (code < 0)
		return error_set(
			err, code, "\"%.*s\" is no name of an account", STR_ARG(login));
	memcpy(ret, keys.key.ptr, keys.key.len);
	ret[keys.key.len] = '\0';
	return 0;
}

static int add(struct registry *r, struct str name, int64_t *ret_id, struct error *err)
{
	struct account_route route;
	struct name_keys keys;
	int64_t id = 0;
	int code = name_keys(r, name, &keys);

	if (code < 0)
		return error_set(
			err, code, "\"%.*s\" is no name of an account", STR_ARG(name));
	code = registry_route(r, name, &route, NULL);
	if (code == 0)
		return error_set(
			err, -EEXIST, "there is an account \"%s\" already", route.name);
	if (code != -ENOENT)
		return error_set(err, code, "cannot look for \"%.*s\"", STR_ARG(name));
	code = account_make(r, keys.key, 0, &id, err);
	if (code == 0)
		code = account_set_local(r, id, clock_wall_ms(), err);
	if (code == 0)
		code = sql_run(
			r->db, SQL_MARK_MADE_HERE, SQL_VALUES(sql_signed(id)), err);
	if (code == 0)
		code = write_line(r, id, "add", "local/done", err);
	if (code == 0)
		*ret_id = id;
	return code;
}

int registry_add_here(
	struct registry *r, struct str name, int64_t *ret_id, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, add(r, name, ret_id, err), err);
}

static int set_disabled(struct registry *r, int64_t id, bool disabled, struct error *err)
{
	struct arena arena;
	struct account a;
	int code;

	arena_init(&arena);
	code = registry_find_id(r, id, &arena, &a, err);
	if (code == 0 && a.route != ROUTE_LOCAL)
		code = error_set(err, -EPERM,
			"\"%.*s\" does not live here: who may log in there is the "
			"source's",
			STR_ARG(a.name));
	else if (code == 0 && a.home.len)
		code = error_set(err, -EPERM,
			"\"%.*s\" lives at %.*s, which says who may log in there",
			STR_ARG(a.name), STR_ARG(a.home));
	arena_fini(&arena);
	if (code == 0)
		code = sql_run(r->db, SQL_SET_DISABLED,
			SQL_VALUES(sql_signed(id), sql_number(disabled)), err);
	if (code < 0 || !database_changes(r->db))
		return code;
	return write_line(r, id, disabled ? "disable" : "enable", "", err);
}

int registry_set_disabled(
	struct registry *r, int64_t id, bool disabled, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code
	                : database_finish(r->db, set_disabled(r, id, disabled, err), err);
}

int registry_may_remove(struct registry *r, const struct account *a, struct error *err)
{
	struct account_route route;
	int code = registry_route(r, a->name, &route, err);

	if (code < 0)
		return code;
	if (a->route == ROUTE_LOCAL && (a->is_made_here || route.retired))
		return 0;
	return error_set(err, -EPERM,
		"\"%.*s\" came from the source, which is not retired: the next login "
		"would bring the account back; `account disable` keeps everybody out",
		STR_ARG(a->name));
}

/* Those that refer to the account before itself; names last of what finds others. */
static int remove_rows(struct registry *r, int64_t id, struct error *err)
{
	static const enum sql_id rows[] = { SQL_REMOVE_ITS_ALIASES,
		SQL_REMOVE_ITS_PASSWORDS, SQL_REMOVE_ITS_SERVICES, SQL_REMOVE_ITS_CLIENTS,
		SQL_REMOVE_ITS_SWEEP, SQL_REMOVE_ITS_CARRIES, SQL_REMOVE_ITS_DELIVERED,
		SQL_REMOVE_ITS_POP_LOGIN, SQL_REMOVE_ITS_MENDING, SQL_REMOVE_ITS_FOUND,
		SQL_REMOVE_ITS_JOURNAL, SQL_REMOVE_ITS_NAMES, SQL_REMOVE_ITS_ACCOUNT };
	int code = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && code == 0; i++)
		code = sql_run(r->db, rows[i], SQL_VALUES(sql_signed(id)), err);
	return code;
}

static int remove_here(struct registry *r, int64_t id, struct error *err)
{
	struct arena arena;
	struct account a;
	int code;

	arena_init(&arena);
	code = registry_find_id(r, id, &arena, &a, err);
	if (code == 0)
		code = registry_may_remove(r, &a, err);
	arena_fini(&arena);
	return code < 0 ? code : remove_rows(r, id, err);
}

int registry_remove_here(struct registry *r, int64_t id, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, remove_here(r, id, err), err);
}
