/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One moment of an account, while the account goes on. */
#include "fixture.h"
#include "mailstore/store/compact.h"
#include "mailstore/store/internal.h"
#include "mailstore/store/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LEN 100000

static struct body_place place_of(struct store *s, int64_t mailbox, uint32_t uid)
{
	struct error err = { 0 };
	struct body body;
	struct body_place p;

	OK(store_body_head(s, mailbox, uid, &body, &err));
	p = body.place;
	store_body_release(&body);
	return p;
}

static uint32_t add(struct fixture *f, int64_t mailbox, unsigned seed, size_t len)
{
	struct error err = { 0 };
	char *bytes = pattern(len, seed);
	uint32_t uid;

	OK(store_begin(f->store, &err));
	uid = add_packed(f->store, mailbox, 0, str_of(bytes, len));
	OK(store_commit(f->store, &err));
	free(bytes);
	return uid;
}

static void expunge(struct fixture *f, int64_t mailbox, uint32_t uid)
{
	struct error err = { 0 };

	OK(store_begin(f->store, &err));
	OK(store_expunge(f->store, mailbox, uid, &err));
	OK(store_commit(f->store, &err));
}

static void test_expunged_stays_readable(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct snapshot now;
	struct snapshot_body body;
	int64_t inbox;
	struct body_place p;

	OK(store_begin(f->store, &err));
	inbox = add_mailbox(f->store, "INBOX");
	OK(store_commit(f->store, &err));
	p = place_of(f->store, inbox, add(f, inbox, 1, LEN));
	OK(snapshot_open(f->folder, &now, &err));
	expunge(f, inbox, 1);
	OK(snapshot_body(&now, &p, p.checksum, &body, &err));
	assert_int_equal(body.bytes.len, LEN);
	snapshot_body_release(&body);
	snapshot_close(&now);
}

/* The last place is used again by the next opener: its message is gone, not lost. */
static void test_place_used_again(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct snapshot now;
	struct snapshot_body body;
	int64_t inbox;
	struct body_place p, other;

	OK(store_begin(f->store, &err));
	inbox = add_mailbox(f->store, "INBOX");
	OK(store_commit(f->store, &err));
	(void)add(f, inbox, 1, LEN);
	p = place_of(f->store, inbox, add(f, inbox, 2, LEN));
	OK(snapshot_open(f->folder, &now, &err));
	expunge(f, inbox, 2);
	fixture_reopen(f);
	other = place_of(f->store, inbox, add(f, inbox, 3, LEN));
	assert_true(other.pack == p.pack && other.offset == p.offset);
	FAILS(-ESTALE, snapshot_body(&now, &p, p.checksum, &body, &err));
	snapshot_close(&now);
	/* one that is there and damaged is lost */
	OK(snapshot_open(f->folder, &now, &err));
	fixture_shell(f, "printf X | dd of=$d/bodies/0001.pack bs=1 seek=100100"
			 " conv=notrunc 2>/dev/null");
	FAILS(-EIO, snapshot_body(&now, &other, other.checksum, &body, &err));
	snapshot_close(&now);
}

/* A message that shares another's body now is still there: its old place is not used
   again while somebody reads it. */
static void test_place_of_one_that_shares(void **state)
{
	struct fixture *f = *state;
	struct store_compacted is;
	struct error err = { 0 };
	struct snapshot now;
	struct snapshot_body body;
	int64_t inbox;
	struct body_place places[7];

	OK(store_begin(f->store, &err));
	inbox = add_mailbox(f->store, "INBOX");
	OK(store_commit(f->store, &err));
	for (unsigned i = 0; i < COUNT(places); i++) /* the last one is as the first */
		places[i] = place_of(f->store, inbox, add(f, inbox, i % 6, LEN));
	OK(snapshot_open(f->folder, &now, &err));
	store_close(f->store);
	OK(store_compact(f->folder, &is, &err));
	assert_int_equal(is.shared_bytes, LEN);
	assert_int_equal(is.packs, 0);
	OK(store_open(f->folder, false, &f->store, &err));
	(void)add(f, inbox, 9, LEN);
	for (unsigned i = 0; i < COUNT(places); i++) {
		OK(snapshot_body(&now, &places[i], places[i].checksum, &body, &err));
		snapshot_body_release(&body);
	}
	snapshot_close(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_expunged_stays_readable, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_place_used_again, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_place_of_one_that_shares, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
