/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder that somebody copies back while it is open. */
#include "fixture.h"

#include <errno.h>
#include <string.h>

/* A commit. */
static void change(struct fixture *f, enum store_service service)
{
	struct error err = { 0 };

	OK(store_set_service(f->store, service, 4711, &err));
}

static const struct {
	const char *name;
	const char *command; /* $d: the folder; $d.was: its copy, a commit ago */
	enum store_presence is;
} rows[] = {
	{ "nothing", ":", STORE_THERE },
	{ "somebody reads it", "cp -a $d $d.new; rm -rf $d.new", STORE_THERE },
	{ "links to it", "ln $d/lock $d.link; rm $d.link", STORE_THERE },
	{ "another owner for the lock", "chmod 640 $d/lock", STORE_THERE },
	{ "removed", "rm -rf $d", STORE_GONE },
	{ "removed and copied", "rm -rf $d; cp -a $d.was $d", STORE_GONE },
	{ "renamed", "mv $d $d.away; mv $d.was $d", STORE_GONE },
	{ "copied into", "cp -a $d.was/. $d/", STORE_OVERWRITTEN },
	{ "the lock cut short", ": > $d/lock", STORE_OVERWRITTEN },
	{ "copied into without times", "cp -r $d.was/. $d/", STORE_OVERWRITTEN },
	{ "another index", "cp $d.was/index.sqlite $d/x; mv $d/x $d/index.sqlite",
		STORE_OVERWRITTEN },
	{ "no index", "rm $d/index.sqlite", STORE_OVERWRITTEN },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *fixture = NULL;
		struct fixture *f;
		struct store *other = NULL;
		struct error err = { 0 };

		assert_int_equal(fixture_setup(&fixture), 0);
		f = fixture;
		change(f, STORE_SERVED);
		fixture_shell(f, "cp -a $d $d.was");
		change(f, STORE_LEAVING);
		assert_int_equal(store_presence(f->store), STORE_THERE);
		fixture_shell(f, rows[i].command);
		if (store_presence(f->store) != rows[i].is)
			fail_msg("%s: %d", rows[i].name, store_presence(f->store));
		if (rows[i].is != STORE_THERE)
			FAILS(-ESTALE, store_begin(f->store, &err));
		store_close(f->store);
		f->store = NULL;
		err = (struct error){ 0 };
		if (rows[i].is == STORE_OVERWRITTEN)
			FAILS(-EUCLEAN, store_open(f->folder, false, &other, &err));
		else if (strcmp(rows[i].name, "removed") != 0)
			OK(store_open(f->folder, false, &other, &err));
		store_close(other);
		fixture_shell(f, "rm -rf $d.*");
		assert_int_equal(fixture_teardown(&fixture), 0);
	}
}

/* The commit's number has no place any more; it is no signal that ends the process. */
static void test_cut_short_in_a_transaction(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	OK(store_subscribe(f->store, STR_LIT("Sent"), true, &err));
	fixture_shell(f, ": > $d/lock");
	OK(store_commit(f->store, &err));
	assert_int_equal(store_presence(f->store), STORE_OVERWRITTEN);
}

/* By each commit: what was copied between two is not what is there now. */
static void test_each_commit_counts(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		change(f, i % 2 ? STORE_SERVED : STORE_LEAVING);
		assert_int_equal(store_presence(f->store), STORE_THERE);
		fixture_shell(f, "! cmp -s $d/lock $d.last && cp $d/lock $d.last");
	}
	fixture_shell(f, "rm $d.last");
}

/* As rsync does; its own times are those of the last commit, give or take a second. */
static void test_only_what_has_other_times_is_copied(void **state)
{
	struct fixture *f = *state;

	change(f, STORE_SERVED);
	fixture_shell(f, "cp -a $d $d.was; sleep 1.1");
	change(f, STORE_LEAVING);
	change(f, STORE_SERVED);
	assert_int_equal(store_presence(f->store), STORE_THERE);
	fixture_shell(f, "cd $d.was; find . -type f | while read f; do"
			 " of() { stat -c '%s %y' $1/$f; }; "
			 " [ \"$(of .)\" = \"$(of $d)\" ] || cat $f >$d/$f; done;"
			 " rm -r $d.was");
	assert_int_equal(store_presence(f->store), STORE_OVERWRITTEN);
}

/* ---- the disk was full when the folder was opened (called instead: --wrap) ---- */

static bool disk_is_full;

ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	if (!disk_is_full)
		return __real_pwrite(fd, bytes, n, at);
	errno = ENOSPC;
	return -1;
}

static void test_opened_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	store_close(f->store);
	fixture_shell(f, "rm $d/lock");
	disk_is_full = true;
	OK(store_open(f->folder, false, &f->store, &err));
	disk_is_full = false;
	assert_int_equal(store_presence(f->store), STORE_THERE);
	change(f, STORE_LEAVING);
	assert_int_equal(store_presence(f->store), STORE_THERE);
	fixture_shell(f, "test ! -s $d/lock; sleep 1.1");
	change(f, STORE_SERVED); /* there is room again: the number gets its place */
	assert_int_equal(store_presence(f->store), STORE_THERE);
	fixture_shell(f, "test -s $d/lock; cp -a $d $d.was");
	change(f, STORE_LEAVING);
	assert_int_equal(store_presence(f->store), STORE_THERE);
	fixture_shell(f, "cp -a $d.was/. $d/; rm -r $d.was");
	assert_int_equal(store_presence(f->store), STORE_OVERWRITTEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test_setup_teardown(
			test_cut_short_in_a_transaction, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_each_commit_counts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_only_what_has_other_times_is_copied,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_opened_on_a_full_disk, fixture_setup, fixture_teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
