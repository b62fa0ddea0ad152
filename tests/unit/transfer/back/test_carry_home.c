/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From another server, where its user has lived since the move, into the store and from
 * there to the old server: it has what that server has, once. What that server merely
 * fails to show is removed nowhere.
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
#define ROOM ((size_t)1 << 20)

/* Seen by a child that dies, and by who comes after it. */
static struct shared {
	struct memory_source source, there;
	char room[ROOM];
	size_t used;
} * shared;

struct world {
	struct end end;
	struct memory_writer to_source, to_there;
	struct carry_sums home, back;
	struct carry_losses lost; /* of the way home */
	bool keeps_uids;          /* there, as at the source */
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

static void fill(const char *name, uint32_t n)
{
	struct memory_folder *f = memory_add_folder(&shared->source, name);

	for (uint32_t uid = 1; uid <= n; uid++)
		memory_add(f, uid, 20 + uid)->date = 1000 + uid;
}

static struct memory_folder *there(const char *name)
{
	return memory_folder(&shared->there, name);
}

static size_t count_at_source(const char *name)
{
	struct memory_folder *f = memory_folder(&shared->source, name);

	return f ? f->count : 0;
}

static struct memory_message *arrives(
	struct memory_folder *f, const char *body, int64_t date)
{
	struct memory_message *m = memory_add(f, f->uidnext, (unsigned)strlen(body));

	m->body = body;
	m->date = date;
	return m;
}

static struct store *open_store(struct world *w)
{
	struct error err = { 0 };
	struct store *s;

	OK(store_open(w->end.folder, false, &s, &err));
	return s;
}

static void move(struct world *w)
{
	struct source from = memory_source(&shared->source);
	struct source to = memory_source(&shared->there);
	struct writer writer = memory_writer(&w->to_there);
	struct error err = { 0 };
	struct carry c;
	struct sync sync;
	struct store *s;

	end_take_again(&w->end);
	sync_init(&sync, &from, &w->end.to, NULL, NULL);
	OK(sync_pass(&sync, &err));
	sync_fini(&sync);
	carry_init(&c, store_destination_store(&w->end.to), &to, &writer);
	c.way = CARRY_ON;
	OK(carry_all(&c, &err));
	carry_fini(&c);
	end_let_go(&w->end);
	s = open_store(w);
	OK(store_begin(s, &err));
	OK(store_note_switch(s, &err)); /* and is not marked: it is opened once more */
	OK(store_commit(s, &err));
	store_close(s);
}

static void fill_and_open(struct world *w)
{
	*w = (struct world){ .to_source = { .source = &shared->source, .keep = keep },
		.to_there = { .source = &shared->there, .keep = keep } };
	memset(shared, 0, sizeof(*shared));
	fill("INBOX", 6);
	fill("Work", 3);
	fill("Trash", 2);
	end_open(&w->end, END_STORE);
	end_let_go(&w->end);
}

static void begin(struct world *w)
{
	fill_and_open(w);
	memory_add_folder(&shared->there, "INBOX")->separator = '.';
	move(w);
}

/* Into files, as the source has it; nothing is noted of where it went. */
static void begin_files(struct world *w, struct str namespaces)
{
	struct source from = memory_source(&shared->source);
	struct error err = { 0 };
	struct sync sync;
	struct store *s;

	end_take_again(&w->end);
	sync_init(&sync, &from, &w->end.to, NULL, NULL);
	OK(sync_pass(&sync, &err));
	sync_fini(&sync);
	end_let_go(&w->end);
	memcpy(shared->there.folders, shared->source.folders,
		sizeof(shared->there.folders));
	shared->there.n_folders = shared->source.n_folders;
	s = open_store(w);
	OK(store_begin(s, &err));
	OK(store_note_switch(s, &err));
	OK(store_set_checkpoint(s, STR_LIT("namespace"), namespaces, &err));
	OK(store_commit(s, &err));
	store_close(s);
	w->keeps_uids = true;
}

static void begin_with_kept_uids(struct world *w)
{
	fill_and_open(w);
	begin_files(w, STR_LIT("((\"\" \"/\")) NIL NIL"));
}

static void end(struct world *w)
{
	end_take_again(&w->end);
	end_close(&w->end);
}

static int carry(struct world *w, enum carry_way way, struct memory_source *from,
	struct memory_writer *to, struct error *err)
{
	struct source source = memory_source(from);
	struct writer writer = memory_writer(to);
	struct carry c;
	struct store *s;
	int r = store_open(w->end.folder, false, &s, err);

	if (r < 0)
		return r;
	carry_init(&c, s, &source, &writer);
	c.way = way;
	c.keeps_names = w->keeps_uids && way == CARRY_HOME;
	r = c.keeps_names ? store_note_kept_uids(s, err) : 0;
	if (r == 0)
		r = carry_all(&c, err);
	*(way == CARRY_BACK ? &w->back : &w->home) = c.sums;
	if (way == CARRY_HOME)
		w->lost = c.lost;
	carry_fini(&c);
	store_close(s);
	return r;
}

static int go_home(struct world *w, struct error *err)
{
	return carry(w, CARRY_HOME, &shared->there, &w->to_there, err);
}

static int go_back(struct world *w, struct error *err)
{
	unsigned steps = w->to_there.steps;
	int r = go_home(w, err);

	assert_int_equal(w->to_there.steps, steps); /* it is only read */
	return r ? r : carry(w, CARRY_BACK, &shared->source, &w->to_source, err);
}

/* From the source, which is the truth again: each of its messages is there once. */
static void check_second_move(struct world *w)
{
	struct error err = { 0 };
	struct store *s = open_store(w);

	OK(store_set_service(s, STORE_LEFT, 0, &err));
	store_close(s);
	move(w);
	for (size_t i = 0; i < shared->source.n_folders; i++) {
		const struct memory_folder *f = &shared->source.folders[i];

		assert_int_equal(there(f->name)->count, f->count);
	}
}

/* ---- what its user does there ---- */

static void lives_there(void)
{
	memory_remove(there("INBOX"), 2);
	memory_find(there("INBOX"), 3)->flags = MAIL_FLAGGED;
	(void)arrives(there("INBOX"), "new there", 2000);
	memory_add_folder(&shared->there, "Made")->separator = '.';
	(void)arrives(there("Made"), "in a new folder", 2001);
	while (there("Trash")->count)
		memory_remove(there("Trash"), there("Trash")->messages[0].uid);
	there("Work")->name = "Job";
}

static void check_lived_there(void)
{
	struct memory_folder *inbox = memory_folder(&shared->source, "INBOX");

	assert_null(memory_find(inbox, 2));
	assert_int_equal(memory_find(inbox, 3)->flags, MAIL_FLAGGED);
	assert_int_equal(inbox->count, 6);
	assert_int_equal(count_at_source("Made"), 1);
	assert_int_equal(count_at_source("Trash"), 0);
	assert_int_equal(count_at_source("Job"), 3);
	assert_null(memory_folder(&shared->source, "Work"));
}

static void test_all_of_it(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	lives_there();
	OK(go_back(&w, &err));
	check_lived_there();
	assert_int_equal(w.home.messages, 2);
	assert_int_equal(w.home.expunged, 3);
	OK(go_back(&w, &err));
	assert_int_equal(w.home.messages + w.home.expunged + w.home.flags, 0);
	assert_int_equal(w.back.messages + w.back.expunged + w.back.flags, 0);
	check_second_move(&w);
	end(&w);
}

static void test_kept_uids(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin_with_kept_uids(&w);
	lives_there();
	OK(go_back(&w, &err));
	check_lived_there();
	assert_int_equal(w.home.messages, 2);
	assert_int_equal(w.home.expunged, 3);
	OK(go_back(&w, &err));
	assert_int_equal(w.home.messages + w.home.expunged + w.home.flags, 0);
	assert_int_equal(w.back.messages + w.back.expunged + w.back.flags, 0);
	end(&w);
}

/* Files have the source's names, INBOX/ and all; what is made there may be without. */
static void test_kept_names(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	fill_and_open(&w);
	fill("INBOX/Sub", 4);
	fill("INBOX/Named", 5);
	begin_files(&w, STR_LIT("((\"INBOX/\" \"/\")) NIL NIL"));
	memory_remove(there("INBOX/Sub"), 2);
	(void)arrives(there("INBOX/Sub"), "new there", 2000);
	(void)arrives(memory_add_folder(&shared->there, "Made"), "in a new one", 2001);
	there("INBOX/Named")->name = "INBOX/Other";
	OK(go_back(&w, &err));
	OK(go_back(&w, &err));
	assert_int_equal(count_at_source("INBOX/Sub"), 4);
	assert_int_equal(count_at_source("INBOX/Other"), 5);
	assert_int_equal(count_at_source("INBOX/Made"), 1);
	assert_int_equal(shared->source.n_folders, 6);
	end(&w);
}

static void die(void)
{
	_exit(DIED);
}

static void killed_everywhere(bool keeps_uids)
{
	bool goes_on = true;

	for (uint64_t at = 1; goes_on; at += 4) {
		struct error err = { 0 };
		struct world w;
		int status;
		pid_t pid;

		(keeps_uids ? begin_with_kept_uids : begin)(&w);
		lives_there();
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			shared->there.break_at = shared->there.events + at;
			shared->there.at_break = die;
			_exit(go_home(&w, &err) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		goes_on = WEXITSTATUS(status) == DIED;
		shared->there.break_at = 0;
		shared->there.n_listing = shared->there.n_looking =
			shared->there.n_fetching = 0; /* died with who asked */
		OK(go_back(&w, &err));
		check_lived_there();
		end(&w);
	}
}

static void test_killed_everywhere(void **state)
{
	(void)state;
	killed_everywhere(false);
	killed_everywhere(true);
}

/* ---- what it merely fails to show ---- */

static void empty(struct memory_folder *f)
{
	while (f->count)
		memory_remove(f, f->messages[0].uid);
}

static void check_nothing_went(void)
{
	assert_int_equal(count_at_source("INBOX"), 6);
	assert_int_equal(count_at_source("Work"), 3);
	assert_int_equal(count_at_source("Trash"), 2);
}

/* Made anew, and with none of what was there. */
static void test_another_uidvalidity(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	there("INBOX")->uidvalidity++;
	memory_remove(there("INBOX"), 2);
	memory_remove(there("INBOX"), 4);
	OK(go_home(&w, &err)); /* as a dry run does */
	assert_int_equal(w.lost.not_shown, 2);
	OK(go_back(&w, &err));
	check_nothing_went();
	assert_int_equal(w.lost.not_shown, 2);
	check_second_move(&w);
	end(&w);
}

/* The same UIDVALIDITY, and UIDs that are given a second time. */
static void test_uids_begin_anew(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	empty(there("INBOX"));
	there("INBOX")->uidnext = 1;
	OK(go_back(&w, &err));
	check_nothing_went();
	assert_int_equal(w.lost.not_shown, 6);
	there("INBOX")->uidnext = 20; /* nothing shows it any more */
	(void)arrives(there("INBOX"), "new there", 2000);
	OK(go_back(&w, &err));
	assert_int_equal(count_at_source("INBOX"), 6 + 1);
	end(&w);
}

/* Under the UIDs of ours there are others by now. */
static void test_another_under_its_uid(void **state)
{
	struct error err = { 0 };
	struct memory_message *m;
	struct world w;

	(void)state;
	begin(&w);
	m = memory_find(there("INBOX"), 2);
	m->body = "of somebody";
	m->body_len = 11;
	m->date = 3000;
	m->flags = MAIL_DELETED;
	memory_remove(there("INBOX"), 4);
	OK(go_back(&w, &err));
	assert_int_equal(count_at_source("INBOX"), 6 + 1);
	assert_int_equal(
		memory_find(memory_folder(&shared->source, "INBOX"), 2)->flags, 0);
	assert_int_equal(w.lost.not_shown, 2);
	end(&w);
}

/* All of them: it is another mailbox. */
static void test_somebody_elses(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	for (size_t i = 0; i < there("INBOX")->count; i++) {
		there("INBOX")->messages[i].date = 3000;
		there("INBOX")->messages[i].body = "of somebody";
		there("INBOX")->messages[i].body_len = 11;
	}
	assert_int_equal(go_back(&w, &err), -EREMOTEIO);
	if (!strstr(err.text, "other messages"))
		fail_msg("%s", err.text);
	check_nothing_went();
	end(&w);
}

/* Storage that is not there: of folders, too, and what has come home before stays. */
static void test_nothing_at_all(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	memory_add_folder(&shared->there, "Made")->separator = '.';
	(void)arrives(there("Made"), "in a new folder", 2001);
	OK(go_home(&w, &err));
	shared->there.n_folders = 1;
	empty(there("INBOX"));
	OK(go_back(&w, &err));
	check_nothing_went();
	assert_int_equal(count_at_source("Made"), 1);
	assert_int_equal(w.lost.not_shown, 6);
	end(&w);
}

/* ---- odd servers ---- */

static void test_without_namespaces(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	shared->there.no_namespaces = true;
	lives_there();
	OK(go_back(&w, &err));
	check_lived_there();
	end(&w);
}

/* Its user removes it before it comes. */
static void test_removed_meanwhile(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	(void)arrives(there("INBOX"), "new there", 2000);
	(void)arrives(there("INBOX"), "for a moment", 2001);
	shared->there.vanishes = there("INBOX")->uidnext - 1;
	OK(go_back(&w, &err));
	assert_int_equal(count_at_source("INBOX"), 6 + 1);
	end(&w);
}

static void test_does_not_come(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	(void)arrives(there("INBOX"), "new there", 2000);
	shared->there.unreadable = there("INBOX")->uidnext - 1;
	assert_int_equal(go_back(&w, &err), -EREMOTEIO);
	if (!strstr(err.text, "does not give a message"))
		fail_msg("%s", err.text);
	check_nothing_went();
	end(&w);
}

/* ---- what came late, at a server without UIDPLUS ---- */

static void comes_late(struct world *w, const char *body)
{
	struct swept m = { .folder = STR("INBOX"),
		.uidvalidity = memory_folder(&shared->source, "INBOX")->uidvalidity,
		.uid = 20,
		.keywords = STR(""),
		.date = 5000,
		.digest = STR("") };
	struct body_place place = store_body_inline(str_from(body));
	struct error err = { 0 };
	struct mailbox inbox = { 0 };
	struct store *s = open_store(w);
	struct arena arena;

	arrives(memory_folder(&shared->source, "INBOX"), body, 5000)->uid = 20;
	memory_folder(&shared->source, "INBOX")->uidnext = 21;
	arena_init(&arena);
	OK(store_find_mailbox(s, STR_LIT("INBOX"), &arena, &inbox, &err));
	OK(store_begin(s, &err));
	OK(swept_put(s, &m, strlen(body), &place, inbox.id, &err));
	OK(store_commit(s, &err));
	store_close(s);
	arena_fini(&arena);
}

/* It is removed there, and another one of its size comes: that is not it. */
static void test_unsaid_and_another(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	begin(&w);
	w.to_there.no_uids = true;
	comes_late(&w, "late 1");
	OK(carry(&w, CARRY_LATE, &shared->there, &w.to_there, &err));
	assert_int_equal(there("INBOX")->count, 6 + 1);
	memory_remove(there("INBOX"), 7);
	(void)arrives(there("INBOX"), "cron 2", 5000);
	OK(go_back(&w, &err));
	assert_int_equal(w.home.messages, 1);
	assert_int_equal(count_at_source("INBOX"), 6 + 1 + 1);
	w.to_there.no_uids = false;
	check_second_move(&w);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_kept_uids),
		cmocka_unit_test(test_kept_names),
		cmocka_unit_test(test_killed_everywhere),
		cmocka_unit_test(test_another_uidvalidity),
		cmocka_unit_test(test_uids_begin_anew),
		cmocka_unit_test(test_another_under_its_uid),
		cmocka_unit_test(test_somebody_elses),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_without_namespaces),
		cmocka_unit_test(test_removed_meanwhile),
		cmocka_unit_test(test_does_not_come),
		cmocka_unit_test(test_unsaid_and_another),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
