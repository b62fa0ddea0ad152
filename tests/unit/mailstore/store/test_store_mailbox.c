/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mailboxes, their names and UIDVALIDITYs, subscriptions, checkpoints. */
#include "fixture.h"

#include "mailstore/store/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ── names ─────────────────────────────────────────────────────────────────────────── */

static const char *const odd_names[] = {
	"INBOX",
	"inbox.sub", /* only INBOX itself knows no case */
	"INBOX.sub",
	"Work",
	"work",
	"WORK",
	"it's \"quoted\" \\ back",
	"a'; DROP TABLE mailbox; --",
	"Entw&APw-rfe",
	"raw \xfc\xe4 latin1",
	"utf8 \xc3\xbc",
	"trailing space ",
	" leading",
	"%",
	"*",
	"a/b/c/d",
	"a.b",
	"\x01\x7f",
};

static void names_are_bytes(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t ids[COUNT(odd_names)];

	OK(store_begin(f->store, &err));
	for (size_t i = 0; i < COUNT(odd_names); i++)
		ids[i] = add_mailbox(f->store, odd_names[i]);
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	for (size_t i = 0; i < COUNT(odd_names); i++) {
		struct mailbox m = get_mailbox(f, odd_names[i]);

		assert_int_equal(m.id, ids[i]);
		assert_str(m.name, odd_names[i]);
	}
	OK(store_verify(f->store, &err));
}

static const struct {
	const char *name;
	struct str input;
	int expected;
} bad_names[] = {
	{ "empty", STR(""), -EINVAL },
	{ "NUL inside", STR("a\0b"), -EINVAL },
	{ "there already", STR("Work"), -EEXIST },
	{ "INBOX in another case", STR("inBOX"), -EEXIST },
	{ "another case", STR("wORK"), 0 },
	{ "too long", { NULL, STORE_NAME_MAX + 1 }, -ENAMETOOLONG },
	{ "just fits", { NULL, STORE_NAME_MAX }, 0 },
};

static void bad_names_are_refused(void **state)
{
	static char filler[STORE_NAME_MAX + 1];
	struct fixture *f = *state;
	struct error err = { 0 };
	int code;

	memset(filler, 'x', sizeof(filler));
	OK(store_begin(f->store, &err));
	(void)add_mailbox(f->store, "Work");
	(void)add_mailbox(f->store, "Inbox");
	for (size_t i = 0; i < COUNT(bad_names); i++) {
		struct mailbox m = { .name = bad_names[i].input };

		if (!m.name.ptr)
			m.name.ptr = filler;
		code = store_create_mailbox(f->store, &m, NULL, &err);
		if (code != bad_names[i].expected)
			print_error("row \"%s\"\n", bad_names[i].name);
		assert_int_equal(code, bad_names[i].expected);
	}
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err));
}

static void inbox_has_no_case(void **state)
{
	static const char *const spellings[] = { "INBOX", "inbox", "InBox", "Inbox" };
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "Inbox");
	OK(store_subscribe(f->store, STR_LIT("iNBOX"), true, &err));
	OK(store_commit(f->store, &err));
	for (size_t i = 0; i < COUNT(spellings); i++) {
		struct mailbox m = get_mailbox(f, spellings[i]);

		assert_int_equal(m.id, id);
		assert_str(m.name, "Inbox"); /* as its maker spelled it */
		assert_true(store_is_subscribed(f->store, str_from(spellings[i])));
	}
}

struct list {
	size_t count;
	char names[1100][48];
	int stop_at; /* 0: never */
};

static int list_name(struct list *l, struct str name)
{
	(void)snprintf(l->names[l->count++], sizeof(l->names[0]), "%.*s", STR_ARG(name));
	return l->stop_at && (int)l->count == l->stop_at ? 77 : 0;
}

static int list_mailbox(void *context, const struct mailbox *m)
{
	return list_name(context, m->name);
}

static int list_subscription(void *context, struct str name)
{
	return list_name(context, name);
}

static struct list list; /* 50 KB: too large for a stack under ASan's liking */

static void thousand_mailboxes_in_order(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char name[48];

	memset(&list, 0, sizeof(list));
	OK(store_begin(f->store, &err));
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "Box/%03u", (i * 7) % 1000);
		(void)add_mailbox(f->store, name);
	}
	(void)add_mailbox(f->store, "inbox");
	(void)add_mailbox(f->store, "A first");
	OK(store_commit(f->store, &err));
	OK(store_each_mailbox(f->store, list_mailbox, &list, &err));
	assert_int_equal(list.count, 1002);
	assert_string_equal(list.names[0], "inbox");
	assert_string_equal(list.names[1], "A first");
	for (size_t i = 2; i < list.count; i++)
		assert_true(strcmp(list.names[i - 1], list.names[i]) < 0 || i == 2);
	memset(&list, 0, sizeof(list));
	list.stop_at = 3;
	assert_int_equal(store_each_mailbox(f->store, list_mailbox, &list, &err), 77);
	assert_int_equal(list.count, 3);
}

/* ── fields ────────────────────────────────────────────────────────────────────────── */

static void fields_come_back(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox in = { .name = STR("Sent"),
		.separator = '.',
		.attributes = MAILBOX_NOINFERIORS | MAILBOX_NOSELECT,
		.special_use = STR("\\Sent"),
		.uidvalidity = 1234567,
		.uidnext = 4711,
		.highestmodseq = 987654321 };
	struct mailbox out;

	OK(store_begin(f->store, &err));
	OK(store_create_mailbox(f->store, &in, NULL, &err));
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	out = get_mailbox(f, "Sent");
	assert_int_equal(out.separator, '.');
	assert_int_equal(out.attributes, in.attributes);
	assert_str(out.special_use, "\\Sent");
	assert_int_equal(out.uidvalidity, 1234567);
	assert_int_equal(out.uidnext, 4711);
	assert_true(out.highestmodseq > in.highestmodseq); /* never back */
	assert_int_equal(out.modseq_base, out.highestmodseq);

	in.separator = '\0';
	in.attributes = 0;
	in.special_use = STR_LIT("");
	OK(store_begin(f->store, &err));
	OK(store_update_mailbox(f->store, &in, &err)); /* by name */
	OK(store_commit(f->store, &err));
	out = get_mailbox(f, "Sent");
	assert_int_equal(out.separator, 0);
	assert_int_equal(out.attributes, 0);
	assert_str(out.special_use, "");
	assert_int_equal(out.uidvalidity, 1234567);

	in.id = out.id;
	in.attributes = MAILBOX_NONEXISTENT;
	OK(store_begin(f->store, &err));
	OK(store_update_mailbox(f->store, &in, &err)); /* by id */
	in.id = 4242;
	FAILS(-ENOENT, store_update_mailbox(f->store, &in, &err));
	in = (struct mailbox){ .name = STR("nowhere") };
	FAILS(-ENOENT, store_update_mailbox(f->store, &in, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(get_mailbox(f, "Sent").attributes, MAILBOX_NONEXISTENT);
}

static void uidnext_only_grows(void **state)
{
	static const uint32_t raised[][2] = { { 10, 10 }, { 5, 10 }, { 11, 11 },
		{ UINT32_MAX, UINT32_MAX }, { 1, UINT32_MAX } };
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (size_t i = 0; i < COUNT(raised); i++) {
		OK(store_raise_uidnext(f->store, id, raised[i][0], &err));
		assert_int_equal(get_mailbox(f, "a").uidnext, raised[i][1]);
	}
	FAILS(-ENOENT, store_raise_uidnext(f->store, id + 1, 1, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(get_mailbox(f, "a").uidnext, UINT32_MAX);
}

/* ── UIDVALIDITY ───────────────────────────────────────────────────────────────────── */

static void uidvalidity_never_returns(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	uint32_t last = (uint32_t)time(NULL) - 1;

	for (int i = 0; i < 5; i++) {
		struct mailbox m;

		OK(store_begin(f->store, &err));
		(void)add_mailbox(f->store, i % 2 ? "INBOX" : "inbox");
		OK(store_commit(f->store, &err));
		fixture_reopen(f);
		m = get_mailbox(f, "INBOX");
		assert_true(m.uidvalidity > last);
		last = m.uidvalidity;
		OK(store_begin(f->store, &err));
		OK(store_delete_mailbox(f->store, m.id, &err));
		OK(store_commit(f->store, &err));
	}
}

static void uidvalidity_after_the_highest(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox m = { .name = STR("a"), .uidvalidity = UINT32_MAX };
	int64_t id;

	/* the source used the last number there is */
	OK(store_begin(f->store, &err));
	OK(store_create_mailbox(f->store, &m, &id, &err));
	assert_int_equal(get_mailbox(f, "a").uidvalidity, UINT32_MAX);
	OK(store_delete_mailbox(f->store, id, &err));
	id = add_mailbox(f->store, "a");
	assert_true(get_mailbox(f, "a").uidvalidity != UINT32_MAX);
	m = get_mailbox(f, "a");
	OK(store_delete_mailbox(f->store, id, &err));
	(void)add_mailbox(f->store, "a");
	assert_true(get_mailbox(f, "a").uidvalidity > m.uidvalidity);
	OK(store_commit(f->store, &err));
}

static void rename_keeps_uidvalidity_if_it_may(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox a = { .name = STR("a"), .uidvalidity = 1 };
	struct mailbox b = { .name = STR("b"), .uidvalidity = 1 };
	int64_t id, other;

	OK(store_begin(f->store, &err));
	OK(store_create_mailbox(f->store, &a, &id, &err));
	OK(store_rename_mailbox(f->store, id, STR_LIT("c"), &err));
	assert_int_equal(get_mailbox(f, "c").uidvalidity, 1);
	OK(store_rename_mailbox(f->store, id, STR_LIT("a"), &err));
	assert_int_equal(get_mailbox(f, "a").uidvalidity, 1); /* it is still the same */
	OK(store_create_mailbox(f->store, &b, &other, &err));
	FAILS(-EEXIST, store_rename_mailbox(f->store, id, STR_LIT("b"), &err));
	OK(store_delete_mailbox(f->store, other, &err));
	OK(store_rename_mailbox(f->store, id, STR_LIT("b"), &err));
	assert_true(
		get_mailbox(f, "b").uidvalidity > 1); /* UID 1 of 1 was another one's */
	FAILS(-EINVAL, store_rename_mailbox(f->store, id, STR_LIT(""), &err));
	FAILS(-ENOENT, store_rename_mailbox(f->store, 999, STR_LIT("x"), &err));
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err));
}

static void rename_of_inbox(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "INBOX");
	(void)add_packed(f->store, id, 0, STR_LIT("one"));
	OK(store_rename_mailbox(f->store, id, STR_LIT("inbox"), &err));
	assert_str(get_mailbox(f, "INBOX").name, "inbox");
	OK(store_rename_mailbox(f->store, id, STR_LIT("old"), &err));
	(void)add_mailbox(f->store, "INBOX");
	OK(store_commit(f->store, &err));
	assert_int_equal(get_mailbox(f, "old").messages, 1);
	assert_int_equal(get_mailbox(f, "INBOX").messages, 0);
	assert_body(f->store, id, 1, STR_LIT("one"));
}

static int has_image(void *context, uint64_t modseq, struct str bytes)
{
	(void)context;
	(void)modseq;
	return (int)bytes.len;
}

/* With the same UIDVALIDITY and no UID that was expunged: they are given again. */
static void reset_drops_images(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct image_name name = { .kind = IMAGE_TEXTS, .version = 1 };

	OK(store_begin(f->store, &err));
	name.mailbox = add_mailbox(f->store, "a");
	(void)add_inline(f->store, name.mailbox, 1, STR_LIT("one"));
	OK(store_keep_image(f->store, &name, STR_LIT("as it is"), &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(store_image(f->store, &name, has_image, NULL, &err), 8);
	OK(store_begin(f->store, &err));
	OK(store_reset_mailbox(
		f->store, name.mailbox, get_mailbox(f, "a").uidvalidity, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(store_image(f->store, &name, has_image, NULL, &err), 0);
}

static void reset_starts_anew(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox before, m;
	int64_t id, other;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	other = add_mailbox(f->store, "b");
	(void)add_packed(f->store, id, 10, STR_LIT("one"));
	(void)add_inline(f->store, id, 20, STR_LIT("two"));
	(void)add_inline(f->store, other, 30, STR_LIT("three"));
	OK(store_copy(f->store, id, 20, other, NULL, &err));
	OK(store_expunge(f->store, id, 10, &err));
	OK(store_commit(f->store, &err));
	before = get_mailbox(f, "a");
	OK(store_begin(f->store, &err));
	OK(store_reset_mailbox(f->store, id, 77, &err));
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	m = get_mailbox(f, "a");
	assert_int_equal(m.id, id);
	assert_int_equal(m.uidvalidity, 77);
	assert_int_equal(m.uidnext, 1);
	assert_int_equal(m.messages, 0);
	assert_int_equal(m.bytes, 0);
	assert_true(m.highestmodseq > before.highestmodseq);
	assert_true(m.modseq_base > before.modseq_base);
	assert_body(f->store, other, 30, STR_LIT("three"));
	assert_body(f->store, other, 31, STR_LIT("two")); /* shared: it stays */
	OK(store_verify(f->store, &err));
	OK(store_begin(f->store, &err));
	OK(store_reset_mailbox(f->store, id, 0, &err));
	OK(store_commit(f->store, &err));
	assert_true(get_mailbox(f, "a").uidvalidity > 77);
}

static void delete_takes_all(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id, other;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	other = add_mailbox(f->store, "b");
	(void)add_packed(f->store, id, 0, STR_LIT("one"));
	(void)add_inline(f->store, id, 0, STR_LIT("two"));
	(void)add_packed(f->store, id, 0, STR_LIT("three"));
	OK(store_copy(f->store, id, 2, other, NULL, &err));
	OK(store_expunge(f->store, id, 3, &err));
	OK(store_commit(f->store, &err));
	OK(store_begin(f->store, &err));
	OK(store_delete_mailbox(f->store, id, &err));
	FAILS(-ENOENT, store_delete_mailbox(f->store, 999, &err));
	OK(store_commit(f->store, &err));
	FAILS(-ENOENT, store_find_mailbox(f->store, STR_LIT("a"), &f->arena,
			       &(struct mailbox){ 0 }, &err));
	OK(store_begin(f->store, &err));
	FAILS(-ENOENT, store_delete_mailbox(f->store, id, &err));
	store_rollback(f->store);
	assert_body(f->store, other, 1, STR_LIT("two"));
	OK(store_verify(f->store, &err));
}

/* ── subscriptions, checkpoints ────────────────────────────────────────────────────── */

static void subscriptions_outlive_mailboxes(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	memset(&list, 0, sizeof(list));
	OK(store_begin(f->store, &err));
	for (size_t i = 0; i < COUNT(odd_names); i++)
		OK(store_subscribe(f->store, str_from(odd_names[i]), true, &err));
	OK(store_subscribe(f->store, STR_LIT("work"), true, &err)); /* twice is fine */
	OK(store_subscribe(f->store, STR_LIT("Work"), false, &err));
	OK(store_subscribe(f->store, STR_LIT("never was"), false, &err));
	FAILS(-EINVAL, store_subscribe(f->store, STR_LIT(""), true, &err));
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	assert_true(store_is_subscribed(f->store, STR_LIT("work")));
	assert_false(store_is_subscribed(f->store, STR_LIT("Work")));
	assert_false(store_is_subscribed(f->store, STR_LIT("wor")));
	OK(store_each_subscription(f->store, list_subscription, &list, &err));
	assert_int_equal(list.count, COUNT(odd_names) - 1);
	assert_string_equal(list.names[0], "INBOX");
	assert_string_equal(list.names[1], "\x01\x7f");
}

static void checkpoints(void **state)
{
	static const struct {
		struct str name, value;
	} rows[] = {
		{ STR("folder/INBOX"), STR("{\"uid\": 17}") },
		{ STR("bytes"), STR("\0\1\2\xff\r\n") },
		{ STR("it's"), STR("'") },
	};
	struct fixture *f = *state;
	struct error err = { 0 };
	struct str value;

	OK(store_begin(f->store, &err));
	for (size_t i = 0; i < COUNT(rows); i++) {
		OK(store_set_checkpoint(f->store, rows[i].name, STR_LIT("old"), &err));
		OK(store_set_checkpoint(f->store, rows[i].name, rows[i].value, &err));
	}
	OK(store_commit(f->store, &err));
	OK(store_begin(f->store, &err));
	OK(store_set_checkpoint(f->store, rows[0].name, STR_LIT("rolled back"), &err));
	store_rollback(f->store);
	fixture_reopen(f);
	for (size_t i = 0; i < COUNT(rows); i++) {
		OK(store_checkpoint(f->store, rows[i].name, &f->arena, &value, &err));
		assert_true(str_eq(value, rows[i].value));
	}
	OK(store_begin(f->store, &err));
	OK(store_set_checkpoint(f->store, rows[0].name, STR_LIT(""), &err));
	OK(store_commit(f->store, &err));
	FAILS(-ENOENT, store_checkpoint(f->store, rows[0].name, &f->arena, &value, &err));
	FAILS(-ENOENT,
		store_checkpoint(f->store, STR_LIT("never"), &f->arena, &value, &err));
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_bytes),
		TEST(bad_names_are_refused),
		TEST(inbox_has_no_case),
		TEST(thousand_mailboxes_in_order),
		TEST(fields_come_back),
		TEST(uidnext_only_grows),
		TEST(uidvalidity_never_returns),
		TEST(uidvalidity_after_the_highest),
		TEST(rename_keeps_uidvalidity_if_it_may),
		TEST(rename_of_inbox),
		TEST(reset_starts_anew),
		TEST(reset_drops_images),
		TEST(delete_takes_all),
		TEST(subscriptions_outlive_mailboxes),
		TEST(checkpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
