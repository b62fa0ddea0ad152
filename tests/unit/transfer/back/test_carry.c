/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * There and back and there: an old server in memory, a real store. What is new here comes
 * to the source once, whatever breaks or dies at whichever step; what the source did by
 * itself stays; and a later move has it all.
 */
#include "transfer/back/carry_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIED 42

/* ---- the cases ---- */

static void test_all_of_it(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	world_lives_there(&w);
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.messages, 3 + 1 + 1 + 2 + 1);
	assert_int_equal(w.sums.put_back, 1);
	assert_int_equal(w.sums.expunged, 2);
	assert_int_equal(w.sums.folders, 1);
	assert_int_equal(w.sums.renamed, 1);
	assert_int_equal(w.sums.subscriptions, 2);
	assert_string_equal(w.names, "Gone ");
	assert_int_equal(w.lost.flags + w.lost.expunges + w.lost.dates, 0);
	world_check_equal(&w, false);
	world_check_source();
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.messages + w.sums.flags + w.sums.expunged, 0);
	world_check_round_trip(&w);
	world_end(&w);
}

static void test_dry_run_changes_nothing(void **state)
{
	struct error err = { 0 };
	struct source from = memory_source(&shared->source);
	struct memory_source *before = malloc(sizeof(*before));
	struct store *s;
	struct carry c;
	struct world w;

	(void)state;
	assert_non_null(before);
	world_begin(&w);
	world_lives_here(&w);
	world_lives_there(&w);
	memcpy(before->folders, shared->source.folders, sizeof(before->folders));
	s = world_store(&w);
	carry_init(&c, s, &from, NULL);
	OK(carry_pass(&c, &err));
	assert_memory_equal(
		before->folders, shared->source.folders, sizeof(before->folders));
	assert_int_equal(c.sums.messages, 8);
	assert_int_equal(c.sums.expunged, 2);
	assert_int_equal(c.sums.folders, 1);
	assert_int_equal(c.sums.renamed, 1);
	assert_int_equal(c.sums.flags, 2);
	assert_int_equal(c.lost.uids, 9); /* the swept one, too */
	carry_fini(&c);
	store_close(s);
	free(before);
	world_end(&w);
}

static void die(void)
{
	_exit(DIED);
}

/* false: it came to its end before. */
static bool dies_at(struct world *w, unsigned step)
{
	struct error err = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		w->writer.end_at = step;
		w->writer.die = die;
		_exit(world_carry(w, &err) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
	return WEXITSTATUS(status) == DIED;
}

static void killed_everywhere(const struct memory_writer *manners)
{
	struct error err = { 0 };
	bool goes_on = true;

	for (unsigned step = 1; goes_on; step++)
		for (int end_kind = manners->end; end_kind <= END_AFTER; end_kind++) {
			struct world w;

			world_begin(&w);
			w.writer.no_uids = manners->no_uids;
			w.writer.adds_line_end = manners->adds_line_end;
			/* when not, it is as before the next one */
			w.writer.goes_on = end_kind == END_AFTER;
			w.writer.end = (enum writer_end)end_kind;
			world_lives_here(&w);
			world_lives_there(&w);
			goes_on = dies_at(&w, step);
			OK(world_carry(&w, &err));
			world_check_equal(&w, false);
			world_check_source();
			world_check_round_trip(&w);
			world_end(&w);
			assert_true(step < 200);
		}
}

static void test_killed_everywhere(void **state)
{
	(void)state;
	killed_everywhere(&(struct memory_writer){ .end = END_BEFORE });
}

/* Without UIDPLUS, by a server that adds the last line's end. */
static void test_killed_everywhere_without_uids(void **state)
{
	(void)state;
	killed_everywhere(&(struct memory_writer){
		.no_uids = true, .adds_line_end = true, .end = END_AFTER });
}

/* The connection is lost before a step is done, or after it and before its answer. */
static void test_answers_lost_everywhere(void **state)
{
	struct error err = { 0 };
	bool goes_on = true;

	(void)state;
	for (unsigned step = 1; goes_on; step++) {
		struct world w;

		world_begin(&w);
		w.writer.goes_on = step % 2;
		w.writer.no_uids = step % 3 == 0;
		w.writer.end = step % 2 ? END_AFTER : END_BEFORE;
		world_lives_here(&w);
		world_lives_there(&w);
		w.writer.end_at = step;
		goes_on = world_carry(&w, &err) != 0;
		w.writer.end_at = 0;
		OK(world_carry(&w, &err));
		world_check_equal(&w, false);
		world_check_source();
		world_end(&w);
		assert_true(step < 200);
	}
}

/* The same, and tried again at once, as account_carry_run() does it: what broke off is no
   refusal. */
static void test_tried_again_everywhere(void **state)
{
	struct error err = { 0 };
	bool goes_on = true;

	(void)state;
	for (unsigned step = 1; goes_on; step++) {
		struct source from = memory_source(&shared->source);
		struct store *s;
		struct writer to;
		struct world w;
		struct carry c;

		world_begin(&w);
		w.writer.end = step % 2 ? END_AFTER : END_BEFORE;
		w.writer.end_at = step;
		world_lives_here(&w);
		world_lives_there(&w);
		s = world_store(&w);
		to = memory_writer(&w.writer);
		carry_init(&c, s, &from, &to);
		goes_on = carry_all(&c, &err) != 0;
		OK(carry_all(&c, &err));
		assert_int_equal(c.lost.flags + c.lost.expunges, 0);
		carry_fini(&c);
		store_close(s);
		world_check_equal(&w, false);
		world_check_source();
		world_end(&w);
		assert_true(step < 200);
	}
}

/* The reading connection breaks at each event of the source. */
static void test_broken_everywhere(void **state)
{
	struct error err = { 0 };
	bool goes_on = true;

	(void)state;
	for (uint64_t at = 1; goes_on; at += 7) {
		struct world w;

		world_begin(&w);
		world_lives_here(&w);
		world_lives_there(&w);
		shared->source.events = 0;
		shared->source.break_at = at;
		goes_on = world_carry(&w, &err) != 0;
		shared->source.break_at = 0;
		memory_source(&shared->source).ops->close(&shared->source);
		OK(world_carry(&w, &err));
		world_check_equal(&w, false);
		world_check_source();
		world_end(&w);
		assert_true(at < 2000);
	}
}

static int count_row(void *context, const struct store_message *m)
{
	(void)m;
	(*(unsigned *)context)++;
	return 0;
}

/* It stays here after all: what was carried does not come back as late mail, whether its
   answer was seen or not. */
static void test_stays_and_is_swept(void **state)
{
	struct error err = { 0 };

	(void)state;
	for (unsigned step = 1; step < 30; step++) {
		struct memory_folder *inbox;
		unsigned before = 0, now = 0;
		struct store *s;
		struct world w;

		world_begin(&w);
		world_lives_here(&w);
		w.writer.end = END_AFTER;
		(void)dies_at(&w, step);
		inbox = memory_folder(&shared->source, "INBOX");
		s = world_store(&w);
		OK(store_each_message(s, world_mailbox(s, "INBOX"), 1, UINT32_MAX,
			count_row, &before, &err));
		for (size_t i = 0; i < inbox->count; i++) {
			const struct memory_message *m = &inbox->messages[i];
			unsigned char digest[BODY_DIGEST_SIZE];
			struct body_digest d;
			struct swept swept = { .folder = STR("INBOX"),
				.uidvalidity = inbox->uidvalidity,
				.uid = m->uid,
				.keywords = STR("") };
			struct body_place place;

			if (m->uid < 7)
				continue;
			body_digest_begin(&d);
			body_digest_add(&d, str_of(m->body, m->body_len));
			body_digest_end(&d, digest);
			swept.digest = str_of(digest, sizeof(digest));
			place = store_body_inline(str_of(m->body, m->body_len));
			OK(store_begin(s, &err));
			assert_int_equal(swept_put(s, &swept, m->body_len, &place,
						 world_mailbox(s, "INBOX"), &err),
				1);
			OK(store_commit(s, &err));
		}
		OK(store_each_message(s, world_mailbox(s, "INBOX"), 1, UINT32_MAX,
			count_row, &now, &err));
		assert_int_equal(now, before);
		store_close(s);
		w.writer.end_at = 0;
		OK(world_carry(&w, &err));
		world_check_equal(&w, false);
		world_end(&w);
	}
}

/* The source changes each body, and says no UID: what it has taken is not sent again. */
static void altered_without_uids(bool forgets_dates)
{
	struct error err = { 0 };
	struct world w;
	size_t n;

	world_begin(&w);
	world_lives_here(&w);
	w.writer.no_uids = w.writer.alters = true;
	w.writer.forgets_dates = forgets_dates;
	OK(world_carry(&w, &err));
	n = memory_folder(&shared->source, "INBOX")->count;
	assert_int_equal(n, 6 - 2 + 3);
	assert_int_equal(w.lost.dates, forgets_dates ? 7 : 0);
	OK(world_carry(&w, &err));
	assert_int_equal(memory_folder(&shared->source, "INBOX")->count, n);
	world_end(&w);
}

static void test_altered_without_uids(void **state)
{
	(void)state;
	altered_without_uids(false);
	altered_without_uids(true);
}

/* APPENDUID says the same of all: they come once. */
static void test_one_uid_for_all(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	w.writer.says_uid = 7;
	OK(world_carry(&w, &err));
	world_check_equal(&w, false);
	world_end(&w);
}

static void test_refused_stays(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	w.writer.refuses = "one that is new";
	assert_int_equal(world_carry(&w, &err), -EREMOTEIO);
	assert_non_null(strstr(err.text, "UID 7 of \"INBOX\": such mail is not taken"));
	assert_int_equal(w.sums.messages, 2); /* it costs no other */
	w.writer.refuses = NULL;
	OK(world_carry(&w, &err));
	assert_int_equal(w.sums.messages, 7 - 2);
	world_check_equal(&w, false);
	world_end(&w);
}

static void test_keywords_that_are_not_taken(void **state)
{
	struct error err = { 0 };
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	w.writer.no_keyword = "all";
	OK(world_carry(&w, &err));
	assert_string_equal(w.names, "$Junk Old Mine Gone ");
	assert_int_equal(w.lost.flags, 7);
	world_check_equal(&w, true);
	world_end(&w);
}

/* Without UIDPLUS and with another message that is marked there: nothing is expunged. */
static void test_others_marked_are_not_expunged(void **state)
{
	struct error err = { 0 };
	struct memory_folder *inbox;
	struct world w;

	(void)state;
	world_begin(&w);
	world_lives_here(&w);
	inbox = memory_folder(&shared->source, "INBOX");
	memory_find(inbox, 4)->flags = MAIL_DELETED;
	w.writer.no_uids = true;
	OK(world_carry(&w, &err));
	assert_non_null(memory_find(inbox, 4));
	assert_non_null(memory_find(inbox, 2));
	assert_int_equal(w.lost.expunges, 2);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_dry_run_changes_nothing),
		cmocka_unit_test(test_killed_everywhere),
		cmocka_unit_test(test_killed_everywhere_without_uids),
		cmocka_unit_test(test_answers_lost_everywhere),
		cmocka_unit_test(test_tried_again_everywhere),
		cmocka_unit_test(test_broken_everywhere),
		cmocka_unit_test(test_stays_and_is_swept),
		cmocka_unit_test(test_altered_without_uids),
		cmocka_unit_test(test_one_uid_for_all),
		cmocka_unit_test(test_refused_stays),
		cmocka_unit_test(test_keywords_that_are_not_taken),
		cmocka_unit_test(test_others_marked_are_not_expunged),
	};

	world_share();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
