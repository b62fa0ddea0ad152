/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/rescue.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>

int registry_check(struct registry *r, struct error *err)
{
	return database_check(r->db, err);
}

int registry_copy(struct registry *r, const char *to, struct error *err)
{
	return database_copy(r->db, to, err);
}

int account_make(struct registry *r, struct str name, uint64_t served_at, int64_t *ret_id,
	struct error *err)
{
	struct name_keys keys;
	int code = name_keys(r, name, &keys);

	if (code < 0)
		return error_set(
			err, code, "\"%.*s\" is no name of an account", STR_ARG(name));
	code = sql_run(r->db, SQL_INSERT_ACCOUNT,
		SQL_VALUES(sql_text(name), sql_text(name), sql_number(served_at),
			sql_number(served_at), sql_text(STR_LIT("idle"))),
		err);
	if (code < 0)
		return code;
	*ret_id = database_last_id(r->db);
	code = sql_run(r->db, SQL_INSERT_NAME,
		SQL_VALUES(sql_text(keys.key), sql_signed(*ret_id)), err);
	if (code == 0)
		code = sql_run(r->db, SQL_INSERT_NAME,
			SQL_VALUES(sql_text(keys.whole), sql_signed(*ret_id)), err);
	return code;
}

int account_set_local(struct registry *r, int64_t id, uint64_t now, struct error *err)
{
	return sql_run(r->db, SQL_SET_STATE,
		SQL_VALUES(sql_signed(id), sql_text(str_from(route_name(ROUTE_LOCAL))),
			sql_text(str_from(stage_name(STAGE_DONE))), sql_number(now),
			sql_number(0), sql_number(0), sql_number(0), sql_number(0),
			sql_text(STR_LIT(""))),
		err);
}

/* What an account is called at the source only for one that the registry did not know: a
   row that it has is bound to its name by now. */
static int take_residence(struct registry *r, int64_t id, const struct residence *is,
	bool is_new, struct error *err)
{
	struct account a;
	struct arena arena;
	int code;

	if (!is)
		return 0;
	arena_init(&arena);
	code = registry_find_id(r, id, &arena, &a, err);
	if (code == 0)
		code = sql_run(r->db, SQL_ADOPT,
			SQL_VALUES(sql_signed(id), sql_text(is->home),
				sql_text(is_new ? is->login : a.login),
				sql_text(is_new ? is->source_name : a.source_name)),
			err);
	arena_fini(&arena);
	return code;
}

static int adopt(struct registry *r, struct str name, uint64_t served_at,
	const struct residence *is, int64_t *ret_id, struct error *err)
{
	struct account_route route;
	uint64_t now = clock_wall_ms();
	int code = registry_route(r, name, &route, NULL);
	bool is_new = code == -ENOENT;

	if (code == 0)
		*ret_id = route.id;
	else if (is_new)
		code = account_make(r, name, served_at, ret_id, err);
	else
		return error_set(err, code, "cannot look for \"%.*s\"", STR_ARG(name));
	if (code == 0)
		code = take_residence(r, *ret_id, is, is_new, err);
	if (code == 0)
		code = account_set_local(r, *ret_id, now, err);
	if (code < 0)
		return code;
	return journal_write(r, *ret_id,
		(struct journal_line){ .at = now,
			.event = STR_LIT("adopt"),
			.to = STR_LIT("local/done"),
			.by = STR_LIT("admin"),
			.detail = STR_LIT("its mail folder says that it lives here") },
		err);
}

int registry_adopt(struct registry *r, struct str name, uint64_t served_at,
	const struct residence *is, int64_t *ret_id, struct error *err)
{
	int64_t id = 0;
	int code = database_begin(r->db, true, err);

	if (code == 0)
		code = database_finish(
			r->db, adopt(r, name, served_at, is, &id, err), err);
	if (code == 0)
		*ret_id = id;
	return code;
}
