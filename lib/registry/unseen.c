/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/unseen.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>

/* ---- written by the workers ---- */

static int write_row(
	struct registry *r, unsigned worker, const struct unseen *u, struct error *err)
{
	int code = sql_run(r->db, SQL_WRITE_UNSEEN,
		SQL_VALUES(sql_text(u->client), sql_text(u->service), sql_text(u->why),
			sql_number(worker), sql_number(u->first_at),
			sql_number(u->last_at), sql_number(u->count),
			sql_number(u->open)),
		err);

	if (code < 0 || u->open)
		return code;
	return sql_run(r->db, SQL_FORGET_NAMES,
		SQL_VALUES(sql_text(u->client), sql_text(u->service),
			sql_number(UNSEEN_NAMES_MAX)),
		err);
}

static int write_rows(struct registry *r, unsigned worker, const struct unseen *rows,
	size_t n, struct error *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < n; i++)
		code = write_row(r, worker, &rows[i], err);
	return code;
}

int registry_write_unseen(struct registry *r, unsigned worker, const struct unseen *rows,
	size_t n, struct error *err)
{
	int code = n ? database_begin(r->db, false, err) : 0;

	if (code < 0 || !n)
		return code;
	return database_finish(r->db, write_rows(r, worker, rows, n, err), err);
}

int registry_forget_unseen(struct registry *r, struct error *err)
{
	uint64_t now = clock_wall_ms();

	return sql_run(r->db, SQL_FORGET_UNSEEN,
		SQL_VALUES(sql_number(now > UNSEEN_KEPT_MS ? now - UNSEEN_KEPT_MS : 0),
			sql_number(UNSEEN_ROWS_MAX)),
		err);
}

static int set_over(struct registry *r, unsigned first, unsigned last, struct error *err)
{
	return sql_run(r->db, SQL_UNSEEN_OVER,
		SQL_VALUES(
			sql_number(first), sql_number(last), sql_number(clock_wall_ms())),
		err);
}

int registry_unseen_over(struct registry *r, unsigned worker, struct error *err)
{
	return set_over(r, worker, worker, err);
}

int registry_unseen_all_over(struct registry *r, struct error *err)
{
	return set_over(r, 0, UNSEEN_DIRECT_WORKER - 1, err);
}

/* ---- read ---- */

/* From the columns of UNSEEN_COLUMNS, the first of which is `at`. */
static struct unseen from_row(const struct query *row, int at)
{
	return (struct unseen){
		.client = query_bytes(row, at),
		.service = query_bytes(row, at + 1),
		.why = query_bytes(row, at + 2),
		.first_at = query_number(row, at + 3),
		.last_at = query_number(row, at + 4),
		.count = query_number(row, at + 5),
		.open = query_number(row, at + 6),
	};
}

int registry_each_unseen(struct registry *r, uint64_t since_ms, unseen_each_fn *each,
	void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(
		r->db, SQL_EACH_UNSEEN, SQL_VALUES(sql_number(since_ms)), &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct unseen one = from_row(&row, 0);

		n = each(context, &one);
	}
	return n;
}

/* The first time that counts of something that was ms ago. */
static struct sql_value since(uint64_t ms)
{
	uint64_t now = clock_wall_ms();

	return sql_number(now > ms ? now - ms : 0);
}

static int reader_from_row(struct registry *r, const struct query *row,
	struct unseen_reader *ret, struct error *err)
{
	int route = word_value(query_bytes(row, 1), route_word, ROUTE_COUNT);
	int stage = word_value(query_bytes(row, 2), stage_word, STAGE_COUNT);

	if (route < 0 || stage < 0)
		return error_set(err, -EUCLEAN,
			"%s: an account has an unknown route or stage",
			database_path(r->db));
	*ret = (struct unseen_reader){ .account = query_bytes(row, 0),
		.route = (enum route)route,
		.stage = (enum stage)stage,
		.what = from_row(row, 3) };
	return 0;
}

int registry_each_unseen_reader(struct registry *r, uint64_t again_ms,
	unseen_reader_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_EACH_UNSEEN_READER,
		SQL_VALUES(since(again_ms), since(CLIENT_LATELY_MS)), &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct unseen_reader one;

		n = reader_from_row(r, &row, &one, err);
		if (n == 0)
			n = each(context, &one);
	}
	return n;
}

static int find_holder(struct registry *r, int64_t account, uint64_t again_ms,
	bool since_switch, struct arena *arena, struct unseen *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct unseen_reader one;
	int n = query_first(r->db, SQL_IS_HELD,
		SQL_VALUES(since(again_ms), since(CLIENT_LATELY_MS), sql_signed(account),
			sql_number(since_switch)),
		&row, err);

	if (n != 1)
		return n;
	n = reader_from_row(r, &row, &one, err);
	if (n < 0)
		return n;
	*ret = one.what;
	ret->client = arena_str(arena, one.what.client);
	ret->service = arena_str(arena, one.what.service);
	ret->why = arena_str(arena, one.what.why);
	if (!ret->client.ptr || !ret->service.ptr || !ret->why.ptr)
		return error_set(err, -ENOMEM, "no memory");
	return 1;
}

int registry_is_held(struct registry *r, int64_t account, uint64_t again_ms,
	struct arena *arena, struct unseen *ret, struct error *err)
{
	return find_holder(r, account, again_ms, false, arena, ret, err);
}

int registry_arrive(struct registry *r, const struct account_arrival *a,
	struct arena *arena, struct unseen *ret, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code < 0)
		return code;
	code = find_holder(r, a->account, a->again_ms, true, arena, ret, err);
	if (code == 0)
		code = change_state(r, a->account, EVENT_ARRIVE, a->by, STR_LIT(""), err);
	if (code == 0)
		code = registry_set_result(r, a->account, &a->result, err);
	return database_finish(r->db, code, err);
}

int registry_allow_unseen(
	struct registry *r, int64_t account, bool allowed, struct error *err)
{
	return account_write(r, SQL_ALLOW_UNSEEN,
		SQL_VALUES(sql_signed(account), sql_number(allowed)), err);
}
