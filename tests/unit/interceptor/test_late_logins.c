/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A login while somebody else writes the registry: nobody waits, and nothing is lost. */
#include "interceptor/late_logins.h"

#include "base/clock.h"
#include "lib/registry/registry_fixture.h"

#include <sqlite3.h>

#define PATIENCE_MS 20
#define LONG_MS 2000 /* far from the 5 s that a registry waits otherwise */

static unsigned told;
static char last[64];

static void due(void *context, const char *session, const char *account)
{
	(void)context;
	assert_string_equal(session, "s1");
	(void)snprintf(last, sizeof(last), "%s", account);
	told++;
}

static int learn(void *context, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err)
{
	const struct test *t = context;

	return registry_learn(t->r, login, &open_keeper, ret_route, ret_became_due, err);
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
	assert_int_equal(late_logins_add(&late, "s1", &login), 0);
	memset(password, 'x', 6);
	told = 0;
	late_logins_retry(&late, learn, due, t);
	assert_int_equal(late.n, 1);
	assert_int_equal(told, 0);
	unlock(db);
	late_logins_retry(&late, learn, due, t);
	assert_int_equal(late.n, 0);
	assert_int_equal(told, 1);
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
	told = 0;
	assert_int_equal(late_logins_add(&late, "s1", &none), 0);
	assert_int_equal(late_logins_add(&late, "s1", &cram), 0);
	late_logins_retry(&late, learn, due, t);
	assert_int_equal(late.n, 0);
	assert_int_equal(told, 0);
	for (size_t i = 0; i < LATE_LOGINS_MAX; i++)
		assert_int_equal(late_logins_add(&late, "s1", &cram), 0);
	assert_int_equal(late_logins_add(&late, "s1", &cram), -ENOBUFS);
	late_logins_fini(&late);
	assert_int_equal(late.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_busy, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_others, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
