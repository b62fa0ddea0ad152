/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The copy engine between a server in memory and each destination: one in memory, and a
 * real store. A row changes the source; after one pass the destination has to be equal,
 * and a second pass finds nothing to do. The same when the connection breaks, the
 * destination fails, or the process is killed, at any step.
 */
#include "transfer/copy/ends.h"
#include "transfer/copy/sync.h"
#include "transfer/read/memory_source.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* ---- whether the destination is what the source is ---- */

#define ASSERT_STR(is, expected) assert_true(str_eq((is), str_from(expected)))

struct check {
	struct end *end;
	struct memory_source *source;
	struct memory_folder *folder;
	int64_t id;
	size_t next; /* folder, message */
};

static int check_body(void *context, struct str body)
{
	const struct memory_message *want = context;

	assert_int_equal(body.len, want->body_len);
	for (size_t i = 0; i < want->body_len; i++)
		assert_int_equal(body.ptr[i], memory_byte(want->uid, i));
	return 0;
}

static int check_message(void *context, const struct mail *m)
{
	struct check *c = context;
	const struct memory_message *want = &c->folder->messages[c->next++];

	assert_true(c->next <= c->folder->count);
	assert_int_equal(m->uid, want->uid);
	assert_int_equal(m->flags, want->flags);
	ASSERT_STR(m->keywords, want->keywords);
	assert_int_equal(m->date, want->date);
	assert_int_equal(m->zone, want->zone);
	assert_int_equal(m->size, memory_size(want));
	assert_int_equal(m->body_len, want->body_len);
	return 0;
}

static void check_messages(struct check *c)
{
	const struct destination *to = &c->end->to;
	struct error err = { 0 };

	c->next = 0;
	OK(to->ops->each_mail(to->self, c->id, check_message, c, &err));
	assert_int_equal(c->next, c->folder->count);
	for (size_t i = 0; i < c->folder->count; i++)
		OK(to->ops->read_body(to->self, c->id, c->folder->messages[i].uid,
			check_body, &c->folder->messages[i], &err));
}

static int check_folder(void *context, const struct destination_folder *d)
{
	struct check *all = context, c = *all;
	char name[64];

	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(d->is.name));
	c.folder = memory_folder(c.source, name);
	c.id = d->id;
	all->next++;
	assert_non_null(c.folder);
	assert_int_equal(d->is.separator, c.folder->separator);
	assert_int_equal(d->is.attributes, c.folder->attributes);
	ASSERT_STR(d->is.special_use, c.folder->special_use);
	if (c.folder->attributes & FOLDER_NOSELECT)
		return 0;
	assert_int_equal(d->uidvalidity, c.folder->uidvalidity);
	assert_int_equal(d->uidnext, c.folder->uidnext);
	check_messages(&c);
	return 0;
}

static int check_subscription(void *context, struct str name)
{
	struct check *c = context;
	bool is_found = false;

	for (size_t i = 0; i < c->source->n_subscriptions; i++)
		is_found =
			is_found || str_eq(str_from(c->source->subscriptions[i]), name);
	assert_true(is_found);
	c->next++;
	return 0;
}

static void check_equal(struct end *end, struct memory_source *m)
{
	struct check c = { .end = end, .source = m };
	const struct destination *to = &end->to;
	struct error err = { 0 };

	OK(to->ops->each_folder(to->self, check_folder, &c, &err));
	assert_int_equal(c.next, m->n_folders);
	c.next = 0;
	OK(to->ops->each_subscription(to->self, check_subscription, &c, &err));
	assert_int_equal(c.next, m->n_subscriptions);
}

/* ---- passes ---- */

static int one_pass(struct end *end, struct memory_source *m, uint64_t *ret_differences,
	struct error *err)
{
	struct source source = memory_source(m);
	struct sync sync;
	int r;

	sync_init(&sync, &source, &end->to, NULL, NULL);
	r = sync_pass(&sync, err);
	*ret_differences = sync.differences;
	sync_fini(&sync);
	return r;
}

/* Once to mend, once to find nothing. */
static void pass_and_check(struct end *end, struct memory_source *m, const char *name)
{
	struct error err = { 0 };
	uint64_t differences;
	unsigned fetches;

	OK(one_pass(end, m, &differences, &err));
	if (!differences)
		fail_msg("%s: no difference was seen", name);
	check_equal(end, m);
	fetches = m->fetches;
	OK(one_pass(end, m, &differences, &err));
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
	memory_find(f, 3)->flags = MAIL_SEEN | MAIL_DELETED;
	memory_find(f, 6)->keywords = "$Forwarded todo";
	memory_find(f, 9)->said_size = 901; /* wrong, as some servers say it */
	memory_add(f, 4000000000, 0);       /* an empty one */
	f = memory_add_folder(m, "Sent");
	f->special_use = "\\Sent";
	memory_add(f, 1, 70000);
	memory_add(f, 2, 5);
	memory_add_folder(m, "Empty")->uidnext = 12;
	memory_add_folder(m, "Archive")->attributes = FOLDER_NOSELECT;
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
	memory_find(memory_folder(m, "INBOX"), 3)->flags = MAIL_ANSWERED;
	memory_find(memory_folder(m, "INBOX"), 30)->flags = MAIL_FLAGGED | MAIL_DRAFT;
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

static void first_copy(struct end *end)
{
	struct memory_source *m = usual_source();

	pass_and_check(end, m, "first copy");
	/* what clients know of changes must not go back (RFC 7162) */
	assert_true(end->to.ops->modseq(end->to.self) >= 5000);
	free(m);
}

static void changes(struct end *end)
{
	enum end_kind kind = end->kind;

	for (size_t i = 0; i < N_ROWS(change_rows); i++) {
		struct memory_source *m = usual_source();
		struct end fresh;

		end_open(&fresh, kind);
		pass_and_check(&fresh, m, "before");
		change_rows[i].change(m);
		pass_and_check(&fresh, m, change_rows[i].name);
		end_close(&fresh);
		free(m);
	}
}

/* ---- what the source does not give ---- */

static void unreadable_message(struct end *end)
{
	struct memory_source *m = usual_source();
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync sync;

	m->unreadable = 12;
	sync_init(&sync, &source, &end->to, NULL, NULL);
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
	check_equal(end, m);
	free(m);
}

static void unreadable_folder(struct end *end)
{
	struct memory_source *m = usual_source();
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync sync;

	memory_folder(m, "Sent")->refuses = "mailbox is locked";
	sync_init(&sync, &source, &end->to, NULL, NULL);
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.n_unreadable, 1);
	assert_int_equal(sync.unreadable[0].uid, 0);
	assert_string_equal(sync.unreadable[0].text, "mailbox is locked");
	memory_folder(m, "Sent")->refuses = NULL;
	OK(sync_pass(&sync, &err));
	sync_fini(&sync);
	check_equal(end, m);
	free(m);
}

/* ---- breaking at every step ---- */

static uint64_t count_events(enum end_kind kind)
{
	struct memory_source *m = usual_source();
	struct error err = { 0 };
	uint64_t differences, events;
	struct end end;

	hundreds(m);
	end_open(&end, kind);
	OK(one_pass(&end, m, &differences, &err));
	end_close(&end);
	events = m->events;
	free(m);
	return events;
}

static void finish_after_break(struct end *end, struct memory_source *m)
{
	struct error err = { 0 };
	uint64_t differences;

	m->break_at = 0;
	end_crash(end);
	OK(one_pass(end, m, &differences, &err));
	check_equal(end, m);
	OK(one_pass(end, m, &differences, &err));
	assert_int_equal(differences, 0);
}

static void connection_breaks(struct end *given)
{
	uint64_t all = count_events(given->kind);

	for (uint64_t at = 1; at <= all; at += at < 60 ? 3 : 307) {
		struct memory_source *m = usual_source();
		struct error err = { 0 };
		uint64_t differences;
		struct end end;

		hundreds(m);
		m->break_at = at;
		end_open(&end, given->kind);
		assert_int_equal(one_pass(&end, m, &differences, &err), -ECONNRESET);
		finish_after_break(&end, m);
		end_close(&end);
		free(m);
	}
}

/* A change that the destination refuses: what was not durable is gone, and the next pass
   does it again. */
static void destination_fails(struct end *given)
{
	if (!given->memory)
		return;
	for (uint64_t at = 1; at < 200; at += 7) {
		struct memory_source *m = usual_source();
		struct error err = { 0 };
		uint64_t differences;
		struct end end;

		end_open(&end, given->kind);
		end.memory->fail_at = at;
		if (one_pass(&end, m, &differences, &err) != -ENOSPC)
			at = 200; /* it needs no more changes than that */
		end.memory->fail_at = 0;
		finish_after_break(&end, m);
		end_close(&end);
		free(m);
	}
}

static void die(void)
{
	(void)raise(SIGKILL);
}

/* The store must not be open on both sides of a fork. */
static void killed_once(struct end *end, struct memory_source *m, uint64_t at)
{
	struct error err = { 0 };
	uint64_t differences;
	int status;
	pid_t pid;

	end_let_go(end);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		m->break_at = at;
		m->at_break = die;
		end_take_again(end);
		(void)one_pass(end, m, &differences, &err);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	end_take_again(end);
}

static void killed(struct end *given)
{
	uint64_t all = count_events(given->kind);

	for (uint64_t at = 1; at <= all; at += at < 30 ? 10 : 401) {
		struct memory_source *m = usual_source();
		struct end end;

		hundreds(m);
		end_open(&end, given->kind);
		killed_once(&end, m, at);
		finish_after_break(&end, m);
		end_close(&end);
		free(m);
	}
}

/* ---- every test with every destination ---- */

static void with_each(void (*test)(struct end *end))
{
	for (int kind = 0; kind < END_COUNT; kind++) {
		struct end end;

		end_open(&end, (enum end_kind)kind);
		test(&end);
		end_close(&end);
	}
}

#define TESTS(ROW)                                                                       \
	ROW(first_copy)                                                                  \
	ROW(changes)                                                                     \
	ROW(unreadable_message)                                                          \
	ROW(unreadable_folder)                                                           \
	ROW(connection_breaks)                                                           \
	ROW(destination_fails)                                                           \
	ROW(killed)

#define RUN(name)                                                                        \
	static void run_##name(void **state)                                             \
	{                                                                                \
		(void)state;                                                             \
		with_each(name);                                                         \
	}
TESTS(RUN)
#undef RUN

int main(void)
{
#define ROW(name) cmocka_unit_test(run_##name),
	const struct CMUnitTest tests[] = { TESTS(ROW) };
#undef ROW

	return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
