/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is kept beside messages: modseqs as the source's clients know them, metadata,
   keywords without a message; and what a message has from its birth. */
#include "base/buf.h"
#include "fixture.h"
#include "mailstore/store/source_side.h"

#include <errno.h>
#include <stdio.h>

static void base(struct fixture *f, int64_t id, uint64_t modseq)
{
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	OK(store_base_modseq(f->store, id, modseq, &err));
	OK(store_commit(f->store, &err));
}

/* What SELECT shows. */
static uint64_t shown(struct fixture *f)
{
	struct mailbox m = get_mailbox(f, "box");

	return mailbox_modseq(&m, m.highestmodseq);
}

static void modseqs_go_on(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	uint64_t modseq;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "box");
	(void)add_inline(f->store, id, 5, STR_LIT("one"));
	(void)add_inline(f->store, id, 7, STR_LIT("two"));
	OK(store_commit(f->store, &err));
	/* looked at once: who knows the source's number is told all anew */
	base(f, id, 1000);
	assert_int_equal(shown(f), 1001);
	/* it is still the same, and so are we: nothing is news to them */
	base(f, id, 1000);
	assert_int_equal(shown(f), 1000);
	base(f, id, 1000);
	assert_int_equal(shown(f), 1000);
	/* the source went on; what it did came with this pass */
	OK(store_begin(f->store, &err));
	OK(store_set_flags(f->store, id, 5, FLAG_SEEN, STR_LIT(""), &modseq, &err));
	OK(store_commit(f->store, &err));
	base(f, id, 1010);
	assert_int_equal(shown(f), 1011);
	base(f, id, 1010);
	assert_int_equal(shown(f), 1010);
	fixture_reopen(f);
	assert_int_equal(shown(f), 1010);
	/* a change of ours lies above all of that, and shows itself */
	OK(store_begin(f->store, &err));
	OK(store_set_flags(f->store, id, 7, FLAG_SEEN, STR_LIT(""), &modseq, &err));
	OK(store_commit(f->store, &err));
	assert_true(modseq > 1011);
	assert_int_equal(shown(f), modseq);
	OK(store_verify(f->store, &err));
}

static int join_entry(void *context, struct str entry, struct str value)
{
	return buf_printf(context, "%.*s=%.*s ", STR_ARG(entry), STR_ARG(value));
}

static int join_word(void *context, struct str word)
{
	return buf_printf(context, "%.*s ", STR_ARG(word));
}

static void assert_notes(struct fixture *f, int64_t id, const char *expected)
{
	struct error err = { 0 };
	struct buf out;

	buf_init(&out, 0);
	OK(store_each_metadata(f->store, id, join_entry, &out, &err));
	OK(store_each_keyword(f->store, id, join_word, &out, &err));
	assert_str(buf_len(&out) ? buf_view(&out) : STR_LIT(""), expected);
	buf_fini(&out);
}

static void notes_go_with_their_mailbox(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	const struct str none = { 0 };
	int64_t id;

	FAILS(-EINVAL, store_set_metadata(f->store, 0, STR_LIT("/a"), none, &err));
	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "box");
	OK(store_set_metadata(f->store, id, STR_LIT("/b"), STR_LIT("2"), &err));
	OK(store_set_metadata(f->store, id, STR_LIT("/a"), STR_LIT("1"), &err));
	OK(store_set_metadata(f->store, id, STR_LIT("/b"), STR_LIT("3"), &err));
	OK(store_set_metadata(f->store, 0, STR_LIT("/b"), STR_LIT(""), &err));
	OK(store_add_keyword(f->store, id, STR_LIT("$x"), &err));
	OK(store_add_keyword(f->store, id, STR_LIT("$x"), &err));
	OK(store_commit(f->store, &err));
	assert_notes(f, id, "/a=1 /b=3 $x ");
	assert_notes(f, 0, "/b= ");
	OK(store_begin(f->store, &err));
	OK(store_set_metadata(f->store, id, STR_LIT("/a"), none, &err));
	OK(store_commit(f->store, &err));
	assert_notes(f, id, "/b=3 $x ");
	OK(store_begin(f->store, &err));
	OK(store_delete_mailbox(f->store, id, &err));
	OK(store_commit(f->store, &err));
	assert_notes(f, id, "");
	assert_notes(f, 0, "/b= ");
}

static int keep(void *context, const struct store_message *m)
{
	*(struct store_message *)context = *m;
	return 0;
}

static struct store_message message(struct fixture *f, int64_t id, uint32_t uid)
{
	struct store_message m = { .uid = 0 };

	assert_int_equal(store_each_message(f->store, id, uid, uid, keep, &m, NULL), 0);
	assert_int_equal(m.uid, uid);
	return m;
}

static void copies_have_one_email(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store_message old = {
		.saved = 4711, .keywords = STR(""), .uidl = STR("")
	};
	struct body_place place = store_body_inline(STR_LIT("x"));
	int64_t a, b;
	uint32_t uid;

	OK(store_begin(f->store, &err));
	a = add_mailbox(f->store, "a");
	b = add_mailbox(f->store, "b");
	(void)add_inline(f->store, a, 1, STR_LIT("one"));
	(void)add_inline(f->store, a, 2, STR_LIT("one"));
	OK(store_copy(f->store, a, 1, b, &uid, &err));
	OK(store_add(f->store, b, &old, &place, NULL, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(message(f, a, 1).email, message(f, b, uid).email);
	assert_true(message(f, a, 1).email != message(f, a, 2).email);
	assert_true(message(f, a, 1).saved > 1600000000);
	assert_int_equal(message(f, b, 2).saved, 4711);
}

/* Rows of before: a copy's place tells that it is one. */
static void old_copies_have_one_email(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	uint32_t uid;
	int64_t a;

	OK(store_begin(f->store, &err));
	a = add_mailbox(f->store, "a");
	(void)add_inline(f->store, a, 1, STR_LIT("one"));
	(void)add_inline(f->store, a, 2, STR_LIT("two"));
	(void)add_packed(f->store, a, 3, STR_LIT("three"));
	OK(store_copy(f->store, a, 1, a, &uid, &err));
	OK(store_copy(f->store, a, 3, a, &uid, &err));
	OK(store_commit(f->store, &err));
	fixture_downgrade(f, 3);
	assert_int_equal(message(f, a, 1).email, message(f, a, 4).email);
	assert_int_equal(message(f, a, 3).email, message(f, a, 5).email);
	assert_true(message(f, a, 1).email != message(f, a, 2).email);
	assert_true(message(f, a, 1).email != message(f, a, 3).email);
	assert_int_equal(message(f, a, 1).saved, message(f, a, 1).date);
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* ---- what is known of files of the destination ---- */

struct seen {
	uint32_t others[8]; /* by UID here */
	size_t n;
};

static int see(void *context, const struct store_counterpart *c)
{
	struct seen *seen = context;

	seen->others[c->uid] = c->other_uid;
	seen->n++;
	return 0;
}

static void note_file(
	struct fixture *f, int64_t id, uint32_t uid, uint32_t other, uint32_t uidvalidity)
{
	const struct store_counterpart c = { .side = SIDE_DESTINATION,
		.mailbox = id,
		.uid = uid,
		.folder = STR_LIT("box"),
		.uidvalidity = uidvalidity,
		.other_uid = other };
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	OK(store_set_counterpart(f->store, &c, &err));
	OK(store_commit(f->store, &err));
}

/* Late mail has stood there as 6; the files of the next move have 5 as 5. Another server
   that it once lived at is not meant. */
static void files_are_made_anew(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct seen seen = { .n = 0 };
	uint32_t uidvalidity;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "box");
	(void)add_inline(f->store, id, 5, STR_LIT("late"));
	OK(store_note_switch(f->store, &err));
	OK(store_commit(f->store, &err));
	uidvalidity = get_mailbox(f, "box").uidvalidity;
	note_file(f, id, 5, 6, uidvalidity);
	note_file(f, id, 3, 4, uidvalidity);
	note_file(f, id, 7, 1, uidvalidity + 1);
	OK(store_forget_files(f->store, &err));
	OK(store_note_kept_uids(f->store, &err));
	OK(store_each_counterpart(
		f->store, SIDE_DESTINATION, STR_LIT("box"), see, &seen, &err));
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.others[5], 5);
	assert_int_equal(seen.others[7], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modseqs_go_on),
		TEST(notes_go_with_their_mailbox),
		TEST(copies_have_one_email),
		TEST(old_copies_have_one_email),
		TEST(files_are_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
