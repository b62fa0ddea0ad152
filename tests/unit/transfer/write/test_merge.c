/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mail that is added to an account with mail of its own, in memory and in a real store.
 * The account has what a source had; then the source changes, and is added. What the
 * account had is as it was, what the source has is there, and once more adds nothing.
 */
#include "transfer/write/merge_destination.h"

#include "transfer/copy/sync.h"
#include "transfer/copy/usual.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 2000

struct had {
	int64_t folder;
	uint32_t uidvalidity, uid;
	unsigned flags;
	size_t words;
	int64_t date;
	uint64_t size;
	unsigned sum; /* of its bytes */
};

struct look {
	const struct destination *to;
	struct had rows[ROWS_MAX];
	size_t count;
	int64_t folder;
	uint32_t uidvalidity;
};

static int add_up(void *context, struct str body)
{
	unsigned *sum = context;

	for (size_t i = 0; i < body.len; i++)
		*sum = *sum * 31 + (unsigned char)body.ptr[i];
	return 0;
}

static int look_at_mail(void *context, const struct mail *m)
{
	struct look *l = context;
	struct error err = { 0 };
	struct had *row = &l->rows[l->count++];

	assert_true(l->count <= ROWS_MAX);
	*row = (struct had){ l->folder, l->uidvalidity, m->uid, m->flags, m->keywords.len,
		m->date, m->body_len, 0 };
	OK(l->to->ops->read_body(
		l->to->self, l->folder, m->uid, add_up, &row->sum, &err));
	return 0;
}

static int look_at_folder(void *context, const struct destination_folder *f)
{
	struct look *l = context;
	struct error err = { 0 };

	l->folder = f->id;
	l->uidvalidity = f->uidvalidity;
	OK(l->to->ops->each_mail(
		l->to->self, f->id, 1, UINT32_MAX, look_at_mail, l, &err));
	return 0;
}

static struct look *look(const struct destination *to)
{
	struct look *l = calloc(1, sizeof(*l));
	struct error err = { 0 };

	assert_non_null(l);
	l->to = to;
	OK(to->ops->each_folder(to->self, look_at_folder, l, &err));
	return l;
}

/* All that was there is there, unchanged. */
static void check_kept(const struct look *before, const struct look *after)
{
	for (size_t i = 0; i < before->count; i++) {
		bool found = false;

		for (size_t k = 0; k < after->count; k++)
			found = found || memcmp(&before->rows[i], &after->rows[k],
						 sizeof(struct had)) == 0;
		if (!found)
			fail_msg("folder %lld: UID %u is another one or gone",
				(long long)before->rows[i].folder, before->rows[i].uid);
	}
}

/* No two messages of a folder have one UID. */
static void check_uids(const struct look *l)
{
	for (size_t i = 1; i < l->count; i++)
		if (l->rows[i].folder == l->rows[i - 1].folder)
			assert_true(l->rows[i].uid > l->rows[i - 1].uid);
}

static void copy(struct end *end, struct memory_source *m)
{
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync sync;

	sync_init(&sync, &source, &end->to, NULL, NULL);
	OK(sync_pass(&sync, &err));
	sync_fini(&sync);
}

/* Through the merge the source's messages are shown as the source's. */
static void check_shown(const struct destination *merge, struct memory_source *m)
{
	struct error err = { 0 };

	for (size_t i = 0; i < m->n_folders; i++) {
		struct memory_folder *f = &m->folders[i];
		struct destination_folder here;

		if (f->attributes & FOLDER_NOSELECT)
			continue;
		OK(merge->ops->find_folder(merge->self, str_from(f->name), &here, &err));
		for (size_t k = 0; k < f->count; k++) {
			const struct memory_message *want = &f->messages[k];
			unsigned sum = 0, expected = 0;

			for (size_t b = 0; b < want->body_len; b++)
				expected = expected * 31 +
				           (unsigned char)memory_byte(want->uid, b);
			OK(merge->ops->read_body(
				merge->self, here.id, want->uid, add_up, &sum, &err));
			assert_int_equal(sum, expected);
		}
	}
}

static struct merge_counts merge_passes(
	struct end *end, struct memory_source *m, unsigned n)
{
	struct source source = memory_source(m);
	struct merge_counts counts, before = { 0 };
	struct destination merge;
	struct error err = { 0 };
	struct sync sync;

	OK(merge_destination_new(&end->to, true, &merge, &err));
	sync_init(&sync, &source, &merge, NULL, NULL);
	for (unsigned i = 0; i < n; i++) {
		before = merge_destination_counts(&merge);
		OK(sync_pass(&sync, &err));
	}
	counts = merge_destination_counts(&merge);
	if (n > 1)
		assert_int_equal(counts.changes, before.changes);
	OK(end->to.ops->commit(end->to.self, &err));
	check_shown(&merge, m);
	sync_fini(&sync);
	merge.ops->free(merge.self);
	return counts;
}

static void changed_then_added(enum end_kind kind, const struct change_row *row)
{
	struct memory_source *m = usual_source();
	struct look *before, *after, *again;
	struct merge_counts counts;
	struct end end;

	end_open(&end, kind);
	copy(&end, m);
	before = look(&end.to);
	row->change(m);
	counts = merge_passes(&end, m, 2);
	after = look(&end.to);
	check_kept(before, after);
	check_uids(after);
	if (after->count != before->count + counts.kept + counts.added)
		fail_msg("%s: other numbers than were said", row->name);
	counts = merge_passes(&end, m, 1);
	again = look(&end.to);
	if (counts.kept || counts.added || again->count != after->count)
		fail_msg("%s: the second time adds some, too", row->name);
	end_crash(&end);
	end_close(&end);
	free(before);
	free(after);
	free(again);
	free(m);
}

static void changes(enum end_kind kind)
{
	for (size_t i = 0; i < n_change_rows; i++)
		changed_then_added(kind, &change_rows[i]);
}

static void changes_in_memory(void **state)
{
	(void)state;
	changes(END_MEMORY);
}

static void changes_in_a_store(void **state)
{
	(void)state;
	changes(END_STORE);
}

/* Into an account without mail everything comes as a copy would bring it. */
static void into_nothing(enum end_kind kind)
{
	struct memory_source *m = usual_source();
	struct merge_counts counts;
	struct end end;

	end_open(&end, kind);
	counts = merge_passes(&end, m, 2);
	assert_int_equal(counts.added, 0);
	assert_int_equal(counts.kept, 14);
	check_equal(&end, m);
	end_close(&end);
	free(m);
}

static void into_nothing_in_memory(void **state)
{
	(void)state;
	into_nothing(END_MEMORY);
}

static void into_nothing_in_a_store(void **state)
{
	(void)state;
	into_nothing(END_STORE);
}

/* Two that are the same in all are two, and one that is here counts once. */
static void equal_ones(void **state)
{
	struct memory_source *m = usual_source();
	struct memory_folder *f = memory_folder(m, "Sent");
	struct merge_counts counts;
	struct end end;

	(void)state;
	end_open(&end, END_STORE);
	f->count = 0;
	memory_add(f, 1, 0);
	copy(&end, m);
	f->uidvalidity++;
	for (uint32_t uid = 2; uid <= 4; uid++)
		memory_add(f, uid, 0)->date = f->messages[0].date;
	counts = merge_passes(&end, m, 2);
	assert_int_equal(counts.added, 3);
	assert_int_equal(merge_passes(&end, m, 2).added, 0);
	end_close(&end);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(into_nothing_in_memory),
		cmocka_unit_test(into_nothing_in_a_store),
		cmocka_unit_test(changes_in_memory),
		cmocka_unit_test(changes_in_a_store),
		cmocka_unit_test(equal_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
