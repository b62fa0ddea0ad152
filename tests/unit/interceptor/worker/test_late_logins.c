/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A login while somebody else writes the registry: nobody waits, and nothing is lost. */
#include "interceptor/worker/late_logins.h"

#include "base/clock.h"
#include "lib/registry/registry_fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 20
#define LONG_MS 4000 /* far from the 5 s that a registry waits otherwise */

static unsigned told, due, groups;
static char last[REGISTRY_NAME_MAX + 1];

static void learnt(void *context, const char *session, const char *was,
	const struct account_route *route, bool became_due)
{
	struct test *t = context;
	struct account_route now;

	assert_string_equal(session, "s1");
	assert_string_equal(was, "as it was");
	/* written by now */
	if (route->id)
		NO_ERROR(registry_route(t->r, str_from(route->name), &now, &t->err));
	(void)snprintf(last, sizeof(last), "%s", route->name);
	told++;
	due += became_due;
}

static const struct str unsealable = STR("fail");

static int seal(void *context, struct str account, struct str password, struct buf *out)
{
	return str_eq(password, unsealable)
	               ? -EIO
	               : open_keeper.seal(context, account, password, out);
}

static int learn(void *context, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err)
{
	const struct test *t = context;

	struct password_keeper keeper = open_keeper;

	keeper.seal = seal;
	return registry_learn(t->r, login, &keeper, ret_route, ret_became_due, err);
}

static int begin(void *context, struct error *err)
{
	return registry_begin_group(((const struct test *)context)->r, err);
}

static int end(void *context, struct error *err)
{
	groups++;
	return registry_end_group(((const struct test *)context)->r, err);
}

static const struct late_login_ops ops = {
	.begin = begin, .learn = learn, .end = end, .learnt = learnt
};

static int add(struct late_logins *late, const struct proven_login *login)
{
	return late_logins_add(late, "s1", "as it was", login);
}

static sqlite3 *lock(const struct test *t)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void unlock(sqlite3 *db)
{
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_busy(void **state)
{
	struct test *t = *state;
	char password[] = "secret";
	struct proven_login login = {
		.name = STR("ada"), .password = STR("secret"), .service = STR("imap")
	};
	struct account_route route;
	struct late_logins late;
	struct account account;
	uint64_t begin;
	bool is_due;
	sqlite3 *db;

	registry_set_patience(t->r, PATIENCE_MS);
	late_logins_init(&late);
	db = lock(t);
	begin = clock_monotonic_ms();
	assert_int_equal(learn(t, &login, &route, &is_due, &t->err), -EBUSY);
	assert_true(clock_monotonic_ms() - begin < LONG_MS);
	/* reads do not wait */
	assert_int_equal(registry_route(t->r, STR_LIT("ada"), &route, &t->err), -ENOENT);

	/* it is the copy that is learnt */
	login.password = str_of(password, 6);
	assert_int_equal(add(&late, &login), 0);
	memset(password, 'x', 6);
	told = due = 0;
	late_logins_retry(&late, &ops, t);
	assert_int_equal(late.n, 1);
	assert_int_equal(told, 0);
	unlock(db);
	late_logins_retry(&late, &ops, t);
	assert_int_equal(late.n, 0);
	assert_int_equal(told, 1);
	assert_int_equal(due, 1);
	assert_string_equal(last, "ada");
	NO_ERROR(registry_find(t->r, STR_LIT("ada"), &t->arena, &account, &t->err));
	assert_true(knows_password(t, account.id, STR_LIT("secret"), false));
	late_logins_fini(&late);
}

/* One that shows no password, and one that the registry does not take at all. */
static void test_others(void **state)
{
	struct test *t = *state;
	struct proven_login cram = {
		.name = STR("bob"), .why = STR("CRAM-MD5"), .service = STR("pop3")
	};
	struct proven_login none = { .name = STR(""), .service = STR("imap") };
	struct late_logins late;

	late_logins_init(&late);
	told = due = 0;
	assert_int_equal(add(&late, &none), 0);
	assert_int_equal(add(&late, &cram), 0);
	late_logins_retry(&late, &ops, t);
	assert_int_equal(late.n, 0);
	assert_int_equal(told, 1);
	assert_int_equal(due, 0);
	for (size_t i = 0; i < LATE_LOGINS_MAX; i++)
		assert_int_equal(add(&late, &cram), 0);
	assert_int_equal(add(&late, &cram), -ENOBUFS);
	late_logins_fini(&late);
	assert_int_equal(late.n, 0);
}

static bool is_bad(size_t i)
{
	return i / 2 == 20;
}

/* Two spellings of each name; of the bad one neither can be sealed, and another one's is
   empty. */
static void add_hundred(struct late_logins *late, bool with_bad)
{
	for (size_t i = 0; i < 100; i++) {
		char name[16];
		struct proven_login login = { .password = STR("secret"),
			.service = STR("imap") };

		(void)snprintf(name, sizeof(name), "user%zu%s", i / 2, i % 2 ? " " : "");
		if (i != 30 || !with_bad)
			login.name = str_from(name);
		if (is_bad(i) && with_bad)
			login.password = unsealable;
		assert_int_equal(add(late, &login), 0);
	}
}

/* One that cannot be learnt takes no other one with it. */
static void test_group(void **state)
{
	static const struct {
		bool with_bad;
		unsigned groups, told, due;
	} rows[] = {
		/* 64 in vain, each of them alone, 36; the last is of what is left */
		{ true, 1 + 64 + 1, 97, 49 },
		{ false, 2, 100, 1 },
	};
	struct test *t = *state;
	struct late_logins late;
	struct account_route route;

	late_logins_init(&late);
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		told = due = groups = 0;
		add_hundred(&late, rows[row].with_bad);
		late_logins_retry(&late, &ops, t);
		assert_int_equal(groups, rows[row].groups);
		assert_int_equal(told, rows[row].told);
		assert_int_equal(due, rows[row].due);
		for (size_t i = 0; i < 100; i++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "user%zu", i / 2);
			assert_int_equal(
				registry_route(t->r, str_from(name), &route, &t->err),
				is_bad(i) && rows[row].with_bad ? -ENOENT : 0);
		}
	}
	late_logins_fini(&late);
}

/* As a full disk ends a transaction: in the middle, and whoever goes on is in none. */
static void test_end_in_the_middle(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct late_logins late;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			"CREATE TRIGGER full BEFORE INSERT ON password WHEN (SELECT"
			" name FROM account WHERE id = NEW.account) = 'user20'"
			" BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	late_logins_init(&late);
	told = due = groups = 0;
	add_hundred(&late, false);
	late_logins_retry(&late, &ops, t);
	assert_int_equal(late.n, 0);
	assert_int_equal(told, 98);
	assert_int_equal(due, 49);
	assert_int_equal(
		registry_route(t->r, STR_LIT("user20"), &route, &t->err), -ENOENT);
	NO_ERROR(registry_route(t->r, STR_LIT("user19"), &route, &t->err));
	NO_ERROR(registry_route(t->r, STR_LIT("user49"), &route, &t->err));
	late_logins_fini(&late);
}

static unsigned begun;

static int begin_once(void *context, struct error *err)
{
	return begun++ ? error_set(err, -EIO, "the disk is gone") : begin(context, err);
}

/* What is logged of one that was tried twice is why the second time was in vain. */
static void test_the_latest_reason(void **state)
{
	static const struct late_login_ops twice = {
		.begin = begin_once, .learn = learn, .end = end, .learnt = learnt
	};
	struct proven_login bad = {
		.name = STR("ada"), .password = unsealable, .service = STR("imap")
	};
	struct late_logins late;
	char text[4096] = "";
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);

	assert_non_null(file);
	assert_true(kept >= 0);
	late_logins_init(&late);
	begun = 0;
	assert_int_equal(add(&late, &bad), 0);
	assert_int_equal(add(&late, &bad), 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	late_logins_retry(&late, &twice, *state);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	(void)close(kept);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	(void)fclose(file);
	assert_int_equal(begun, 3);
	assert_non_null(strstr(text, "error=\"the disk is gone\""));
	assert_null(strstr(text, "seal"));
	late_logins_fini(&late);
}

/* Each one of a group counts for those behind it. */
static void test_too_many_in_a_group(void **state)
{
	struct test *t = *state;
	struct account_route route;
	struct late_logins late;

	registry_limit_new_accounts(t->r, 7);
	late_logins_init(&late);
	told = due = 0;
	add_hundred(&late, false);
	late_logins_retry(&late, &ops, t);
	assert_int_equal(told, 100);
	assert_int_equal(due, 7);
	NO_ERROR(registry_route(t->r, STR_LIT("user6"), &route, &t->err));
	assert_int_equal(
		registry_route(t->r, STR_LIT("user7"), &route, &t->err), -ENOENT);
	late_logins_fini(&late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_busy, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_others, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_group, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_end_in_the_middle, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_the_latest_reason, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_too_many_in_a_group, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
