/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and rows of accounts: finding them, walking over them, what is written without a
   change of state. */
#include "registry/internal.h"

#include <errno.h>
#include <string.h>

/* ── names ─────────────────────────────────────────────────────────────────────────── */

int name_keys(const struct registry *r, struct str name, struct name_keys *ret)
{
	struct str trimmed = str_trim(name), domain = str_from(r->only_domain);
	size_t at;

	if (!trimmed.len || trimmed.len > sizeof(ret->bytes) ||
		str_index(trimmed, '\0') < trimmed.len)
		return -EINVAL;
	for (size_t i = 0; i < trimmed.len; i++) {
		ret->bytes[i] = trimmed.ptr[i];
		if (ret->bytes[i] >= 'A' && ret->bytes[i] <= 'Z')
			ret->bytes[i] |= 0x20;
	}
	ret->whole = ret->key = str_of(ret->bytes, trimmed.len);
	at = str_index(ret->whole, '@');
	if (domain.len && at > 0 && str_ieq(str_skip(ret->whole, at + 1), domain))
		ret->key = str_take(ret->whole, at);
	return 0;
}

int rsql_use_keys(struct registry *r, enum sql_id id, const struct name_keys *keys,
	sqlite3_stmt **ret_statement, struct error *err)
{
	int code = rsql_use(r, id, ret_statement, err);

	if (code < 0)
		return code;
	rsql_bind(*ret_statement, 1, keys->key);
	rsql_bind(*ret_statement, 2, keys->whole);
	return 0;
}

int no_such_account(int64_t id, struct error *err)
{
	return error_set(err, -ENOENT, "there is no account number %lld", (long long)id);
}

int account_row(struct registry *r, enum sql_id id, int64_t account,
	sqlite3_stmt **ret_row, struct error *err)
{
	int n = rsql_use(r, id, ret_row, err);

	if (n < 0)
		return n;
	rsql_bind_number(*ret_row, 1, (uint64_t)account);
	n = rsql_step(r, *ret_row, err);
	if (n == 0)
		return no_such_account(account, err);
	return n < 0 ? n : 0;
}

const char *route_word(int value)
{
	return route_name((enum route)value);
}

const char *stage_word(int value)
{
	return stage_name((enum stage)value);
}

const char *pin_word(int value)
{
	return pin_name((enum pin)value);
}

int word_value(struct str word, word_fn *name_of, int count)
{
	for (int i = 0; i < count; i++)
		if (str_eq(word, str_from(name_of(i))))
			return i;
	return -ENOENT;
}

static int read_state(struct registry *r, sqlite3_stmt *row, int column,
	enum route *route, enum stage *stage, enum pin *pin, struct error *err)
{
	int a = word_value(rsql_text(row, column), route_word, ROUTE_COUNT);
	int b = word_value(rsql_text(row, column + 1), stage_word, STAGE_COUNT);
	int c = word_value(rsql_text(row, column + 2), pin_word, PIN_COUNT);

	if (a < 0 || b < 0 || c < 0)
		return error_set(err, -EUCLEAN,
			"registry %s: an account has an unknown route, stage or pin",
			r->path);
	*route = (enum route)a;
	*stage = (enum stage)b;
	*pin = (enum pin)c;
	return 0;
}

int account_from_row(
	struct registry *r, sqlite3_stmt *row, struct account *ret, struct error *err)
{
	struct account a = {
		.id = (int64_t)rsql_number(row, 0),
		.name = rsql_text(row, 1),
		.login = rsql_text(row, 2),
		.uncapturable_why = rsql_text(row, 6),
		.has_password = rsql_number(row, 7) != 0,
		.has_verifier = rsql_number(row, 8) != 0,
		.first_login_at = rsql_number(row, 9),
		.last_login_at = rsql_number(row, 10),
		.folders = rsql_number(row, 11),
		.messages_total = rsql_number(row, 12),
		.messages_copied = rsql_number(row, 13),
		.bytes_copied = rsql_number(row, 14),
		.uids_kept = (int)rsql_number(row, 15),
		.uidls_kept = (int)rsql_number(row, 16),
		.busy_since = rsql_number(row, 17),
		.out_of_service_ms = rsql_number(row, 18),
		.attempts = (uint32_t)rsql_number(row, 19),
		.next_try_at = rsql_number(row, 20),
		.last_error = rsql_text(row, 21),
		.certificate = rsql_text(row, 22),
		.local_password_at = rsql_number(row, 23),
		.stage_at = rsql_number(row, 24),
	};
	int code = read_state(r, row, 3, &a.route, &a.stage, &a.pin, err);

	if (code < 0)
		return code;
	a.capturable = !a.uncapturable_why.len;
	*ret = a;
	return 0;
}

/* ── finding ───────────────────────────────────────────────────────────────────────── */

static int keep_strings(struct account *a, struct arena *arena, struct error *err)
{
	struct str *const strings[] = { &a->name, &a->login, &a->uncapturable_why,
		&a->last_error, &a->certificate };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = arena_str(arena, *strings[i]);
		if (!strings[i]->ptr)
			return error_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

/* 1: *ret is filled, 0: no row. */
static int take_account(struct registry *r, sqlite3_stmt *statement, struct arena *arena,
	struct account *ret, struct error *err)
{
	struct account a;
	int n = rsql_step(r, statement, err);

	if (n <= 0)
		return n;
	n = account_from_row(r, statement, &a, err);
	if (n == 0)
		n = keep_strings(&a, arena, err);
	(void)sqlite3_reset(statement);
	if (n < 0)
		return n;
	*ret = a;
	return 1;
}

int registry_find(struct registry *r, struct str name, struct arena *arena,
	struct account *ret, struct error *err)
{
	struct name_keys keys;
	sqlite3_stmt *statement;
	int n = name_keys(r, name, &keys) < 0 ? -ENOENT : 0;

	if (n == 0) {
		n = rsql_use_keys(r, SQL_FIND_KEYS, &keys, &statement, err);
		if (n < 0)
			return n;
		n = take_account(r, statement, arena, ret, err);
	}
	if (n == 0 || n == -ENOENT)
		return error_set(err, -ENOENT,
			"there is no account \"%.*s\" (one appears at its first login)",
			STR_ARG(name));
	return n < 0 ? n : 0;
}

int registry_find_id(struct registry *r, int64_t id, struct arena *arena,
	struct account *ret, struct error *err)
{
	sqlite3_stmt *statement;
	int n = rsql_use(r, SQL_FIND_ID, &statement, err);

	if (n < 0)
		return n;
	rsql_bind_number(statement, 1, (uint64_t)id);
	n = take_account(r, statement, arena, ret, err);
	if (n == 0)
		return no_such_account(id, err);
	return n < 0 ? n : 0;
}

int route_from_row(struct registry *r, sqlite3_stmt *row, struct account_route *ret,
	struct error *err)
{
	struct account_route route = {
		.id = (int64_t)rsql_number(row, 0),
		.has_password = rsql_number(row, 4) != 0,
		.retired = rsql_number(row, 6) != 0,
	};
	struct str name = str_take(rsql_text(row, 5), sizeof(route.name) - 1);
	int code = 0;

	/* a stranger's mailbox is at the source, if it is anywhere */
	if (route.id)
		code = read_state(r, row, 1, &route.route, &route.stage, &route.pin, err);
	if (code < 0)
		return code;
	memcpy(route.name, name.ptr, name.len);
	*ret = route;
	return 0;
}

int registry_route(
	struct registry *r, struct str name, struct account_route *ret, struct error *err)
{
	struct name_keys keys;
	sqlite3_stmt *row;
	int n;

	/* what cannot be a name is looked for as well: nobody has the empty key */
	if (name_keys(r, name, &keys) < 0)
		keys.key = keys.whole = STR_LIT("");
	n = rsql_use_keys(r, SQL_ROUTE, &keys, &row, err);
	if (n == 0)
		n = rsql_step(r, row, err);
	if (n < 0)
		return n;
	n = route_from_row(r, row, ret, err);
	(void)sqlite3_reset(row);
	if (n == 0 && !ret->id)
		n = error_set(err, -ENOENT, "no account has such a name");
	return n;
}

static int walk(struct registry *r, sqlite3_stmt *statement, registry_each_fn *each,
	void *context, struct error *err)
{
	struct account a;
	int n;

	while ((n = rsql_step(r, statement, err)) == 1) {
		n = account_from_row(r, statement, &a, err);
		if (n == 0)
			n = each(context, &a);
		if (n != 0)
			break;
	}
	(void)sqlite3_reset(statement);
	return n;
}

int registry_each(
	struct registry *r, registry_each_fn *each, void *context, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_EACH, &statement, err);

	return code < 0 ? code : walk(r, statement, each, context, err);
}

int registry_each_work(struct registry *r, uint64_t now_ms, registry_each_fn *each,
	void *context, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_EACH_WORK, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, now_ms);
	return walk(r, statement, each, context, err);
}

/* ── counting ──────────────────────────────────────────────────────────────────────── */

static int one_number(
	struct registry *r, enum sql_id id, uint64_t *ret, struct error *err)
{
	sqlite3_stmt *statement;
	int n = rsql_use(r, id, &statement, err);

	if (n == 0)
		n = rsql_step(r, statement, err);
	if (n < 0)
		return n;
	*ret = n ? rsql_number(statement, 0) : 0;
	(void)sqlite3_reset(statement);
	return 0;
}

int registry_next_try(struct registry *r, uint64_t *ret_at, struct error *err)
{
	return one_number(r, SQL_NEXT_TRY, ret_at, err);
}

int registry_any_local(struct registry *r, bool *ret_any, struct error *err)
{
	uint64_t any;
	int code = one_number(r, SQL_ANY_LOCAL, &any, err);

	if (code == 0)
		*ret_any = any != 0;
	return code;
}

int registry_counts(
	struct registry *r, struct registry_counts *ret_counts, struct error *err)
{
	struct registry_counts counts = { 0 };
	sqlite3_stmt *row;
	int n = rsql_use(r, SQL_COUNT_ROUTES, &row, err);

	while (n == 0 && (n = rsql_step(r, row, err)) == 1) {
		enum route route = ROUTE_SOURCE;
		enum stage stage = STAGE_IDLE;
		enum pin pin = PIN_AUTO;
		uint64_t here = rsql_number(row, 4);

		n = read_state(r, row, 0, &route, &stage, &pin, err);
		if (n < 0)
			break;
		counts.accounts += here;
		counts.routes[route] += here;
		counts.stages[stage] += here;
		counts.pins[pin] += here;
		counts.uncapturable += rsql_number(row, 3) ? here : 0;
	}
	if (n < 0)
		return n;
	*ret_counts = counts;
	return 0;
}

/* ── what the transfer writes ──────────────────────────────────────────────────────── */

static int run_for(
	struct registry *r, sqlite3_stmt *statement, int64_t id, struct error *err)
{
	int code;

	rsql_bind_number(statement, 1, (uint64_t)id);
	code = rsql_run(r, statement, err);
	if (code == 0 && sqlite3_changes(r->db) == 0)
		return no_such_account(id, err);
	return code;
}

int registry_set_progress(
	struct registry *r, int64_t id, const struct progress *p, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_SET_PROGRESS, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 2, p->folders);
	rsql_bind_number(statement, 3, p->messages_total);
	rsql_bind_number(statement, 4, p->messages_copied);
	rsql_bind_number(statement, 5, p->bytes_copied);
	return run_for(r, statement, id, err);
}

int registry_set_result(struct registry *r, int64_t id, int uids_kept, int uidls_kept,
	struct str certificate, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_SET_RESULT, &statement, err);

	if (code < 0)
		return code;
	(void)sqlite3_bind_int(statement, 2, uids_kept);
	(void)sqlite3_bind_int(statement, 3, uidls_kept);
	rsql_bind(statement, 4, certificate);
	return run_for(r, statement, id, err);
}

int registry_set_verifier(
	struct registry *r, int64_t id, struct str verifier, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_SET_VERIFIER, &statement, err);

	if (code < 0)
		return code;
	rsql_bind(statement, 2, verifier);
	return run_for(r, statement, id, err);
}

int registry_verifier(struct registry *r, int64_t id, struct arena *arena,
	struct str *ret_verifier, struct error *err)
{
	struct str found;
	sqlite3_stmt *row;
	int code = account_row(r, SQL_VERIFIER, id, &row, err);

	if (code < 0)
		return code;
	found = arena_str(arena, rsql_text(row, 0));
	(void)sqlite3_reset(row);
	if (!found.ptr)
		return error_set(err, -ENOMEM, "no memory");
	if (!found.len)
		return error_set(err, -ENODATA, "no verifier was made for it yet");
	*ret_verifier = found;
	return 0;
}
