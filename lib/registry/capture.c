/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a proven login teaches: who exists, by which names, with which password.
 *
 * The look comes first and without a lock, since nearly always nothing is new. What is
 * to be written is decided again inside the transaction: two workers may see the same
 * first login.
 */
#include "base/clock.h"
#include "registry/internal.h"

#include <errno.h>

#define LOGIN_TIME_MS 60000 /* last_login_at costs a write at most this often */

struct login {
	struct name_keys keys;
	struct str name;     /* as the source accepted it */
	struct str password; /* ptr NULL: none seen */
	struct str why;      /* why none was seen */
	uint64_t now;
};

struct look {
	int64_t id; /* 0: unknown */
	bool same_password, has_password, has_verifier, same_why;
	bool time_is_due, key_is_known;
};

/* Whether the sealed password in this row is the one at hand. */
static bool opens_to(
	struct registry *r, struct str name, struct str sealed, struct str password)
{
	struct arena arena;
	struct str clear;
	bool same;

	arena_init(&arena);
	same = unseal(r->key, name, sealed, &arena, &clear) == 0 &&
	       str_eq(clear, password);
	arena_fini(&arena);
	return same;
}

static void read_look(struct registry *r, const struct login *login, sqlite3_stmt *row,
	struct look *look)
{
	struct str sealed = rsql_text(row, 2);

	look->id = (int64_t)rsql_number(row, 0);
	look->has_password = sealed.len > 0;
	look->has_verifier = rsql_number(row, 3) != 0;
	look->time_is_due = login->now >= rsql_number(row, 4) + LOGIN_TIME_MS;
	look->same_why = str_eq(rsql_text(row, 5), login->why);
	look->same_password = login->password.ptr && look->has_password &&
	                      opens_to(r, rsql_text(row, 1), sealed, login->password);
}

static int look_up(struct registry *r, const struct login *login, struct look *ret,
	struct error *err)
{
	struct look look = { 0 };
	sqlite3_stmt *row;
	int n = 0;

	for (int i = 0; n == 0 && i < 2; i++) {
		n = rsql_use(r, SQL_CAPTURE_LOOK, &row, err);
		if (n < 0)
			return n;
		rsql_bind(row, 1, i ? login->keys.whole : login->keys.key);
		n = rsql_step(r, row, err);
		look.key_is_known = n == 1 && i == 0;
	}
	if (n < 0)
		return n;
	if (n == 1) {
		read_look(r, login, row, &look);
		(void)sqlite3_reset(row);
	}
	*ret = look;
	return 0;
}

static int insert_name(
	struct registry *r, struct str key, int64_t account, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_INSERT_NAME, &statement, err);

	if (code < 0)
		return code;
	rsql_bind(statement, 1, key);
	rsql_bind_number(statement, 2, (uint64_t)account);
	return rsql_run(r, statement, err);
}

static int insert_account(
	struct registry *r, const struct login *login, int64_t *ret_id, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_INSERT_ACCOUNT, &statement, err);

	if (code < 0)
		return code;
	rsql_bind(statement, 1, login->keys.whole);
	rsql_bind(statement, 2, login->name);
	rsql_bind_number(statement, 3, login->now);
	code = rsql_run(r, statement, err);
	if (code < 0)
		return code;
	*ret_id = sqlite3_last_insert_rowid(r->db);
	return insert_name(r, login->keys.whole, *ret_id, err);
}

static int account_name(struct registry *r, int64_t id, struct arena *arena,
	struct str *ret_name, struct error *err)
{
	struct account account;
	int code = registry_find_id(r, id, arena, &account, err);

	if (code == 0)
		*ret_name = account.name;
	return code;
}

static int set_password(
	struct registry *r, const struct login *login, int64_t id, struct error *err)
{
	struct arena arena;
	struct buf sealed;
	struct str name;
	sqlite3_stmt *statement;
	int code;

	arena_init(&arena);
	buf_init(&sealed, 0);
	code = account_name(r, id, &arena, &name, err);
	if (code == 0) {
		code = seal(r->key, name, login->password, &sealed);
		if (code < 0)
			error_set(err, code, "cannot seal a password");
	}
	if (code == 0)
		code = rsql_use(r, SQL_SET_PASSWORD, &statement, err);
	if (code == 0) {
		rsql_bind_number(statement, 1, (uint64_t)id);
		rsql_bind_blob(statement, 2, buf_view(&sealed));
		rsql_bind(statement, 3, login->name);
		code = rsql_run(r, statement, err);
	}
	buf_fini(&sealed);
	arena_fini(&arena);
	return code;
}

static int set_why(struct registry *r, int64_t id, struct str why, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_SET_UNCAPTURABLE, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, (uint64_t)id);
	rsql_bind(statement, 2, why);
	return rsql_run(r, statement, err);
}

static int set_time(struct registry *r, int64_t id, uint64_t now, struct error *err)
{
	sqlite3_stmt *statement;
	int code = rsql_use(r, SQL_SET_LOGIN_TIME, &statement, err);

	if (code < 0)
		return code;
	rsql_bind_number(statement, 1, (uint64_t)id);
	rsql_bind_number(statement, 2, now);
	return rsql_run(r, statement, err);
}

static bool password_is_new(const struct login *login, const struct look *look)
{
	return login->password.ptr && !look->same_password;
}

static bool why_is_new(const struct login *login, const struct look *look)
{
	return !login->password.ptr && !look->has_password && !look->same_why;
}

static int write_news(struct registry *r, const struct login *login, struct look *look,
	struct error *err)
{
	int code = refuse_when_retired(r, err);

	if (code == 0)
		code = look_up(r, login, look, err);
	if (code == 0 && !look->id)
		code = insert_account(r, login, &look->id, err);
	if (code == 0 && !look->key_is_known)
		code = insert_name(r, login->keys.key, look->id, err);
	if (code == 0 && password_is_new(login, look)) {
		code = set_password(r, login, look->id, err);
		look->has_verifier = false;
	}
	if (code == 0 && why_is_new(login, look))
		code = set_why(r, look->id, login->why, err);
	if (code == 0 && look->time_is_due)
		code = set_time(r, look->id, login->now, err);
	return code;
}

static int note(struct registry *r, struct login *login, struct str name,
	struct look *ret_look, struct error *err)
{
	bool is_news;
	int code = name_keys(r, name, &login->keys);

	if (code < 0)
		return error_set(err, code,
			"a login that is empty, longer than %d bytes or holds a NUL is "
			"not captured",
			REGISTRY_NAME_MAX);
	login->name = name;
	login->now = clock_wall_ms();
	code = look_up(r, login, ret_look, err);
	if (code < 0)
		return code;
	is_news = !ret_look->id || !ret_look->key_is_known ||
	          password_is_new(login, ret_look) || why_is_new(login, ret_look);
	if (!is_news && !ret_look->time_is_due)
		return 0;
	/* what a power failure takes is learnt again at the next login, and nobody's
	   login waits for the disk */
	code = rsql_begin(r, false, err);
	if (code < 0)
		return code;
	return rsql_finish(r, write_news(r, login, ret_look, err), err);
}

int registry_capture(struct registry *r, struct str login, struct str password,
	int64_t *ret_id, bool *ret_new_password, struct error *err)
{
	struct login l = { .password = password.ptr ? password : STR_LIT("") };
	struct look look;
	int code;

	if (!r->has_key)
		return error_set(err, -ENOKEY, "no sealing key was loaded");
	code = note(r, &l, login, &look, err);
	if (code < 0)
		return code;
	*ret_id = look.id;
	*ret_new_password = !look.has_verifier;
	return 0;
}

int registry_note_uncapturable(struct registry *r, struct str login, struct str why,
	int64_t *ret_id, struct error *err)
{
	struct login l = { .why = why };
	struct look look;
	int code = note(r, &l, login, &look, err);

	if (code == 0)
		*ret_id = look.id;
	return code;
}

int registry_password(struct registry *r, int64_t id, struct arena *arena,
	struct str *ret_password, struct error *err)
{
	sqlite3_stmt *row;
	struct str sealed, name;
	int n;

	if (!r->has_key)
		return error_set(err, -ENOKEY, "no sealing key was loaded");
	n = rsql_use(r, SQL_SEALED, &row, err);
	if (n < 0)
		return n;
	rsql_bind_number(row, 1, (uint64_t)id);
	n = rsql_step(r, row, err);
	if (n == 0)
		return no_such_account(id, err);
	if (n < 0)
		return n;
	name = rsql_text(row, 0);
	sealed = rsql_text(row, 1);
	if (!sealed.len)
		n = error_set(err, -ENODATA, "no password of \"%.*s\" was seen yet",
			STR_ARG(name));
	else if ((n = unseal(r->key, name, sealed, arena, ret_password)) < 0)
		error_set(err, n, "the sealed password of \"%.*s\" does not open",
			STR_ARG(name));
	else
		n = 0;
	(void)sqlite3_reset(row);
	return n;
}
