/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The source's last days: recipients that went to it, passwords set here, the end. And a
   registry of the version before all that. */
#include "registry/alias.h"
#include "registry/passwords.h"
#include "registry/recipients.h"
#include "registry/retire.h"
#include "registry_fixture.h"

#include <sqlite3.h>

#define NOON UINT64_C(1772366400000) /* 2026-03-01 12:00 UTC */

static int join(void *context, const struct recipients_row *row)
{
	return buf_printf(context, "%.*s %.*s +%llu %llu-%llu %llu;",
		STR_ARG(row->address), STR_ARG(row->client),
		(unsigned long long)(row->day - NOON / DAY_MS),
		(unsigned long long)(row->first_at - NOON),
		(unsigned long long)(row->last_at - NOON),
		(unsigned long long)row->count);
}

static void check_recipients(struct test *t, uint64_t since, const char *want)
{
	struct buf all;

	buf_init(&all, 0);
	NO_ERROR(registry_each_recipients(t->r, since, join, &all, &t->err));
	if (!str_eq(buf_view(&all), str_from(want)))
		fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(buf_view(&all)), want);
	buf_fini(&all);
}

static void test_recipients(void **state)
{
	static const struct recipients_seen first[] = {
		{ STR("Bob"), STR("Example.com"), STR("192.0.2.1"), NOON, NOON + 5, 2, 0 },
		{ STR("bob"), STR("example.com"), STR("192.0.2.2"), NOON, NOON, 1, 3 },
		{ STR("guess"), STR("example.com"), STR("192.0.2.2"), NOON, NOON, 0, 4 },
	}, second[] = {
		{ STR("bob"), STR("example.com"), STR("192.0.2.1"), NOON + 7, NOON + 9, 1,
			0 },
		{ STR("bob"), STR("example.com"), STR("192.0.2.1"), NOON + DAY_MS,
			NOON + DAY_MS, 1, 0 },
	};
	struct test *t = *state;

	NO_ERROR(registry_count_recipients(t->r, first, 0, &t->err));
	NO_ERROR(registry_count_recipients(t->r, first, ROWS(first), &t->err));
	NO_ERROR(registry_count_recipients(t->r, second, ROWS(second), &t->err));
	check_recipients(t, NOON / DAY_MS,
		" 192.0.2.2 +0 0-0 7;"
		"bob@example.com 192.0.2.1 +0 0-9 3;"
		"bob@example.com 192.0.2.1 +1 86400000-86400000 1;"
		"bob@example.com 192.0.2.2 +0 0-0 1;");
	check_recipients(t, NOON / DAY_MS + 1,
		"bob@example.com 192.0.2.1 +1 86400000-86400000 1;");
}

static void test_recipients_are_forgotten(void **state)
{
	struct recipients_seen one = { STR("bob"), STR("example.com"), STR("192.0.2.1"),
		NOON, NOON, 1, 0 };
	struct test *t = *state;

	NO_ERROR(registry_count_recipients(t->r, &one, 1, &t->err));
	one.first_at = one.last_at = NOON + RECIPIENT_DAYS * DAY_MS;
	NO_ERROR(registry_count_recipients(t->r, &one, 1, &t->err));
	check_recipients(t, NOON / DAY_MS + 1,
		"bob@example.com 192.0.2.1 +400 34560000000-34560000000 1;");
	one.first_at = one.last_at = NOON + (RECIPIENT_DAYS + 1) * DAY_MS;
	NO_ERROR(registry_count_recipients(t->r, &one, 1, &t->err));
	check_recipients(t, 0,
		"bob@example.com 192.0.2.1 +400 34560000000-34560000000 1;"
		"bob@example.com 192.0.2.1 +401 34646400000-34646400000 1;");
}

#define BATCH 10000

/* A flood of addresses is summed up, not kept. */
static void test_recipients_of_a_flood(void **state)
{
	struct recipients_seen *seen = calloc(BATCH, sizeof(*seen));
	char(*locals)[16] = calloc(BATCH, sizeof(*locals));
	struct test *t = *state;
	struct buf all;

	for (size_t round = 0; round < RECIPIENT_ROWS_MAX / BATCH + 1; round++) {
		for (size_t i = 0; i < BATCH; i++) {
			(void)snprintf(
				locals[i], sizeof(locals[i]), "u%zu-%zu", round, i);
			seen[i] = (struct recipients_seen){ str_from(locals[i]),
				STR("example.com"), STR("192.0.2.1"), NOON, NOON, 1, 0 };
		}
		NO_ERROR(registry_count_recipients(t->r, seen, BATCH, &t->err));
	}
	buf_init(&all, 0);
	NO_ERROR(registry_each_recipients(t->r, 0, join, &all, &t->err));
	assert_true(str_starts(buf_view(&all), STR_LIT("* 192.0.2.1 +0 0-0 10000;")));
	buf_fini(&all);
	free(locals);
	free(seen);
}

static int move(struct test *t, int64_t id, enum account_event event)
{
	return registry_transition(
		t->r, id, event, STR_LIT("test"), STR_LIT(""), &t->err);
}

static void test_retire(void **state)
{
	struct test *t = *state;
	uint64_t since = 1, again;
	bool due, erased = true;
	struct account_route route;
	struct proven_login carol = { .name = STR_LIT("carol"),
		.password = STR_LIT("x") };
	int64_t alice = capture(t, "alice", "secret"), bob = capture(t, "bob", "other");

	arrive(t, alice);
	NO_ERROR(registry_retired(t->r, &since, &t->err));
	assert_int_equal(since, 0);
	assert_int_equal(registry_unretire(t->r, &t->err), -EPERM);
	assert_int_equal(registry_erase_passwords(t->r, &t->err), -EPERM);
	NO_ERROR(registry_retire(t->r, &t->err));
	NO_ERROR(registry_retired(t->r, &since, &t->err));
	assert_true(since > NOON);
	NO_ERROR(registry_retire(t->r, &t->err));
	NO_ERROR(registry_retired(t->r, &again, &t->err));
	assert_int_equal(again, since);
	assert_int_equal(
		registry_learn(t->r, &carol, &open_keeper, &route, &due, &t->err),
		-EPERM);
	assert_int_equal(move(t, bob, EVENT_DUE), -EPERM);
	assert_int_equal(move(t, alice, EVENT_LEAVE), -EPERM);
	assert_non_null(strstr(t->err.text, "the source is retired"));

	/* until the passwords are erased it can be taken back */
	NO_ERROR(registry_passwords_erased(t->r, &erased, &t->err));
	assert_false(erased);
	NO_ERROR(registry_unretire(t->r, &t->err));
	NO_ERROR(registry_retired(t->r, &since, &t->err));
	assert_int_equal(since, 0);
	NO_ERROR(move(t, bob, EVENT_DUE));
}

static void test_erase(void **state)
{
	struct test *t = *state;
	struct str password;
	int64_t which;
	bool any = false, erased = false;
	int64_t alice = capture(t, "alice", "secret"), bob = capture(t, "bob", "other");

	arrive(t, alice);
	NO_ERROR(registry_retire(t->r, &t->err));
	assert_int_equal(registry_erase_passwords(t->r, &t->err), -EAGAIN);
	assert_non_null(strstr(t->err.text, "mailferry passwd"));
	prove(t, alice, "a");
	NO_ERROR(registry_erase_passwords(t->r, &t->err));
	NO_ERROR(registry_passwords_erased(t->r, &erased, &t->err));
	assert_true(erased);
	NO_ERROR(registry_any_password(t->r, &any, &t->err));
	assert_true(any); /* the key is needed for their verifiers */
	assert_int_equal(first_password(t, alice, &password, &which), -ENODATA);
	assert_int_equal(first_password(t, bob, &password, &which), -ENODATA);
	assert_true(str_eq(verifiers_of(t, alice), STR_LIT("a")));
	assert_int_equal(registry_unretire(t->r, &t->err), -EPERM);
	assert_non_null(strstr(t->err.text, "are erased"));
}

static void run_sql(struct test *t, const char *sql, struct buf *ret_blob)
{
	sqlite3_stmt *statement;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	while (*sql) {
		assert_int_equal(
			sqlite3_prepare_v2(db, sql, -1, &statement, &sql), SQLITE_OK);
		while (sqlite3_step(statement) == SQLITE_ROW && ret_blob)
			(void)buf_append(ret_blob,
				str_of(sqlite3_column_blob(statement, 0),
					(size_t)sqlite3_column_bytes(statement, 0)));
		assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool file_holds(struct test *t, const char *suffix, struct str needle)
{
	char path[128], chunk[4096];
	struct buf all;
	size_t n;
	bool found;
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s%s", t->path, suffix);
	in = fopen(path, "rb");
	if (!in)
		return false;
	buf_init(&all, 0);
	while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		(void)buf_append(&all, str_of(chunk, n));
	(void)fclose(in);
	found = memmem(buf_view(&all).ptr, buf_len(&all), needle.ptr, needle.len);
	buf_fini(&all);
	return found;
}

static bool any_file_holds(struct test *t, struct str needle)
{
	return file_holds(t, "", needle) || file_holds(t, "-wal", needle);
}

#define PIECE 12

/* Erased means: not in the file and not in its log, no piece of it. */
static void test_erased(void **state)
{
	struct test *t = *state;
	char password[200];
	struct buf sealed;
	int64_t id;

	memset(password, 'p', sizeof(password) - 1);
	password[sizeof(password) - 1] = '\0';
	id = capture(t, "alice", password);
	prove(t, id, "a");
	buf_init(&sealed, 0);
	run_sql(t, "SELECT sealed FROM password", &sealed);
	assert_true(buf_len(&sealed) > sizeof(password));
	assert_true(any_file_holds(t, buf_view(&sealed)));
	NO_ERROR(registry_retire(t->r, &t->err));
	NO_ERROR(registry_erase_passwords(t->r, &t->err));
	NO_ERROR(registry_erase_log(t->r, &t->err));
	for (size_t at = 0; at + PIECE < buf_len(&sealed); at += PIECE)
		assert_false(any_file_holds(
			t, str_take(str_skip(buf_view(&sealed), at), PIECE)));
	buf_fini(&sealed);
}

/* A registry as the version before made it goes on where it was. */
static void test_upgrade(void **state)
{
	struct test *t = *state;
	struct account a;
	struct account_route route;
	char *domains[] = { (char *)(uintptr_t) "example.com" };
	struct str password;
	int64_t which;

	arrive(t, capture(t, "alice", "secret"));
	NO_ERROR(registry_find(t->r, STR_LIT("alice"), &t->arena, &a, &t->err));
	NO_ERROR(registry_set_pin(t->r, a.id, PIN_LOCAL, &t->err));
	registry_close(t->r);
	t->r = NULL;
	run_sql(t,
		"DROP TABLE alias; DROP TABLE recipient; DROP TABLE seen_service;"
		"DROP TABLE admission;"
		"DROP TABLE client; DROP TABLE unseen; DROP TABLE sweep; DROP TABLE count;"
		"DROP TABLE carry; DROP TABLE delivered; DROP TABLE pop_login;"
		"DROP TABLE mending; DROP TABLE found; DROP TABLE master;"
		"DROP INDEX account_master;"
		"ALTER TABLE account DROP COLUMN master;"
		"ALTER TABLE account DROP COLUMN size;"
		"ALTER TABLE account DROP COLUMN unseen_allowed;"
		"ALTER TABLE account DROP COLUMN made_here;"
		"ALTER TABLE account DROP COLUMN disabled;"
		"ALTER TABLE account DROP COLUMN source_name;"
		"ALTER TABLE account DROP COLUMN home;"
		"ALTER TABLE account DROP COLUMN arriving;"
		"ALTER TABLE name DROP COLUMN made_here;"
		"DROP INDEX account_first;"
		"ALTER TABLE account ADD COLUMN sealed BLOB;"
		"ALTER TABLE account ADD COLUMN verifier TEXT;"
		"UPDATE account SET verifier = 'v',"
		" sealed = (SELECT sealed FROM password);"
		"DROP TABLE password;"
		"PRAGMA user_version = 1;",
		NULL);
	NO_ERROR(registry_open(t->path, &t->r, &t->err));
	NO_ERROR(registry_set_domains(t->r, domains, 1));
	NO_ERROR(registry_find(t->r, STR_LIT("alice"), &t->arena, &a, &t->err));
	assert_int_equal(a.route, ROUTE_LOCAL);
	assert_int_equal(a.stage, STAGE_DONE);
	assert_int_equal(a.pin, PIN_LOCAL);
	assert_int_equal(a.local_password_at, 0);
	assert_true(str_eq(verifiers_of(t, a.id), STR_LIT("v")));
	NO_ERROR(first_password(t, a.id, &password, &which));
	NO_ERROR(registry_add_alias(t->r, STR_LIT("info"), STR_LIT("example.com"),
		STR_LIT("alice"), &t->err));
	NO_ERROR(registry_address(
		t->r, STR_LIT("info"), STR_LIT("example.com"), &route, &t->err));
	assert_int_equal(route.route, ROUTE_LOCAL);
}

/* A word that no program knows gets into no row. */
static void test_unknown_words(void **state)
{
	static const char *const columns[] = { "route", "stage", "pin" };
	struct test *t = *state;
	char sql[96];
	sqlite3 *db;

	(void)capture(t, "alice", "secret");
	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	for (size_t i = 0; i < ROWS(columns); i++) {
		(void)snprintf(
			sql, sizeof(sql), "UPDATE account SET %s = 'x'", columns[i]);
		assert_int_equal(
			sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_CONSTRAINT);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_recipients),
		ROW(test_recipients_are_forgotten),
		ROW(test_recipients_of_a_flood),
		ROW(test_retire),
		ROW(test_erase),
		ROW(test_erased),
		ROW(test_upgrade),
		ROW(test_unknown_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
