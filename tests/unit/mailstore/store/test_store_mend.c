/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies that are lost, and come back from somewhere else. */
#include "fixture.h"

#include "base/fd.h"
#include "mailstore/store/mend.h"
#include "mailstore/store/source_side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define MENDED_LARGE 200000

static const struct {
	const char *name, *command;
	unsigned lost; /* bits, 1 << UID */
} mendable[] = {
	{ "flipped",
		"printf X | dd of=$d/bodies/0001.pack bs=1 seek=1 conv=notrunc "
		"2>/dev/null",
		1 << 1 | 1 << 5 },
	{ "flipped far",
		"printf X | dd of=$d/bodies/0001.pack bs=1 seek=150000 "
		"conv=notrunc 2>/dev/null",
		1 << 2 },
	{ "cut short", "truncate -s 200004 $d/bodies/0001.pack", 1 << 2 | 1 << 4 },
	{ "missing", "rm $d/bodies/0001.pack", 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 },
	{ "inline", "sqlite3 $d/index.sqlite \"UPDATE body SET bytes = 'thirX'\"",
		1 << 3 },
	{ "inline longer",
		"sqlite3 $d/index.sqlite \"UPDATE body SET bytes = 'third and'\"",
		1 << 3 },
	{ "inline gone", "sqlite3 $d/index.sqlite \"DELETE FROM body\"", 1 << 3 },
	{ "all of it",
		"rm $d/bodies/0001.pack; sqlite3 $d/index.sqlite "
		"\"DELETE FROM body\"",
		0x3e },
};

static int mend_with(struct store *s, int64_t id, uint32_t uid, struct str bytes,
	bool packed, struct error *err)
{
	struct body_place place = store_body_inline(bytes);
	struct body_writer w;

	if (packed) {
		assert_int_equal(0, store_body_begin(s, bytes.len, &w, err));
		assert_int_equal(0, store_body_write(s, &w, bytes, err));
		assert_int_equal(0, store_body_end(s, &w, &place, err));
	}
	return store_mend(s, id, uid, &place, err);
}

/* Other bytes of that length are refused; the right ones are taken, and the second time
   there is nothing to be done. */
static void mend_one(struct store *s, int64_t id, uint32_t uid, struct str bytes)
{
	struct error err = { 0 };
	struct lost_body lost;
	char *other = malloc(bytes.len);

	assert_non_null(other);
	memcpy(other, bytes.ptr, bytes.len);
	assert_int_equal(store_find_lost(s, id, uid, &lost, &err), 1);
	assert_int_equal(lost.place.len, bytes.len);
	other[bytes.len / 2] ^= 1;
	for (int packed = 0; packed < 2; packed++) {
		OK(store_begin(s, &err));
		FAILS(-EBADMSG,
			mend_with(s, id, uid, str_of(other, bytes.len), packed, &err));
		FAILS(-EBADMSG, mend_with(s, id, uid, str_take(bytes, bytes.len - 1),
					packed, &err));
		store_rollback(s);
		assert_int_equal(store_find_lost(s, id, uid, &lost, &err), 1);
	}
	free(other);
	OK(store_begin(s, &err)); /* killed before the commit */
	OK(mend_with(s, id, uid, bytes, bytes.len > 100, &err));
	store_rollback(s);
	assert_int_equal(store_find_lost(s, id, uid, &lost, &err), 1);
	OK(store_begin(s, &err));
	OK(mend_with(s, id, uid, bytes, bytes.len > 100, &err));
	OK(store_commit(s, &err));
	OK(store_find_lost(s, id, uid, &lost, &err));
}

static void mend_all(
	struct fixture *f, int64_t id, const struct str *bodies, unsigned lost)
{
	struct error err = { 0 };
	struct lost_body is;

	for (uint32_t uid = 1; uid <= 5; uid++) {
		int found = store_find_lost(f->store, id, uid, &is, &err);

		/* 5 is a copy of 1: mended with it */
		if (found != (int)(uid < 5 && lost >> uid & 1))
			print_error("UID %u: %d of %x\n", uid, found, lost);
		assert_int_equal(found, uid < 5 && lost >> uid & 1);
		if (found)
			mend_one(f->store, id, uid, bodies[uid]);
	}
	FAILS(-ENOENT, store_find_lost(f->store, id, 6, &is, &err));
}

static void what_is_lost_is_mended_with_the_same_bytes_alone(void **state)
{
	char *large = pattern(MENDED_LARGE, 7);
	const struct str bodies[] = { STR(""), STR("first"), str_of(large, MENDED_LARGE),
		STR("third"), STR("fourth"), STR("first") };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(mendable); i++) {
		struct error err = { 0 };
		void *own = NULL;
		struct fixture *f;
		struct mailbox before, after;
		int64_t id;

		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		OK(store_begin(f->store, &err));
		id = add_mailbox(f->store, "a");
		(void)add_packed(f->store, id, 0, bodies[1]);
		(void)add_packed(f->store, id, 0, bodies[2]);
		(void)add_inline(f->store, id, 0, bodies[3]);
		(void)add_packed(f->store, id, 0, bodies[4]);
		OK(store_copy(f->store, id, 1, id, NULL, &err));
		OK(store_commit(f->store, &err));
		for (uint32_t uid = 1; uid <= 5; uid++) /* read and found right */
			assert_body(f->store, id, uid, bodies[uid]);
		before = get_mailbox(f, "a");
		fixture_shell(f, mendable[i / 2].command);
		if (i % 2)
			fixture_reopen(f);
		mend_all(f, id, bodies, mendable[i / 2].lost);
		after = get_mailbox(f, "a");
		assert_true(after.highestmodseq == before.highestmodseq &&
			    after.uidnext == before.uidnext &&
			    after.bytes == before.bytes);
		fixture_reopen(f);
		for (uint32_t uid = 1; uid <= 5; uid++)
			assert_body(f->store, id, uid, bodies[uid]);
		OK(store_verify(f->store, &err));
		(void)fixture_teardown(&own);
	}
	free(large);
}

/* A file with the bytes, or with NULs where they were replaced; and with others. */
static void a_file_is_recognised(void **state)
{
	static const struct {
		struct str here, there;
		int code;
		bool is_exact;
	} cases[] = {
		{ STR("a\0b\0"), STR("a\0b\0"), 0, true },
		{ STR("a\x80"
		      "b\x80"),
			STR("a\0b\0"), 0, false },
		{ STR("a\x80"
		      "b\x80"),
			STR("a\x80"
			    "b\0"),
			0, false },
		{ STR("a\0b\0"),
			STR("a\x80"
			    "b\x80"),
			-EBADMSG, false },
		{ STR("abcd"), STR("abce"), -EBADMSG, false },
		{ STR("abcd"), STR("abc"), -EBADMSG, false },
		{ STR("abcd"), STR("abcde"), -EBADMSG, false },
		{ STR("abcd"), STR(""), -EBADMSG, false },
	};
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int fd = memfd_create("test", MFD_CLOEXEC);
		struct fixture *f;
		void *own = NULL;
		struct lost_body lost;
		bool is_exact = false;
		int64_t id;

		assert_int_equal(fixture_setup(&own), 0);
		f = own;
		OK(store_begin(f->store, &err));
		id = add_mailbox(f->store, "a");
		(void)add_packed(f->store, id, 0, cases[i].here);
		OK(store_commit(f->store, &err));
		fixture_shell(f, "rm $d/bodies/0001.pack");
		assert_int_equal(store_find_lost(f->store, id, 1, &lost, &err), 1);
		OK(fd_write_all(fd, cases[i].there.ptr, cases[i].there.len));
		assert_int_equal(
			store_lost_is_in(&lost, fd, cases[i].there.len, &is_exact, &err),
			cases[i].code);
		assert_true(is_exact == cases[i].is_exact);
		lost.has_checksum = false;
		assert_int_equal(
			store_lost_is_in(&lost, fd, cases[i].there.len, &is_exact, &err),
			-EBADMSG);
		(void)close(fd);
		(void)fixture_teardown(&own);
	}
}

/* ── where the source has it ───────────────────────────────────────────────────────── */

static void expect_origin(struct fixture *f, int64_t id, uint32_t uid, const char *folder,
	uint32_t uidvalidity, uint32_t source_uid)
{
	struct error err = { 0 };
	struct store_origin is = { 0 };
	int n = store_source_of(f->store, id, uid, &f->arena, &is, &err);

	assert_int_equal(n, folder != NULL);
	if (!folder)
		return;
	assert_str(is.folder, folder);
	assert_int_equal(is.uidvalidity, uidvalidity);
	assert_int_equal(is.uid, source_uid);
}

static uint32_t add_of(struct fixture *f, int64_t id, int64_t date, const char *body)
{
	const struct body_place place = store_body_inline(str_from(body));
	struct store_message m = { .size = place.len,
		.date = date,
		.keywords = STR_LIT(""),
		.uidl = STR_LIT("") };
	struct error err = { 0 };
	uint32_t uid = 0;

	OK(store_add(f->store, id, &m, &place, &uid, &err));
	return uid;
}

/* By the base, as a counterpart, and as what was moved here from such a one. */
static void its_place_at_the_source(void **state)
{
	struct fixture *f = *state;
	struct store_counterpart pair = { .folder = STR("inbox"),
		.uidvalidity = 77,
		.other_uid = 30,
		.digest = STR("") };
	struct error err = { 0 };
	uint32_t validity, uid;
	int64_t inbox, other;

	OK(store_begin(f->store, &err));
	inbox = add_mailbox(f->store, "INBOX");
	other = add_mailbox(f->store, "Other");
	(void)add_of(f, inbox, 100, "old");
	(void)add_of(f, inbox, 200, "to be moved");
	OK(store_note_switch(f->store, &err));
	pair.mailbox = inbox;
	pair.uid = add_of(f, inbox, 300, "swept");
	OK(store_set_counterpart(f->store, &pair, &err));
	pair.uid = add_of(f, inbox, 400, "planned");
	pair.other_uid = 0;
	OK(store_set_counterpart(f->store, &pair, &err));
	(void)add_of(f, inbox, 500, "came here");
	for (uid = 2; uid <= 5; uid++) {
		OK(store_copy(f->store, inbox, uid, other, NULL, &err));
		if (uid != 5)
			OK(store_expunge(f->store, inbox, uid, &err));
	}
	OK(store_commit(f->store, &err));
	validity = get_mailbox(f, "INBOX").uidvalidity;
	expect_origin(f, inbox, 1, "INBOX", validity, 1);
	expect_origin(f, other, 1, "INBOX", validity, 2);
	expect_origin(f, other, 2, "INBOX", 77, 30);
	expect_origin(f, other, 3, NULL, 0, 0);
	expect_origin(f, inbox, 5, NULL, 0, 0);
	expect_origin(f, other, 4, NULL, 0, 0);
	expect_origin(f, 99, 1, NULL, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lost_is_mended_with_the_same_bytes_alone),
		cmocka_unit_test(a_file_is_recognised),
		cmocka_unit_test_setup_teardown(
			its_place_at_the_source, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests_name("store mend", tests, NULL, NULL);
}
