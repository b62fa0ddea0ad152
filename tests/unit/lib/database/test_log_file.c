/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lib/database/log_file.c holds back is never missed, and saves calls. */
#include "database/database.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call)                                                                         \
	do {                                                                             \
		int code_ = (call);                                                      \
		if (code_ != 0)                                                          \
			fail_msg("%s: %d %s", #call, code_, t->err.text);                \
	} while (0)
#define BYTES 3000 /* a row has a page of its own */
#define SPILLS 900 /* pages: more than SQLite keeps until the commit */

enum { PUT, PUT_AGAIN, COUNT_ALL, STATEMENTS };
static const char *const statements[STATEMENTS] = {
	[PUT] = "INSERT INTO thing (bytes) VALUES (?1)",
	[PUT_AGAIN] = "UPDATE thing SET bytes = zeroblob(3000) WHERE number = ?1",
	[COUNT_ALL] = "SELECT count(*) FROM thing WHERE length(bytes) > 0",
};
static const char *const upgrades[] = {
	"CREATE TABLE thing (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
};
static const struct database_schema schema = { .noun = "the list of things",
	.cure = "ask for another",
	.setup = "",
	.statements = statements,
	.n_statements = STATEMENTS,
	.upgrades = upgrades,
	.n_upgrades = 1 };

struct test {
	char directory[64], path[96];
	struct database *d, *other;
	uint64_t rows;
	struct error err;
};

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	(void)snprintf(t->directory, sizeof(t->directory), "/tmp/mailferry-log-XXXXXX");
	assert_non_null(mkdtemp(t->directory));
	(void)snprintf(t->path, sizeof(t->path), "%s/things", t->directory);
	OK(database_open(t->path, true, &schema, &t->d, &t->err));
	OK(database_open(t->path, false, &schema, &t->other, &t->err));
	/* what is copied into the database is not looked for in the log */
	database_checkpoint_at(t->d, 0);
	database_checkpoint_at(t->other, 0);
	*state = t;
	return 0;
}

static void shell(const struct test *t, const char *command)
{
	char text[512];

	(void)snprintf(
		text, sizeof(text), "f=%s; d=%s; %s", t->path, t->directory, command);
	assert_int_equal(system(text), 0); /* NOLINT(cert-env33-c): our own words */
}

static int teardown(void **state)
{
	struct test *t = *state;

	database_close(t->other);
	database_close(t->d);
	shell(t, "rm -rf $d");
	free(t);
	return 0;
}

static void put(struct test *t, struct database *d, int n)
{
	static const char bytes[BYTES] = "x";

	for (int i = 0; i < n; i++)
		OK(sql_run(d, PUT, SQL_VALUES(sql_blob(str_of(bytes, BYTES))), &t->err));
}

static void commit_by(struct test *t, struct database *d, bool durable, int n)
{
	OK(database_begin(d, durable, &t->err));
	put(t, d, n);
	OK(database_commit(d, &t->err));
	t->rows += (uint64_t)n;
}

static void commit(struct test *t, bool durable, int n)
{
	commit_by(t, t->d, durable, n);
}

static uint64_t rows_of(struct test *t, struct database *d)
{
	uint64_t n = 0;

	OK(sql_get(d, COUNT_ALL, SQL_NO_VALUES, &n, &t->err));
	return n;
}

/* It is in the files, before somebody reads there, and others see it. */
static void is_all_there(struct test *t)
{
	struct database *copy;
	char path[128];

	shell(t, "rm -f $f.copy*; cp $f $f.copy && cp $f-wal $f.copy-wal");
	(void)snprintf(path, sizeof(path), "%s.copy", t->path);
	OK(database_open(path, false, &schema, &copy, &t->err));
	assert_int_equal(rows_of(t, copy), t->rows);
	OK(database_check(copy, &t->err));
	database_close(copy);
	assert_int_equal(rows_of(t, t->d), t->rows);
	assert_int_equal(rows_of(t, t->other), t->rows);
}

static void a_commit_is_whole(void **state)
{
	struct test *t = *state;
	static const int sizes[] = { 1, 2, 14, 15, 16, 17, 40, 1, SPILLS, 1, 3 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int durable = 0; durable <= 1; durable++) {
			commit(t, durable, sizes[i]);
			is_all_there(t);
		}
}

/* Pages that left the cache before the end lie in the log, or are held. */
static void what_is_undone_leaves_nothing(void **state)
{
	struct test *t = *state;

	commit(t, true, 1);
	for (int i = 0; i < 3; i++) {
		OK(database_begin(t->d, true, &t->err));
		put(t, t->d, SPILLS + i);
		database_rollback(t->d);
		is_all_there(t);
		OK(database_begin(t->d, true, &t->err));
		put(t, t->d, 5);
		OK(database_begin_part(t->d, &t->err));
		put(t, t->d, SPILLS + i);
		assert_int_equal(database_finish_part(t->d, -EINVAL, &t->err), -EINVAL);
		put(t, t->d, 6);
		OK(database_commit(t->d, &t->err));
		t->rows += 11;
		is_all_there(t);
	}
}

/* … and its place in the log is the next one's. */
static void what_is_undone_harms_nobody(void **state)
{
	struct test *t = *state;

	for (int i = 0; i < 3; i++) {
		OK(database_empty_log(t->d, &t->err));
		OK(database_begin(t->d, true, &t->err));
		put(t, t->d, SPILLS + i);
		database_rollback(t->d);
		commit_by(t, t->other, true, SPILLS + 50);
		commit(t, true, 1);
		is_all_there(t);
	}
}

/* A page that left the cache before the end and changed again is written to the frame
   that it has; then the checksums of all behind it are corrected. */
static void a_frame_that_changes_is_whole(void **state)
{
	struct test *t = *state;

	for (int durable = 0; durable <= 1; durable++) {
		int64_t first;

		OK(database_begin(t->d, durable, &t->err));
		put(t, t->d, 1);
		first = database_last_id(t->d);
		put(t, t->d, SPILLS);
		OK(sql_run(t->d, PUT_AGAIN, SQL_VALUES(sql_signed(first)), &t->err));
		OK(database_commit(t->d, &t->err));
		t->rows += 1 + SPILLS;
		is_all_there(t);
	}
}

static void memory_that_went_back_is_taken_again(void **state)
{
	struct test *t = *state;

	for (int i = 0; i < 3; i++) {
		commit(t, true, 3);
		database_give_back(t->d);
		is_all_there(t);
	}
}

/* Of this process, since it began; 0: this kernel does not say. */
static uint64_t writes(void)
{
	char line[64];
	uint64_t n = 0;
	FILE *f = fopen("/proc/self/io", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "syscw: ", 7) == 0)
			n = strtoull(line + 7, NULL, 10);
	if (f)
		(void)fclose(f);
	return n;
}

static void a_commit_is_one_write(void **state)
{
	struct test *t = *state;
	uint64_t before;

	commit(t, true, 40); /* the log is longer than it needs to be from now on */
	before = writes();
	if (!before)
		skip();
	commit(t, true, 3);
	assert_int_equal(writes() - before, 1);
	before = writes();
	commit(t, false, 3);
	assert_int_equal(writes() - before, 1);
}

static off_t log_size(const struct test *t)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s-wal", t->path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void the_log_grows_in_steps(void **state)
{
	struct test *t = *state;
	off_t before, now = log_size(t);
	int grew = 0;

	for (int i = 0; i < 100; i++) {
		before = now;
		commit(t, true, 1);
		now = log_size(t);
		grew += now != before;
	}
	is_all_there(t);
	assert_in_range(grew, 1, 10);
	OK(database_empty_log(t->d, &t->err));
	assert_int_equal(log_size(t), 0);
	commit(t, true, 1);
	is_all_there(t);
}

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* It ends before the commit, in it, or in what the log has ahead. */
static void where_the_disk_ends_nothing_is_half(void **state)
{
	struct test *t = *state;
	int failed = 0, went = 0;

	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	for (rlim_t more = 0; more < 100000; more += 3001) {
		int code;

		OK(database_empty_log(t->d, &t->err));
		commit(t, true, 1);
		limit_files((rlim_t)log_size(t) / 2 + more);
		OK(database_begin(t->d, true, &t->err));
		put(t, t->d, 20);
		code = database_commit(t->d, &t->err);
		limit_files(RLIM_INFINITY);
		database_rollback(t->d);
		t->rows += code == 0 ? 20 : 0;
		failed += code < 0;
		went += code == 0;
		is_all_there(t);
	}
	assert_true(failed > 0 && went > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_commit_is_whole),
		TEST(what_is_undone_leaves_nothing),
		TEST(what_is_undone_harms_nobody),
		TEST(a_frame_that_changes_is_whole),
		TEST(memory_that_went_back_is_taken_again),
		TEST(a_commit_is_one_write),
		TEST(the_log_grows_in_steps),
		TEST(where_the_disk_ends_nothing_is_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
