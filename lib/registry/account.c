/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and rows of accounts: finding them, walking over them, what is written without a
   change of state. */
#include "base/clock.h"
#include "registry/internal.h"
#include "registry/recent.h"

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

ssize_t registry_name_key(
	const struct registry *r, struct str name, char key[static REGISTRY_NAME_MAX])
{
	struct name_keys keys;
	int code = name_keys(r, name, &keys);

	if (code < 0)
		return code;
	memcpy(key, keys.key.ptr, keys.key.len);
	return (ssize_t)keys.key.len;
}

bool name_address(const struct registry *r, struct str name, struct address_key *ret)
{
	return r->only_domain && local_is_plain(name) &&
	       address_key(name, str_from(r->only_domain), ret) == 0;
}

int no_such_account(int64_t id, struct error *err)
{
	return error_set(err, -ENOENT, "there is no account number %lld", (long long)id);
}

int account_row(struct registry *r, enum sql_id id, int64_t account,
	struct query *ret_row, struct error *err)
{
	int n = query_first(r->db, id, SQL_VALUES(sql_signed(account)), ret_row, err);

	if (n == 0)
		return no_such_account(account, err);
	return n < 0 ? n : 0;
}

int account_write(struct registry *r, enum sql_id id, const struct sql_value *values,
	size_t n_values, struct error *err)
{
	int code = sql_run(r->db, id, values, n_values, err);

	if (code == 0 && database_changes(r->db) == 0)
		return no_such_account(values[0].number, err);
	return code;
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

static int read_state(struct registry *r, const struct query *row, int column,
	enum route *route, enum stage *stage, enum pin *pin, struct error *err)
{
	int a = word_value(query_bytes(row, column), route_word, ROUTE_COUNT);
	int b = word_value(query_bytes(row, column + 1), stage_word, STAGE_COUNT);
	int c = word_value(query_bytes(row, column + 2), pin_word, PIN_COUNT);

	if (a < 0 || b < 0 || c < 0)
		return error_set(err, -EUCLEAN,
			"%s: an account has an unknown route, stage or pin",
			database_path(r->db));
	*route = (enum route)a;
	*stage = (enum stage)b;
	*pin = (enum pin)c;
	return 0;
}

int account_from_row(struct registry *r, const struct query *row, struct account *ret,
	struct error *err)
{
	struct account a = {
		.id = (int64_t)query_number(row, 0),
		.name = query_bytes(row, 1),
		.login = query_bytes(row, 2),
		.uncapturable_why = query_bytes(row, 6),
		.has_password = query_number(row, 7) != 0,
		.passwords = query_number(row, 8),
		.first_login_at = query_number(row, 9),
		.last_login_at = query_number(row, 10),
		.folders = query_number(row, 11),
		.messages_total = query_number(row, 12),
		.messages_copied = query_number(row, 13),
		.bytes_copied = query_number(row, 14),
		.uids_kept = (int)query_number(row, 15),
		.uidls_kept = (int)query_number(row, 16),
		.busy_since = query_number(row, 17),
		.out_of_service_ms = query_number(row, 18),
		.attempts = (uint32_t)query_number(row, 19),
		.next_try_at = query_number(row, 20),
		.last_error = query_bytes(row, 21),
		.certificate = query_bytes(row, 22),
		.local_password_at = query_number(row, 23),
		.stage_at = query_number(row, 24),
		.candidates = query_number(row, 25),
		.is_made_here = query_number(row, 26) != 0,
		.is_disabled = query_number(row, 27) != 0,
		.source_name = query_bytes(row, 28),
		.home = query_bytes(row, 29),
		.is_arriving = query_number(row, 30) != 0,
		.size = query_number(row, 31),
		.master = query_bytes(row, 32),
		.has_untried_password = query_number(row, 33) != 0,
		.master_try_at = query_number(row, 34),
		.master_is_taken = query_number(row, 35) != 0,
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
		&a->last_error, &a->certificate, &a->source_name, &a->home, &a->master };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = arena_str(arena, *strings[i]);
		if (!strings[i]->ptr)
			return error_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

/* 1: *ret is filled, 0: no row. */
static int take_account(struct registry *r, enum sql_id id,
	const struct sql_value *values, size_t n_values, struct arena *arena,
	struct account *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct account a;
	int n = query_first(r->db, id, values, n_values, &row, err);

	if (n <= 0)
		return n;
	n = account_from_row(r, &row, &a, err);
	if (n == 0)
		n = keep_strings(&a, arena, err);
	if (n < 0)
		return n;
	*ret = a;
	return 1;
}

int registry_find(struct registry *r, struct str name, struct arena *arena,
	struct account *ret, struct error *err)
{
	struct name_keys keys;
	int n = 0;

	if (name_keys(r, name, &keys) == 0)
		n = take_account(
			r, SQL_FIND_KEYS, SQL_VALUES(KEY_VALUES(&keys)), arena, ret, err);
	if (n == 0)
		return error_set(err, -ENOENT,
			"there is no account \"%.*s\" (one appears at the first login "
			"that mailferry sees)",
			STR_ARG(name));
	return n < 0 ? n : 0;
}

int registry_find_id(struct registry *r, int64_t id, struct arena *arena,
	struct account *ret, struct error *err)
{
	int n = take_account(r, SQL_FIND_ID, SQL_VALUES(sql_signed(id)), arena, ret, err);

	if (n == 0)
		return no_such_account(id, err);
	return n < 0 ? n : 0;
}

int route_from_row(struct registry *r, const struct query *row, struct account_route *ret,
	struct error *err)
{
	struct account_route route = {
		.id = (int64_t)query_number(row, 0),
		.has_password = query_number(row, 4) != 0,
		.retired = query_number(row, 6) != 0,
		.is_elsewhere = query_number(row, 7) != 0,
	};
	struct str name = str_take(query_bytes(row, 5), sizeof(route.name) - 1);
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

static int ask_route(struct registry *r, const struct name_keys *keys,
	struct account_route *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_ROUTE, SQL_VALUES(KEY_VALUES(keys)), &row, err);

	if (n < 0)
		return n;
	n = route_from_row(r, &row, ret, err);
	if (n == 0 && !ret->id)
		n = error_set(err, -ENOENT, "no account has such a name");
	return n;
}

/* *ret_keys and *ret_question: to ask for it. */
static bool remembers_route(struct registry *r, struct str name,
	struct account_route *ret, struct name_keys *ret_keys,
	struct recent_question *ret_question)
{
	const struct recent_answer *before;

	/* what cannot be a name is looked for as well: nobody has the empty key */
	if (name_keys(r, name, ret_keys) < 0)
		ret_keys->key = ret_keys->whole = STR_LIT("");
	before = recent_find(r->recent, r->db,
		(const struct str[]){ STR_LIT(""), ret_keys->whole }, 2, ret_question);
	if (before)
		*ret = before->route;
	return before != NULL;
}

bool registry_remembers_route(
	struct registry *r, struct str name, struct account_route *ret)
{
	struct recent_question q;
	struct name_keys keys;

	return remembers_route(r, name, ret, &keys, &q);
}

int registry_route(
	struct registry *r, struct str name, struct account_route *ret, struct error *err)
{
	struct recent_question q;
	struct name_keys keys;
	int n;

	if (remembers_route(r, name, ret, &keys, &q))
		return 0;
	n = ask_route(r, &keys, ret, err);
	if (n == 0)
		recent_keep(r->recent, r->db, &q, ret, 0);
	return n;
}

static int walk(struct registry *r, enum sql_id id, const struct sql_value *values,
	size_t n_values, registry_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct account a;
	int n = query_first(r->db, id, values, n_values, &row, err);

	while (n == 1) {
		n = account_from_row(r, &row, &a, err);
		if (n == 0)
			n = each(context, &a);
		if (n != 0)
			break;
		n = query_next(&row, err);
	}
	return n;
}

int registry_each(
	struct registry *r, registry_each_fn *each, void *context, struct error *err)
{
	return walk(r, SQL_EACH, SQL_NO_VALUES, each, context, err);
}

int registry_each_troubled(
	struct registry *r, registry_each_fn *each, void *context, struct error *err)
{
	return walk(r, SQL_EACH_TROUBLED, SQL_NO_VALUES, each, context, err);
}

int registry_each_login(struct registry *r, int (*each)(void *context, struct str login),
	void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_EACH_LOGIN, SQL_NO_VALUES, &row, err);

	while (n == 1) {
		n = each(context, query_bytes(&row, 0));
		if (n == 0)
			n = query_next(&row, err);
	}
	return n;
}

int registry_each_work(struct registry *r, uint64_t now_ms, registry_each_fn *each,
	void *context, struct error *err)
{
	return walk(r, SQL_EACH_WORK,
		SQL_VALUES(sql_number(now_ms), sql_number(2 * REGISTRY_RETRY_MOST_MS)),
		each, context, err);
}

/* ── counting ──────────────────────────────────────────────────────────────────────── */

int registry_try_soon(
	struct registry *r, int64_t account_id, uint64_t ms, struct error *err)
{
	return sql_run(r->db, SQL_TRY_SOON,
		SQL_VALUES(sql_signed(account_id), sql_number(clock_wall_ms() + ms)),
		err);
}

int registry_next_try(struct registry *r, uint64_t *ret_at, struct error *err)
{
	return sql_get(r->db, SQL_NEXT_TRY, SQL_NO_VALUES, ret_at, err);
}

int registry_any_local(struct registry *r, bool *ret_any, struct error *err)
{
	struct recent_question q;
	uint64_t any;
	int code = 0;

	if (!recent_fact(r->recent, r->db, "any local", &q, &any)) {
		code = sql_get(r->db, SQL_ANY_LOCAL, SQL_NO_VALUES, &any, err);
		if (code == 0)
			recent_keep_fact(r->recent, r->db, &q, any);
	}
	if (code == 0)
		*ret_any = any != 0;
	return code;
}

/* Columns 0, 1 and 2 of the row are route, stage and pin, 3 the uncapturable, 4 the
   number of accounts. */
static int count_row(struct registry *r, const struct query *row,
	struct registry_counts *counts, struct error *err)
{
	enum route route = ROUTE_SOURCE;
	enum stage stage = STAGE_IDLE;
	enum pin pin = PIN_AUTO;
	uint64_t here = query_number(row, 4);
	int code = read_state(r, row, 0, &route, &stage, &pin, err);

	if (code < 0)
		return code;
	counts->accounts += here;
	counts->routes[route] += here;
	counts->stages[stage] += here;
	counts->pins[pin] += here;
	counts->uncapturable += query_number(row, 3) ? here : 0;
	return 0;
}

int registry_counts(
	struct registry *r, struct registry_counts *ret_counts, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct registry_counts counts = { 0 };
	int n = query_first(r->db, SQL_COUNT_ROUTES, SQL_NO_VALUES, &row, err);

	while (n == 1) {
		n = count_row(r, &row, &counts, err);
		if (n == 0)
			n = query_next(&row, err);
	}
	if (n == 0)
		*ret_counts = counts;
	return n;
}

/* ── what the transfer writes ──────────────────────────────────────────────────────── */

int registry_set_progress(
	struct registry *r, int64_t id, const struct progress *p, struct error *err)
{
	return account_write(r, SQL_SET_PROGRESS,
		SQL_VALUES(sql_signed(id), sql_number(p->folders),
			sql_number(p->messages_total), sql_number(p->messages_copied),
			sql_number(p->bytes_copied)),
		err);
}

int registry_set_home(struct registry *r, int64_t id, struct str home, struct error *err)
{
	int code = sql_run(
		r->db, SQL_SET_HOME, SQL_VALUES(sql_signed(id), sql_text(home)), err);

	if (code == 0 && database_changes(r->db) == 0)
		return error_set(err, -EPERM,
			"only an account that is at the source can be given another "
			"place to move to");
	return code;
}

int registry_set_result(struct registry *r, int64_t id,
	const struct account_result *result, struct error *err)
{
	return account_write(r, SQL_SET_RESULT,
		SQL_VALUES(sql_signed(id), sql_signed(result->uids_kept),
			sql_signed(result->uidls_kept), sql_text(result->certificate)),
		err);
}

static int change_home(struct registry *r, int64_t id, struct str home, struct error *err)
{
	struct journal_line line = { .at = clock_wall_ms(),
		.event = STR_LIT("home"),
		.from = STR_LIT("local/done"),
		.to = STR_LIT("local/done"),
		.by = STR_LIT("admin"),
		.detail = home };
	int code = sql_run(
		r->db, SQL_CHANGE_HOME, SQL_VALUES(sql_signed(id), sql_text(home)), err);

	if (code == 0 && database_changes(r->db) == 0)
		return error_set(err, -EPERM, "it does not live at another server");
	return code < 0 ? code : journal_write(r, id, line, err);
}

int registry_change_home(
	struct registry *r, int64_t id, struct str home, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code
	                : database_finish(r->db, change_home(r, id, home, err), err);
}

static int set_arriving(struct registry *r, int64_t id, bool arriving, struct error *err)
{
	int code = sql_run(r->db, SQL_SET_ARRIVING,
		SQL_VALUES(sql_signed(id), sql_number(arriving)), err);

	if (code == 0 && database_changes(r->db) == 0)
		return error_set(err, -EPERM, "it does not switch any more");
	return code;
}

int registry_set_arriving(
	struct registry *r, int64_t id, bool arriving, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code
	                : database_finish(r->db, set_arriving(r, id, arriving, err), err);
}

/* query_end() is the caller's, also after an error. */
static int begin_clients(struct registry *r, enum sql_id id, uint64_t ms, size_t most,
	struct query *ret, struct error *err)
{
	uint64_t now = clock_wall_ms();

	return query_begin(r->db, id,
		SQL_VALUES(sql_number(now > ms ? now - ms : 0), sql_number(most)), ret,
		err);
}

int registry_each_client(struct registry *r, uint64_t ms, size_t most,
	registry_client_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = begin_clients(r, SQL_EACH_CLIENT, ms, most, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1)
		n = each(context, query_bytes(&row, 0));
	return n;
}

int registry_each_account_client(struct registry *r, uint64_t ms, size_t most,
	registry_account_client_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = begin_clients(r, SQL_EACH_ACCOUNT_CLIENT, ms, most, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1)
		n = each(context, (int64_t)query_number(&row, 0), query_bytes(&row, 1));
	return n;
}

int registry_uses_service(struct registry *r, int64_t id, struct str service,
	bool *ret_uses, struct error *err)
{
	uint64_t uses = 0;
	int code = sql_get(r->db, SQL_SEEN_SERVICE,
		SQL_VALUES(sql_signed(id), sql_text(service)), &uses, err);

	if (code == 0)
		*ret_uses = uses != 0;
	return code;
}
