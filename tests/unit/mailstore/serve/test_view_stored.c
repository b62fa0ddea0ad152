/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Images of a mailbox in the store, and what random changes of all kinds make of them:
 * whatever a view is opened from, it is what the rows say. Images are made now and then,
 * so they are of many ages; some are damaged; the store is opened anew in between.
 */
#include "mailstore/serve/view_image.h"
#include "mailstore/serve/view_stored.h"
#include "mailstore/store/fixture.h"
#include "mailstore/store/image.h"
#include "mailstore/store/source_side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGES 600 /* more than are rewritten at once */
#define STEPS 600

struct world {
	struct fixture *f;
	int64_t id;
	struct view_images images;
	unsigned from_store, from_rows; /* that a view was opened from */
	unsigned steps;
};

static uint32_t below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static const char *some_words(void)
{
	static const char *const words[] = { "", "", "", "a", "a b", "c" };

	return words[below(6)];
}

/* ── what is done ──────────────────────────────────────────────────────────────────── */

struct collected {
	struct {
		uint32_t uid;
		unsigned flags;
	} list[4 * MESSAGES];
	uint32_t count;
};

static int collect_one(void *context, const struct store_message *m)
{
	struct collected *c = context;

	assert_true(c->count < 4 * MESSAGES);
	c->list[c->count].uid = m->uid;
	c->list[c->count++].flags = m->flags;
	return 0;
}

static struct collected *collect(struct world *w)
{
	static struct collected c;
	struct error err = { 0 };

	c.count = 0;
	OK(store_each_state(w->f->store, w->id, collect_one, &c, &err));
	return &c;
}

static uint32_t some_uid(struct world *w)
{
	const struct collected *c = collect(w);

	return c->count ? c->list[below(c->count)].uid : 0;
}

static void add(struct world *w, uint32_t uid)
{
	struct store_message m = { .uid = uid,
		.flags = below(4) ? below(32) : FLAG_RECENT,
		.keywords = str_from(some_words()),
		.size = 1,
		.uidl = STR("") };
	struct body_place place = store_body_inline(STR_LIT("x"));
	struct error err = { 0 };

	OK(store_add(w->f->store, w->id, &m, &place, NULL, &err));
}

static void add_next(struct world *w)
{
	if (collect(w)->count < 2 * MESSAGES)
		add(w, 0);
}

/* A transfer that goes on: also where there was one before. */
static void add_between(struct world *w)
{
	const struct collected *c = collect(w);

	for (uint32_t i = below(c->count + 1); i + 1 < c->count; i++)
		if (c->list[i].uid + 1 != c->list[i + 1].uid) {
			add(w, c->list[i].uid + 1);
			return;
		}
}

static void change_one(struct world *w)
{
	uint32_t uid = some_uid(w);
	uint64_t modseq;
	struct error err = { 0 };

	if (uid)
		OK(store_set_flags(w->f->store, w->id, uid, below(32),
			str_from(some_words()), &modseq, &err));
}

static void change_range(struct world *w)
{
	const struct collected *c = collect(w);
	struct store_range r = { .from = 1 + (below(2) ? below(100) : 0),
		.to = UINT32_MAX,
		.add = below(32),
		.take = 0 };
	struct error err = { 0 };
	uint64_t modseq;

	if (below(2)) {
		r.take = r.add;
		r.add = 0;
	}
	for (uint32_t i = 0; i < c->count; i++)
		r.n_changed += c->list[i].uid >= r.from &&
		               ((c->list[i].flags | r.add) & ~r.take) != c->list[i].flags;
	assert_int_equal(store_change_range(w->f->store, w->id, &r, &modseq, &err), 1);
}

static void expunge_one(struct world *w)
{
	uint32_t uid = some_uid(w);
	struct error err = { 0 };

	if (!uid)
		return;
	OK(store_expunge(w->f->store, w->id, uid, &err));
	if (below(3) == 0)
		add(w, uid);
}

static void copy_one(struct world *w)
{
	uint32_t uid = some_uid(w);
	struct error err = { 0 };

	if (uid && collect(w)->count < 2 * MESSAGES)
		OK(store_copy(w->f->store, w->id, uid, w->id, NULL, &err));
}

static void take_recent(struct world *w)
{
	struct error err = { 0 };

	OK(store_take_recent(w->f->store, w->id, NULL, &err));
}

/* By the transfer, in another process: there is no image in memory. */
static void forget_images(struct world *w)
{
	view_images_fini(&w->images);
}

static void add_word(struct world *w)
{
	struct error err = { 0 };

	forget_images(w);
	OK(store_add_keyword(w->f->store, w->id, STR_LIT("listed"), &err));
}

static void leave_gap(struct world *w)
{
	struct error err = { 0 };

	OK(store_raise_uidnext(
		w->f->store, w->id, get_mailbox(w->f, "a").uidnext + below(3), &err));
}

static void base_modseq(struct world *w)
{
	struct error err = { 0 };

	OK(store_base_modseq(
		w->f->store, w->id, store_modseq(w->f->store) + below(5), &err));
}

static void fill(struct world *w)
{
	for (int i = 0; i < MESSAGES; i++)
		add(w, 0);
}

static void reset(struct world *w)
{
	struct error err = { 0 };

	if (below(10))
		return;
	OK(store_reset_mailbox(w->f->store, w->id, 0, &err));
	fill(w);
}

/* The source is the truth again; then it gives the same UIDs to other messages. */
static void note_base(struct world *w)
{
	struct error err = { 0 };

	OK(store_note_switch(w->f->store, &err));
}

static void drop_ours(struct world *w)
{
	struct error err = { 0 };

	forget_images(w);
	OK(store_drop_ours(w->f->store, &err));
	add(w, 0);
	add_between(w);
}

static void keep_image(struct world *w)
{
	struct error err = { 0 };

	OK(view_stored_keep(w->f->store, w->id, &err));
}

static void (*const steps[])(struct world *w) = { add_next, add_next, add_next,
	add_between, change_one, change_one, change_one, change_range, expunge_one,
	expunge_one, copy_one, take_recent, add_word, leave_gap, base_modseq, reset,
	note_base, drop_ours, keep_image, keep_image, keep_image, keep_image };

/* ── what is seen ──────────────────────────────────────────────────────────────────── */

static void compare_words(struct view *is, const struct view *expected)
{
	struct str words = buf_view(&expected->keywords);
	bool known;

	assert_int_equal(buf_len(&is->keywords), words.len);
	while (words.len) {
		(void)view_spelling(is, str_split(&words, ' '), &known);
		assert_true(known);
	}
}

static void compare_views(struct view *is, const struct view *expected, bool with_recent)
{
	assert_int_equal(is->count, expected->count);
	assert_true(is->recent == expected->recent || !with_recent);
	assert_int_equal(is->seen, expected->seen);
	assert_int_equal(is->seen_expunges, expected->seen_expunges);
	assert_int_equal(is->base, expected->base);
	assert_false(is->dirty || is->untold || is->lost_words);
	for (uint32_t i = 0; i < is->count; i++) {
		const struct view_message *a = &is->messages[i];
		const struct view_message *b = &expected->messages[i];

		assert_int_equal(a->uid, b->uid);
		assert_int_equal(a->modseq, b->modseq);
		assert_int_equal(a->flags, b->flags);
		assert_int_equal(a->keywords, b->keywords);
		assert_true(a->recent == b->recent || !with_recent);
		assert_false(a->untold || a->quiet || a->gone);
	}
	compare_words(is, expected);
}

static void look(struct world *w)
{
	struct mailbox m = get_mailbox(w->f, "a");
	struct view expected, view;
	struct error err = { 0 };
	bool takes = below(8) == 0;

	OK(view_open(&expected, w->f->store, &m, true, &err));
	if (below(3))
		view_images_fini(&w->images);
	if (view_stored_open(&view, w->f->store, &m)) {
		w->from_store++;
		compare_views(&view, &expected, false);
		view_close(&view);
	} else {
		w->from_rows++;
	}
	OK(view_images_open(&w->images, &view, w->f->store, &m, !takes, &err));
	compare_views(&view, &expected, true);
	if (takes)
		assert_int_equal(get_mailbox(w->f, "a").recent, 0);
	view_images_keep(&w->images, &view);
	view_close(&view);
	view_close(&expected);
}

static void damage(struct world *w)
{
	static const char *const damages[] = {
		"bytes = zeroblob(length(bytes))",
		"bytes = substr(bytes, 1, length(bytes) - 1)",
		"bytes = bytes || zeroblob(1)",
		"bytes = zeroblob(0)",
		"modseq = modseq + 1",
		"modseq = 1",
		"mailbox = mailbox + 1",
		"version = version + 1",
	};
	char command[200];
	struct mailbox m = get_mailbox(w->f, "a");
	struct view view;

	(void)snprintf(command, sizeof(command),
		"sqlite3 $d/index.sqlite 'UPDATE OR REPLACE image SET %s WHERE mailbox = %d'",
		damages[below(sizeof(damages) / sizeof(damages[0]))], (int)w->id);
	fixture_shell(w->f, command);
	assert_false(view_stored_open(&view, w->f->store, &m));
}

static void step(struct world *w)
{
	struct error err = { 0 };

	OK(store_begin(w->f->store, &err));
	steps[below(sizeof(steps) / sizeof(steps[0]))](w);
	OK(store_commit(w->f->store, &err));
	if (below(4) == 0)
		assert_in_range(
			store_rewrite_changed(w->f->store, 1 + below(200), &err), 0, 1);
	if (below(60) == 0) {
		view_images_fini(&w->images);
		fixture_reopen(w->f);
	}
	if (below(40) == 0)
		damage(w);
	look(w);
}

static void random_steps(void **state)
{
	struct world w = { .f = *state };
	struct error err = { 0 };
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	srandom(seed);
	OK(store_begin(w.f->store, &err));
	w.id = add_mailbox(w.f->store, "a");
	fill(&w);
	OK(store_commit(w.f->store, &err));
	for (unsigned i = 0; i < STEPS; i++)
		step(&w);
	printf("%u from an image, %u from rows\n", w.from_store, w.from_rows);
	assert_true(w.from_store > STEPS / 4);
	view_images_fini(&w.images);
	OK(store_verify(w.f->store, &err));
}

/* ── when they are made ────────────────────────────────────────────────────────────── */

static bool is_stored(struct world *w)
{
	struct mailbox m = get_mailbox(w->f, "a");
	struct view view;
	bool is = view_stored_open(&view, w->f->store, &m);

	if (is)
		view_close(&view);
	return is;
}

/* How many were made. */
static unsigned build(struct world *w)
{
	struct error err = { 0 };
	unsigned n = 0;
	bool done = false;

	for (; !done; n++)
		OK(view_stored_build(w->f->store, &done, &err));
	return n - 1;
}

static void change_some(struct world *w, uint32_t n)
{
	struct error err = { 0 };
	uint64_t modseq;

	OK(store_begin(w->f->store, &err));
	for (uint32_t uid = 1; uid <= n; uid++)
		OK(store_set_flags(w->f->store, w->id, uid, FLAG_FLAGGED, STR_LIT(""),
			&modseq, &err));
	OK(store_commit(w->f->store, &err));
}

static void are_made_of_large_mailboxes(void **state)
{
	struct world w = { .f = *state };
	struct error err = { 0 };
	struct body_place place = store_body_inline(STR_LIT("x"));
	const struct store_message m = { .keywords = STR(""), .uidl = STR("") };

	OK(store_begin(w.f->store, &err));
	w.id = add_mailbox(w.f->store, "a");
	for (int i = 0; i < 999; i++)
		OK(store_add(w.f->store, w.id, &m, &place, NULL, &err));
	OK(store_commit(w.f->store, &err));
	assert_int_equal(build(&w), 0);
	assert_false(is_stored(&w));
	OK(store_begin(w.f->store, &err));
	OK(store_add(w.f->store, w.id, &m, &place, NULL, &err));
	OK(store_commit(w.f->store, &err));
	assert_int_equal(build(&w), 1);
	assert_true(is_stored(&w));
	change_some(&w, 255);
	assert_int_equal(build(&w), 0);
	change_some(&w, 256); /* one more */
	assert_int_equal(build(&w), 1);
	fixture_shell(w.f, "sqlite3 $d/index.sqlite 'UPDATE image SET checksum = 1'");
	assert_false(is_stored(&w));
	assert_int_equal(build(&w), 1);
	assert_true(is_stored(&w));
	OK(store_begin(w.f->store, &err));
	OK(store_delete_mailbox(w.f->store, w.id, &err));
	OK(store_commit(w.f->store, &err));
	fixture_shell(w.f, "test $(sqlite3 $d/index.sqlite"
			   " 'SELECT count(*) FROM image') = 0");
}

/* An older program's folder gets the table, and then the image. */
static void upgrades(void **state)
{
	struct world w = { .f = *state };
	struct error err = { 0 };

	OK(store_begin(w.f->store, &err));
	w.id = add_mailbox(w.f->store, "a");
	fill(&w);
	OK(store_commit(w.f->store, &err));
	fixture_downgrade(w.f, 15);
	assert_false(is_stored(&w));
	OK(store_begin(w.f->store, &err));
	keep_image(&w);
	OK(store_commit(w.f->store, &err));
	assert_true(is_stored(&w));
	look(&w);
	view_images_fini(&w.images);
}

/* Its reader could not use its image, and then its user removed the mailbox. */
static void are_not_made_of_what_has_gone(void **state)
{
	struct world w = { .f = *state };
	struct error err = { 0 };
	bool done = false;

	OK(store_begin(w.f->store, &err));
	w.id = add_mailbox(w.f->store, "a");
	fill(&w);
	OK(store_commit(w.f->store, &err));
	store_doubt_image(w.f->store, w.id);
	OK(store_begin(w.f->store, &err));
	OK(store_delete_mailbox(w.f->store, w.id, &err));
	OK(store_commit(w.f->store, &err));
	OK(view_stored_build(w.f->store, &done, &err));
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			random_steps, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			are_made_of_large_mailboxes, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			are_not_made_of_what_has_gone, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			upgrades, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
