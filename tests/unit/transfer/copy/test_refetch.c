/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bodies that are lost here come back from a server in memory, by way of what the
 * mailstore does with them: each that the source still has, whatever breaks meanwhile.
 */
#include "transfer/copy/refetch.h"

#include "mailstore/serve/delivery.h"
#include "mailstore/store/fixture.h"
#include "mailstore/store/inspect.h"
#include "mailstore/store/source_side.h"
#include "transfer/read/memory_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 150u /* more than are asked for together */
#define LOST_MAX 400

struct world {
	struct fixture *f;
	struct memory_source *source;
	int64_t ids[LOST_MAX]; /* by the number of what is asked for */
	uint32_t uids[LOST_MAX];
	struct refetch_message at[LOST_MAX];
	struct refetch r;
	unsigned fails, handed;
};

static char *body_of(const struct memory_message *m)
{
	unsigned size = memory_size(m);
	char *bytes = malloc(size + 1);

	assert_non_null(bytes);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = m->body ? m->body[i] : memory_byte(m->uid, i);
	return bytes;
}

/* Both sides have it; in a pack here, every seventh inside the index. */
static void add(struct world *w, struct memory_folder *there, int64_t here, uint32_t uid)
{
	const struct memory_message *m = memory_add(there, uid, 20 + uid * 7);
	char *bytes = body_of(m);
	struct str body = str_of(bytes, memory_size(m));

	(void)(uid % 7 ? add_packed : add_inline)(w->f->store, here, uid, body);
	free(bytes);
}

static void begin(struct world *w, void **state)
{
	static const char *const names[] = { "INBOX", "Work" };
	struct error err = { 0 };

	*w = (struct world){ .f = *state, .source = calloc(1, sizeof(*w->source)) };
	assert_non_null(w->source);
	OK(store_begin(w->f->store, &err));
	for (size_t i = 0; i < 2; i++) {
		struct memory_folder *there = memory_add_folder(w->source, names[i]);
		int64_t here = add_mailbox(w->f->store, names[i]);

		for (uint32_t uid = 1; uid <= (i ? 5 : MESSAGES); uid++)
			add(w, there, here, uid);
		there->uidvalidity = get_mailbox(w->f, names[i]).uidvalidity;
	}
	OK(store_note_switch(w->f->store, &err));
	OK(store_commit(w->f->store, &err));
	fixture_shell(w->f, "rm $d/bodies/0001.pack; sqlite3 $d/index.sqlite "
			    "\"UPDATE body SET bytes = 'x' WHERE id % 2\"");
}

static void end(struct world *w)
{
	free(w->source);
}

/* ---- the mailstore's part ---- */

static int hand_on(
	void *context, const struct refetch_message *m, int fd, struct error *err)
{
	struct world *w = context;
	struct delivery d = { .what = DELIVERY_MEND,
		.fd = fd,
		.header = STR(""),
		.mailbox = w->ids[m->number],
		.uid = w->uids[m->number] };
	/* which limit what the source has in no way */
	struct serve serve = {
		.store = w->f->store, .message_bytes = 1, .quota = { 1, 1 }
	};
	struct delivery *list[] = { &d };

	if (w->fails) {
		w->fails--;
		return error_set(err, -EREMOTEIO, "451");
	}
	w->handed++;
	deliveries_run(&serve, list, 1);
	if (d.code < 0)
		*err = d.err;
	return d.code;
}

/* ---- what is lost ---- */

static int add_lost(void *context, const struct store_finding *f)
{
	struct world *w = context;

	if (strcmp(f->kind, "lost") != 0)
		return 0;
	assert_true(w->r.n < LOST_MAX);
	w->ids[w->r.n] = f->mailbox_id;
	w->uids[w->r.n] = f->uid;
	w->r.n++;
	return 0;
}

static size_t gather(struct world *w)
{
	struct source from = memory_source(w->source);
	struct store_inspected is;
	struct error err = { 0 };

	refetch_init(&w->r, &from);
	w->r.hand_on = hand_on;
	w->r.context = w;
	w->r.spool_folder = "/tmp";
	w->r.arena = &w->f->arena;
	w->r.at = w->at;
	OK(store_inspect(w->f->folder, false, add_lost, w, &is, &err));
	for (size_t i = 0; i < w->r.n; i++) {
		struct store_origin o;

		assert_int_equal(store_source_of(w->f->store, w->ids[i], w->uids[i],
					 &w->f->arena, &o, &err),
			1);
		w->at[i] = (struct refetch_message){ .folder = o.folder,
			.uidvalidity = o.uidvalidity,
			.uid = o.uid,
			.number = i };
	}
	refetch_sort(&w->r);
	return w->r.n;
}

/* Returns what refetch_run() does. */
static int transfer(struct world *w, struct error *err)
{
	int code;

	(void)gather(w);
	code = refetch_run(&w->r, err);
	refetch_fini(&w->r);
	return code;
}

static size_t still_lost(struct world *w)
{
	size_t n = gather(w);

	refetch_fini(&w->r);
	return n;
}

static unsigned count(const struct world *w, const char *why)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->r.n; i++)
		n += w->at[i].state == REFETCH_REFUSED &&
		     str_eq(w->at[i].why, str_from(why));
	return n;
}

/* ---- the cases ---- */

static void test_all_comes_back(void **state)
{
	struct error err = { 0 };
	struct world w;

	begin(&w, state);
	assert_true(still_lost(&w) > MESSAGES * 6 / 7);
	OK(transfer(&w, &err));
	assert_int_equal(still_lost(&w), 0);
	OK(store_verify(w.f->store, &err));
	w.handed = 0;
	OK(transfer(&w, &err)); /* nothing is to be done */
	assert_int_equal(w.handed, 0);
	end(&w);
}

static void test_one_by_one_where_many_are_refused(void **state)
{
	struct error err = { 0 };
	struct world w;

	begin(&w, state);
	w.source->refuses_many = true;
	OK(transfer(&w, &err));
	assert_int_equal(still_lost(&w), 0);
	end(&w);
}

/* The connection breaks at each event of it, and it is begun anew. */
static void test_broken_anywhere(void **state)
{
	struct error err = { 0 };
	size_t before = SIZE_MAX;
	struct world w;

	begin(&w, state);
	for (uint64_t at = 1; still_lost(&w); at += 7) {
		int code;

		assert_true(w.r.n <= before); /* what came stays */
		before = w.r.n;
		w.source->events = 0;
		w.source->break_at = at;
		code = transfer(&w, &err);
		assert_true(code == 0 || code == -ECONNRESET);
		assert_true(at < 2000);
	}
	OK(store_verify(w.f->store, &err));
	end(&w);
}

/* The same list goes on after it broke. */
static void test_goes_on(void **state)
{
	struct error err = { 0 };
	struct world w;
	size_t n;
	int code;

	begin(&w, state);
	n = gather(&w);
	w.source->break_at = w.source->events + 200;
	code = refetch_run(&w.r, &err);
	assert_int_equal(code, -ECONNRESET);
	assert_true(w.handed > 0 && w.handed < n);
	w.source->break_at = 0;
	w.source->n_fetching = 0;
	OK(refetch_run(&w.r, &err));
	assert_int_equal(w.handed, n);
	refetch_fini(&w.r);
	assert_int_equal(still_lost(&w), 0);
	end(&w);
}

static void test_what_cannot_be_had_is_named(void **state)
{
	static const char other[] = "these are not the bytes, but as many as t";
	struct error err = { 0 };
	struct world w;

	begin(&w, state);
	memory_remove(memory_folder(w.source, "INBOX"), 10);
	w.source->unreadable = 11;
	assert_int_equal(sizeof(other) - 1, 20 + 3 * 7);
	memory_find(memory_folder(w.source, "INBOX"), 3)->body = other;
	memory_find(memory_folder(w.source, "INBOX"), 3)->body_len = sizeof(other) - 1;
	memory_folder(w.source, "Work")->uidvalidity++;
	OK(transfer(&w, &err));
	assert_int_equal(count(&w, "it is gone at the source"), 2);
	assert_int_equal(count(&w, "it has other bytes there than it had here"), 1);
	assert_int_equal(count(&w, "the source has made its folder anew"), 5);
	assert_int_equal(still_lost(&w), 8);
	memory_folder(w.source, "Work")->uidvalidity--;
	memory_folder(w.source, "Work")->refuses = "it is not open today";
	OK(transfer(&w, &err));
	assert_int_equal(count(&w, "it is not open today"), 5);
	end(&w);
}

/* The mailstore is away: that is no reason against any message. */
static void test_not_taken_now(void **state)
{
	struct error err = { 0 };
	struct world w;

	begin(&w, state);
	w.fails = 1;
	assert_int_equal(transfer(&w, &err), -EREMOTEIO);
	for (size_t i = 0; i < w.r.n; i++)
		assert_int_equal(w.at[i].state, REFETCH_WANTED);
	OK(transfer(&w, &err));
	assert_int_equal(still_lost(&w), 0);
	end(&w);
}

/* Neither a unique-id nor a size that means anything: only about where it was. */
static void test_a_maildrop_without_true_sizes(void **state)
{
	struct error err = { 0 };
	struct source_ops ops;
	struct world w;

	begin(&w, state);
	(void)gather(&w);
	ops = *w.r.source.ops;
	ops.has_uids = false;
	w.r.source.ops = &ops;
	for (size_t i = 0; i < w.r.n; i++)
		w.at[i].from_end = MESSAGES + 10 - w.at[i].uid;
	memory_folder(w.source, "INBOX")->uidvalidity = 0;
	memory_remove(memory_folder(w.source, "INBOX"), 10);
	OK(refetch_run(&w.r, &err));
	assert_int_equal(count(&w, "it has other bytes there than it had here"), 1);
	assert_int_equal(
		count(&w, "the source has only POP3, which shows INBOX alone"), 5);
	refetch_fini(&w.r);
	assert_int_equal(still_lost(&w), 6);
	end(&w);
}

/* More of its size than are read for one: that at its place is among those that are. */
static void test_a_maildrop_of_one_size(void **state)
{
	struct memory_folder *inbox;
	struct error err = { 0 };
	struct source_ops ops;
	struct world w;
	size_t n = 0, all;

	begin(&w, state);
	all = gather(&w);
	ops = *w.r.source.ops;
	ops.has_uids = false;
	w.r.source.ops = &ops;
	inbox = memory_folder(w.source, "INBOX");
	inbox->uidvalidity = 0;
	for (size_t i = 0; i < inbox->count; i++)
		inbox->messages[i].said_size = 1000;
	for (size_t i = 0; i < w.r.n; i++) {
		w.at[i].size = 1000;
		w.at[i].from_end = MESSAGES + 1 - w.at[i].uid;
		if (w.at[i].uid > MESSAGES - 10)
			w.at[n++] = w.at[i];
	}
	w.r.n = n;
	OK(refetch_run(&w.r, &err));
	refetch_fini(&w.r);
	assert_int_equal(still_lost(&w), all - n);
	end(&w);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_all_comes_back),
		CASE(test_one_by_one_where_many_are_refused),
		CASE(test_broken_anywhere),
		CASE(test_goes_on),
		CASE(test_what_cannot_be_had_is_named),
		CASE(test_not_taken_now),
		CASE(test_a_maildrop_without_true_sizes),
		CASE(test_a_maildrop_of_one_size),
	};

	return cmocka_run_group_tests_name("refetch", tests, NULL, NULL);
}
