/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Flags of many messages changed at once: whatever is left to be rewritten, what is read
   is what a plain list of messages would say. */
#include "fixture.h"
#include "mailstore/store/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGES 700 /* more than are rewritten at once */
#define STEPS 200
#define ANSWERED_AND_DELETED (FLAG_ANSWERED | FLAG_DELETED)

/* What a list of messages is. */
struct model {
	struct {
		bool here;
		unsigned flags;
		uint64_t modseq;
	} messages[2 * MESSAGES]; /* by UID */
	uint32_t uidnext;
};

struct world {
	struct fixture *f;
	int64_t id, other;
	struct model model;
	uint64_t since; /* a modseq of before */
	bool changed_since[2 * MESSAGES];
	uint32_t rows, changes; /* seen */
	uint32_t at;
};

/* ── what is read ──────────────────────────────────────────────────────────────────── */

static int see(void *context, const struct store_message *m)
{
	struct world *w = context;

	while (!w->model.messages[++w->at].here)
		assert_true(w->at < w->model.uidnext);
	assert_int_equal(m->uid, w->at);
	assert_int_equal(m->flags, w->model.messages[w->at].flags);
	assert_int_equal(m->modseq, w->model.messages[w->at].modseq);
	w->rows++;
	return 0;
}

static int see_change(void *context, const struct store_message *m)
{
	struct world *w = context;

	assert_true(m->uid > w->at); /* in order */
	w->at = m->uid;
	assert_true(w->model.messages[m->uid].modseq > w->since);
	assert_int_equal(m->modseq, w->model.messages[m->uid].modseq);
	assert_int_equal(m->flags, w->model.messages[m->uid].flags);
	w->changes++;
	return 0;
}

static void compare(struct world *w)
{
	struct store *s = w->f->store;
	struct mailbox counts = { 0 };
	struct error err = { 0 };
	uint32_t rows = 0, changes = 0, unseen = 0, deleted = 0;
	uint64_t bytes = 0;

	for (uint32_t uid = 1; uid < w->model.uidnext; uid++) {
		if (!w->model.messages[uid].here)
			continue;
		rows++;
		unseen += !(w->model.messages[uid].flags & FLAG_SEEN);
		deleted += (w->model.messages[uid].flags & FLAG_DELETED) != 0;
		changes += w->model.messages[uid].modseq > w->since;
	}
	for (int i = 0; i < 2; i++) {
		w->at = w->rows = 0;
		OK(i ? store_each_state(s, w->id, see, w, &err)
		     : store_each_message(s, w->id, 1, UINT32_MAX, see, w, &err));
		assert_int_equal(w->rows, rows);
	}
	w->at = w->changes = 0;
	OK(store_each_changed(s, w->id, w->since, see_change, w, &err));
	assert_int_equal(w->changes, changes);
	OK(store_mailbox_counts(s, w->id, &counts, &err));
	assert_int_equal(counts.messages, rows);
	assert_int_equal(counts.unseen, unseen);
	assert_int_equal(counts.deleted, deleted);
	OK(store_deleted_bytes(s, w->id, &bytes, &err));
	assert_int_equal(bytes, deleted); /* each is one byte long */
	OK(store_verify(s, &err));
}

/* ── what is done ──────────────────────────────────────────────────────────────────── */

static uint32_t below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static void add_one(struct world *w, uint32_t uid)
{
	uid = add_inline(w->f->store, w->id, uid, STR_LIT("x"));
	w->model.messages[uid].here = true;
	w->model.messages[uid].flags = 0;
	w->model.messages[uid].modseq = store_modseq(w->f->store);
	if (uid >= w->model.uidnext)
		w->model.uidnext = uid + 1;
}

static uint32_t count_changes(const struct world *w, const struct store_range *r)
{
	uint32_t n = 0;

	for (uint32_t uid = r->from; uid <= r->to; uid++) {
		unsigned flags = w->model.messages[uid].flags;

		n += w->model.messages[uid].here &&
		     ((flags | r->add) & ~r->take) != flags;
	}
	return n;
}

/* Mostly of all messages, so that one follows the other. */
static void change_range(struct world *w)
{
	static const unsigned flags[] = { FLAG_SEEN, FLAG_ANSWERED, FLAG_DELETED,
		ANSWERED_AND_DELETED };
	bool all = below(4), adds = below(2);
	struct store_range r = { .from = all ? 1 : 1 + below(MESSAGES / 2),
		.to = all ? w->model.uidnext - 1 : MESSAGES / 2 + below(MESSAGES / 2),
		.add = adds ? flags[below(4)] : 0,
		.take = adds ? 0 : flags[below(4)] };
	uint64_t modseq = 0;
	struct error err = { 0 };

	r.n_changed = count_changes(w, &r) + 1;
	assert_int_equal(store_change_range(w->f->store, w->id, &r, &modseq, &err), 0);
	r.n_changed--;
	assert_int_equal(store_change_range(w->f->store, w->id, &r, &modseq, &err), 1);
	for (uint32_t uid = r.from; uid <= r.to; uid++) {
		unsigned now = (w->model.messages[uid].flags | r.add) & ~r.take;

		if (!w->model.messages[uid].here || now == w->model.messages[uid].flags)
			continue;
		w->model.messages[uid].flags = now;
		w->model.messages[uid].modseq = modseq;
	}
}

static uint32_t some_uid(const struct world *w)
{
	uint32_t uid;

	do
		uid = 1 + below(w->model.uidnext - 1);
	while (!w->model.messages[uid].here);
	return uid;
}

static void change_one(struct world *w)
{
	uint32_t uid = some_uid(w);
	unsigned is = w->model.messages[uid].flags;
	unsigned flags = below(2) ? below(32) : is;
	uint64_t modseq = 0;
	struct error err = { 0 };

	OK(store_set_flags(w->f->store, w->id, uid, flags, STR_LIT(""), &modseq, &err));
	if (flags == is)
		assert_int_equal(modseq, w->model.messages[uid].modseq);
	w->model.messages[uid].flags = flags;
	w->model.messages[uid].modseq = modseq;
}

static void expunge_one(struct world *w)
{
	uint32_t uid = some_uid(w);
	struct error err = { 0 };

	OK(store_expunge(w->f->store, w->id, uid, &err));
	w->model.messages[uid].here = false;
	if (below(2)) /* the source has it again: a UID in the middle */
		add_one(w, uid);
}

static int see_copy(void *context, const struct store_message *m)
{
	const unsigned *flags = context;

	assert_int_equal(m->flags, *flags | FLAG_RECENT);
	return 0;
}

static void copy_one(struct world *w)
{
	uint32_t uid = some_uid(w), to = 0;
	struct error err = { 0 };

	OK(store_copy(w->f->store, w->id, uid, w->other, &to, &err));
	OK(store_each_message(w->f->store, w->other, to, to, see_copy,
		&w->model.messages[uid].flags, &err));
}

static void add_next(struct world *w)
{
	if (w->model.uidnext < 2 * MESSAGES - 1)
		add_one(w, 0);
}

static void (*const steps[])(struct world *w) = { change_range, change_range,
	change_range, change_one, expunge_one, copy_one, add_next };

static void random_steps(void **state)
{
	struct world w = { .f = *state, .model.uidnext = 1 };
	struct error err = { 0 };
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	srandom(seed);
	OK(store_begin(w.f->store, &err));
	w.id = add_mailbox(w.f->store, "a");
	w.other = add_mailbox(w.f->store, "b");
	for (int i = 0; i < MESSAGES; i++)
		add_one(&w, 0);
	OK(store_commit(w.f->store, &err));
	for (int i = 0; i < STEPS; i++) {
		OK(store_begin(w.f->store, &err));
		steps[below(sizeof(steps) / sizeof(steps[0]))](&w);
		OK(store_commit(w.f->store, &err));
		if (below(4) == 0)
			assert_in_range(
				store_rewrite_changed(w.f->store, 1 + below(200), &err),
				0, 1);
		if (below(10) == 0)
			w.since = store_modseq(w.f->store) - below(10);
		if (below(50) == 0)
			fixture_reopen(w.f);
		if (below(4) == 0)
			compare(&w);
	}
	while (store_rewrite_changed(w.f->store, 100, &err) == 0)
		compare(&w);
	compare(&w);
}

/* ── the rest ──────────────────────────────────────────────────────────────────────── */

static int64_t change_all(struct fixture *f, unsigned add)
{
	struct store_range r = {
		.from = 1, .to = MESSAGES, .add = add, .n_changed = MESSAGES
	};
	struct error err = { 0 };
	uint64_t modseq;
	int64_t id;

	OK(store_begin(f->store, &err));
	id = add_mailbox(f->store, "a");
	for (uint32_t uid = 1; uid <= MESSAGES; uid++)
		(void)add_inline(f->store, id, uid, STR_LIT("x"));
	OK(store_commit(f->store, &err));
	OK(store_begin(f->store, &err));
	assert_int_equal(store_change_range(f->store, id, &r, &modseq, &err), 1);
	OK(store_commit(f->store, &err));
	return id;
}

static void is_undone_by_rollback(void **state)
{
	struct world w = { .f = *state };
	struct store_range r = {
		.from = 1, .to = MESSAGES, .take = FLAG_SEEN, .n_changed = MESSAGES
	};
	struct error err = { 0 };
	uint64_t modseq;

	w.id = change_all(w.f, FLAG_SEEN);
	w.model.uidnext = MESSAGES + 1;
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		w.model.messages[uid].here = true;
		w.model.messages[uid].flags = FLAG_SEEN;
		w.model.messages[uid].modseq = store_modseq(w.f->store);
	}
	compare(&w);
	OK(store_begin(w.f->store, &err));
	assert_int_equal(store_change_range(w.f->store, w.id, &r, &modseq, &err), 1);
	store_rollback(w.f->store);
	compare(&w);
}

/* Nothing of it is left for a mailbox that is made anew, nor for one of its number. */
static void goes_with_the_mailbox(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	int64_t id = change_all(f, FLAG_SEEN);

	assert_int_equal(store_rewrite_changed(f->store, 100, &err), 0);
	OK(store_begin(f->store, &err));
	OK(store_reset_mailbox(f->store, id, 77, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(store_rewrite_changed(f->store, 100, &err), 1);
	OK(store_verify(f->store, &err));
	OK(store_begin(f->store, &err));
	OK(store_delete_mailbox(f->store, id, &err));
	OK(store_commit(f->store, &err));
	id = change_all(f, FLAG_SEEN);
	OK(store_begin(f->store, &err));
	OK(store_delete_mailbox(f->store, id, &err));
	OK(store_commit(f->store, &err));
	assert_int_equal(store_rewrite_changed(f->store, 100, &err), 1);
	OK(store_verify(f->store, &err));
}

static void upgrades(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct store_range r = {
		.from = 1, .to = MESSAGES, .take = FLAG_SEEN, .n_changed = MESSAGES
	};
	uint64_t modseq;
	int64_t id = change_all(f, FLAG_SEEN);

	while (store_rewrite_changed(f->store, 1000, &err) == 0)
		;
	fixture_downgrade(f, 13);
	OK(store_begin(f->store, &err));
	assert_int_equal(store_change_range(f->store, id, &r, &modseq, &err), 1);
	OK(store_commit(f->store, &err));
	OK(store_verify(f->store, &err));
	assert_int_equal(get_mailbox(f, "a").unseen, MESSAGES);
}

/* ── who reads flags otherwise ─────────────────────────────────────────────────────── */

static int no_folder(void *self, const char *name, struct error *err)
{
	(void)self;
	(void)name;
	(void)err;
	return 0;
}

static int has_flags(void *self, const struct export_message *m, struct error *err)
{
	(void)self;
	(void)err;
	assert_string_equal(m->flags, "ST");
	return 0;
}

static int no_file(void *self, enum export_file f, struct str bytes, struct error *err)
{
	(void)self;
	(void)f;
	(void)bytes;
	(void)err;
	return 0;
}

static int no_end(void *self, struct error *err)
{
	(void)self;
	(void)err;
	return 0;
}

static void is_exported(void **state)
{
	static const struct export_target_ops ops = { .folder = no_folder,
		.message = has_flags,
		.file = no_file,
		.finish = no_end };
	const struct export_target to = { .ops = &ops };
	struct fixture *f = *state;
	struct store_exported count;
	struct error err = { 0 };

	(void)change_all(f, FLAG_SEEN | FLAG_DELETED);
	OK(store_export(f->folder, &to, NULL, NULL, &count, &err));
	assert_int_equal(count.messages, MESSAGES);
}

static int note_finding(void *context, const struct store_finding *f)
{
	unsigned *repaired = context;

	*repaired += f->is_repaired;
	return 0;
}

static void is_repaired_by(void **state)
{
	struct fixture *f = *state;
	struct store_inspected count;
	struct error err = { 0 };
	unsigned repaired = 0;
	struct mailbox m;
	uint64_t modseq;

	(void)change_all(f, FLAG_SEEN | FLAG_DELETED);
	modseq = store_modseq(f->store);
	store_close(f->store);
	f->store = NULL;
	fixture_shell(f,
		"sqlite3 $d/index.sqlite 'UPDATE mailbox SET unseen = 5, deleted = 5,"
		" highestmodseq = 1; UPDATE account SET modseq = 1'");
	OK(store_inspect(f->folder, true, note_finding, &repaired, &count, &err));
	assert_in_range(repaired, 2, UINT32_MAX);
	fixture_reopen(f);
	m = get_mailbox(f, "a");
	assert_int_equal(m.unseen, 0);
	assert_int_equal(m.deleted, MESSAGES);
	assert_int_equal(m.highestmodseq, modseq);
	assert_int_equal(store_modseq(f->store), modseq);
	OK(store_verify(f->store, &err));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(random_steps), T(is_undone_by_rollback),
		T(goes_with_the_mailbox), T(upgrades), T(is_exported),
		T(is_repaired_by) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
