/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/passwords.h"

#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>

static const char *const origin_names[] = { "source", "local" };
_Static_assert(sizeof(origin_names) / sizeof(origin_names[0]) == PASSWORD_ORIGIN_COUNT,
	"a name for each");

static const char *const outcome_names[] = { "new", "due", "known", "pinned", "local" };
_Static_assert(sizeof(outcome_names) / sizeof(outcome_names[0]) == IMPORT_OUTCOME_COUNT,
	"a name for each");

const char *import_outcome_name(enum import_outcome o)
{
	return outcome_names[o];
}

static const char *origin_word(int value)
{
	return origin_names[value];
}

/* ── reading ───────────────────────────────────────────────────────────────────────── */

static int from_row(const struct registry *r, const struct query *row,
	struct password *ret, struct error *err)
{
	int origin = word_value(query_bytes(row, 3), origin_word, PASSWORD_ORIGIN_COUNT);

	if (origin < 0)
		return error_set(err, -EUCLEAN, "%s: a password is of an unknown origin",
			database_path(r->db));
	*ret = (struct password){ .id = (int64_t)query_number(row, 0),
		.account = (int64_t)query_number(row, 1),
		.account_name = query_bytes(row, 2),
		.origin = (enum password_origin)origin,
		.login = query_bytes(row, 4),
		.sealed = query_bytes(row, 5),
		.verifier = query_bytes(row, 6),
		.seen_at = query_number(row, 7),
		.proven_at = query_number(row, 8),
		.refused_at = query_number(row, 9),
		.source_name = query_bytes(row, 10) };
	return 0;
}

int registry_each_password(struct registry *r, int64_t account, password_each_fn *each,
	void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct password p;
	int n = query_begin(
		r->db, SQL_EACH_PASSWORD, SQL_VALUES(sql_signed(account)), &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		n = from_row(r, &row, &p, err);
		if (n == 0)
			n = each(context, &p);
	}
	return n;
}

int registry_find_password(struct registry *r, int64_t id, struct arena *arena,
	struct password *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct password p;
	struct str *const strings[] = { &p.account_name, &p.login, &p.sealed, &p.verifier,
		&p.source_name };
	int n = query_first(
		r->db, SQL_FIND_PASSWORD, SQL_VALUES(sql_signed(id)), &row, err);

	if (n == 0)
		return error_set(err, -ENOENT, "that password is not kept any more");
	if (n == 1)
		n = from_row(r, &row, &p, err);
	if (n < 0)
		return n;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = arena_str(arena, *strings[i]);
		if (!strings[i]->ptr)
			return error_set(err, -ENOMEM, "no memory");
	}
	*ret = p;
	return 0;
}

/* ── writing ───────────────────────────────────────────────────────────────────────── */

int password_insert(struct registry *r, int64_t account, struct str login,
	struct str sealed, int64_t *ret_id, struct error *err)
{
	int code = sql_run(r->db, SQL_ADD_CANDIDATE,
		SQL_VALUES(sql_signed(account), sql_text(login), sql_blob(sealed),
			sql_number(clock_wall_ms())),
		err);

	*ret_id = database_last_id(r->db);
	return code;
}

int registry_add_candidate(struct registry *r, int64_t account, struct str login,
	struct str sealed, int64_t *ret_id, struct error *err)
{
	int64_t id;
	int code = password_insert(r, account, login, sealed, &id, err);

	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_FORGET_CANDIDATES,
		SQL_VALUES(sql_signed(account), sql_number(CANDIDATES_MAX)), err);
	if (code == 0)
		code = sql_run(r->db, SQL_SET_LOGIN,
			SQL_VALUES(sql_signed(account), sql_text(login)), err);
	if (code == 0 && ret_id)
		*ret_id = id;
	return code;
}

static int write_journal(struct registry *r, int64_t account, struct str event,
	struct str by, struct str detail, struct error *err)
{
	return journal_write(r, account,
		(struct journal_line){ .at = clock_wall_ms(),
			.event = event,
			.by = by,
			.detail = detail },
		err);
}

static int not_kept(struct error *err)
{
	return error_set(err, -ENOENT, "that password is not kept any more");
}

static int prove(struct registry *r, int64_t account, int64_t id, struct str verifier,
	struct str sealed, struct error *err)
{
	int code = sql_run(r->db, SQL_PROVE,
		SQL_VALUES(sql_signed(account), sql_signed(id), sql_text(verifier),
			sql_number(clock_wall_ms()),
			sealed.len ? sql_blob(sealed) : sql_null()),
		err);

	if (code == 0 && database_changes(r->db) == 0)
		return not_kept(err);
	if (code == 0)
		code = sql_run(r->db, SQL_TAKE_LOGIN,
			SQL_VALUES(sql_signed(account), sql_signed(id)), err);
	if (code == 0)
		code = write_journal(r, account, STR_LIT("password-proven"),
			STR_LIT("transfer"), STR_LIT(""), err);
	return code;
}

int registry_replace_verifier(struct registry *r, int64_t id, struct str was,
	struct str is_now, struct error *err)
{
	int code = sql_run(r->db, SQL_REPLACE_VERIFIER,
		SQL_VALUES(sql_signed(id), sql_text(was), sql_text(is_now)), err);

	if (code == 0 && database_changes(r->db) == 0)
		code = error_set(err, -ESTALE, "another verifier was made since");
	return code;
}

int registry_prove(struct registry *r, int64_t account, int64_t id, struct str verifier,
	struct str sealed, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code == 0)
		code = database_finish(
			r->db, prove(r, account, id, verifier, sealed, err), err);
	return code;
}

static int route_of(
	struct registry *r, int64_t account, enum route *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int code = account_row(r, SQL_STATE, account, &row, err);
	int route;

	if (code < 0)
		return code;
	route = word_value(query_bytes(&row, 1), route_word, ROUTE_COUNT);
	*ret = (enum route)route;
	return route < 0 ? error_set(err, -EUCLEAN, "%s: unknown state of an account",
				   database_path(r->db))
	                 : 0;
}

static int refuse(struct registry *r, int64_t account, int64_t id, struct error *err)
{
	enum route route;
	int code = route_of(r, account, &route, err);

	if (code == 0 && route == ROUTE_LOCAL)
		return error_set(err, -EPERM,
			"the account lives here; what the source refuses still opens it");
	/* what the source has never taken from anybody is not kept */
	if (code == 0)
		code = sql_run(r->db, SQL_FORGET_IMPORTED,
			SQL_VALUES(sql_signed(account), sql_signed(id)), err);
	if (code < 0 || database_changes(r->db) > 0)
		return code;
	if (code == 0)
		code = sql_run(r->db, SQL_REFUSE_PASSWORD,
			SQL_VALUES(sql_signed(account), sql_signed(id),
				sql_number(clock_wall_ms())),
			err);
	if (code == 0 && database_changes(r->db) == 0)
		return not_kept(err);
	return code;
}

int registry_refuse(struct registry *r, int64_t account, int64_t id, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, refuse(r, account, id, err), err);
}

static int set_local(struct registry *r, int64_t account, struct str verifier, bool only,
	struct error *err)
{
	enum route route;
	int code = route_of(r, account, &route, err);

	if (code == 0 && route != ROUTE_LOCAL)
		return error_set(err, -EPERM,
			"it is served by the source, so its password is changed there");
	if (code == 0)
		code = sql_run(r->db, SQL_DROP_LOCAL_PASSWORD,
			SQL_VALUES(sql_signed(account)), err);
	if (code == 0 && only)
		code = sql_run(r->db, SQL_UNPROVE, SQL_VALUES(sql_signed(account)), err);
	if (code == 0)
		code = sql_run(r->db, SQL_ADD_LOCAL_PASSWORD,
			SQL_VALUES(sql_signed(account), sql_text(verifier),
				sql_number(clock_wall_ms())),
			err);
	if (code == 0)
		code = write_journal(r, account, STR_LIT("password"), STR_LIT("admin"),
			only ? STR_LIT("only") : STR_LIT(""), err);
	return code;
}

int registry_set_local_password(struct registry *r, int64_t account, struct str verifier,
	bool only, struct error *err)
{
	int code = database_begin(r->db, true, err);

	if (code == 0)
		code = database_finish(
			r->db, set_local(r, account, verifier, only, err), err);
	return code;
}
