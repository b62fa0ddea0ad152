/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages: UIDs, flags, modseqs, counters, copies, what is gone. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct seen {
	size_t count;
	uint32_t uids[64];
	unsigned flags[64];
	uint64_t modseqs[64];
	char keywords[64][64];
	struct store *store; /* writes from inside the walk when set */
	int64_t mailbox;
	int stop_at;
};

static int note_message(void *context, const struct store_message *m)
{
	struct seen *s = context;
	struct error err = { 0 };

	s->uids[s->count] = m->uid;
	s->flags[s->count] = m->flags;
	s->modseqs[s->count] = m->modseq;
	(void)snprintf(s->keywords[s->count], sizeof(s->keywords[0]), "%.*s",
		STR_ARG(m->keywords));
	s->count++;
	if (s->store)
		OK(store_set_flags(s->store, s->mailbox, m->uid, m->flags | FLAG_SEEN,
			m->keywords, NULL, &err));
	return s->stop_at && (int)s->count == s->stop_at ? 55 : 0;
}

static int note_uid(void *context, uint32_t uid)
{
	struct seen *s = context;

	s->uids[s->count++] = uid;
	return s->stop_at && (int)s->count == s->stop_at ? 55 : 0;
}

/* The UIDs in order, as a string. */
static const char *uids_of(const struct seen *s)
{
	static char text[512];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->count; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, i ? " %u" : "%u", s->uids[i]);
	return text;
}

static struct mailbox counts_of(struct fixture *f, int64_t id)
{
	struct error err = { 0 };
	struct mailbox m = { .name = STR("kept") };

	OK(store_mailbox_counts(f->store, id, &m, &err));
	assert_str(m.name, "kept");
	return m;
}

/* ── UIDs ──────────────────────────────────────────────────────────────────────────── */

static const struct {
	uint32_t uid, expected_uid, expected_uidnext;
	int expected;
} uid_rows[] = {
	{ 0, 1, 2, 0 },
	{ 0, 2, 3, 0 },
	{ 2, 0, 3, -EEXIST },
	{ 10, 10, 11, 0 },
	{ 5, 5, 11, 0 }, /* below UIDNEXT: a late one of the source's */
	{ 5, 0, 11, -EEXIST },
	{ 0, 11, 12, 0 },
	{ UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX, 0 },
	{ 0, 0, UINT32_MAX, -EOVERFLOW },
	{ UINT32_MAX, UINT32_MAX, UINT32_MAX, 0 },
	{ UINT32_MAX, 0, UINT32_MAX, -EEXIST },
	{ 0, 0, UINT32_MAX, -EOVERFLOW },
	{ 12, 12, UINT32_MAX, 0 },
};

static void uids(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct seen seen = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (size_t i = 0; i < COUNT(uid_rows); i++) {
		struct store_message m = { .uid = uid_rows[i].uid };
		struct body_place place = store_body_inline(STR_LIT("body"));
		uint32_t uid = 0;
		int code = store_add(f->store, id, &m, &place, &uid, &err);

		if (code != uid_rows[i].expected || uid != uid_rows[i].expected_uid)
			print_error("row %zu: %d, UID %u\n", i, code, uid);
		assert_int_equal(code, uid_rows[i].expected);
		assert_int_equal(uid, uid_rows[i].expected_uid);
		assert_int_equal(counts_of(f, id).uidnext, uid_rows[i].expected_uidnext);
	}
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	OK(store_each_message(f->store, id, 1, UINT32_MAX, note_message, &seen, &err));
	assert_string_equal(uids_of(&seen), "1 2 5 10 11 12 4294967294 4294967295");
	OK(store_verify(f->store, &err));
}

static const struct {
	uint32_t from, to;
	const char *expected;
} ranges[] = {
	{ 1, UINT32_MAX, "1 3 5 7" },
	{ 3, 5, "3 5" },
	{ 4, 4, "" },
	{ 7, 7, "7" },
	{ 8, UINT32_MAX, "" },
	{ 5, 3, "" },
	{ 0, 1, "1" },
};

static void walks(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct seen seen;
	int64_t id, other;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	other = add_mailbox(f->store, "b");
	for (uint32_t uid = 7; uid < 8; uid -= 2)
		(void)add_inline(f->store, id, uid, STR_LIT("body"));
	(void)add_inline(f->store, other, 4, STR_LIT("body"));
	OK(store_commit(f->store, &err));
	for (size_t i = 0; i < COUNT(ranges); i++) {
		memset(&seen, 0, sizeof(seen));
		OK(store_each_message(f->store, id, ranges[i].from, ranges[i].to,
			note_message, &seen, &err));
		assert_string_equal(uids_of(&seen), ranges[i].expected);
	}
	memset(&seen, 0, sizeof(seen));
	seen.stop_at = 2;
	assert_int_equal(
		store_each_message(f->store, id, 1, 99, note_message, &seen, &err), 55);
	assert_int_equal(seen.count, 2);
	memset(&seen, 0, sizeof(seen));
	OK(store_each_message(f->store, 99, 1, 99, note_message, &seen, &err));
	assert_int_equal(seen.count, 0);
}

/* A walk may write, and another walk of the same kind may run inside it. */
struct nested {
	struct fixture *f;
	int64_t mailbox;
	size_t rows;
};

static int walk_inside(void *context, const struct store_message *m)
{
	struct nested *n = context;
	struct error err = { 0 };
	struct seen seen = { 0 };

	n->rows++;
	OK(store_each_message(
		n->f->store, n->mailbox, m->uid, 99, note_message, &seen, &err));
	assert_int_equal(seen.uids[0], m->uid);
	assert_int_equal(seen.count, 4 - n->rows);
	return 0;
}

static void walks_inside_walks(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct nested nested = { .f = f };
	struct seen seen = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (int i = 0; i < 3; i++)
		(void)add_inline(f->store, id, 0, STR_LIT("body"));
	seen.store = f->store;
	seen.mailbox = id;
	OK(store_each_message(f->store, id, 1, 99, note_message, &seen, &err));
	OK(store_commit(f->store, &err));
	assert_string_equal(uids_of(&seen), "1 2 3");
	assert_int_equal(counts_of(f, id).unseen, 0);
	nested.mailbox = id;
	OK(store_each_message(f->store, id, 1, 99, walk_inside, &nested, &err));
	assert_int_equal(nested.rows, 3);
	OK(store_verify(f->store, &err));
}

/* ── fields ────────────────────────────────────────────────────────────────────────── */

static const struct store_message field_rows[] = {
	{ .uid = 1, .keywords = STR(""), .uidl = STR("") },
	{ .uid = 2,
		.flags = FLAG_SEEN | FLAG_DRAFT,
		.keywords = STR("$Forwarded NonJunk"),
		.date = 1700000000,
		.zone = 120,
		.size = 12345,
		.uidl = STR("0000001a4b5c"),
		.pop3_order = 3 },
	{ .uid = 3,
		.keywords = STR("$x 'q' \xe4"),
		.date = -86400, /* 1969 */
		.zone = -720,
		.size = 1ULL << 40,
		.uidl = STR("a\"b'c"),
		.pop3_order = UINT32_MAX },
	{ .uid = 4,
		.keywords = STR(""),
		.date = 253402300799, /* 9999 */
		.zone = 840,
		.uidl = STR("") },
};

static int compare_fields(void *context, const struct store_message *m)
{
	size_t *row = context;
	const struct store_message *expected = &field_rows[(*row)++];

	assert_int_equal(m->uid, expected->uid);
	assert_int_equal(m->flags, expected->flags);
	assert_true(str_eq(m->keywords, expected->keywords));
	assert_true(m->date == expected->date);
	assert_int_equal(m->zone, expected->zone);
	assert_true(m->size == expected->size);
	assert_int_equal(m->body_len, 4);
	assert_true(str_eq(m->uidl, expected->uidl));
	assert_int_equal(m->pop3_order, expected->pop3_order);
	return 0;
}

static void fields(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_place place = store_body_inline(STR_LIT("body"));
	size_t row = 0;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (size_t i = 0; i < COUNT(field_rows); i++)
		OK(store_add(f->store, id, &field_rows[i], &place, NULL, &err));
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	OK(store_each_message(f->store, id, 1, 99, compare_fields, &row, &err));
	assert_int_equal(row, COUNT(field_rows));
}

static int compare_uidl(void *context, const struct store_message *m)
{
	(void)context;
	assert_str(m->uidl, "new");
	assert_int_equal(m->pop3_order, 9);
	return 0;
}

static void uidl(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_inline(f->store, id, 0, STR_LIT("body"));
	OK(store_set_uidl(f->store, id, 1, STR_LIT("new"), 9, &err));
	FAILS(-ENOENT, store_set_uidl(f->store, id, 2, STR_LIT("new"), 9, &err));
	OK(store_commit(f->store, &err));
	OK(store_each_message(f->store, id, 1, 99, compare_uidl, NULL, &err));
}

/* ── flags and modseqs ─────────────────────────────────────────────────────────────── */

static const struct {
	const char *name;
	unsigned flags;
	struct str keywords;
	bool changes; /* a new modseq */
} flag_rows[] = {
	{ "nothing new", FLAG_RECENT, STR(""), false },
	{ "seen", FLAG_RECENT | FLAG_SEEN, STR(""), true },
	{ "recent goes", FLAG_SEEN, STR(""), false },
	{ "recent comes", FLAG_SEEN | FLAG_RECENT, STR(""), false },
	{ "keyword", FLAG_SEEN, STR("a"), true },
	{ "keyword in another case", FLAG_SEEN, STR("A"), true },
	{ "the same", FLAG_SEEN, STR("A"), false },
	{ "deleted, recent", FLAG_SEEN | FLAG_DELETED | FLAG_RECENT, STR("A"), true },
	{ "all", 63, STR("A b"), true },
	{ "none", 0, STR(""), true },
};

static void flags(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store_message m = { .flags = FLAG_RECENT, .size = 100 };
	struct body_place place = store_body_inline(STR_LIT("body"));
	uint64_t modseq, last;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	last = store_modseq(f->store);
	OK(store_commit(f->store, &err));
	for (size_t i = 0; i < COUNT(flag_rows); i++) {
		struct seen seen = { 0 };
		struct mailbox c;

		OK(store_begin(f->store, &err));
		OK(store_set_flags(f->store, id, 1, flag_rows[i].flags,
			flag_rows[i].keywords, &modseq, &err));
		OK(store_commit(f->store, &err));
		if ((modseq != last) != flag_rows[i].changes)
			print_error("row \"%s\"\n", flag_rows[i].name);
		assert_int_equal(modseq != last, flag_rows[i].changes);
		assert_true(modseq >= last);
		last = modseq;
		OK(store_each_message(f->store, id, 1, 1, note_message, &seen, &err));
		assert_int_equal(seen.flags[0], flag_rows[i].flags);
		assert_true(str_eq(str_from(seen.keywords[0]), flag_rows[i].keywords));
		assert_int_equal(seen.modseqs[0], last);
		c = counts_of(f, id);
		assert_int_equal(c.highestmodseq, last);
		assert_int_equal(c.unseen, !(flag_rows[i].flags & FLAG_SEEN));
		assert_int_equal(c.recent, !!(flag_rows[i].flags & FLAG_RECENT));
		assert_int_equal(c.deleted, !!(flag_rows[i].flags & FLAG_DELETED));
		assert_int_equal(c.messages, 1);
		assert_int_equal(c.bytes, 100);
	}
	OK(store_begin(f->store, &err));
	FAILS(-ENOENT, store_set_flags(f->store, id, 2, 0, STR_LIT(""), &modseq, &err));
	FAILS(-ENOENT, store_set_flags(f->store, 99, 1, 0, STR_LIT(""), &modseq, &err));
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err));
}

static void recent_is_taken_once(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store_message m = { .flags = FLAG_RECENT | FLAG_FLAGGED };
	struct body_place place = store_body_inline(STR_LIT("body"));
	struct seen seen = { 0 };
	uint64_t modseq;
	uint32_t recent = 99;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	m.flags = FLAG_SEEN;
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	m.flags = FLAG_RECENT;
	OK(store_add(f->store, id, &m, &place, NULL, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(counts_of(f, id).recent, 2);
	modseq = store_modseq(f->store);
	OK(store_begin(f->store, &err));
	OK(store_take_recent(f->store, id, &recent, &err));
	assert_int_equal(recent, 2);
	OK(store_take_recent(f->store, id, &recent, &err));
	assert_int_equal(recent, 0);
	OK(store_commit(f->store, &err));
	assert_int_equal(store_modseq(f->store), modseq);
	OK(store_each_message(f->store, id, 1, 99, note_message, &seen, &err));
	assert_int_equal(seen.flags[0], FLAG_FLAGGED);
	assert_int_equal(seen.flags[1], FLAG_SEEN);
	assert_int_equal(seen.flags[2], 0);
	OK(store_verify(f->store, &err));
}

static void changed_and_expunged_since(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct seen seen;
	uint64_t since[4];
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	since[0] = store_modseq(f->store);
	for (uint32_t uid = 10; uid <= 50; uid += 10)
		(void)add_inline(f->store, id, uid, STR_LIT("body"));
	OK(store_commit(f->store, &err));
	since[1] = store_modseq(f->store);
	OK(store_begin(f->store, &err));
	OK(store_set_flags(f->store, id, 40, FLAG_SEEN, STR_LIT(""), NULL, &err));
	OK(store_expunge(f->store, id, 30, &err));
	since[2] = store_modseq(f->store); /* in the middle of a transaction */
	OK(store_expunge(f->store, id, 10, &err));
	OK(store_set_flags(f->store, id, 20, FLAG_SEEN, STR_LIT(""), NULL, &err));
	FAILS(-ENOENT, store_expunge(f->store, id, 10, &err));
	OK(store_commit(f->store, &err));
	since[3] = store_modseq(f->store);
	fixture_reopen(f);

	static const char *const expected[][2] = {
		{ "20 40 50", "10 30" },
		{ "20 40", "10 30" },
		{ "20", "10" },
		{ "", "" },
	};
	for (size_t i = 0; i < COUNT(since); i++) {
		memset(&seen, 0, sizeof(seen));
		OK(store_each_changed(f->store, id, since[i], note_message, &seen, &err));
		assert_string_equal(uids_of(&seen), expected[i][0]);
		memset(&seen, 0, sizeof(seen));
		OK(store_each_expunged(f->store, id, since[i], note_uid, &seen, &err));
		assert_string_equal(uids_of(&seen), expected[i][1]);
	}
	memset(&seen, 0, sizeof(seen));
	seen.stop_at = 1;
	assert_int_equal(store_each_expunged(f->store, id, 0, note_uid, &seen, &err), 55);
	assert_int_equal(store_each_changed(f->store, id, 0, note_message,
				 &(struct seen){ .stop_at = 1 }, &err),
		55);
	assert_int_equal(counts_of(f, id).messages, 3);
	OK(store_verify(f->store, &err));
}

/* The source shows a message again that we took for gone. */
static void expunged_may_come_back(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct seen seen = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	(void)add_inline(f->store, id, 1, STR_LIT("body"));
	(void)add_inline(f->store, id, 2, STR_LIT("body"));
	OK(store_expunge(f->store, id, 1, &err));
	OK(store_expunge(f->store, id, 2, &err));
	(void)add_inline(f->store, id, 1, STR_LIT("body"));
	OK(store_commit(f->store, &err));
	OK(store_each_expunged(f->store, id, 0, note_uid, &seen, &err));
	assert_string_equal(uids_of(&seen), "2");
	assert_int_equal(counts_of(f, id).uidnext, 3);
	OK(store_verify(f->store, &err));
}

/* ── copies ────────────────────────────────────────────────────────────────────────── */

static int compare_copy(void *context, const struct store_message *m)
{
	(void)context;
	assert_int_equal(m->flags, FLAG_SEEN | FLAG_RECENT);
	assert_str(m->keywords, "$x");
	assert_true(m->date == 1234);
	assert_int_equal(m->zone, -60);
	assert_int_equal(m->size, 17);
	assert_str(m->uidl, "");
	assert_int_equal(m->pop3_order, 0);
	return 0;
}

static void copies_share_the_body(void **state)
{
	static const bool packed[] = { true, false };
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_place place;
	struct body_writer w;
	uint32_t uid;
	int64_t a, b;

	OK(store_begin(f->store, &err));
	a = add_mailbox(f->store, "a");
	b = add_mailbox(f->store, "b");
	for (size_t i = 0; i < COUNT(packed); i++) {
		struct store_message m = { .flags = FLAG_SEEN,
			.keywords = STR("$x"),
			.date = 1234,
			.zone = -60,
			.size = 17,
			.uidl = STR("u"),
			.pop3_order = 1 };

		place = store_body_inline(STR_LIT("shared"));
		if (packed[i]) {
			OK(store_body_begin(f->store, 6, &w, &err));
			OK(store_body_write(f->store, &w, STR_LIT("shared"), &err));
			OK(store_body_end(f->store, &w, &place, &err));
		}
		OK(store_add(f->store, a, &m, &place, &uid, &err));
		OK(store_copy(f->store, a, uid, b, &uid, &err));
		assert_int_equal(uid, i + 1);
	}
	FAILS(-ENOENT, store_copy(f->store, a, 77, b, &uid, &err));
	FAILS(-ENOENT, store_copy(f->store, a, 1, 77, &uid, &err));
	OK(store_commit(f->store, &err));
	OK(store_each_message(f->store, b, 1, 99, compare_copy, NULL, &err));
	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, a, 1, &err));
	OK(store_expunge(f->store, a, 2, &err));
	OK(store_copy(f->store, b, 2, b, NULL, &err)); /* into itself */
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	for (uint32_t i = 1; i <= 3; i++)
		assert_body(f->store, b, i, STR_LIT("shared"));
	OK(store_verify(f->store, &err));
	OK(store_begin(f->store, &err));
	for (uint32_t i = 1; i <= 3; i++)
		OK(store_expunge(f->store, b, i, &err));
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err)); /* no row of `body` is left over */
	fixture_shell(
		f, "test $(sqlite3 $d/index.sqlite 'SELECT count(*) FROM body') = 0");
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(uids),
		TEST(walks),
		TEST(walks_inside_walks),
		TEST(fields),
		TEST(uidl),
		TEST(flags),
		TEST(recent_is_taken_once),
		TEST(changed_and_expunged_since),
		TEST(expunged_may_come_back),
		TEST(copies_share_the_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
