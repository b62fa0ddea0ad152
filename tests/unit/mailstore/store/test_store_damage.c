/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locks, damage and a full disk: said in a sentence, and costing no more than they must.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ── locks and damage ──────────────────────────────────────────────────────────────── */

static void one_opener(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store *other = NULL;

	FAILS(-EBUSY, store_open(f->folder, true, &other, &err));
	FAILS(-ENOENT, store_open("/tmp/mailferry-none", false, &other, &err));
	FAILS(-ENOTDIR, store_open("/dev/null/x", false, &other, &err));
	store_close(NULL);
	fixture_reopen(f);
	fixture_shell(f, "test $(stat -c %a $d) = 700 -a $(stat -c %a $d/index.sqlite) "
			 "= 600 -a $(stat -c %a $d/bodies) = 700");
}

static const struct {
	const char *name, *command;
} damages[] = {
	{ "no sqlite file", "echo nonsense nonsense nonsense >$d/index.sqlite" },
	{ "emptied", "rm -f $d/index.sqlite*; : >$d/index.sqlite" },
	{ "another's", "rm -f $d/index.sqlite*; sqlite3 $d/index.sqlite "
		       "'CREATE TABLE account (modseq); PRAGMA user_version = 1'" },
	{ "newer", "sqlite3 $d/index.sqlite 'PRAGMA user_version = 99'" },
	{ "pages overwritten",
		"dd if=/dev/urandom of=$d/index.sqlite bs=4096 seek=1 count=99 "
		"conv=notrunc 2>/dev/null" },
};

static void damaged_index_is_said(void **state)
{
	struct error err = { 0 };

	for (size_t i = 0; i < COUNT(damages); i++) {
		void *own = NULL;
		struct fixture *f;
		int code;

		(void)state;
		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		OK(store_begin(f->store, &err));
		(void)add_packed(f->store, add_mailbox(f->store, "a"), 0, STR_LIT("x"));
		OK(store_commit(f->store, &err));
		store_close(f->store);
		f->store = NULL;
		fixture_shell(f, damages[i].command);
		for (int create = 0; create < 2; create++) {
			code = store_open(f->folder, create != 0, &f->store, &err);
			if (code != -EUCLEAN)
				print_error("%s: %d\n", damages[i].name, code);
			assert_int_equal(code, -EUCLEAN);
			assert_non_null(strstr(err.text, f->folder));
		}
		(void)fixture_teardown(&own);
	}
}

static void missing_index_is_not_made_beside_bodies(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, add_mailbox(f->store, "a"), 0, STR_LIT("x"));
	OK(store_commit(f->store, &err));
	store_close(f->store);
	f->store = NULL;
	fixture_shell(f, "rm $d/index.sqlite*");
	FAILS(-ENOENT, store_open(f->folder, false, &f->store, &err));
	FAILS(-EUCLEAN, store_open(f->folder, true, &f->store, &err));
}

static const struct {
	const char *name, *command;
} lies[] = {
	{ "unseen", "UPDATE mailbox SET unseen = 7" },
	{ "messages", "UPDATE mailbox SET messages = 0" },
	{ "bytes", "UPDATE mailbox SET bytes = 0" },
	{ "uidnext", "UPDATE mailbox SET uidnext = 1" },
	{ "modseq", "UPDATE message SET modseq = 999" },
	{ "account's modseq", "UPDATE account SET modseq = 1" },
	{ "past the end", "UPDATE message SET len = 999 WHERE uid = 2" },
	{ "overlap", "UPDATE message SET offset = 3 WHERE uid = 2" },
	{ "no such pack", "UPDATE message SET pack = 9 WHERE uid = 2" },
	{ "inline gone", "DELETE FROM body" },
	{ "inline longer", "UPDATE body SET bytes = bytes || 'x'" },
	{ "inline unused", "INSERT INTO body (bytes) VALUES ('x')" },
	{ "of no mailbox", "PRAGMA foreign_keys = OFF; DELETE FROM mailbox" },
	{ "there and gone",
		"INSERT INTO expunged (mailbox, modseq, uid) VALUES (1, 1, 1)" },
};

static void verify_finds(void **state)
{
	char command[256];
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		void *own = NULL;
		struct fixture *f;
		int64_t id;

		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		OK(store_begin(f->store, &err));
		id = add_mailbox(f->store, "a");
		(void)add_packed(f->store, id, 0, STR_LIT("first"));
		(void)add_packed(f->store, id, 0, STR_LIT("second"));
		(void)add_inline(f->store, id, 0, STR_LIT("third"));
		OK(store_verify(f->store, &err)); /* inside a transaction too */
		OK(store_commit(f->store, &err));
		(void)snprintf(command, sizeof(command), "sqlite3 $d/index.sqlite \"%s\"",
			lies[i].command);
		fixture_shell(f, command);
		if (store_verify(f->store, &err) != -EUCLEAN)
			print_error("not found: %s\n", lies[i].name);
		FAILS(-EUCLEAN, store_verify(f->store, &err));
		(void)fixture_teardown(&own);
	}
}

static const struct {
	const char *name, *command;
} losses[] = {
	{ "missing", "rm $d/bodies/0001.pack" },
	{ "cut short", "truncate -s 3 $d/bodies/0001.pack" },
};

static void lost_pack_costs_its_messages_only(void **state)
{
	struct error err = { 0 };
	struct body body;

	(void)state;
	for (size_t i = 0; i < COUNT(losses); i++) {
		void *own = NULL;
		struct fixture *f;
		int64_t id;

		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		OK(store_begin(f->store, &err));
		id = add_mailbox(f->store, "a");
		(void)add_packed(f->store, id, 0, STR_LIT("first"));
		(void)add_inline(f->store, id, 0, STR_LIT("second"));
		OK(store_commit(f->store, &err));
		store_close(f->store);
		f->store = NULL;
		fixture_shell(f, losses[i].command);
		OK(store_open(f->folder, false, &f->store, &err));
		FAILS(-EIO, store_body(f->store, id, 1, &body, &err));
		assert_body(f->store, id, 2, STR_LIT("second"));
		OK(store_begin(f->store, &err));
		(void)add_packed(f->store, id, 0, STR_LIT("third"));
		OK(store_commit(f->store, &err));
		assert_body(f->store, id, 3, STR_LIT("third"));
		assert_true(fixture_size(f, "bodies/0002.pack") ==
			    5); /* never into the gap */
		FAILS(-EUCLEAN, store_verify(f->store, &err));
		OK(store_begin(f->store, &err)); /* the user may throw it away */
		OK(store_expunge(f->store, id, 1, &err));
		OK(store_commit(f->store, &err));
		OK(store_verify(f->store, &err));
		(void)fixture_teardown(&own);
	}
}

/* One byte of a body is another one: that message alone cannot be read, and it is said.
 */
static void flipped_bytes_are_found(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char *large = pattern(200000, 7);
	struct body body;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("first"));
	(void)add_packed(f->store, id, 0, str_of(large, 200000));
	(void)add_inline(f->store, id, 0, STR_LIT("third"));
	(void)add_packed(f->store, id, 0, STR_LIT("fourth"));
	OK(store_copy(f->store, id, 1, id, NULL, &err));
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err));
	fixture_reopen(f);
	fixture_shell(f, "printf X | dd of=$d/bodies/0001.pack bs=1 seek=1 conv=notrunc "
			 "2>/dev/null");
	fixture_shell(f, "printf X | dd of=$d/bodies/0001.pack bs=1 seek=150000 "
			 "conv=notrunc 2>/dev/null");
	fixture_shell(f, "sqlite3 $d/index.sqlite \"UPDATE body SET bytes = 'thirX'\"");
	FAILS(-EIO, store_body(f->store, id, 1, &body, &err));
	FAILS(-EIO, store_body_head(f->store, id, 1, &body, &err));
	FAILS(-EIO, store_body(f->store, id, 2, &body, &err));
	FAILS(-EIO, store_body(f->store, id, 3, &body, &err));
	assert_body(f->store, id, 4, STR_LIT("fourth"));
	FAILS(-EIO, store_body(f->store, id, 5, &body, &err)); /* the same bytes */
	/* who looks at its beginning only does not read all of a large one */
	OK(store_body_head(f->store, id, 2, &body, &err));
	assert_memory_equal(body.bytes.ptr, large, 1000);
	assert_int_equal(store_body_check(f->store, &body, &err), -EIO);
	assert_non_null(strstr(err.text, "0001.pack: the body of 200000 bytes at 5"));
	assert_non_null(strstr(err.text, "restore it from a backup"));
	FAILS(-EUCLEAN, store_verify(f->store, &err));
	free(large);
}

/* Those from before had no checksum, and are served as ever. */
static void bodies_without_a_checksum(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("first"));
	OK(store_commit(f->store, &err));
	fixture_shell(f, "sqlite3 $d/index.sqlite 'UPDATE message SET checksum = NULL'");
	assert_body(f->store, id, 1, STR_LIT("first"));
	OK(store_verify(f->store, &err));
}

/* ── disk full ─────────────────────────────────────────────────────────────────────── */

#define DISK "size=2m"

/* In a child: the mount namespace is its own. 77: this machine does not let us. */
static void enter_small_disk(const char *folder)
{
	if (unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", folder, "tmpfs", 0, DISK) < 0)
		_exit(77);
}

static int add_until_full(struct store *s, int64_t id, bool packed, struct error *err)
{
	char *bytes = pattern(60000, 3);
	struct body_place place = store_body_inline(str_of(bytes, 60000));
	struct store_message m = { .size = 60000 };
	struct body_writer w = { 0 };
	int code = 0;

	for (int i = 0; i < 100 && code == 0; i++) {
		if (packed) {
			code = store_body_begin(s, 60000, &w, err);
			for (size_t at = 0; at < 60000 && code == 0; at += 20000)
				code = store_body_write(
					s, &w, str_of(bytes + at, 20000), err);
			if (code == 0)
				code = store_body_end(s, &w, &place, err);
			else
				store_body_abort(s, &w);
		}
		if (code == 0)
			code = store_add(s, id, &m, &place, NULL, err);
	}
	free(bytes);
	return code;
}

static void fill_and_recover(const char *folder, bool packed)
{
	char path[128];
	struct error err = { 0 };
	struct store *s;
	struct mailbox m = { 0 };
	int64_t id;
	int code, filler;

	OK(store_open(folder, true, &s, &err));
	OK(store_begin(s, &err));
	id = add_mailbox(s, "a");
	(void)add_packed(s, id, 0, STR_LIT("before"));
	OK(store_commit(s, &err));
	(void)snprintf(path, sizeof(path), "%s/filler", folder);
	filler = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(filler >= 0);
	OK(posix_fallocate(filler, 0, 600000));
	close(filler);

	OK(store_begin(s, &err));
	code = add_until_full(s, id, packed, &err);
	if (code == 0)
		code = store_commit(s, &err);
	assert_int_equal(code, -ENOSPC);
	assert_non_null(strstr(err.text, packed ? "bodies/0001.pack" : folder));
	store_rollback(s);

	OK(store_mailbox_counts(s, id, &m, &err));
	assert_int_equal(m.messages, 1);
	assert_body(s, id, 1, STR_LIT("before"));
	assert_int_equal(unlink(path), 0);
	OK(store_begin(s, &err));
	(void)add_packed(s, id, 0, STR_LIT("after"));
	(void)add_inline(s, id, 0, STR_LIT("after, inline"));
	OK(store_commit(s, &err));
	OK(store_verify(s, &err));
	store_close(s);
	OK(store_open(folder, false, &s, &err));
	assert_body(s, id, 1, STR_LIT("before"));
	assert_body(s, id, 2, STR_LIT("after"));
	assert_body(s, id, 3, STR_LIT("after, inline"));
	OK(store_verify(s, &err));
	store_close(s);
}

static char full_folder[] = "/tmp/mailferry-full-XXXXXX";

static void full_packed(void **state)
{
	(void)state;
	enter_small_disk(full_folder);
	fill_and_recover(full_folder, true);
}

static void full_inline(void **state)
{
	(void)state;
	enter_small_disk(full_folder);
	fill_and_recover(full_folder, false);
}

static void disk_full(void **state)
{
	static const CMUnitTestFunction functions[] = { full_packed, full_inline };
	int status = 0;

	(void)state;
	assert_non_null(mkdtemp(full_folder));
	for (size_t i = 0; i < COUNT(functions); i++) {
		const struct CMUnitTest inner[] = { { .name = "on a small disk",
			.test_func = functions[i] } };
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			_exit(cmocka_run_group_tests(inner, NULL, NULL));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			break;
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_int_equal(rmdir(full_folder), 0);
	if (WEXITSTATUS(status) == 77)
		skip();
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_opener),
		cmocka_unit_test(damaged_index_is_said),
		TEST(missing_index_is_not_made_beside_bodies),
		cmocka_unit_test(verify_finds),
		cmocka_unit_test(lost_pack_costs_its_messages_only),
		TEST(flipped_bytes_are_found),
		TEST(bodies_without_a_checksum),
		cmocka_unit_test(disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
