/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Staged messages: on the disk, in no mailbox; delivered once, or forgotten. */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

#define DATE 1700000000
#define PACK_SIZE ((uint64_t)1 << 30)

static int64_t inbox_of(struct fixture *f)
{
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "INBOX");
	OK(store_commit(f->store, &err));
	return id;
}

static struct body_place packed(struct store *s, struct str body)
{
	struct error err = { 0 };
	struct body_writer w;
	struct body_place place;

	OK(store_body_begin(s, body.len, &w, &err));
	OK(store_body_write(s, &w, body, &err));
	OK(store_body_end(s, &w, &place, &err));
	return place;
}

/* In a transaction. */
static int64_t stage(struct store *s, struct str body, bool in_pack)
{
	struct error err = { 0 };
	struct store_message m = { .date = DATE, .zone = 60, .size = body.len };
	struct body_place place = in_pack ? packed(s, body) : store_body_inline(body);
	int64_t id = 0;

	OK(store_stage(s, &m, &place, &id, &err));
	assert_true(id > 0);
	return id;
}

static int64_t stage_one(struct fixture *f, struct str body, bool in_pack)
{
	struct error err = { 0 };
	int64_t id;

	OK(store_begin(f->store, &err));
	id = stage(f->store, body, in_pack);
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err));
	return id;
}

static int keep_message(void *context, const struct store_message *m)
{
	*(struct store_message *)context = *m;
	return 0;
}

static void delivered_as_new_mail(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f);

	for (int in_pack = 0; in_pack < 2; in_pack++) {
		struct str body =
			in_pack ? STR_LIT("in a pack") : STR_LIT("in the index");
		struct store_message m = { 0 };
		int64_t id = stage_one(f, body, in_pack);
		uint32_t uid = 0, before = (uint32_t)in_pack;

		assert_int_equal(get_mailbox(f, "INBOX").messages, before);
		OK(store_begin(f->store, &err));
		OK(store_deliver(f->store, id, inbox, &uid, &err));
		OK(store_commit(f->store, &err));
		assert_int_equal(uid, before + 1);
		assert_body(f->store, inbox, uid, body);
		OK(store_each_message(f->store, inbox, uid, uid, keep_message, &m, &err));
		assert_int_equal(m.flags, FLAG_RECENT);
		assert_int_equal(m.date, DATE);
		assert_int_equal(m.zone, 60);
		assert_int_equal(m.size, body.len);
		assert_int_equal(get_mailbox(f, "INBOX").unseen, before + 1);
		OK(store_verify(f->store, &err));
	}
}

static void second_time_is_no_delivery(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f), id = stage_one(f, STR_LIT("once"), false);

	OK(store_begin(f->store, &err));
	OK(store_deliver(f->store, id, inbox, NULL, &err));
	FAILS(-ENOENT, store_deliver(f->store, id, inbox, NULL, &err));
	FAILS(-ENOENT, store_discard(f->store, id, &err));
	OK(store_commit(f->store, &err)); /* these errors left it as it was */
	assert_int_equal(get_mailbox(f, "INBOX").messages, 1);
	assert_true(stage_one(f, STR_LIT("next"), false) > id); /* no id twice */
}

static void staged_and_delivered_in_one(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f);

	OK(store_begin(f->store, &err));
	for (int i = 0; i < 20; i++)
		OK(store_deliver(f->store, stage(f->store, STR_LIT("many"), i % 2), inbox,
			NULL, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(get_mailbox(f, "INBOX").messages, 20);
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 0);
	assert_int_equal(get_mailbox(f, "INBOX").messages, 20);
	OK(store_verify(f->store, &err));
}

static void discard_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t ids[2];

	(void)inbox_of(f);
	ids[0] = stage_one(f, STR_LIT("index"), false);
	ids[1] = stage_one(f, STR_LIT("pack"), true);
	OK(store_begin(f->store, &err));
	OK(store_discard(f->store, ids[0], &err));
	OK(store_discard(f->store, ids[1], &err));
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err)); /* no body without a row */
	fixture_reopen(f);
	assert_int_equal(get_mailbox(f, "INBOX").messages, 0);
}

static void next_opener_delivers(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f);
	char *large = pattern(200000, 7);

	(void)stage_one(f, STR_LIT("first"), false);
	(void)stage_one(f, str_of(large, 200000), true);
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 2);
	assert_int_equal(get_mailbox(f, "INBOX").messages, 2);
	assert_body(f->store, inbox, 1, STR_LIT("first"));
	assert_body(f->store, inbox, 2, str_of(large, 200000));
	OK(store_verify(f->store, &err));
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 0);
	free(large);
}

static void waits_for_an_inbox(void **state)
{
	struct fixture *f = *state;

	(void)stage_one(f, STR_LIT("early"), false);
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 0);
	(void)inbox_of(f);
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 1);
}

static void rollback_unstages(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	(void)inbox_of(f);
	OK(store_begin(f->store, &err));
	(void)stage(f->store, STR_LIT("never"), false);
	(void)stage(f->store, STR_LIT("nor this"), true);
	store_rollback(f->store);
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 0);
	OK(store_verify(f->store, &err));
}

/* The pack of a staged body is needed though no message lies in it. */
static void keeps_its_pack_alive(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f), id;
	struct body_writer w;
	uint32_t uid;

	OK(store_begin(f->store, &err));
	uid = add_packed(f->store, inbox, 0, STR_LIT("will be expunged"));
	id = stage(f->store, STR_LIT("stays"), true);
	OK(store_commit(f->store, &err));
	OK(store_body_begin(f->store, PACK_SIZE - 1, &w, &err)); /* in the next pack */
	store_body_abort(f->store, &w);
	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, inbox, uid, &err));
	OK(store_commit(f->store, &err));
	assert_true(fixture_size(f, "bodies/0001.pack") > 0);
	OK(store_verify(f->store, &err));
	OK(store_begin(f->store, &err));
	OK(store_deliver(f->store, id, inbox, &uid, &err));
	OK(store_commit(f->store, &err));
	assert_body(f->store, inbox, uid, STR_LIT("stays"));
	fixture_reopen(f);
	assert_body(f->store, inbox, uid, STR_LIT("stays"));
}

/* And when that is given up, nobody needs it. */
static void its_pack_dies_with_it(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct body_writer w;
	int64_t id;

	(void)inbox_of(f);
	id = stage_one(f, STR_LIT("goes"), true);
	OK(store_body_begin(f->store, PACK_SIZE - 1, &w, &err));
	store_body_abort(f->store, &w);
	OK(store_begin(f->store, &err));
	OK(store_discard(f->store, id, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(fixture_size(f, "bodies/0001.pack"), -1);
}

/* What lies behind the last row is overwritten: a staged row counts. */
static void its_place_is_not_written_over(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f);

	(void)stage_one(f, STR_LIT("staged"), true);
	fixture_shell(f, "sqlite3 $d/index.sqlite \"DELETE FROM mailbox\"");
	fixture_reopen(f); /* not delivered */
	OK(store_begin(f->store, &err));
	inbox = add_mailbox(f->store, "INBOX");
	(void)add_packed(f->store, inbox, 0, STR_LIT("behind it"));
	OK(store_commit(f->store, &err));
	fixture_reopen(f);
	assert_int_equal(store_settled(f->store), 1);
	assert_body(f->store, inbox, 1, STR_LIT("behind it"));
	assert_body(f->store, inbox, 2, STR_LIT("staged"));
}

static void needs_a_transaction(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store_message m = { 0 };
	struct body_place place = store_body_inline(STR_LIT("x"));
	int64_t id = 0;

	FAILS(-EINVAL, store_stage(f->store, &m, &place, &id, &err));
	FAILS(-EINVAL, store_deliver(f->store, 1, 1, NULL, &err));
	FAILS(-EINVAL, store_discard(f->store, 1, &err));
}

/* An account of before there was delivery. */
static void upgrades(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t inbox = inbox_of(f);

	OK(store_begin(f->store, &err));
	(void)add_inline(f->store, inbox, 0, STR_LIT("old"));
	OK(store_commit(f->store, &err));
	fixture_downgrade(f, 1);
	(void)stage_one(f, STR_LIT("new"), false);
	fixture_reopen(f);
	assert_body(f->store, inbox, 1, STR_LIT("old"));
	assert_body(f->store, inbox, 2, STR_LIT("new"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(delivered_as_new_mail),
		T(second_time_is_no_delivery),
		T(staged_and_delivered_in_one),
		T(discard_leaves_nothing),
		T(next_opener_delivers),
		T(waits_for_an_inbox),
		T(rollback_unstages),
		T(keeps_its_pack_alive),
		T(its_pack_dies_with_it),
		T(its_place_is_not_written_over),
		T(needs_a_transaction),
		T(upgrades),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
