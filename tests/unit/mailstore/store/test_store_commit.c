/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Transactions, modseq, and who hears of a commit. */
#include "fixture.h"

#include <errno.h>

static void changes_need_a_transaction(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox m = { .name = STR("b") };
	struct store_message message = { 0 };
	struct body_place place = store_body_inline(STR_LIT("x"));
	struct str no = STR("");
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	FAILS(-EALREADY, store_begin(f->store, &err));
	OK(store_commit(f->store, &err));
	FAILS(-EINVAL, store_commit(f->store, &err));
	FAILS(-EINVAL, store_create_mailbox(f->store, &m, NULL, &err));
	FAILS(-EINVAL, store_update_mailbox(f->store, &m, &err));
	FAILS(-EINVAL, store_delete_mailbox(f->store, id, &err));
	FAILS(-EINVAL, store_rename_mailbox(f->store, id, STR_LIT("c"), &err));
	FAILS(-EINVAL, store_reset_mailbox(f->store, id, 1, &err));
	FAILS(-EINVAL, store_raise_uidnext(f->store, id, 9, &err));
	FAILS(-EINVAL, store_subscribe(f->store, STR_LIT("a"), true, &err));
	FAILS(-EINVAL, store_set_flags(f->store, id, 1, 0, no, NULL, &err));
	FAILS(-EINVAL, store_take_recent(f->store, id, NULL, &err));
	FAILS(-EINVAL, store_set_uidl(f->store, id, 1, no, 0, &err));
	FAILS(-EINVAL, store_expunge(f->store, id, 1, &err));
	FAILS(-EINVAL, store_add(f->store, id, &message, &place, NULL, &err));
	FAILS(-EINVAL, store_copy(f->store, id, 1, id, NULL, &err));
	FAILS(-EINVAL, store_set_checkpoint(f->store, STR_LIT("a"), no, &err));
	FAILS(-EINVAL, store_raise_modseq(f->store, 5, &err));
}

static void rollback_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox m;
	uint64_t modseq;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	OK(store_commit(f->store, &err));
	modseq = store_modseq(f->store);
	OK(store_begin(f->store, &err));
	(void)add_mailbox(f->store, "b");
	(void)add_packed(f->store, id, 5, STR_LIT("one"));
	OK(store_raise_uidnext(f->store, id, 100, &err));
	assert_int_equal(get_mailbox(f, "a").uidnext, 100);
	store_rollback(f->store);
	store_rollback(f->store); /* twice is fine */
	m = get_mailbox(f, "a");
	assert_int_equal(m.uidnext, 1);
	assert_int_equal(m.messages, 0);
	assert_int_equal(store_modseq(f->store), modseq);
	FAILS(-ENOENT, store_find_mailbox(f->store, STR_LIT("b"), &f->arena, &m, &err));
	OK(store_verify(f->store, &err));
}

struct watcher {
	struct store_watch watch;
	struct store *store;
	int64_t seen[8];
	size_t count;
	struct watcher *unwatch; /* at the first call */
	bool write;              /* a transaction at the first call */
};

static void note(void *context, int64_t mailbox)
{
	struct watcher *w = context;
	struct error err = { 0 };

	w->seen[w->count++] = mailbox;
	if (w->unwatch)
		store_unwatch(w->store, &w->unwatch->watch);
	w->unwatch = NULL;
	if (!w->write)
		return;
	w->write = false;
	OK(store_begin(w->store, &err));
	OK(store_set_checkpoint(w->store, STR_LIT("x"), STR_LIT("y"), &err));
	OK(store_raise_uidnext(w->store, mailbox, 500, &err));
	OK(store_commit(w->store, &err));
}

static void watchers_hear_once(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct watcher a = { .store = f->store }, b = { .store = f->store };
	int64_t one, two;

	a.watch = (struct store_watch){ .changed = note, .context = &a };
	b.watch = (struct store_watch){ .changed = note, .context = &b };
	OK(store_begin(f->store, &err));
	one = add_mailbox(f->store, "one");
	two = add_mailbox(f->store, "two");
	OK(store_commit(f->store, &err));
	store_watch(f->store, &a.watch);
	store_watch(f->store, &b.watch);

	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, one, 0, STR_LIT("x"));
	(void)add_packed(f->store, one, 0, STR_LIT("y"));
	OK(store_copy(f->store, one, 1, one, NULL, &err));
	assert_int_equal(a.count, 0);
	OK(store_commit(f->store, &err));
	assert_int_equal(a.count, 1);
	assert_int_equal(a.seen[0], one);
	assert_int_equal(b.count, 1);

	OK(store_begin(f->store, &err)); /* reading is no change; rolled back neither */
	assert_int_equal(get_mailbox(f, "two").id, two);
	OK(store_set_checkpoint(f->store, STR_LIT("a"), STR_LIT("b"), &err));
	OK(store_commit(f->store, &err));
	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, two, 0, STR_LIT("x"));
	store_rollback(f->store);
	assert_int_equal(a.count, 1);

	b.unwatch = &a; /* b is called first: a must not be called any more */
	OK(store_begin(f->store, &err));
	OK(store_subscribe(f->store, STR_LIT("two"), true, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(a.count, 1);
	assert_int_equal(b.count, 2);
	assert_int_equal(b.seen[1], 0);

	b.write = true;
	OK(store_begin(f->store, &err));
	OK(store_delete_mailbox(f->store, two, &err));
	(void)add_packed(f->store, one, 0, STR_LIT("x"));
	b.write = false;
	OK(store_commit(f->store, &err));
	assert_int_equal(b.count, 5); /* the list, and both mailboxes */

	b.write = true;
	b.unwatch = &b;
	OK(store_begin(f->store, &err));
	(void)add_packed(f->store, one, 0, STR_LIT("x"));
	OK(store_commit(f->store, &err));
	assert_int_equal(b.count, 6); /* itself gone, and its own commit is silent */
	assert_int_equal(get_mailbox(f, "one").uidnext, 500);
}

static void modseq_base(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct mailbox m = { .name = STR("b"), .highestmodseq = UINT64_MAX };

	OK(store_begin(f->store, &err));
	OK(store_raise_modseq(f->store, 1000000, &err));
	OK(store_raise_modseq(f->store, 10, &err));
	(void)add_mailbox(f->store, "a");
	FAILS(-ERANGE, store_create_mailbox(f->store, &m, NULL, &err));
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	assert_int_equal(store_modseq(f->store), 1000001);
	assert_int_equal(get_mailbox(f, "a").highestmodseq, 1000001);
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(changes_need_a_transaction),
		TEST(rollback_leaves_nothing),
		TEST(watchers_hear_once),
		TEST(modseq_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
