/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The copy engine between a server in memory and each destination: one in memory, and a
 * real store. A row changes the source; after one pass the destination has to be equal,
 * and a second pass finds nothing to do. The same when the connection breaks, the
 * destination fails, or the process is killed, at any step.
 */
#include "transfer/copy/sync.h"
#include "transfer/copy/usual.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

	for (size_t i = 0; i < n_change_rows; i++) {
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

/* Of messages that were here: a server may hide some by one (uidls_derived.h). */
static void changed_keywords(struct end *end)
{
	struct memory_source *m = usual_source();
	struct source source = memory_source(m);
	struct error err = { 0 };
	struct sync sync;

	sync_init(&sync, &source, &end->to, NULL, NULL);
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.keyword_changes, 0);
	memory_folder(m, "INBOX")->messages[0].keywords = "$POP3Deleted";
	memory_folder(m, "INBOX")->messages[1].flags ^= MAIL_FLAGGED;
	OK(sync_pass(&sync, &err));
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.keyword_changes, 1);
	sync_fini(&sync);
	check_equal(end, m);
	free(m);
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

	usual_hundreds(m);
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

		usual_hundreds(m);
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

		usual_hundreds(m);
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
	ROW(changed_keywords)                                                            \
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
