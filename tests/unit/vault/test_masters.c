/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Master users: by their passwords nobody gets in here, and who is lent them. */
#include "vault/fixture.h"

#include <errno.h>

static enum import_outcome bring(
	struct test *t, const char *user, const char *login, const char *password)
{
	const struct master_order order = { .user = str_from(user),
		.login = str_from(login),
		.password = str_from(password),
		.is_suffix = login[0] == '*',
		.size = 1500 };
	enum import_outcome outcome = IMPORT_OUTCOME_COUNT;

	NO_ERROR(keep_import_master(&t->v, &order, &outcome, &t->err));
	return outcome;
}

static struct account find(struct test *t, const char *name)
{
	struct account a;

	NO_ERROR(registry_find(t->v.registry, str_from(name), &t->arena, &a, &t->err));
	return a;
}

static int lend(struct test *t, int64_t id, struct master_loan *ret)
{
	return keep_lend_master(&t->v, id, &t->arena, ret, &t->err);
}

/* Nobody gets in by it, before or behind the move. */
static void test_master_opens_nothing(void **state)
{
	struct test *t = *state;
	struct loan loans[LOANS_MAX];
	struct master_loan l;
	struct account a;
	size_t n = 0;

	assert_int_equal(bring(t, "Alice", "ferry", "obol"), IMPORT_NEW);
	a = find(t, "alice");
	assert_int_equal(a.stage, STAGE_DUE);
	assert_int_equal(a.size, 1500);
	assert_false(a.has_password || a.passwords || a.candidates);
	assert_true(str_eq(a.master, STR_LIT("ferry")));
	NO_ERROR(keep_lend(&t->v, a.id, &t->arena, loans, &n, &t->err));
	assert_int_equal(n, 0);
	NO_ERROR(lend(t, a.id, &l));
	assert_true(str_eq(l.login, STR_LIT("ferry")) &&
		    str_eq(l.user, STR_LIT("Alice")) &&
		    str_eq(l.password, STR_LIT("obol")));
	expect(t, a.id, "obol", VERDICT_UNKNOWN);
	assert_int_equal(capture(t, "alice", "secret"), a.id);
	/* from then on there is one of its own */
	assert_int_equal(lend(t, a.id, &l), -ENOENT);
	arrive(t, a.id);
	prove(t, a.id);
	expect(t, a.id, "obol", VERDICT_WRONG);
	expect(t, a.id, "secret", VERDICT_RIGHT);
	assert_int_equal(find(t, "alice").master.len, 0);
	assert_int_equal(bring(t, "alice", "ferry", "obol"), IMPORT_LOCAL);
	assert_int_equal(lend(t, a.id, &l), -ENOENT);
}

/* The source refused the user's own from us: by the master user again. */
static void test_master_after_a_refusal(void **state)
{
	struct test *t = *state;
	struct loan loans[LOANS_MAX];
	struct master_loan l;
	int64_t id = capture(t, "bob", "old");
	size_t n = 0;

	assert_int_equal(bring(t, "bob", "*dove", "obol"), IMPORT_KNOWN);
	assert_int_equal(lend(t, id, &l), -ENOENT);
	NO_ERROR(keep_lend(&t->v, id, &t->arena, loans, &n, &t->err));
	NO_ERROR(registry_refuse(t->v.registry, id, loans[0].id, &t->err));
	NO_ERROR(lend(t, id, &l));
	assert_true(str_eq(l.login, STR_LIT("bob*dove")) && !l.user.len);
	/* another password for all that are copied by it */
	assert_int_equal(bring(t, "carol", "*dove", "drachma"), IMPORT_NEW);
	NO_ERROR(lend(t, id, &l));
	assert_true(str_eq(l.password, STR_LIT("drachma")));
	assert_int_equal(bring(t, "carol", "dove", "obol"), IMPORT_KNOWN);
	NO_ERROR(lend(t, id, &l));
	assert_true(str_eq(l.password, STR_LIT("drachma")));
}

/* Whoever can write the registry makes no password of it, and no other account's. */
static void test_master_is_bound(void **state)
{
	struct test *t = *state;
	struct master_loan l;
	int64_t id = capture(t, "alice", "secret");
	struct account carol;

	assert_int_equal(bring(t, "carol", "ferry", "obol"), IMPORT_NEW);
	carol = find(t, "carol");
	write_row(t, "sealed = (SELECT sealed FROM master), refused_at = 0", id);
	expect(t, id, "obol", VERDICT_UNKNOWN);
	arrive(t, id);
	expect(t, id, "obol", VERDICT_UNKNOWN);
	write_row(t,
		"seen_at = 0 WHERE 0; UPDATE master SET login = 'other'; UPDATE password"
		" SET seen_at = 0",
		id);
	assert_int_equal(lend(t, carol.id, &l), -EBADMSG);
	write_row(t,
		"seen_at = 0 WHERE 0; UPDATE master SET login = 'ferry'; UPDATE account"
		" SET login = 'mallory' WHERE name = 'carol'; UPDATE password SET"
		" seen_at = 0",
		id);
	assert_int_equal(lend(t, carol.id, &l), -ENOENT);
}

/* One that cannot be written leaves nothing behind, no account without a password. */
static void test_half_an_import(void **state)
{
	const struct master_order order = {
		.user = STR("carol"), .login = STR("ferry"), .password = STR("obol")
	};
	struct test *t = *state;
	enum import_outcome outcome;
	struct account a;

	capture(t, "alice", "secret");
	write_row(t,
		"seen_at = 0 WHERE 0; CREATE TRIGGER full BEFORE INSERT ON master BEGIN"
		" SELECT RAISE(ABORT, 'full'); END; UPDATE password SET seen_at = 0",
		0);
	assert_true(keep_import_master(&t->v, &order, &outcome, &t->err) < 0);
	assert_int_equal(registry_find(t->v.registry, order.user, &t->arena, &a, &t->err),
		-ENOENT);
	write_row(t,
		"seen_at = 0 WHERE 0; DROP TRIGGER full; UPDATE password SET seen_at = 0",
		0);
	assert_int_equal(bring(t, "carol", "ferry", "obol"), IMPORT_NEW);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { ROW(test_master_opens_nothing),
		ROW(test_master_after_a_refusal), ROW(test_master_is_bound),
		ROW(test_half_an_import) };
#undef ROW

	return cmocka_run_group_tests_name("masters", tests, NULL, NULL);
}
