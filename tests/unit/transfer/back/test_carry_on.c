/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From an old server in memory, through a real store, on to another server in memory: it
 * has each message once and in the same order, whatever breaks or dies at whichever step;
 * what was there stays; and what comes late is added, once.
 */
#include "mailstore/serve/swept.h"
#include "transfer/back/carry.h"
#include "transfer/back/memory_writer.h"
#include "transfer/copy/ends.h"
#include "transfer/copy/sync.h"
#include "transfer/write/store_destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIED 42
#define ROOM ((size_t)1 << 22)
#define THEIRS 77777 /* date of what only the destination has */

/* Seen by a child that dies, and by who comes after it. */
static struct shared {
	struct memory_source source, there;
	char room[ROOM];
	size_t used;
} * shared;

struct world {
	struct end end;
	struct memory_writer writer;
	struct carry_sums sums;
	struct carry_losses lost;
	struct carry_proof proof;
};

static char *keep(struct str bytes)
{
	char *at = shared->room + shared->used;

	assert_true(shared->used + bytes.len + 1 <= ROOM);
	if (bytes.len)
		memcpy(at, bytes.ptr, bytes.len);
	at[bytes.len] = '\0';
	shared->used += bytes.len + 1;
	return at;
}

/* ---- both servers ---- */

static void fill(struct memory_source *m, const char *name, uint32_t n)
{
	struct memory_folder *f = memory_add_folder(m, name);

	for (uint32_t uid = 1; uid <= n; uid++) {
		struct memory_message *is = memory_add(f, uid, 20 + uid);

		is->keywords = uid == 1 ? "Old" : "";
		is->flags = uid == 2 ? MAIL_SEEN | MAIL_DELETED : MAIL_FLAGGED;
		is->date = 1000 + uid;
	}
}

static void add_theirs(const char *name)
{
	struct memory_folder *f = memory_folder(&shared->there, name);

	memory_add(f, f->uidnext, 30)->date = THEIRS;
}

static void begin(struct world *w)
{
	*w = (struct world){ .writer = { .source = &shared->there, .keep = keep } };
	memset(shared, 0, sizeof(*shared));
	fill(&shared->source, "INBOX", 6);
	fill(&shared->source, "Work", 3);
	fill(&shared->source, "Work/Deep", 2);
	fill(&shared->source, "Gone", 2);
	shared->source.subscriptions[shared->source.n_subscriptions++] = "Work/Deep";
	memory_add_folder(&shared->there, "INBOX")->separator = '.';
	add_theirs("INBOX");
	end_open(&w->end, END_STORE);
	end_let_go(&w->end);
}

static void end(struct world *w)
{
	end_take_again(&w->end);
	end_close(&w->end);
}

/* As a pass of the transfer: the copy, and from it what is behind. */
static int move(struct world *w, struct error *err)
{
	struct source from = memory_source(&shared->source);
	struct source there = memory_source(&shared->there);
	struct writer to = memory_writer(&w->writer);
	struct carry c;
	struct sync sync;
	int r;

	end_take_again(&w->end);
	sync_init(&sync, &from, &w->end.to, NULL, NULL);
	r = sync_pass(&sync, err);
	sync_fini(&sync);
	carry_init(&c, store_destination_store(&w->end.to), &there, &to);
	c.way = CARRY_ON;
	if (r == 0)
		r = carry_all(&c, err);
	w->sums = c.sums;
	w->lost = c.lost;
	w->proof = c.proof;
	carry_fini(&c);
	end_let_go(&w->end);
	return r;
}

/* ---- equal ---- */

static void line_of(
	const struct memory_message *m, bool with_flags, char *text, size_t size)
{
	char body[100];

	assert_true(m->body_len < sizeof(body));
	for (size_t k = 0; k < m->body_len; k++)
		body[k] = m->body ? m->body[k] : memory_byte(m->uid, k);
	(void)snprintf(text, size, "%lld %d %x %s %.*s", (long long)m->date, m->zone,
		with_flags ? m->flags & 0x1fu : 0, with_flags ? m->keywords : "",
		(int)m->body_len, body);
}

static const struct memory_message *next_of_ours(const struct memory_folder *f, size_t *i)
{
	while (*i < f->count && f->messages[*i].date == THEIRS)
		++*i;
	return *i < f->count ? &f->messages[(*i)++] : NULL;
}

static void check_folder(const struct memory_folder *here)
{
	char name[100], a[300], b[300];
	const struct memory_folder *there;
	size_t i = 0, k = 0;

	(void)snprintf(name, sizeof(name), "%s", here->name);
	for (char *c = name; *c; c++)
		*c = *c == '/' ? '.' : *c;
	there = memory_folder(&shared->there, name);
	if (!there)
		fail_msg("%s is not there", name);
	for (;;) {
		const struct memory_message *x = next_of_ours(here, &i);
		const struct memory_message *y = next_of_ours(there, &k);

		if (!x && !y)
			return;
		if (!x || !y)
			fail_msg("%s: %zu and %zu messages", name, here->count,
				there->count);
		line_of(x, true, a, sizeof(a));
		line_of(y, true, b, sizeof(b));
		assert_string_equal(a, b);
	}
}

static void check_equal(void)
{
	for (size_t i = 0; i < shared->source.n_folders; i++)
		check_folder(&shared->source.folders[i]);
	assert_int_equal(shared->there.n_subscriptions, shared->source.n_subscriptions);
	/* what was there before */
	assert_int_equal(
		memory_folder(&shared->there, "INBOX")->messages[0].date, THEIRS);
}

/* ---- what the source does between two passes ---- */

static void lives_on(void)
{
	struct memory_folder *inbox = memory_folder(&shared->source, "INBOX");
	struct memory_folder *work;

	memory_find(inbox, 1)->flags = MAIL_ANSWERED;
	memory_find(inbox, 1)->keywords = "New Old";
	memory_remove(inbox, 3);
	memory_add(inbox, 9, 40)->date = 2000;
	memory_remove_folder(&shared->source, "Gone");
	/* made anew: the same UIDs for other messages */
	work = memory_folder(&shared->source, "Work");
	work->uidvalidity++;
	memory_remove(work, 1);
	memory_find(work, 2)->date = 3000;
	memory_find(work, 2)->body = "it was another one";
	memory_find(work, 2)->body_len = 18;
	fill(&shared->source, "Later", 2);
}

/* ---- the cases ---- */

static void test_all_of_it(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	OK(move(&w, &err));
	check_equal();
	assert_int_equal(w.sums.messages, 13);
	assert_int_equal(w.sums.folders, 3);
	assert_int_equal(w.proof.messages, 13);
	assert_int_equal(w.proof.others, 1);
	assert_int_equal(w.proof.out_of_order, 0);
	assert_int_equal(w.lost.dates + w.lost.sizes + w.lost.flags, 0);
	shared->there.fetches = 0;
	OK(move(&w, &err));
	assert_int_equal(w.sums.messages + w.sums.flags + w.sums.expunged, 0);
	assert_int_equal(w.proof.messages, 13);
	assert_int_equal(shared->there.fetches, 0); /* proven once */
	lives_on();
	OK(move(&w, &err));
	check_equal();
	assert_int_equal(memory_folder(&shared->there, "Gone")->count, 0);
	assert_int_equal(w.lost.folders.n, 1);
	end(&w);
}

/* What is sent at once has its bounds: in messages; and in bytes, but for one that is
   longer by itself. All of it comes in order. */
static void test_bounds(void **state)
{
	static const unsigned sizes[] = { 500000, 500000, 500000, 1200000, 10 };
	struct error err = { 0 };
	struct memory_folder *f;
	struct world w;

	(void)state;
	begin(&w);
	fill(&shared->source, "Many", 2 * WRITER_APPEND_MAX + 3);
	OK(move(&w, &err));
	check_equal();
	assert_int_equal(w.writer.most_at_once, WRITER_APPEND_MAX);
	w.writer.most_at_once = 0;
	f = memory_add_folder(&shared->source, "Large");
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		memory_add(f, i + 1, sizes[i])->date = 1000 + i;
	OK(move(&w, &err));
	assert_int_equal(w.writer.most_at_once, 2);
	assert_int_equal(w.proof.messages, 13 + 2 * WRITER_APPEND_MAX + 3 + 5);
	assert_int_equal(w.proof.out_of_order, 0);
	end(&w);
}

static void die(void)
{
	_exit(DIED);
}

/* false: it came to its end before. */
static bool dies_at(
	struct world *w, unsigned step, int (*go)(struct world *, struct error *))
{
	struct error err = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		w->writer.end_at = step;
		w->writer.die = die;
		_exit(go(w, &err) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
	return WEXITSTATUS(status) == DIED;
}

static void killed_everywhere(bool no_uids, bool lives)
{
	struct error err = { 0 };
	bool goes_on = true;

	for (unsigned step = 1; goes_on; step++) {
		struct world w;

		begin(&w);
		w.writer.no_uids = no_uids;
		/* before the next one is after this one, when nothing is noted between */
		w.writer.end = no_uids ? END_BEFORE : END_AFTER;
		w.writer.goes_on = !no_uids && !lives;
		if (lives) {
			OK(move(&w, &err));
			lives_on();
			w.writer.steps = 0;
		}
		goes_on = dies_at(&w, step, move);
		OK(move(&w, &err));
		check_equal();
		end(&w);
	}
}

static void test_killed_everywhere(void **state)
{
	(void)state;
	killed_everywhere(false, false);
	killed_everywhere(false, true);
}

static void test_killed_without_uidplus(void **state)
{
	(void)state;
	killed_everywhere(true, false);
}

static void test_killed_and_changed(void **state)
{
	struct error err = { 0 };
	bool goes_on = true;

	(void)state;
	for (unsigned step = 1; goes_on; step++) {
		struct world w;

		begin(&w);
		w.writer.end = END_AFTER;
		goes_on = dies_at(&w, step, move);
		lives_on(); /* what was planned may be another message by now */
		OK(move(&w, &err));
		check_equal();
		end(&w);
	}
}

static void test_other_bytes(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	w.writer.alters = true;
	assert_int_equal(move(&w, &err), -EREMOTEIO);
	if (!strstr(err.text, "other bytes than it was given"))
		fail_msg("%s", err.text);
	end(&w);
}

static void test_what_it_does_not_keep(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	w.writer.forgets_dates = true;
	w.writer.no_keyword = "Old";
	OK(move(&w, &err));
	assert_int_equal(w.lost.dates, 13);
	assert_int_equal(w.lost.keywords.n, 1);
	assert_int_equal(w.proof.messages, 13);
	end(&w);
}

static void set_destination(struct world *w, const char *address)
{
	struct error err = { 0 };

	end_take_again(&w->end);
	OK(store_set_destination(
		store_destination_store(&w->end.to), str_from(address), &err));
	end_let_go(&w->end);
}

/* The same server at another address: all of it is found by its bytes. Another one: it
   gets everything. */
static void test_another_address(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	set_destination(&w, "192.0.2.1");
	OK(move(&w, &err));
	set_destination(&w, "192.0.2.2");
	shared->there.fetches = 0;
	OK(move(&w, &err));
	check_equal();
	assert_int_equal(w.sums.messages, 0);
	assert_int_equal(w.proof.messages, 13);
	assert_true(shared->there.fetches >= 13); /* and proven once more */
	set_destination(&w, "192.0.2.3");
	for (size_t i = 0; i < shared->there.n_folders; i++)
		shared->there.folders[i].uidvalidity++;
	while (shared->there.folders[0].count > 1)
		memory_remove(&shared->there.folders[0],
			shared->there.folders[0].messages[1].uid);
	OK(move(&w, &err));
	assert_true(w.sums.messages >= 6);
	end(&w);
}

static void test_two_of_one_name(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	fill(&shared->source, "Work_Deep", 1);
	fill(&shared->source, "Work.Deep", 1); /* '.' is a separator there */
	assert_int_equal(move(&w, &err), -EREMOTEIO);
	if (!strstr(err.text, "would both be \"Work_Deep\" at the destination"))
		fail_msg("%s", err.text);
	end(&w);
}

/* ---- after the switch ---- */

static void switches(struct world *w)
{
	struct error err = { 0 };
	struct store *s;

	OK(move(w, &err));
	OK(store_open(w->end.folder, false, &s, &err));
	OK(store_begin(s, &err));
	OK(store_note_switch(s, &err)); /* and is not marked: it is opened once more */
	OK(store_commit(s, &err));
	store_close(s);
}

/* The sweep brings it here. */
static void comes_late(struct world *w, const char *name, uint32_t uid, const char *body)
{
	struct swept m = { .folder = str_from(name),
		.uidvalidity = memory_folder(&shared->source, name)->uidvalidity,
		.uid = uid,
		.keywords = STR(""),
		.date = 5000 + uid,
		.digest = STR("") };
	struct body_place place = store_body_inline(str_from(body));
	struct error err = { 0 };
	struct mailbox inbox = { 0 };
	struct arena arena;
	struct store *s;

	arena_init(&arena);
	OK(store_open(w->end.folder, false, &s, &err));
	OK(store_find_mailbox(s, STR_LIT("INBOX"), &arena, &inbox, &err));
	OK(store_begin(s, &err));
	OK(swept_put(s, &m, strlen(body), &place, inbox.id, &err));
	OK(store_commit(s, &err));
	store_close(s);
	arena_fini(&arena);
}

static int carry_late(struct world *w, struct error *err)
{
	struct source there = memory_source(&shared->there);
	struct writer to = memory_writer(&w->writer);
	struct carry c;
	struct store *s;
	int r = store_open(w->end.folder, false, &s, err);

	if (r < 0)
		return r;
	carry_init(&c, s, &there, &to);
	c.way = CARRY_LATE;
	r = carry_all(&c, err);
	w->sums = c.sums;
	carry_fini(&c);
	store_close(s);
	return r;
}

static bool is_late(struct world *w)
{
	struct error err = { 0 };
	struct store *s;
	bool has = false;

	OK(store_open(w->end.folder, false, &s, &err));
	OK(store_has_late(s, &has, &err));
	store_close(s);
	return has;
}

static size_t count_late(const char *name, const char *body)
{
	const struct memory_folder *f = memory_folder(&shared->there, name);
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += f->messages[i].date > 5000 && f->messages[i].body &&
		     str_eq(str_of(f->messages[i].body, f->messages[i].body_len),
			     str_from(body));
	return n;
}

static void test_late(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct world w;

	(void)state;
	begin(&w);
	switches(&w);
	assert_false(is_late(&w));
	inbox = memory_folder(&shared->there, "INBOX");
	memory_remove(inbox, 3); /* by its user */
	memory_find(inbox, 4)->flags = MAIL_ANSWERED;
	comes_late(&w, "INBOX", 20, "late");
	comes_late(&w, "Work", 20, "late work");
	assert_true(is_late(&w));
	OK(carry_late(&w, &err));
	assert_int_equal(w.sums.messages, 2);
	assert_false(is_late(&w));
	assert_int_equal(count_late("INBOX", "late"), 1);
	assert_int_equal(count_late("Work", "late work"), 1);
	/* its user renames the folder, and removes what came late to INBOX */
	memory_folder(&shared->there, "Work")->name = "Job";
	memory_remove(inbox, inbox->messages[inbox->count - 1].uid);
	comes_late(&w, "Work", 21, "late again");
	OK(carry_late(&w, &err));
	assert_int_equal(w.sums.messages, 1);
	assert_int_equal(count_late("INBOX", "late again"), 1);
	assert_int_equal(count_late("INBOX", "late"), 0);
	assert_int_equal(count_late("Job", "late work"), 1);
	assert_null(memory_folder(&shared->there, "Work"));
	assert_null(memory_find(inbox, 3));
	assert_int_equal(memory_find(inbox, 4)->flags, MAIL_ANSWERED);
	/* what the server has by its name here, and not by the one that it was given */
	memory_add_folder(&shared->there, "Work")->separator = '/';
	comes_late(&w, "Work/Deep", 22, "late deep");
	memory_add_folder(&shared->there, "Work/Deep")->separator = '/';
	memory_folder(&shared->there, "Work.Deep")->name = "Gone deep";
	OK(carry_late(&w, &err));
	assert_int_equal(count_late("Work/Deep", "late deep"), 1);
	assert_int_equal(count_late("INBOX", "late deep"), 0);
	end(&w);
}

static void test_late_killed(void **state)
{
	struct error err = { 0 };
	bool goes_on = true;

	(void)state;
	for (unsigned step = 1; goes_on; step++)
		for (int when = END_BEFORE; when <= END_AFTER; when++) {
			struct world w;

			begin(&w);
			switches(&w);
			w.writer.steps = 0;
			w.writer.end = (enum writer_end)when;
			comes_late(&w, "INBOX", 20, "one");
			comes_late(&w, "INBOX", 21, "two");
			comes_late(&w, "Work", 22, "three");
			goes_on = dies_at(&w, step, carry_late);
			OK(carry_late(&w, &err));
			assert_int_equal(count_late("INBOX", "one"), 1);
			assert_int_equal(count_late("INBOX", "two"), 1);
			assert_int_equal(count_late("Work", "three"), 1);
			end(&w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_killed_everywhere),
		cmocka_unit_test(test_killed_without_uidplus),
		cmocka_unit_test(test_killed_and_changed),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_what_it_does_not_keep),
		cmocka_unit_test(test_another_address),
		cmocka_unit_test(test_two_of_one_name),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_late_killed),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
