/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies byte for byte, and the packs that they lie in. */
#include "fixture.h"

#include "mailstore/store/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Around the sizes at which pieces are gathered or not: 128 KiB, 256 KiB. */
static const struct {
	size_t len, piece;
} piece_rows[] = {
	{ 1, 1 },
	{ 3000, 1 },
	{ 100000, 4096 },
	{ 300000, 4096 },
	{ 300000, 131071 },
	{ 300000, 131072 },
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

static void aborted_ranges_are_reused(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer a, b, c;
	struct body_place place;
	struct store_message m = { 0 };
	char *bytes = pattern(200000, 1);
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("0123456789"));
	OK(store_body_begin(f->store, 100000, &a, &err));
	write_pieces(f->store, &a, bytes, 100000, 1000);
	store_body_abort(f->store, &a); /* at the end, still in the buffer */
	OK(store_body_begin(f->store, 199990, &a, &err));
	assert_int_equal(a.offset, 10);
	write_pieces(f->store, &a, bytes + 10, 199990, 199990); /* past the buffer */
	OK(store_body_end(f->store, &a, &place, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_body_begin(f->store, 200000, &a, &err));
	write_pieces(f->store, &a, bytes, 200000, 150000); /* on the disk */
	OK(store_body_begin(f->store, 5, &b, &err));
	store_body_abort(f->store, &a); /* in the middle */
	OK(store_body_write(f->store, &b, STR_LIT("fives"), &err));
	OK(store_body_begin(f->store, 7, &c, &err));
	assert_int_equal(c.offset, 400005);
	OK(store_body_write(f->store, &c, STR_LIT("doomed!"), &err));
	store_body_abort(f->store, &c);
	OK(store_body_begin(f->store, 3, &c, &err));
	assert_int_equal(c.offset, 400005);
	OK(store_body_write(f->store, &c, STR_LIT("end"), &err));
	OK(store_body_end(f->store, &b, &place, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_body_end(f->store, &c, &place, &err));
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(fixture_size(f, "bodies/0001.pack"), 400008);
	assert_body(f->store, id, 1, STR_LIT("0123456789"));
	assert_body(f->store, id, 2, str_of(bytes + 10, 199990));
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

/* Read and compared the first time, and in memory not even then. */
static void sent_without_being_kept(void **state)
{
	static const struct {
		const char *name;
		uint32_t uid;
		uint64_t read_max;
		bool held; /* and not in memory */
	} rows[] = {
		{ "small", 1, 0, true },
		{ "small, short enough", 1, 1000, false },
		{ "large", 2, 16384, true },
		{ "large, short enough", 2, 100000, false },
		{ "in the index", 3, 0, false },
		{ "empty", 4, 0, false },
	};
	static char large[100000];
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	memset(large, 'x', sizeof(large));
	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("small"));
	(void)add_packed(f->store, id, 0, str_of(large, sizeof(large)));
	(void)add_inline(f->store, id, 0, STR_LIT("in the index"));
	(void)add_packed(f->store, id, 0, STR_LIT(""));
	OK(store_commit(f->store, &err));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct body body, again, whole;

		fixture_reopen(f);
		OK(store_body_to_send(
			f->store, id, rows[i].uid, rows[i].read_max, &body, &err));
		OK(store_body_to_send(
			f->store, id, rows[i].uid, rows[i].read_max, &again, &err));
		if (rows[i].held != !body.bytes.ptr || rows[i].held != !again.bytes.ptr)
			fail_msg("%s", rows[i].name);
		assert_int_equal(again.bytes.len, body.bytes.len);
		OK(store_body(f->store, id, rows[i].uid, &whole, &err));
		assert_int_equal(again.fd, whole.fd);
		assert_int_equal(again.offset, whole.offset);
		if (rows[i].held)
			assert_true(str_eq(store_body_see(&again, 1, true),
				str_skip(whole.bytes, 1)));
		OK(store_body_read(&again));
		assert_true(str_eq(again.bytes, whole.bytes));
		OK(store_body_read(&again));
		store_body_release(&body);
		store_body_release(&again);
		store_body_release(&whole);
	}
}

#define IN_ORDER 40

/* What is read ahead changes nothing: with gaps, out of order, with writes between. */
static void one_after_the_other(void **state)
{
	static const uint32_t order[] = { 1, 2, 3, 4, 6, 7, 8, 30, 31, 33, 40, 41, 5, 6,
		6, 7, 20, 19, 21, 32 };
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id, other;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	other = add_mailbox(f->store, "b");
	for (uint32_t uid = 1; uid <= IN_ORDER; uid++) {
		char text[16];
		int len = snprintf(text, sizeof(text), "body %" PRIu32, uid);

		(void)add_packed(f->store, id, 0, str_of(text, (size_t)len));
		(void)add_packed(f->store, other, 0, STR_LIT("another one"));
	}
	OK(store_expunge(f->store, id, 5, &err));
	OK(store_commit(f->store, &err));
	for (size_t i = 0; i < COUNT(order); i++) {
		bool is_there = order[i] != 5 && order[i] <= IN_ORDER;
		struct body body;
		char text[16];

		if (i % 7 == 0)
			OK(store_read_begin(f->store, &err));
		if (order[i] == 33) { /* ends the reading */
			OK(store_begin(f->store, &err));
			OK(store_expunge(f->store, id, 32, &err));
			OK(store_commit(f->store, &err));
		}
		is_there &= order[i] != 32;
		assert_int_equal(
			store_body_to_send(f->store, id, order[i], 0, &body, &err),
			is_there ? 0 : -ENOENT);
		if (is_there) {
			(void)snprintf(text, sizeof(text), "body %" PRIu32, order[i]);
			OK(store_body_read(&body));
			assert_str(body.bytes, text);
			store_body_release(&body);
		}
		if (i % 7 == 6)
			store_read_end(f->store);
	}
	store_read_end(f->store);
}

/* A pack's length is looked at once in a reading. */
static void cut_short_while_it_is_read(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body first, known, body;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("first"));
	(void)add_packed(f->store, id, 0, STR_LIT("known"));
	(void)add_packed(f->store, id, 0, STR_LIT("third"));
	OK(store_commit(f->store, &err));
	OK(store_body(f->store, id, 2, &known, &err));
	store_body_release(&known);
	OK(store_read_begin(f->store, &err));
	OK(store_body_to_send(f->store, id, 1, 0, &first, &err));
	fixture_shell(f, "truncate -s 5 $d/bodies/0001.pack");
	OK(store_body_to_send(f->store, id, 2, 0, &known, &err));
	assert_null(store_body_see(&known, 0, true).ptr);
	assert_int_equal(store_body_read(&known), -EIO);
	FAILS(-EIO, store_body_to_send(f->store, id, 3, 0, &body, &err));
	OK(store_body_read(&first));
	assert_str(first.bytes, "first");
	store_body_release(&first);
	store_read_end(f->store);
}

/* A damaged one is never sent so: it does not become known. */
static void damaged_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body body;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_packed(f->store, id, 0, STR_LIT("to be damaged"));
	OK(store_commit(f->store, &err));
	fixture_shell(f, "printf T | dd of=$d/bodies/0001.pack conv=notrunc 2>/dev/null");
	for (int n = 0; n < 2; n++)
		FAILS(-EIO, store_body_to_send(f->store, id, 1, 0, &body, &err));
	fixture_shell(f, "printf t | dd of=$d/bodies/0001.pack conv=notrunc 2>/dev/null");
	OK(store_body_to_send(f->store, id, 1, 0, &body, &err));
	store_body_release(&body);
	fixture_shell(f, "truncate -s 5 $d/bodies/0001.pack");
	FAILS(-EIO, store_body_to_send(f->store, id, 1, 0, &body, &err));
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
	assert_int_equal(fixture_size(f, "bodies/0002.pack"), 5);
	assert_int_equal(fixture_size(f, "bodies/0001.pack"), 11); /* the copy lives */
	OK(store_body(f->store, id, 3, &body, &err));
	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, id, 3, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(
		fixture_size(f, "bodies/0001.pack"), 11); /* w is still writing */
	store_body_abort(f->store, &w);
	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, id, 4, &err));
	OK(store_commit(f->store, &err));
	assert_true(fixture_size(f, "bodies/0001.pack") < 0);
	assert_int_equal(
		fixture_size(f, "bodies/0002.pack"), 5); /* the current one stays */
	assert_str(body.bytes, "second");                /* who reads, reads on */
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
	assert_true(fixture_size(f, "bodies/0001.pack") < 0);
	OK(store_begin(f->store, &err));
	OK(store_commit(f->store, &err));
	fixture_shell(
		f, "test -z \"$(sqlite3 $d/index.sqlite 'SELECT * FROM dead_pack')\"");
	OK(store_verify(f->store, &err));
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
		TEST(sent_without_being_kept),
		TEST(one_after_the_other),
		TEST(cut_short_while_it_is_read),
		TEST(damaged_is_not_sent),
		TEST(packs_end_and_die),
		TEST(dead_pack_goes_at_the_next_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
