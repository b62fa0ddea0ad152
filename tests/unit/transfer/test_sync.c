/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The copy engine between a server in memory and a real store. A row changes the source;
 * after one pass the store has to be equal, and a second pass finds nothing to do. The
 * same when the connection breaks, or the process is killed, at any step.
 */
#include "mailstore/store/fixture.h"
#include "transfer/memory_source.h"
#include "transfer/sync.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* ---- whether the store is what the source is ---- */

struct check {
	struct fixture *fixture;
	struct memory_folder *folder;
	int64_t mailbox;
	size_t next; /* message */
};

static void check_body(struct check *c, const struct memory_message *want)
{
	struct error err = { 0 };
	struct body body;

	OK(store_body(c->fixture->store, c->mailbox, want->uid, &body, &err));
	assert_int_equal(body.bytes.len, want->body_len);
	for (size_t i = 0; i < want->body_len; i++)
		assert_int_equal(body.bytes.ptr[i], memory_byte(want->uid, i));
	store_body_release(&body);
}

static int check_message(void *context, const struct store_message *m)
{
	struct check *c = context;
	const struct memory_message *want = &c->folder->messages[c->next++];

	assert_true(c->next <= c->folder->count);
	assert_int_equal(m->uid, want->uid);
	assert_int_equal(m->flags, want->flags);
	assert_str(m->keywords, want->keywords);
	assert_int_equal(m->date, want->date);
	assert_int_equal(m->zone, want->zone);
	assert_int_equal(m->size, memory_size(want));
	assert_int_equal(m->body_len, want->body_len);
	return 0;
}

static void check_folder(struct fixture *f, struct memory_folder *folder)
{
	struct mailbox m = get_mailbox(f, folder->name);
	struct check c = { .fixture = f, .folder = folder, .mailbox = m.id };
	bool selectable = !(folder->attributes & MAILBOX_NOSELECT);
	struct error err = { 0 };

	assert_str(m.name, folder->name);
	assert_int_equal(m.separator, folder->separator);
	assert_int_equal(m.attributes, folder->attributes);
	assert_str(m.special_use, folder->special_use);
	if (!selectable)
		return;
	assert_int_equal(m.uidvalidity, folder->uidvalidity);
	assert_int_equal(m.uidnext, folder->uidnext);
	assert_int_equal(m.messages, folder->count);
	OK(store_each_message(f->store, m.id, 1, UINT32_MAX, check_message, &c, &err));
	assert_int_equal(c.next, folder->count);
	for (size_t i = 0; i < folder->count; i++)
		check_body(&c, &folder->messages[i]);
}

static int count_name(void *context, struct str name)
{
	(void)name;
	(*(size_t *)context)++;
	return 0;
}

static int count_mailbox(void *context, const struct mailbox *m)
{
	(void)m;
	(*(size_t *)context)++;
	return 0;
}

static void check_equal(struct fixture *f, struct memory_source *m)
{
	struct error err = { 0 };
	size_t n = 0;

	OK(store_each_mailbox(f->store, count_mailbox, &n, &err));
	assert_int_equal(n, m->n_folders);
	for (size_t i = 0; i < m->n_folders; i++)
		check_folder(f, &m->folders[i]);
	n = 0;
	OK(store_each_subscription(f->store, count_name, &n, &err));
	assert_int_equal(n, m->n_subscriptions);
	for (size_t i = 0; i < m->n_subscriptions; i++)
		assert_true(store_is_subscribed(f->store, str_from(m->subscriptions[i])));
	OK(store_verify(f->store, &err));
}

/* ---- passes ---- */

static int one_pass(struct fixture *f, struct memory_source *m, uint64_t *ret_differences,
	struct error *err)
{
	struct source source = memory_source(m);
	struct sync sync;
	int r;

	sync_init(&sync, &source, f->store, NULL, NULL);
	r = sync_pass(&sync, err);
	*ret_differences = sync.differences;
	sync_fini(&sync);
	return r;
}

/* Once to mend, once to find nothing. */
static void pass_and_check(struct fixture *f, struct memory_source *m, const char *name)
{
	struct error err = { 0 };
	uint64_t differences;
	unsigned fetches;

	OK(one_pass(f, m, &differences, &err));
	if (!differences)
		fail_msg("%s: no difference was seen", name);
	check_equal(f, m);
	fetches = m->fetches;
	OK(one_pass(f, m, &differences, &err));
	if (differences || m->fetches != fetches)
		fail_msg("%s: the second pass found %llu differences, fetched %u", name,
			(unsigned long long)differences, m->fetches - fetches);
}

static struct memory_source *usual_source(void)
{
	struct memory_source *m = calloc(1, sizeof(*m));
	struct memory_folder *f;

	assert_non_null(m);
	f = memory_add_folder(m, "INBOX");
	f->highestmodseq = 5000;
	for (uint32_t uid = 3; uid <= 30; uid += 3)
		memory_add(f, uid, uid * 100);
	memory_find(f, 3)->flags = FLAG_SEEN | FLAG_DELETED;
	memory_find(f, 6)->keywords = "$Forwarded todo";
	memory_find(f, 9)->said_size = 901; /* wrong, as some servers say it */
	memory_add(f, 4000000000, 0);       /* an empty one */
	f = memory_add_folder(m, "Sent");
	f->special_use = "\\Sent";
	memory_add(f, 1, 70000);
	memory_add(f, 2, 5);
	memory_add_folder(m, "Empty")->uidnext = 12;
	memory_add_folder(m, "Archive")->attributes = MAILBOX_NOSELECT;
	memory_add(memory_add_folder(m, "Archive/2019"), 7, 300);
	m->subscriptions[m->n_subscriptions++] = "INBOX";
	m->subscriptions[m->n_subscriptions++] = "gone long ago";
	return m;
}

/* ---- rows: what happens at the source ---- */

static void new_mail(struct memory_source *m)
{
	memory_add(memory_folder(m, "Sent"), 3, 400);
	memory_add(memory_folder(m, "Empty"), 12, 1);
}

static void mail_gone(struct memory_source *m)
{
	memory_remove(memory_folder(m, "INBOX"), 3);
	memory_remove(memory_folder(m, "INBOX"), 15);
	memory_remove(memory_folder(m, "INBOX"), 4000000000);
}

static void all_gone(struct memory_source *m)
{
	memory_folder(m, "INBOX")->count = 0;
}

static void other_flags(struct memory_source *m)
{
	memory_find(memory_folder(m, "INBOX"), 3)->flags = FLAG_ANSWERED;
	memory_find(memory_folder(m, "INBOX"), 30)->flags = FLAG_FLAGGED | FLAG_DRAFT;
}

static void other_keywords(struct memory_source *m)
{
	memory_find(memory_folder(m, "INBOX"), 6)->keywords = "";
	memory_find(memory_folder(m, "INBOX"), 12)->keywords = "$Junk";
	memory_find(memory_folder(m, "INBOX"), 15)->keywords = "$junk";
}

static void made_anew(struct memory_source *m)
{
	memory_folder(m, "INBOX")->uidvalidity = 77;
	memory_remove(memory_folder(m, "INBOX"), 3);
	memory_find(memory_folder(m, "INBOX"), 6)->body_len = 17;
}

static void uid_of_another(struct memory_source *m)
{
	memory_find(memory_folder(m, "INBOX"), 12)->date += 3600;
	memory_find(memory_folder(m, "INBOX"), 15)->body_len = 16;
}

static void folder_made(struct memory_source *m)
{
	memory_add(memory_add_folder(m, "Sent/inner"), 1, 10);
	memory_add_folder(m, "sent"); /* another one: case counts */
}

static void folder_gone(struct memory_source *m)
{
	memory_remove_folder(m, "Sent");
	memory_remove_folder(m, "Archive/2019");
}

static void folder_renamed(struct memory_source *m)
{
	memory_folder(m, "Sent")->name = "Gesendet";
}

static void folder_deleted_and_made(struct memory_source *m)
{
	struct memory_folder *f = memory_folder(m, "Sent");

	f->uidvalidity++;
	f->uidnext = 1;
	f->count = 0;
}

static void attributes(struct memory_source *m)
{
	memory_folder(m, "Sent")->special_use = "";
	memory_folder(m, "Empty")->special_use = "\\Trash";
	memory_folder(m, "Archive/2019")->separator = '.';
}

static void opened_up(struct memory_source *m)
{
	memory_folder(m, "Archive")->attributes = 0;
	memory_add(memory_folder(m, "Archive"), 1, 10);
}

static void subscriptions(struct memory_source *m)
{
	m->subscriptions[1] = "Sent";
	m->subscriptions[2] = "Old list";
	m->n_subscriptions = 3;
}

static void backwards(struct memory_source *m)
{
	m->backwards = true;
	new_mail(m);
	other_keywords(m);
	mail_gone(m);
}

static void hundreds(struct memory_source *m)
{
	for (uint32_t uid = 100; uid < 720; uid++)
		memory_add(memory_folder(m, "Empty"), uid, uid % 50);
}

static const struct change_row {
	const char *name;
	void (*change)(struct memory_source *m);
} change_rows[] = {
	{ "new mail", new_mail },
	{ "mail gone", mail_gone },
	{ "all gone", all_gone },
	{ "other flags", other_flags },
	{ "other keywords", other_keywords },
	{ "UIDVALIDITY", made_anew },
	{ "a UID has become another message's", uid_of_another },
	{ "folder made", folder_made },
	{ "folder gone", folder_gone },
	{ "folder renamed", folder_renamed },
	{ "folder deleted and made", folder_deleted_and_made },
	{ "attributes", attributes },
	{ "\\Noselect no more", opened_up },
	{ "subscriptions", subscriptions },
	{ "listed backwards", backwards },
	{ "more than a batch", hundreds },
};

static void first_copy(void **state)
{
	struct memory_source *m = usual_source();

	pass_and_check(*state, m, "first copy");
	/* what clients know of changes must not go back (RFC 7162) */
	assert_true(store_modseq(((struct fixture *)*state)->store) >= 5000);
	free(m);
}

static void changes(void **state)
{
	for (size_t i = 0; i < N_ROWS(change_rows); i++) {
		struct memory_source *m = usual_source();
		void *fresh;

		assert_int_equal(fixture_setup(&fresh), 0);
		pass_and_check(fresh, m, "before");
		change_rows[i].change(m);
		pass_and_check(fresh, m, change_rows[i].name);
		assert_int_equal(fixture_teardown(&fresh), 0);
		free(m);
	}
	(void)state;
}

/* ---- what the source does not give ---- */

static void unreadable_message(void **state)
{
	struct fixture *f = *state;
	struct memory_source *m = usual_source();
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync sync;

	m->unreadable = 12;
	sync_init(&sync, &source, f->store, NULL, NULL);
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.n_unreadable, 1);
	assert_int_equal(sync.unreadable[0].uid, 12);
	assert_string_equal(sync.folders.at[sync.unreadable[0].folder].name, "INBOX");
	OK(sync_pass(&sync, &err));
	assert_true(sync.differences > 0); /* it can never pass for verified */
	memory_remove(memory_folder(m, "INBOX"), 12);
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.n_unreadable, 0);
	sync_fini(&sync);
	check_equal(f, m);
	free(m);
}

static void unreadable_folder(void **state)
{
	struct fixture *f = *state;
	struct memory_source *m = usual_source();
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync sync;

	memory_folder(m, "Sent")->refuses = "mailbox is locked";
	sync_init(&sync, &source, f->store, NULL, NULL);
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.n_unreadable, 1);
	assert_int_equal(sync.unreadable[0].uid, 0);
	assert_string_equal(sync.unreadable[0].text, "mailbox is locked");
	memory_folder(m, "Sent")->refuses = NULL;
	OK(sync_pass(&sync, &err));
	sync_fini(&sync);
	check_equal(f, m);
	free(m);
}

/* ---- breaking at every step ---- */

static uint64_t count_events(void)
{
	struct memory_source *m = usual_source();
	struct error err = { 0 };
	uint64_t differences, events;
	void *fixture;

	hundreds(m);
	assert_int_equal(fixture_setup(&fixture), 0);
	OK(one_pass(fixture, m, &differences, &err));
	assert_int_equal(fixture_teardown(&fixture), 0);
	events = m->events;
	free(m);
	return events;
}

static void finish_after_break(struct fixture *f, struct memory_source *m)
{
	struct error err = { 0 };
	uint64_t differences;

	m->break_at = 0;
	OK(store_verify(f->store, &err));
	OK(one_pass(f, m, &differences, &err));
	check_equal(f, m);
	OK(one_pass(f, m, &differences, &err));
	assert_int_equal(differences, 0);
}

static void connection_breaks(void **state)
{
	uint64_t all = count_events();

	(void)state;
	for (uint64_t at = 1; at <= all; at += at < 60 ? 3 : 307) {
		struct memory_source *m = usual_source();
		struct error err = { 0 };
		uint64_t differences;
		void *f;

		hundreds(m);
		m->break_at = at;
		assert_int_equal(fixture_setup(&f), 0);
		assert_int_equal(one_pass(f, m, &differences, &err), -ECONNRESET);
		finish_after_break(f, m);
		assert_int_equal(fixture_teardown(&f), 0);
		free(m);
	}
}

static void die(void)
{
	(void)raise(SIGKILL);
}

/* The store must not be open on both sides of a fork. */
static void killed_once(struct fixture *f, struct memory_source *m, uint64_t at)
{
	struct error err = { 0 };
	uint64_t differences;
	int status;
	pid_t pid;

	store_close(f->store);
	f->store = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		m->break_at = at;
		m->at_break = die;
		if (store_open(f->folder, true, &f->store, &err) == 0)
			(void)one_pass(f, m, &differences, &err);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	OK(store_open(f->folder, true, &f->store, &err));
}

static void killed(void **state)
{
	uint64_t all = count_events();

	(void)state;
	for (uint64_t at = 1; at <= all; at += at < 30 ? 10 : 401) {
		struct memory_source *m = usual_source();
		void *f;

		hundreds(m);
		assert_int_equal(fixture_setup(&f), 0);
		killed_once(f, m, at);
		finish_after_break(f, m);
		assert_int_equal(fixture_teardown(&f), 0);
		free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			first_copy, fixture_setup, fixture_teardown),
		cmocka_unit_test(changes),
		cmocka_unit_test_setup_teardown(
			unreadable_message, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			unreadable_folder, fixture_setup, fixture_teardown),
		cmocka_unit_test(connection_breaks),
		cmocka_unit_test(killed),
	};

	return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
