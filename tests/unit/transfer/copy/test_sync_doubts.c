/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of which it is not certain that it came from this mailbox: what a mailbox can do
 * meanwhile is taken over, what it cannot ends the pass before anything of it is changed.
 */
#include "transfer/copy/sync.h"
#include "transfer/copy/usual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INBOX "INBOX"

static void add_whole(struct sync *s, const struct destination *to, bool is_whole)
{
	struct destination_folder f;
	struct error err = { 0 };

	OK(to->ops->find_folder(to->self, STR_LIT(INBOX), &f, &err));
	if (is_whole)
		assert_int_equal(sync_was_whole(s, f.id, f.uidnext), 0);
}

static int pass(struct end *end, struct memory_source *m, bool is_whole, bool doubts)
{
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync s;
	int r;

	sync_init(&s, &source, &end->to, NULL, NULL);
	s.doubts = doubts;
	if (doubts)
		add_whole(&s, &end->to, is_whole);
	r = sync_pass(&s, &err);
	sync_fini(&s);
	m->n_listing = m->n_looking = m->n_fetching = 0; /* what was asked for is over */
	return r;
}

/* ---- what its user may have done ---- */

static void nothing(struct memory_source *m)
{
	(void)m;
}

static void lives(struct memory_source *m)
{
	struct memory_folder *inbox = memory_folder(m, INBOX);

	memory_remove(inbox, inbox->messages[0].uid);
	inbox->messages[0].flags ^= MAIL_FLAGGED;
	(void)memory_add(inbox, inbox->uidnext, 77);
}

static void makes_folders_anew(struct memory_source *m)
{
	for (size_t i = 0; i < m->n_folders; i++)
		if (strcmp(m->folders[i].name, INBOX) != 0)
			m->folders[i].uidvalidity++;
}

/* ---- what is another mailbox ---- */

static void has_another_date(struct memory_source *m)
{
	memory_folder(m, INBOX)->messages[1].date++;
}

static void has_another_size(struct memory_source *m)
{
	memory_folder(m, INBOX)->messages[1].body_len++;
}

static void has_another_inbox(struct memory_source *m)
{
	memory_folder(m, INBOX)->uidvalidity++;
}

/* The prefix is the same, and it is shorter. */
static void was_given_fewer(struct memory_source *m)
{
	struct memory_folder *inbox = memory_folder(m, INBOX);

	memory_remove(inbox, inbox->messages[inbox->count - 1].uid);
	inbox->uidnext = inbox->messages[inbox->count - 1].uid + 1;
}

static const struct row {
	const char *name;
	void (*change)(struct memory_source *m);
	bool is_whole, misses_one; /* one that is at the source goes from the copy */
	int r;
} rows[] = {
	{ "the same", nothing, true, false, 0 },
	{ "used meanwhile", lives, true, false, 0 },
	{ "other folders were made anew", makes_folders_anew, true, false, 0 },
	{ "another date", has_another_date, false, false, -ESTALE },
	{ "another size", has_another_size, false, false, -ESTALE },
	{ "another INBOX", has_another_inbox, false, false, -ESTALE },
	{ "a UIDNEXT that went down", was_given_fewer, false, false, -ESTALE },
	{ "one more in a copy that was whole", nothing, true, true, -ESTALE },
	{ "one more in a copy that was not", nothing, false, true, 0 },
};

static void miss_one(struct end *end, struct memory_source *m)
{
	const struct memory_folder *inbox = memory_folder(m, INBOX);
	struct destination_folder f;
	struct error err = { 0 };

	OK(end->to.ops->find_folder(end->to.self, STR_LIT(INBOX), &f, &err));
	OK(end->to.ops->expunge(end->to.self, f.id, inbox->messages[1].uid, &err));
	OK(end->to.ops->commit(end->to.self, &err));
}

static void check_row(const struct row *row, enum end_kind kind)
{
	struct memory_source *m = usual_source();
	uint32_t uidnext = memory_folder(m, INBOX)->uidnext;
	struct end end;
	int r;

	end_open(&end, kind);
	assert_int_equal(pass(&end, m, false, false), 0);
	row->change(m);
	if (row->misses_one)
		miss_one(&end, m);
	for (int i = 0; i < 2; i++) { /* what it is seen by stays as it was */
		r = pass(&end, m, row->is_whole, true);
		if (r != row->r)
			fail_msg("%s: %d instead of %d", row->name, r, row->r);
	}
	if (memory_folder(m, INBOX)->uidnext < uidnext)
		memory_folder(m, INBOX)->uidnext = uidnext; /* no copy lowers it */
	assert_int_equal(pass(&end, m, false, false), 0);
	check_equal(&end, m);
	end_close(&end);
	free(m);
}

static void test_rows(void **state)
{
	(void)state;
	for (enum end_kind kind = 0; kind < END_COUNT; kind++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			check_row(&rows[i], kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
