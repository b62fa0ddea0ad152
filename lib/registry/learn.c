/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a proven login teaches: who exists, by which names, with which password, that its
 * mailbox is to be moved.
 *
 * The look comes first and without a lock, since nearly always nothing is new. What is
 * to be written is decided again inside the transaction: two workers may see the same
 * first login.
 */
#include "base/clock.h"
#include "registry/address_key.h"
#include "registry/internal.h"
#include "registry/passwords.h"
#include "registry/recent.h"
#include "registry/transition.h"
#include "registry/unseen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS 3600000
#define LOGIN_TIME_MS 60000    /* last_login_at costs a write at most this often */
#define CLIENT_TIME_MS HOUR_MS /* likewise each client's address */

struct login {
	const struct proven_login *proven;
	const struct password_keeper *keeper; /* NULL: no password is shown */
	struct name_keys keys;
	uint64_t now;
};

struct look {
	struct account_route route; /* id 0: unknown */
	int64_t password;           /* the one that was shown, 0: not kept */
	bool password_failed;       /* the source refused it from the transfer */
	bool asks;                  /* whether it is kept is asked elsewhere */
	bool has_master;            /* it is copied by a master user */
	bool same_why, time_is_due, key_is_known, service_is_known, client_is_known;
};

/* ── which of the kept ones it is ──────────────────────────────────────────────────── */

struct wanted {
	const struct login *login;
	int64_t id;
	bool failed;
};

static int compare(void *context, const struct password *p)
{
	struct wanted *w = context;
	const struct password_keeper *k = w->login->keeper;

	if (!p->sealed.len || !k->holds(k->context, p, w->login->proven->password))
		return 0;
	w->id = p->id;
	w->failed = p->refused_at != 0;
	return 1;
}

static int walk(struct registry *r, const struct login *login, struct look *look,
	struct error *err)
{
	const struct password_keeper *k = login->keeper;
	struct wanted w = { .login = login };
	int code = registry_each_password(r, look->route.id, compare, &w, err);

	look->password = w.id;
	look->password_failed = w.failed;
	look->asks = code >= 0 && !w.id && k->asks(k->context);
	return code < 0 ? code : 0;
}

/* Nearly always it is a row that was seen before. */
static int find_password(struct registry *r, const struct login *login, struct look *look,
	struct error *err)
{
	const struct password_keeper *k = login->keeper;
	int64_t account = look->route.id, row = 0;
	uint64_t is_good = 0;
	int code = 0;

	if (k->row && account)
		row = k->row(k->context, account, login->proven->password);
	if (row)
		code = sql_get(r->db, SQL_IS_GOOD,
			SQL_VALUES(sql_signed(row), sql_signed(account)), &is_good, err);
	if (code < 0)
		return code;
	look->password = row;
	return is_good ? 0 : walk(r, login, look, err);
}

/* ── the look ──────────────────────────────────────────────────────────────────────── */

static int read_look(struct registry *r, const struct login *login,
	const struct query *row, struct look *look, struct error *err)
{
	int code = route_from_row(r, row, &look->route, err);

	if (!look->route.id)
		return code; /* all of it is news */
	look->time_is_due = login->now >= query_number(row, 8) + LOGIN_TIME_MS;
	look->same_why = str_eq(query_bytes(row, 9), login->proven->why);
	look->key_is_known = query_number(row, 10) != 0;
	look->service_is_known = query_number(row, 11) != 0;
	look->client_is_known = !login->proven->client.len || query_number(row, 12);
	look->has_master = query_number(row, 13) != 0;
	if (login->proven->is_imported) {
		look->time_is_due = false;
		look->service_is_known = true;
	}
	if (code == 0 && login->proven->password.ptr)
		code = find_password(r, login, look, err);
	return code;
}

static int look_up(struct registry *r, const struct login *login, struct look *ret,
	struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct look look = { .service_is_known = login->proven->is_imported };
	int n = query_first(r->db, SQL_LEARN_LOOK,
		SQL_VALUES(KEY_VALUES(&login->keys), sql_text(login->proven->service),
			sql_text(login->proven->client),
			sql_number(login->now - CLIENT_TIME_MS)),
		&row, err);

	if (n == 1)
		n = read_look(r, login, &row, &look, err);
	if (n < 0)
		return n;
	*ret = look;
	return 0;
}

static int insert_name(
	struct registry *r, struct str key, int64_t account, struct error *err)
{
	return sql_run(r->db, SQL_INSERT_NAME,
		SQL_VALUES(sql_text(key), sql_signed(account)), err);
}

/* but: it is there already */
static int learn_address(struct registry *r, const struct login *login, int64_t account,
	struct str but, struct error *err)
{
	struct address_key address;
	bool is_one = name_address(r, login->keys.key, &address);

	return is_one && !str_eq(address_key_text(&address), but)
	               ? insert_name(r, address_key_text(&address), account, err)
	               : 0;
}

/* Nobody had them a moment ago, in this transaction. */
static int insert_names(
	struct registry *r, const struct login *login, int64_t account, struct error *err)
{
	struct str whole = login->keys.whole, key = login->keys.key;
	int code = insert_name(r, whole, account, err);

	if (code == 0 && !str_eq(key, whole))
		code = insert_name(r, key, account, err);
	return code == 0 ? learn_address(r, login, account, whole, err) : code;
}

/* state: what it is from the beginning */
static int insert_account(struct registry *r, const struct login *login,
	struct account_state state, struct account_route *account, struct error *err)
{
	struct str name = login->keys.whole;
	int code = sql_run(r->db, SQL_INSERT_ACCOUNT,
		SQL_VALUES(sql_text(name), sql_text(login->proven->name),
			sql_number(login->proven->is_imported ? 0 : login->now),
			sql_number(login->now),
			sql_text(str_from(stage_name(state.stage)))),
		err);

	if (code < 0)
		return code;
	account->id = database_last_id(r->db);
	account->stage = state.stage;
	memcpy(account->name, name.ptr, name.len);
	return insert_names(r, login, account->id, err);
}

/* is_new: the account has no other, and its row has the login */
static int keep_password(struct registry *r, const struct login *login,
	const struct look *look, bool is_new, struct error *err)
{
	const struct account_route *account = &look->route;
	const struct password_keeper *k = login->keeper;
	struct str password = login->proven->password;
	struct buf sealed;
	int64_t row = 0;
	int code;

	if (look->password)
		return sql_run(r->db, SQL_SEE_AGAIN,
			SQL_VALUES(sql_signed(look->password), sql_number(login->now)),
			err);
	buf_init(&sealed, 0);
	code = k->seal(k->context, str_from(account->name), password, &sealed);
	if (code < 0)
		error_set(err, code, "cannot seal a password");
	else if (is_new)
		code = password_insert(r, account->id, login->proven->name,
			buf_view(&sealed), &row, err);
	else
		code = registry_add_candidate(r, account->id, login->proven->name,
			buf_view(&sealed), &row, err);
	if (code == 0 && login->proven->is_imported)
		code = sql_run(
			r->db, SQL_MARK_IMPORTED, SQL_VALUES(sql_signed(row)), err);
	if (code == 0 && k->kept)
		k->kept(k->context, account->id, row, password);
	buf_fini(&sealed);
	return code;
}

/* An account that lives here is opened by what was proven at its move, or set here since.
   What the source still takes (SMTP AUTH) opens no mailbox: it may take anything. */
static bool password_is_new(const struct login *login, const struct look *look)
{
	return login->proven->password.ptr && !look->asks &&
	       look->route.route != ROUTE_LOCAL &&
	       (!look->password || look->password_failed);
}

static bool why_is_new(const struct login *login, const struct look *look)
{
	return !login->proven->password.ptr && !login->proven->is_imported &&
	       !look->route.has_password && !look->same_why;
}

/* The password may be what failed: another one is worth a try at once. */
static bool becomes_due(const struct login *login, const struct look *look)
{
	const struct account_route *a = &look->route;

	return login->proven->password.ptr && a->pin != PIN_SOURCE &&
	       a->route == ROUTE_SOURCE &&
	       (a->stage == STAGE_IDLE ||
		       (a->stage == STAGE_FAILED && password_is_new(login, look)));
}

/* A copy that a master user made may be complete, and wait for it. */
static bool was_waited_for(const struct login *login, const struct look *look)
{
	const struct account_route *a = &look->route;

	return look->has_master && password_is_new(login, look) && a->pin != PIN_SOURCE &&
	       a->route == ROUTE_SOURCE;
}

static bool is_news(const struct login *login, const struct look *look)
{
	return !look->route.id || !look->key_is_known || !look->service_is_known ||
	       !look->client_is_known || look->time_is_due ||
	       password_is_new(login, look) || why_is_new(login, look) ||
	       becomes_due(login, look);
}

/* Of an account that has others. */
static int see_client(struct registry *r, struct str client, int64_t account,
	uint64_t now, struct error *err)
{
	int code = sql_run(r->db, SQL_SEE_CLIENT_AGAIN,
		SQL_VALUES(sql_signed(account), sql_text(client), sql_number(now)), err);

	if (code < 0 || database_changes(r->db) > 0)
		return code;
	code = sql_run(r->db, SQL_SEE_CLIENT,
		SQL_VALUES(sql_signed(account), sql_text(client), sql_number(now)), err);
	return code < 0
	               ? code
	               : sql_run(r->db, SQL_FORGET_CLIENTS,
				 SQL_VALUES(sql_signed(account), sql_number(CLIENTS_MAX)),
				 err);
}

static struct str proven_by(const struct proven_login *p)
{
	return p->is_imported ? STR_LIT("admin") : STR_LIT("interceptor");
}

static struct str proven_how(const struct proven_login *p)
{
	return p->is_imported ? STR_LIT("import") : STR_LIT("login");
}

/* Whom nobody knew: what could be there already is not asked for, and what is due is so
   from the beginning. */
static int write_new_account(struct registry *r, const struct login *login,
	struct look *look, bool is_due, struct error *err)
{
	const struct proven_login *p = login->proven;
	const struct account_state idle = { ROUTE_SOURCE, STAGE_IDLE };
	struct account_state state = idle;
	struct account_route *a = &look->route;
	bool has_password = password_is_new(login, look);
	int code;

	if (is_due && !transition_next(idle, EVENT_DUE, &state))
		return error_set(err, -EPERM, "a new account is not due");
	code = insert_account(r, login, state, a, err);
	if (code == 0 && has_password)
		code = keep_password(r, login, look, true, err);
	if (code == 0 && why_is_new(login, look))
		code = sql_run(r->db, SQL_SET_UNCAPTURABLE,
			SQL_VALUES(sql_signed(a->id), sql_text(p->why)), err);
	if (code == 0 && !look->service_is_known)
		code = sql_run(r->db, SQL_SEE_SERVICE,
			SQL_VALUES(sql_signed(a->id), sql_text(p->service)), err);
	if (code == 0 && p->client.len)
		code = sql_run(r->db, SQL_SEE_CLIENT,
			SQL_VALUES(sql_signed(a->id), sql_text(p->client),
				sql_number(login->now)),
			err);
	if (code == 0 && is_due)
		code = journal_change(r, a->id, idle, state,
			(struct journal_line){ .at = login->now,
				.event = str_from(account_event_name(EVENT_DUE)),
				.by = proven_by(p),
				.detail = proven_how(p) },
			err);
	a->has_password = has_password;
	return code;
}

static int write_account(struct registry *r, const struct login *login, struct look *look,
	bool is_due, struct error *err)
{
	struct account_route *a = &look->route;
	bool is_kept = password_is_new(login, look);
	int code = 0;

	if (!look->key_is_known)
		code = insert_name(r, login->keys.key, a->id, err);
	if (code == 0 && !look->key_is_known)
		code = learn_address(r, login, a->id, STR_LIT(""), err);
	if (code == 0 && is_kept)
		code = keep_password(r, login, look, false, err);
	if (code == 0 && why_is_new(login, look))
		code = sql_run(r->db, SQL_SET_UNCAPTURABLE,
			SQL_VALUES(sql_signed(a->id), sql_text(login->proven->why)), err);
	if (code == 0 && !look->service_is_known)
		code = sql_run(r->db, SQL_SEE_SERVICE,
			SQL_VALUES(sql_signed(a->id), sql_text(login->proven->service)),
			err);
	if (code == 0 && !look->client_is_known)
		code = see_client(r, login->proven->client, a->id, login->now, err);
	if (code == 0 && look->time_is_due)
		code = sql_run(r->db, SQL_SET_LOGIN_TIME,
			SQL_VALUES(sql_signed(a->id), sql_number(login->now)), err);
	if (code == 0 && is_due)
		code = change_state(r, a->id, EVENT_DUE, proven_by(login->proven),
			proven_how(login->proven), err);
	a->has_password |= is_kept;
	a->stage = is_due ? STAGE_DUE : a->stage;
	return code;
}

static int check_new_accounts(
	struct registry *r, uint64_t now, bool *ret_too_many, struct error *err)
{
	struct sql_value since = sql_number(now > HOUR_MS ? now - HOUR_MS : 0);
	uint64_t n = 0;
	int code = 0;

	if (r->new_accounts_max)
		code = sql_get(r->db, SQL_SPAN_NEW, SQL_VALUES(since), &n, err);
	if (code == 0 && r->new_accounts_max && n >= r->new_accounts_max)
		code = sql_get(r->db, SQL_COUNT_NEW,
			SQL_VALUES(since, sql_number(r->new_accounts_max)), &n, err);
	*ret_too_many = r->new_accounts_max && n >= r->new_accounts_max;
	return code;
}

static int write_news(struct registry *r, const struct login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err)
{
	struct look look;
	bool due, waited_for, too_many = false;
	int code = look_up(r, login, &look, err);

	if (code < 0)
		return code;
	if (look.route.retired)
		return source_is_retired(err);
	due = becomes_due(login, &look);
	waited_for = was_waited_for(login, &look);
	if (look.route.id)
		code = write_account(r, login, &look, due, err);
	else if (!login->proven->is_imported)
		code = check_new_accounts(r, login->now, &too_many, err);
	if (code == 0 && !look.route.id && !too_many)
		code = write_new_account(r, login, &look, due, err);
	if (code < 0)
		return code;
	/* as it is now, its name included */
	*ret_route = look.route;
	*ret_became_due = !too_many && (due || waited_for);
	return 0;
}

static int login_init(const struct registry *r, const struct proven_login *proven,
	const struct password_keeper *keeper, struct login *ret, struct error *err)
{
	int code = name_keys(r, proven->name, &ret->keys);

	if (code < 0)
		return error_set(err, code,
			"a login that is empty, longer than %d bytes or holds a NUL is "
			"not captured",
			REGISTRY_NAME_MAX);
	ret->proven = proven;
	ret->keeper = keeper;
	ret->now = clock_wall_ms();
	return 0;
}

void registry_remember_looks(struct registry *r)
{
	if (!r->recent)
		r->recent = recent_new();
}

/* What a look at this very login found a moment ago. NULL: it is to be looked at; *ret is
   the question then, if the answer may be kept. */
static const struct recent_answer *look_before(
	struct registry *r, const struct login *login, struct recent_question *ret)
{
	const struct proven_login *p = login->proven;
	const struct password_keeper *k = login->keeper;
	const struct str parts[] = { login->keys.whole, p->service, p->client };
	const struct recent_answer *before;

	ret->len = 0;
	if (!p->password.ptr || !k || !k->row || p->is_imported)
		return NULL;
	before = recent_find(
		r->recent, r->db, parts, sizeof(parts) / sizeof(parts[0]), ret);
	/* another password; what is new is looked at again by who writes it */
	if (before && !before->is_news &&
		k->row(k->context, before->route.id, p->password) != before->password)
		return NULL;
	return before;
}

/* 1: there is something to learn. */
static int look_for_news(struct registry *r, const struct login *login,
	struct account_route *ret_route, struct error *err)
{
	struct recent_question q;
	const struct recent_answer *before = look_before(r, login, &q);
	struct look look;
	int code;

	if (before) {
		*ret_route = before->route;
		return before->is_news;
	}
	code = look_up(r, login, &look, err);
	if (code < 0)
		return code;
	if (!look.route.id)
		memcpy(look.route.name, login->keys.whole.ptr, login->keys.whole.len);
	*ret_route = look.route;
	if (is_news(login, &look)) {
		recent_keep_news(r->recent, r->db, &q, &look.route);
		return 1;
	}
	if (look.password && !look.password_failed)
		recent_keep(r->recent, r->db, &q, &look.route, look.password);
	return 0;
}

int registry_look(struct registry *r, const struct proven_login *proven,
	const struct password_keeper *keeper, struct account_route *ret_route,
	bool *ret_is_news, struct error *err)
{
	struct login login;
	int code = login_init(r, proven, keeper, &login, err);

	if (code == 0)
		code = look_for_news(r, &login, ret_route, err);
	*ret_is_news = code > 0;
	return code < 0 ? code : 0;
}

/* The look is left to the transaction that is there anyway. */
static int learn_in_group(struct registry *r, const struct proven_login *proven,
	const struct password_keeper *keeper, struct account_route *ret_route,
	bool *ret_became_due, struct error *err)
{
	struct login login;
	int code = login_init(r, proven, keeper, &login, err);

	if (code == 0)
		code = write_news(r, &login, ret_route, ret_became_due, err);
	if (code < 0)
		database_rollback(r->db);
	return code;
}

int registry_learn(struct registry *r, const struct proven_login *proven,
	const struct password_keeper *keeper, struct account_route *ret_route,
	bool *ret_became_due, struct error *err)
{
	struct login login;
	int code;

	*ret_became_due = false;
	if (database_in_transaction(r->db))
		return learn_in_group(r, proven, keeper, ret_route, ret_became_due, err);
	code = login_init(r, proven, keeper, &login, err);
	if (code == 0)
		code = look_for_news(r, &login, ret_route, err);
	if (code <= 0)
		return code;
	code = database_begin(r->db, false, err);
	if (code < 0)
		return code;
	return database_finish(
		r->db, write_news(r, &login, ret_route, ret_became_due, err), err);
}

int registry_begin_group(struct registry *r, struct error *err)
{
	return database_begin(r->db, false, err);
}

int registry_end_group(struct registry *r, struct error *err)
{
	/* a login that failed has ended it, or a full disk */
	return database_in_transaction(r->db) ? database_finish(r->db, 0, err)
	                                      : error_set(err, -EIO, "not written");
}

static int look_at_login(struct registry *r, int64_t id, struct str client,
	uint64_t *ret_last, bool *ret_client_is_known, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->db, SQL_LOGIN_SEEN,
		SQL_VALUES(sql_signed(id), sql_text(client),
			sql_number(clock_wall_ms() - CLIENT_TIME_MS)),
		&row, err);

	if (n == 0)
		return error_set(err, -ENOENT, "no such account");
	if (n < 0)
		return n;
	*ret_last = query_number(&row, 0);
	*ret_client_is_known = query_number(&row, 1) != 0;
	return 0;
}

/* A moment ago there was nothing to note of it. No login is asked for so: it has a
   name. */
static bool is_noted(
	struct registry *r, int64_t id, struct str client, struct recent_question *ret)
{
	char number[24];
	int len = snprintf(number, sizeof(number), "%" PRId64, id);
	const struct str parts[] = { STR_LIT(""), client, str_of(number, (size_t)len) };

	return recent_find(r->recent, r->db, parts, sizeof(parts) / sizeof(parts[0]),
		       ret) != NULL;
}

int registry_note_login(
	struct registry *r, int64_t id, struct str client, struct error *err)
{
	uint64_t last = 0, now = clock_wall_ms();
	bool client_is_known = true, time_is_due;
	struct recent_question q;
	int code;

	if (is_noted(r, id, client, &q))
		return 0;
	code = look_at_login(r, id, client, &last, &client_is_known, err);
	time_is_due = now >= last + LOGIN_TIME_MS;
	if (code == 0 && client_is_known && !time_is_due)
		recent_keep(r->recent, r->db, &q, &(struct account_route){ 0 }, 0);
	if (code < 0 || (client_is_known && !time_is_due))
		return code;
	code = database_begin(r->db, false, err);
	if (code < 0)
		return code;
	if (!client_is_known)
		code = see_client(r, client, id, now, err);
	if (code == 0 && time_is_due)
		code = sql_run(r->db, SQL_SET_LOGIN_TIME,
			SQL_VALUES(sql_signed(id), sql_number(now)), err);
	return database_finish(r->db, code, err);
}
