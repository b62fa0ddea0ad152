/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/masters.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>

/* Tools that ban an address for wrong logins count them over ten minutes (fail2ban bans
   at five): these pauses stay below. */
#define TRY_FIRST_MS 150000u

static int take_row(struct query *row, int n, struct arena *arena, struct master *ret,
	struct error *err)
{
	if (n == 0)
		return error_set(err, -ENOENT, "no such master user is known");
	if (n < 0)
		return n;
	*ret = (struct master){ .id = (int64_t)query_number(row, 0),
		.login = arena_str(arena, query_bytes(row, 1)),
		.is_suffix = query_number(row, 2) != 0,
		.sealed = arena_str(arena, query_bytes(row, 3)) };
	return ret->login.ptr && ret->sealed.ptr ? 0
	                                         : error_set(err, -ENOMEM, "no memory");
}

int registry_find_master(struct registry *r, struct str login, bool is_suffix,
	struct arena *arena, struct master *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_FIND_MASTER,
		SQL_VALUES(sql_text(login), sql_number(is_suffix)), &row, err);

	return take_row(&row, n, arena, ret, err);
}

int registry_account_master(struct registry *r, int64_t account, struct arena *arena,
	struct master *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(
		r->db, SQL_ACCOUNT_MASTER, SQL_VALUES(sql_signed(account)), &row, err);

	return take_row(&row, n, arena, ret, err);
}

static int put(
	struct registry *r, const struct master *m, int64_t *ret_id, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = sql_run(r->db, SQL_PUT_MASTER,
		SQL_VALUES(sql_text(m->login), sql_number(m->is_suffix),
			sql_blob(m->sealed), sql_number(clock_wall_ms())),
		err);

	if (n == 0)
		n = query_first(r->db, SQL_FIND_MASTER,
			SQL_VALUES(sql_text(m->login), sql_number(m->is_suffix)), &row,
			err);
	if (n == 1)
		*ret_id = (int64_t)query_number(&row, 0);
	return n < 0 ? n : 0;
}

int registry_put_master(struct registry *r, const struct master *master, int64_t *ret_id,
	struct error *err)
{
	int code = database_begin_part(r->db, err);

	return code < 0 ? code
	                : database_finish_part(r->db, put(r, master, ret_id, err), err);
}

/* ---- whether the source lets it in ---- */

int registry_master_refused(struct registry *r, int64_t account, struct error *err)
{
	const struct sql_value values[] = { sql_signed(account),
		sql_number(clock_wall_ms()), sql_number(TRY_FIRST_MS),
		sql_number(MASTER_TRY_MOST_MS) };

	return sql_run(r->db, SQL_MASTER_REFUSED, values, 4, err);
}

int registry_master_taken(struct registry *r, int64_t account, struct error *err)
{
	return sql_run(r->db, SQL_MASTER_TAKEN, SQL_VALUES(sql_signed(account)), err);
}

int registry_try_master(struct registry *r, int64_t account, struct error *err)
{
	return sql_run(r->db, SQL_TRY_MASTER, SQL_VALUES(sql_signed(account)), err);
}

int registry_each_refused_master(struct registry *r, registry_refused_master_fn *each,
	void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_EACH_REFUSED_MASTER, SQL_NO_VALUES, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		const struct refused_master m = { .login = query_bytes(&row, 0),
			.refusals = query_number(&row, 1),
			.next_try_at = query_number(&row, 2),
			.refused_for = query_bytes(&row, 3),
			.accounts = query_number(&row, 4) };

		n = each(context, &m);
	}
	return n;
}

bool account_needs_master(const struct account *a)
{
	return a->master.len && !a->has_untried_password && a->route != ROUTE_LOCAL;
}

/* ---- which accounts ---- */

static int use(struct registry *r, int64_t account, int64_t master, bool *ret_became_due,
	struct error *err)
{
	struct arena arena;
	struct account a;
	bool due = false;
	int code;

	arena_init(&arena);
	code = registry_find_id(r, account, &arena, &a, err);
	if (code == 0 && a.route == ROUTE_SOURCE && a.pin != PIN_SOURCE) {
		code = sql_run(r->db, SQL_USE_MASTER,
			SQL_VALUES(sql_signed(account), sql_signed(master)), err);
		due = a.stage == STAGE_IDLE || a.stage == STAGE_FAILED;
	}
	if (code == 0 && due)
		code = change_state(
			r, account, EVENT_DUE, STR_LIT("admin"), STR_LIT("import"), err);
	arena_fini(&arena);
	if (code == 0)
		*ret_became_due = due;
	return code;
}

int registry_use_master(struct registry *r, int64_t account, int64_t master,
	bool *ret_became_due, struct error *err)
{
	int code = database_begin_part(r->db, err);

	return code < 0 ? code
	                : database_finish_part(r->db,
				  use(r, account, master, ret_became_due, err), err);
}

int registry_set_size(
	struct registry *r, int64_t account, uint64_t bytes, struct error *err)
{
	const struct sql_value values[] = { sql_signed(account), sql_number(bytes) };

	return account_write(r, SQL_SET_SIZE, values, 2, err);
}

int registry_note_copy_dropped(
	struct registry *r, int64_t account, struct str why, struct error *err)
{
	const struct journal_line line = { .at = clock_wall_ms(),
		.event = STR_LIT("copy-dropped"),
		.by = STR_LIT("transfer"),
		.detail = why };
	int code = database_begin(r->db, false, err);

	return code < 0 ? code
	                : database_finish(
				  r->db, journal_write(r, account, line, err), err);
}
