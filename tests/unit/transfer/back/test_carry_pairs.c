/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is a pair, when both sides have gone on: names and UIDs that are others by now, on
 * one of them or the other.
 */
#include "transfer/back/carry_world.h"

#include <stdio.h>
#include <stdlib.h>

/* What was carried is known under its folder's new name, too. */
static void test_renamed_after_it_was_carried(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	world_gets(&w, "Old", "carried under the old name");
	OK(world_carry(&w, &err));
	world_renames(&w, "Old", "Older");
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.renamed, 1);
	assert_int_equal(w.sums.messages, 0);
	assert_int_equal(memory_folder(&shared->source, "Older")->count, 4 + 1);
	world_end(&w);
}

static bool has_news(struct world *w)
{
	struct store *s = world_store(w);
	struct error err = { 0 };
	bool has = false;

	OK(store_has_news(s, &has, &err));
	store_close(s);
	return has;
}

static void subscribe(struct world *w, const char *name, bool subscribed)
{
	struct store *s = world_store(w);
	struct error err = { 0 };

	OK(store_begin(s, &err));
	OK(store_subscribe(s, str_from(name), subscribed, &err));
	OK(store_commit(s, &err));
	store_close(s);
}

/* Names alone are news, too. */
static void test_names_are_news(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	assert_false(has_news(&w));
	subscribe(&w, "Work", false);
	assert_true(has_news(&w));
	subscribe(&w, "Work", true);
	assert_false(has_news(&w));
	subscribe(&w, "INBOX", true);
	assert_true(has_news(&w));
	subscribe(&w, "INBOX", false);
	world_renames(&w, "Old", "Older");
	assert_true(has_news(&w));
	world_renames(&w, "Older", "Old");
	assert_false(has_news(&w));
	world_gets(&w, "Old", "new");
	assert_true(has_news(&w));
	world_end(&w);
}

/* As many as at the switch, and not the same ones. */
static void test_one_gone_there_and_one_new(void **state)
{
	struct memory_folder *old;
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	world_gets(&w, "INBOX", "new");
	old = memory_folder(&shared->source, "Old");
	memory_remove(old, 2);
	memory_add(old, old->uidnext, 30)->date = OF_THE_SOURCE;
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.put_back, 1);
	assert_int_equal(old->count, 4 + 1);
	world_end(&w);
}

/* With the bytes that it has. */
static void give_anew(struct memory_message *m, uint32_t uid)
{
	char *body = world_keep(str_of("................................", m->body_len));

	for (size_t k = 0; k < m->body_len; k++)
		body[k] = memory_byte(m->uid, k);
	m->body = body;
	m->uid = uid;
}

/* Another UIDVALIDITY: no UID means anything, and the same bytes are not sent again. */
static void test_made_anew_there(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	inbox = memory_folder(&shared->source, "INBOX");
	inbox->uidvalidity = 5;
	for (size_t i = 0; i < inbox->count; i++) {
		struct memory_message *m = &inbox->messages[i];

		give_anew(m, m->uid + 50);
	}
	inbox->uidnext = 60;
	OK(world_carry(&w, &err));
	/* what was removed here is still there: which one it was is not known any more */
	assert_int_equal(inbox->count, 6 + 3);
	world_end(&w);
}

static int by_memory_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct memory_message *)a)->uid;
	uint32_t y = ((const struct memory_message *)b)->uid;

	return (x > y) - (x < y);
}

/* The same UIDVALIDITY, and other UIDs all the same (Courier): what has the UID of a
   message that was removed here is not expunged, and nothing comes twice. */
static void test_uids_that_wander(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct memory_message late;
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	inbox = memory_folder(&shared->source, "INBOX");
	for (size_t i = 0; i < inbox->count; i++) {
		struct memory_message *m = &inbox->messages[i];

		give_anew(m, m->uid + (m->uid > 1));
	}
	late = inbox->messages[1];
	late.uid = 2;
	late.date = OF_THE_SOURCE;
	inbox->messages[inbox->count++] = inbox->messages[1];
	inbox->messages[1] = late;
	qsort(inbox->messages, inbox->count, sizeof(late), by_memory_uid);
	inbox->uidnext = 8;
	OK(world_carry(&w, &err));
	assert_non_null(memory_find(inbox, 2));
	assert_int_equal(w.lost.expunges, 2);
	assert_int_equal(inbox->count, 7 + 3);
	world_end(&w);
}

/* The same, of some only, and where their UIDs were there is nothing now: they are there,
   and are not put back. */
static void test_uids_given_anew(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct world w;

	(void)state;
	world_begin(&w);
	world_gets(&w, "INBOX", "new");
	inbox = memory_folder(&shared->source, "INBOX");
	for (uint32_t n = 0; n < 3; n++)
		give_anew(memory_find(inbox, 4 + n), inbox->uidnext + n);
	inbox->uidnext += 3;
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.put_back, 0);
	assert_int_equal(w.sums.messages, 1);
	assert_int_equal(w.lost.uids, 3 + 1);
	assert_int_equal(inbox->count, 6 + 1);
	world_check_round_trip(&w);
	world_end(&w);
}

/* The sweep knows it by its bytes, and where it is there from then on. */
static void test_swept_under_another_uid(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct memory_message *m;
	struct store *s;
	struct world w;

	(void)state;
	world_begin(&w);
	inbox = memory_folder(&shared->source, "INBOX");
	m = memory_find(inbox, 4);
	give_anew(m, inbox->uidnext++);
	assert_int_equal(
		world_sweep(&w, m->uid, str_of(m->body, m->body_len), m->date), 1);
	s = world_store(&w);
	OK(store_begin(s, &err));
	OK(store_expunge(s, world_mailbox(s, "INBOX"), 4, &err));
	OK(store_commit(s, &err));
	store_close(s);
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.messages, 0);
	assert_int_equal(w.sums.expunged, 1);
	assert_null(memory_find(inbox, 7));
	assert_int_equal(inbox->count, 6 - 1);
	world_end(&w);
}

/* By its user: to another mailbox, or for good. */
static void remove_here(struct world *w, uint32_t uid, const char *to)
{
	struct store *s = world_store(w);
	int64_t inbox = world_mailbox(s, "INBOX");
	struct error err = { 0 };
	uint32_t copy;

	OK(store_begin(s, &err));
	if (to)
		OK(store_copy(s, inbox, uid, world_mailbox(s, to), &copy, &err));
	OK(store_expunge(s, inbox, uid, &err));
	OK(store_commit(s, &err));
	store_close(s);
}

static int sweep_4_anew(struct world *w)
{
	struct memory_folder *inbox = memory_folder(&shared->source, "INBOX");
	struct memory_message *m = memory_find(inbox, 4);

	give_anew(m, inbox->uidnext++);
	return world_sweep(w, m->uid, str_of(m->body, m->body_len), m->date);
}

/* It was moved here before: it is no new mail, and goes from there, too. */
static void test_moved_and_swept_under_another_uid(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	remove_here(&w, 4, "Old");
	assert_int_equal(sweep_4_anew(&w), 1);
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.messages, 1);
	assert_int_equal(w.sums.expunged, 1);
	assert_int_equal(w.lost.expunges, 0);
	assert_int_equal(memory_folder(&shared->source, "INBOX")->count, 6 - 1);
	assert_int_equal(memory_folder(&shared->source, "Old")->count, 4 + 1);
	world_end(&w);
}

/* What was removed here for good does not come once more, and goes there, too. */
static void test_removed_and_swept_under_another_uid(void **state)
{
	struct memory_folder *inbox;
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	remove_here(&w, 4, NULL);
	assert_int_equal(sweep_4_anew(&w), 1);
	OK(world_carry(&w, &err));
	inbox = memory_folder(&shared->source, "INBOX");
	assert_int_equal(w.sums.expunged, 1);
	assert_int_equal(inbox->count, 6 - 1);
	world_end(&w);
}

/* Date and size alone are no reason to keep mail from anybody. */
static void test_swept_and_like_one_that_was_removed(void **state)
{
	struct memory_message *m;
	struct world w;
	char other[64];

	(void)state;
	world_begin(&w);
	remove_here(&w, 4, NULL);
	m = memory_find(memory_folder(&shared->source, "INBOX"), 4);
	give_anew(m, 22);
	assert_true(m->body_len < sizeof(other));
	(void)snprintf(other, sizeof(other), "%.*s", (int)m->body_len, m->body);
	other[0] ^= 1;
	assert_int_equal(world_sweep(&w, 20, str_of(other, m->body_len), m->date), 0);
	assert_int_equal(
		world_sweep(&w, 21, str_of(m->body, m->body_len), m->date + 1), 0);
	assert_int_equal(world_sweep(&w, 22, str_of(m->body, m->body_len), m->date), 1);
	world_end(&w);
}

/* Nothing says which of the source's it is; that one is there is said. */
static void test_removed_and_there_under_another_uid(void **state)
{
	struct memory_folder *inbox;
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	remove_here(&w, 4, NULL);
	inbox = memory_folder(&shared->source, "INBOX");
	give_anew(memory_find(inbox, 4), inbox->uidnext++);
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.expunged, 0);
	assert_int_equal(w.lost.expunges, 1);
	assert_int_equal(inbox->count, 6);
	world_end(&w);
}

/* What one look does not find is there at the next. */
static void test_overlooked_once(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct world w;

	(void)state;
	world_begin(&w);
	world_gets(&w, "INBOX", "new");
	inbox = memory_folder(&shared->source, "INBOX");
	inbox->overlooked = 5;
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.put_back, 0);
	assert_int_equal(inbox->count, 6 + 1);
	world_end(&w);
}

/* The UID of a swept message is another's by now: that one is not expunged, and is not
   taken for it. */
static void swept_and_wandered(bool is_removed_here)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct memory_message *other;
	struct store *s;
	struct world w;

	world_begin(&w);
	world_lives_there(&w);
	inbox = memory_folder(&shared->source, "INBOX");
	memory_remove(inbox, 7);
	other = memory_find(inbox, 8);
	other->uid = 7;
	s = world_store(&w);
	OK(store_begin(s, &err));
	if (is_removed_here)
		OK(store_expunge(s, world_mailbox(s, "INBOX"), 7, &err));
	OK(store_commit(s, &err));
	store_close(s);
	OK(world_carry(&w, &err));
	other = memory_find(inbox, 7);
	assert_non_null(other);
	assert_string_equal(other->body, "not seen yet");
	assert_int_equal(w.lost.expunges, is_removed_here ? 1 : 0);
	/* put back: the one that is gone there; and the swept one, when it is here */
	assert_int_equal(w.sums.messages, is_removed_here ? 1 : 2);
	world_end(&w);
}

static void test_swept_uids_that_wander(void **state)
{
	(void)state;
	swept_and_wandered(true);
	swept_and_wandered(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renamed_after_it_was_carried),
		cmocka_unit_test(test_names_are_news),
		cmocka_unit_test(test_one_gone_there_and_one_new),
		cmocka_unit_test(test_made_anew_there),
		cmocka_unit_test(test_uids_that_wander),
		cmocka_unit_test(test_uids_given_anew),
		cmocka_unit_test(test_swept_under_another_uid),
		cmocka_unit_test(test_moved_and_swept_under_another_uid),
		cmocka_unit_test(test_removed_and_swept_under_another_uid),
		cmocka_unit_test(test_swept_and_like_one_that_was_removed),
		cmocka_unit_test(test_removed_and_there_under_another_uid),
		cmocka_unit_test(test_overlooked_once),
		cmocka_unit_test(test_swept_uids_that_wander),
	};

	world_share();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
