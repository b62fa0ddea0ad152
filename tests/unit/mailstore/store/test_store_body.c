/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies byte for byte, packs, damage, a full disk. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GIB ((uint64_t)1 << 30)

/* ── byte for byte ─────────────────────────────────────────────────────────────────── */

static const struct {
	const char *name;
	struct str body;
} bodies[] = {
	{ "empty", STR("") },
	{ "one NUL", STR("\0") },
	{ "NULs inside", STR("Subject: a\0b\r\n\r\n\0\0") },
	{ "bare CR", STR("a\rb\r\rc\r") },
	{ "bare LF", STR("a\nb\n\n") },
	{ "CR CR LF", STR("a\r\r\n") },
	{ "no last CRLF", STR("Subject: x\r\n\r\nend") },
	{ "8-bit", STR("\xff\xfe\x80\x81 \xc3\x28") },
	{ "a dot", STR("\r\n.\r\n..\r\n") },
	{ "like a number", STR("12345") },
};

static void bodies_are_exact(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t packed, in_index;

	OK(store_begin(f->store, &err));
	packed = add_mailbox(f->store, "packed");
	in_index = add_mailbox(f->store, "inline");
	for (size_t i = 0; i < COUNT(bodies); i++) {
		(void)add_packed(f->store, packed, 0, bodies[i].body);
		(void)add_inline(f->store, in_index, 0, bodies[i].body);
	}
	OK(store_commit(f->store, &err));
	for (int again = 0; again < 2; again++) {
		for (uint32_t i = 0; i < COUNT(bodies); i++) {
			assert_body(f->store, packed, i + 1, bodies[i].body);
			assert_body(f->store, in_index, i + 1, bodies[i].body);
		}
		fixture_reopen(f);
	}
	FAILS(-ENOENT, store_body(f->store, packed, 99, &(struct body){ 0 }, &err));
	OK(store_verify(f->store, &err));
}

/* Bytes that tell where they belong. */
static char *pattern(size_t len, unsigned seed)
{
	char *bytes = malloc(len ? len : 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (char)(seed >> 16);
	}
	return bytes;
}

/* Around the sizes at which pieces are gathered or not: 32 KiB, 256 KiB. */
static const struct {
	size_t len, piece;
} piece_rows[] = {
	{ 1, 1 },
	{ 3000, 1 },
	{ 100000, 4096 },
	{ 300000, 4096 },
	{ 300000, 32767 },
	{ 300000, 32768 },
	{ 262144, 262144 },
	{ 262145, 20000 },
	{ 1000000, 300000 },
	{ 5000000, 65536 },
};

static void write_pieces(struct store *s, struct body_writer *w, const char *bytes,
	size_t len, size_t piece)
{
	struct error err = { 0 };

	for (size_t at = 0; at < len; at += piece)
		OK(store_body_write(s, w,
			str_of(bytes + at, len - at < piece ? len - at : piece), &err));
}

static void pieces_of_any_size(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer w;
	struct body_place place;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (size_t i = 0; i < COUNT(piece_rows); i++) {
		struct store_message m = { .size = piece_rows[i].len };
		char *bytes = pattern(piece_rows[i].len, (unsigned)i);

		OK(store_body_begin(f->store, piece_rows[i].len, &w, &err));
		write_pieces(f->store, &w, bytes, piece_rows[i].len, piece_rows[i].piece);
		OK(store_body_end(f->store, &w, &place, &err));
		OK(store_add(f->store, id, &m, &place, NULL, &err));
		free(bytes);
	}
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	for (size_t i = 0; i < COUNT(piece_rows); i++) {
		char *bytes = pattern(piece_rows[i].len, (unsigned)i);

		assert_body(
			f->store, id, (uint32_t)i + 1, str_of(bytes, piece_rows[i].len));
		free(bytes);
	}
	OK(store_verify(f->store, &err));
}

#define WRITERS 7 /* more than there are buffers */

static void writers_side_by_side(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer w[WRITERS];
	struct body_place place;
	char *bytes[WRITERS];
	size_t len[WRITERS];
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (unsigned i = 0; i < WRITERS; i++) {
		len[i] = 50000 + i * 1000;
		bytes[i] = pattern(len[i], i);
		OK(store_body_begin(f->store, len[i], &w[i], &err));
	}
	for (size_t at = 0; at < 57000; at += 1000)
		for (unsigned i = 0; i < WRITERS; i++)
			if (at < len[i])
				OK(store_body_write(f->store, &w[i],
					str_of(bytes[i] + at, 1000), &err));
	for (unsigned i = WRITERS; i > 0; i--) {
		struct store_message m = { .uid = i };

		OK(store_body_end(f->store, &w[i - 1], &place, &err));
		OK(store_add(f->store, id, &m, &place, NULL, &err));
	}
	OK(store_commit(f->store, &err));
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_body(f->store, id, i + 1, str_of(bytes[i], len[i]));
		free(bytes[i]);
	}
	OK(store_verify(f->store, &err));
}

/* A literal comes in while other sessions commit: three transactions of others. */
static void body_across_transactions(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store_message m = { 0 };
	struct body_writer w;
	struct body_place place;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	OK(store_commit(f->store, &err));
	OK(store_body_begin(f->store, 6, &w, &err));
	for (int i = 0; i < 3; i++) {
		OK(store_body_write(f->store, &w, STR_LIT("ab"), &err));
		OK(store_begin(f->store, &err));
		(void)add_packed(f->store, id, 0, STR_LIT("other"));
		OK(store_commit(f->store, &err));
	}
	OK(store_body_end(f->store, &w, &place, &err));
	OK(store_begin(f->store, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	store_rollback(f->store);
	OK(store_begin(f->store, &err)); /* the place outlives a rollback */
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err)); /* and serves twice */
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	assert_body(f->store, id, 4, STR_LIT("ababab"));
	assert_body(f->store, id, 5, STR_LIT("ababab"));
	assert_body(f->store, id, 2, STR_LIT("other"));
	OK(store_verify(f->store, &err));
}

static void lengths_are_kept_to(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer w;
	struct body_place place;

	OK(store_body_begin(f->store, 4, &w, &err));
	OK(store_body_write(f->store, &w, STR_LIT("abc"), &err));
	FAILS(-EINVAL, store_body_end(f->store, &w, &place, &err));
	FAILS(-EOVERFLOW, store_body_write(f->store, &w, STR_LIT("de"), &err));
	OK(store_body_write(f->store, &w, STR_LIT("d"), &err));
	OK(store_body_write(f->store, &w, STR_LIT(""), &err));
	FAILS(-EOVERFLOW, store_body_write(f->store, &w, STR_LIT("e"), &err));
	OK(store_body_end(f->store, &w, &place, &err));
	OK(store_body_begin(f->store, 0, &w, &err));
	FAILS(-EOVERFLOW, store_body_write(f->store, &w, STR_LIT("e"), &err));
	OK(store_body_end(f->store, &w, &place, &err));
	FAILS(-EFBIG, store_body_begin(f->store, UINT64_MAX, &w, &err));
	FAILS(-EFBIG, store_body_begin(f->store, (uint64_t)1 << 63, &w, &err));
}

/* ── ranges ────────────────────────────────────────────────────────────────────────── */

static off_t size_of(const struct fixture *f, const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void aborted_ranges_are_reused(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer a, b, c;
	struct body_place place;
	struct store_message m = { 0 };
	char *bytes = pattern(100000, 1);
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("0123456789"));
	OK(store_body_begin(f->store, 100000, &a, &err));
	write_pieces(f->store, &a, bytes, 100000, 1000);
	store_body_abort(f->store, &a); /* at the end, still in the buffer */
	OK(store_body_begin(f->store, 99990, &a, &err));
	assert_int_equal(a.offset, 10);
	write_pieces(f->store, &a, bytes + 10, 99990, 99990); /* past the buffer */
	OK(store_body_end(f->store, &a, &place, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_body_begin(f->store, 100000, &a, &err));
	write_pieces(f->store, &a, bytes, 100000, 50000); /* on the disk */
	OK(store_body_begin(f->store, 5, &b, &err));
	store_body_abort(f->store, &a); /* in the middle */
	OK(store_body_write(f->store, &b, STR_LIT("fives"), &err));
	OK(store_body_begin(f->store, 7, &c, &err));
	assert_int_equal(c.offset, 200005);
	OK(store_body_write(f->store, &c, STR_LIT("doomed!"), &err));
	store_body_abort(f->store, &c);
	OK(store_body_begin(f->store, 3, &c, &err));
	assert_int_equal(c.offset, 200005);
	OK(store_body_write(f->store, &c, STR_LIT("end"), &err));
	OK(store_body_end(f->store, &b, &place, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_body_end(f->store, &c, &place, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(size_of(f, "bodies/0001.pack"), 200008);
	assert_body(f->store, id, 1, STR_LIT("0123456789"));
	assert_body(f->store, id, 2, str_of(bytes + 10, 99990));
	assert_body(f->store, id, 3, STR_LIT("fives"));
	assert_body(f->store, id, 4, STR_LIT("end"));
	free(bytes);
	OK(store_body_begin(f->store, 0, &c, &err));
	store_body_abort(f->store, &c);
	OK(store_verify(f->store, &err));
}

static void torn_tail_is_reused(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("committed"));
	OK(store_commit(f->store, &err));
	fixture_shell(f, "printf 'written but never committed' >>$d/bodies/0001.pack");
	fixture_reopen(f);
	OK(store_verify(f->store, &err));
	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, id, 0, STR_LIT("second"));
	OK(store_commit(f->store, &err));
	fixture_shell(f, "test \"$(head -c 15 $d/bodies/0001.pack)\" = committedsecond");
	assert_body(f->store, id, 2, STR_LIT("second"));
}

static void packs_end_and_die(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer w;
	struct body body;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("first"));
	(void)add_packed(f->store, id, 0, STR_LIT("second"));
	OK(store_copy(f->store, id, 2, id, NULL, &err));
	OK(store_commit(f->store, &err));
	OK(store_body_begin(f->store, GIB - 11, &w, &err)); /* to the last byte */
	assert_int_equal(w.pack, 1);
	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, id, 0, STR_LIT("third"));
	OK(store_expunge(f->store, id, 1, &err));
	OK(store_expunge(f->store, id, 2, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(size_of(f, "bodies/0002.pack"), 5);
	assert_int_equal(size_of(f, "bodies/0001.pack"), 11); /* the copy lives */
	OK(store_body(f->store, id, 3, &body, &err));
	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, id, 3, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(size_of(f, "bodies/0001.pack"), 11); /* w is still writing */
	store_body_abort(f->store, &w);
	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, id, 4, &err));
	OK(store_commit(f->store, &err));
	assert_true(size_of(f, "bodies/0001.pack") < 0);
	assert_int_equal(size_of(f, "bodies/0002.pack"), 5); /* the current one stays */
	assert_str(body.bytes, "second");                    /* who reads, reads on */
	assert_int_equal(pread(body.fd, (char[6]){ 0 }, 6, (off_t)body.offset), 6);
	store_body_release(&body);
	fixture_reopen(f);
	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, id, 0, STR_LIT("fourth"));
	OK(store_commit(f->store, &err));
	assert_body(f->store, id, 5, STR_LIT("fourth"));
	OK(store_verify(f->store, &err));
}

/* The crash came between the commit and the unlink. */
static void dead_pack_goes_at_the_next_open(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, add_mailbox(f->store, "a"), 0, STR_LIT("x"));
	OK(store_commit(f->store, &err));
	store_close(f->store);
	f->store = NULL;
	fixture_shell(f, "mv $d/bodies/0001.pack $d/bodies/0002.pack;"
			 " echo old >$d/bodies/0001.pack;"
			 " sqlite3 $d/index.sqlite 'UPDATE message SET pack = 2;"
			 " INSERT INTO dead_pack VALUES (1)'");
	OK(store_open(f->folder, false, &f->store, &err));
	assert_true(size_of(f, "bodies/0001.pack") < 0);
	OK(store_begin(f->store, &err));
	OK(store_commit(f->store, &err));
	fixture_shell(
		f, "test -z \"$(sqlite3 $d/index.sqlite 'SELECT * FROM dead_pack')\"");
	OK(store_verify(f->store, &err));
}

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
	{ "there and gone", "INSERT INTO expunged VALUES (1, 1, 1)" },
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
		assert_true(size_of(f, "bodies/0002.pack") == 5); /* never into the gap */
		FAILS(-EUCLEAN, store_verify(f->store, &err));
		OK(store_begin(f->store, &err)); /* the user may throw it away */
		OK(store_expunge(f->store, id, 1, &err));
		OK(store_commit(f->store, &err));
		OK(store_verify(f->store, &err));
		(void)fixture_teardown(&own);
	}
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
		TEST(bodies_are_exact),
		TEST(pieces_of_any_size),
		TEST(writers_side_by_side),
		TEST(body_across_transactions),
		TEST(lengths_are_kept_to),
		TEST(aborted_ranges_are_reused),
		TEST(torn_tail_is_reused),
		TEST(packs_end_and_die),
		TEST(dead_pack_goes_at_the_next_open),
		TEST(one_opener),
		cmocka_unit_test(damaged_index_is_said),
		TEST(missing_index_is_not_made_beside_bodies),
		cmocka_unit_test(verify_finds),
		cmocka_unit_test(lost_pack_costs_its_messages_only),
		cmocka_unit_test(disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
