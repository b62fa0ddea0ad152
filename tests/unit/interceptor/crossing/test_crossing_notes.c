/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/crossing/notes.h"
#include "lib/registry/registry_fixture.h"

#include <sqlite3.h>

struct seen {
	unsigned handed, ended;
};

static int see(void *context, const struct journal_line *line)
{
	struct seen *seen = context;

	if (!str_eq(line->event, STR_LIT("session")))
		return 0;
	assert_true(str_eq(line->by, STR_LIT("interceptor")));
	assert_true(str_eq(line->detail, STR_LIT("imap 192.0.2.1:5000")));
	seen->handed += str_eq(line->to, STR_LIT("handed over"));
	seen->ended += str_eq(line->to, STR_LIT("ended by BYE"));
	return 0;
}

static void expect(struct test *t, int64_t account, unsigned handed, unsigned ended)
{
	struct seen seen = { 0 };

	NO_ERROR(registry_journal(t->r, account, 100, see, &seen, &t->err));
	assert_int_equal(seen.handed, handed);
	assert_int_equal(seen.ended, ended);
}

/* Somebody else writes meanwhile, for longer than a worker waits: nothing is lost. */
static void test_busy(void **state)
{
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret");
	struct crossing_notes notes;
	sqlite3 *other;

	registry_set_patience(t->r, 1);
	assert_int_equal(sqlite3_open(t->path, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	crossing_notes_init(&notes);
	assert_true(crossing_notes_add(&notes, alice, true, "imap 192.0.2.1:5000"));
	assert_true(crossing_notes_add(&notes, alice, false, "imap 192.0.2.1:5000"));
	crossing_notes_write(&notes, t->r);
	expect(t, alice, 0, 0);
	assert_int_equal(notes.n, 2);
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(other);
	crossing_notes_write(&notes, t->r);
	crossing_notes_write(&notes, t->r);
	expect(t, alice, 1, 1);
	assert_int_equal(notes.n, 0);
	crossing_notes_fini(&notes);
}

static void test_too_many(void **state)
{
	struct crossing_notes notes;

	(void)state;
	crossing_notes_init(&notes);
	for (size_t i = 0; i < CROSSING_NOTES_MAX; i++)
		assert_true(crossing_notes_add(&notes, 1, true, "imap"));
	assert_false(crossing_notes_add(&notes, 1, true, "imap"));
	crossing_notes_fini(&notes);
	assert_int_equal(notes.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_busy, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
