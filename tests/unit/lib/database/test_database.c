/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fd.h"
#include "database/database.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OK(call)                                                                         \
	do {                                                                             \
		int code_ = (call);                                                      \
		if (code_ != 0)                                                          \
			fail_msg("%s: %d %s", #call, code_, t->err.text);                \
	} while (0)

enum { PUT, GET, EACH, COUNT_ALL, WRONG, STATEMENTS };
static const char *const statements[STATEMENTS] = {
	[PUT] = "INSERT INTO thing VALUES (?1, ?2, ?3)",
	[GET] = "SELECT text, number FROM thing WHERE number = ?1",
	[EACH] = "SELECT number, text FROM thing ORDER BY number",
	[COUNT_ALL] = "SELECT count(*) FROM thing",
	[WRONG] = "SELECT no FROM such_table",
};
static const char *const upgrades[] = {
	"CREATE TABLE thing (number INTEGER PRIMARY KEY, text TEXT NOT NULL)",
	"ALTER TABLE thing ADD COLUMN bytes BLOB",
};
static const struct database_schema schema = { .noun = "the list of things",
	.cure = "ask for another",
	.application_id = 0x74686e67,
	.durable = true,
	.setup = "",
	.statements = statements,
	.n_statements = STATEMENTS,
	.upgrades = upgrades,
	.n_upgrades = COUNT(upgrades) };

struct test {
	char directory[64], path[96];
	struct database *d;
	struct error err;
};

static void shell(const struct test *t, const char *command)
{
	char text[512];

	(void)snprintf(
		text, sizeof(text), "d=%s; f=%s; %s", t->directory, t->path, command);
	assert_int_equal(system(text), 0); /* NOLINT(cert-env33-c): our own words */
}

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	(void)snprintf(t->directory, sizeof(t->directory), "/tmp/mailferry-db-XXXXXX");
	assert_non_null(mkdtemp(t->directory));
	(void)snprintf(t->path, sizeof(t->path), "%s/things.sqlite", t->directory);
	OK(database_open(t->path, true, &schema, &t->d, &t->err));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	database_close(t->d);
	shell(t, "rm -rf $d");
	free(t);
	return 0;
}

static int put(struct test *t, struct database *d, int number, const char *text)
{
	return sql_run(d, PUT,
		SQL_VALUES(sql_signed(number),
			text ? sql_text(str_from(text)) : sql_null(),
			sql_blob(STR_LIT("\0\1"))),
		&t->err);
}

static uint64_t count(struct test *t)
{
	uint64_t n = 0;

	OK(sql_get(t->d, COUNT_ALL, SQL_NO_VALUES, &n, &t->err));
	return n;
}

static void values_come_back(void **state)
{
	struct test *t = *state;
	struct query q;
	struct stat st;

	OK(stat(t->path, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	OK(put(t, t->d, -7, "a\xff'\"b"));
	assert_int_equal(database_last_id(t->d), -7);
	assert_int_equal(database_changes(t->d), 1);
	assert_int_equal(
		query_first(t->d, GET, SQL_VALUES(sql_signed(-7)), &q, &t->err), 1);
	assert_true(str_eq(query_bytes(&q, 0), STR_LIT("a\xff'\"b")));
	assert_true((int64_t)query_number(&q, 1) == -7);
	assert_int_equal(query_next(&q, &t->err), 0);
	query_end(&q);
	query_end(&q); /* twice is fine */
	assert_int_equal(
		query_first(t->d, GET, SQL_VALUES(sql_signed(8)), &q, &t->err), 0);
	query_end(&q);
}

static void a_statement_may_be_asked_inside_itself(void **state)
{
	struct test *t = *state;
	struct query outer, inner;
	int seen = 0;

	for (int i = 1; i <= 3; i++)
		OK(put(t, t->d, i, "x"));
	OK(query_begin(t->d, EACH, SQL_NO_VALUES, &outer, &t->err));
	while (query_next(&outer, &t->err) == 1) {
		OK(query_begin(t->d, EACH, SQL_NO_VALUES, &inner, &t->err));
		while (query_next(&inner, &t->err) == 1)
			seen++;
		query_end(&inner);
	}
	query_end(&outer);
	assert_int_equal(seen, 9);
}

static void errors_have_a_number_and_a_sentence(void **state)
{
	struct test *t = *state;
	struct query q;

	OK(put(t, t->d, 1, "x"));
	assert_int_equal(put(t, t->d, 1, "y"), -EEXIST);
	assert_int_equal(put(t, t->d, 2, NULL), -EEXIST);
	assert_non_null(strstr(t->err.text, t->path));
	assert_int_equal(query_begin(t->d, WRONG, SQL_NO_VALUES, &q, &t->err), -EIO);
	assert_non_null(strstr(t->err.text, "such_table"));
	query_end(&q);
	assert_int_equal(
		database_open("/none/x", true, &schema, &t->d, &t->err), -ENOENT);
	assert_int_equal(
		database_open("/tmp/mailferry-none", false, &schema, &t->d, &t->err),
		-ENOENT);
	database_close(NULL);
}

static void transactions(void **state)
{
	struct test *t = *state;

	for (int durable = 0; durable < 2; durable++) {
		OK(database_begin(t->d, durable != 0, &t->err));
		assert_true(database_in_transaction(t->d));
		OK(put(t, t->d, durable, "kept"));
		OK(database_finish(t->d, 0, &t->err));
		assert_false(database_in_transaction(t->d));
	}
	OK(database_begin(t->d, true, &t->err));
	OK(put(t, t->d, 9, "not kept"));
	assert_int_equal(database_finish(t->d, -EPERM, &t->err), -EPERM);
	database_rollback(t->d); /* without one it does nothing */
	assert_int_equal(count(t), 2);
	OK(database_begin_reading(t->d, &t->err));
	assert_int_equal(count(t), 2);
	OK(database_finish(t->d, 0, &t->err));
}

static void an_open_transaction_ends_with_the_connection(void **state)
{
	struct test *t = *state;

	OK(database_begin(t->d, true, &t->err));
	OK(put(t, t->d, 1, "x"));
	database_close(t->d);
	OK(database_open(t->path, false, &schema, &t->d, &t->err));
	assert_int_equal(count(t), 0);
}

/* The other one waits for the lock, and has it when the first lets go. */
static void a_lock_is_waited_for(void **state)
{
	struct test *t = *state;
	int ready[2], status;
	char byte;
	pid_t child;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct database *d;
		struct error err;

		if (database_open(t->path, false, &schema, &d, &err) < 0 ||
			database_begin(d, true, &err) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		(void)usleep(200000);
		_exit(put(t, d, 1, "x") < 0 || database_finish(d, 0, &err) < 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	OK(database_begin(t->d, true, &t->err));
	assert_int_equal(count(t), 1);
	OK(database_finish(t->d, 0, &t->err));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

static void old_files_are_upgraded(void **state)
{
	struct database_schema old = schema;
	struct test *t = *state;

	database_close(t->d);
	t->d = NULL;
	shell(t, "rm $f*");
	old.n_upgrades = 1;
	OK(database_open(t->path, true, &old, &t->d, &t->err));
	database_close(t->d);
	t->d = NULL;
	OK(database_open(t->path, false, &schema, &t->d, &t->err));
	OK(put(t, t->d, 1, "x"));
	database_close(t->d);
	t->d = NULL;
	assert_int_equal(database_open(t->path, true, &old, &t->d, &t->err), -EUCLEAN);
	assert_non_null(strstr(t->err.text, "newer mailferry (2, this one knows 1)"));
}

static const struct {
	const char *name, *command, *says;
} damages[] = {
	{ "nonsense", "echo nonsense nonsense nonsense >$f", "damaged" },
	{ "emptied", ": >$f", "is empty; ask for another" },
	{ "somebody else's", "rm $f; sqlite3 $f 'CREATE TABLE x (y)'",
		"is not the list of things" },
	{ "another application's", "sqlite3 $f 'PRAGMA application_id = 7'",
		"is not the list of things" },
};

static void damage_is_said_with_the_cure(void **state)
{
	struct test *t = *state;

	for (size_t i = 0; i < COUNT(damages); i++) {
		int code;

		database_close(t->d);
		t->d = NULL;
		shell(t, "rm -f $f*");
		OK(database_open(t->path, true, &schema, &t->d, &t->err));
		OK(put(t, t->d, 1, "x"));
		database_close(t->d);
		t->d = NULL;
		shell(t, damages[i].command);
		code = database_open(t->path, false, &schema, &t->d, &t->err);
		if (code != -EUCLEAN || !strstr(t->err.text, damages[i].says))
			fail_msg("%s: %d %s", damages[i].name, code, t->err.text);
	}
}

static void the_log_can_be_emptied(void **state)
{
	struct test *t = *state;

	database_checkpoint_at(t->d, 100000);
	OK(put(t, t->d, 1, "a secret"));
	shell(t, "grep -q secret $f-wal");
	OK(database_empty_log(t->d, &t->err));
	shell(t, "test ! -s $f-wal");
}

static void a_copy_is_whole(void **state)
{
	struct test *t = *state;
	char to[128];
	struct stat st;

	(void)snprintf(to, sizeof(to), "%s/copy", t->directory);
	for (int i = 0; i < 2; i++) {
		OK(put(t, t->d, i, "x"));
		OK(database_copy(t->d, to, &t->err));
	}
	OK(stat(to, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
	OK(put(t, t->d, 9, "later"));
	database_close(t->d);
	t->d = NULL;
	OK(database_open(to, false, &schema, &t->d, &t->err));
	OK(database_check(t->d, &t->err));
	assert_int_equal(count(t), 2);
	assert_int_equal(database_copy(t->d, "/none/copy", &t->err), -ENOENT);
}

static void a_check_finds_what_is_wrong(void **state)
{
	struct test *t = *state;

	OK(database_begin(t->d, true, &t->err));
	for (int i = 0; i < 2000; i++)
		OK(put(t, t->d, i, "some text that fills pages"));
	OK(database_finish(t->d, 0, &t->err));
	OK(database_check(t->d, &t->err));
	database_close(t->d);
	t->d = NULL;
	shell(t, "dd if=/dev/urandom of=$f bs=4096 seek=5 count=2 conv=notrunc "
		 "2>/dev/null");
	OK(database_open(t->path, false, &schema, &t->d, &t->err));
	assert_int_equal(database_check(t->d, &t->err), -EUCLEAN);
	assert_non_null(strstr(t->err.text, "ask for another"));
}

/* Asked again they are prepared again; a question that is not over keeps its own. */
static void memory_is_given_back(void **state)
{
	struct test *t = *state;
	CLEANUP(query_end) struct query q = { 0 };

	for (int i = 1; i <= 3; i++)
		OK(put(t, t->d, i, "x"));
	database_give_back(t->d);
	assert_int_equal(count(t), 3);
	OK(query_begin(t->d, EACH, SQL_NO_VALUES, &q, &t->err));
	for (uint64_t i = 1; i <= 3; i++) {
		database_give_back(t->d);
		assert_int_equal(query_next(&q, &t->err), 1);
		assert_int_equal(query_number(&q, 0), i);
	}
	assert_int_equal(query_next(&q, &t->err), 0);
	database_give_back(t->d); /* it has not ended yet */
	query_end(&q);
	assert_true(sql_run(t->d, WRONG, SQL_NO_VALUES, &t->err) < 0);
	OK(database_begin(t->d, true, &t->err));
	OK(put(t, t->d, 4, "x"));
	database_give_back(t->d); /* in the middle of it */
	OK(database_commit(t->d, &t->err));
	database_give_back(t->d);
	assert_int_equal(count(t), 4);
}

/* Whether somebody has committed since `before`, which is moved on. */
static bool has_changed(struct test *t, struct database_version *before)
{
	struct database_version now;
	bool changed;

	assert_true(database_version(t->d, &now));
	changed = memcmp(&now, before, sizeof(now)) != 0;
	*before = now;
	return changed;
}

static void another_process_puts(struct test *t, int number)
{
	int status;
	pid_t child;

	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		struct database *mine;

		_exit(database_open(t->path, false, &schema, &mine, &t->err) < 0 ||
			put(t, mine, number, "theirs") < 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_commit_of_anybody_changes_the_version(void **state)
{
	struct test *t = *state;
	struct database_version v = { 0 }, inside;

	assert_int_equal(count(t), 0);
	(void)has_changed(t, &v);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(count(t), 2 * i - 2);
		assert_false(has_changed(t, &v));
		OK(put(t, t->d, 2 * i, "mine"));
		assert_true(has_changed(t, &v));
		another_process_puts(t, 2 * i + 1);
		assert_true(has_changed(t, &v)); /* before anything was asked */
	}
	OK(database_begin(t->d, false, &t->err));
	OK(put(t, t->d, 20, "perhaps"));
	assert_false(database_version(t->d, &inside));
	database_rollback(t->d);
	assert_false(has_changed(t, &v));
	OK(database_empty_log(t->d, &t->err));
	(void)has_changed(t, &v);
	another_process_puts(t, 30);
	assert_true(has_changed(t, &v));
	assert_int_equal(count(t), 7);
}

/* What is asked while another answer is still read is of that one's moment, whatever has
   been committed since: nobody may keep it as an answer of now. */
static void inside_an_answer_there_is_no_version(void **state)
{
	struct test *t = *state;
	struct database_version v;
	struct query q;

	OK(put(t, t->d, 1, "x"));
	OK(query_begin(t->d, EACH, SQL_NO_VALUES, &q, &t->err));
	assert_int_equal(query_next(&q, &t->err), 1);
	another_process_puts(t, 2);
	assert_int_equal(count(t), 1);
	assert_false(database_version(t->d, &v));
	query_end(&q);
	assert_int_equal(count(t), 2);
	assert_true(database_version(t->d, &v));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_come_back),
		TEST(a_statement_may_be_asked_inside_itself),
		TEST(errors_have_a_number_and_a_sentence),
		TEST(transactions),
		TEST(an_open_transaction_ends_with_the_connection),
		TEST(a_lock_is_waited_for),
		TEST(old_files_are_upgraded),
		TEST(damage_is_said_with_the_cure),
		TEST(the_log_can_be_emptied),
		TEST(a_copy_is_whole),
		TEST(a_check_finds_what_is_wrong),
		TEST(memory_is_given_back),
		TEST(a_commit_of_anybody_changes_the_version),
		TEST(inside_an_answer_there_is_no_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
