/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STORE, EXPUNGE and MOVE of thousands are several transactions: another session of the
   account has its turn in between, and what it does then is not undone. */
#include "mailstore/serve/imap_session.h"
#include "mailstore/serve/memory_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGES 3000u /* of the test; four more are there */
#define FIRST_UID 20u  /* of them: the sequence numbers begin with 5 */

static bool has(struct str said, const char *words)
{
	return memmem(said.ptr, said.len, words, strlen(words));
}

static void says(
	struct memory_server *m, size_t index, const char *command, const char *words)
{
	struct str said;

	assert_return_code(memory_session_say(m, index, command, &said), 0);
	if (!has(said, words))
		fail_msg("%s: no \"%s\"", command, words);
}

static void add_messages(struct memory_server *m, unsigned flags)
{
	struct store_message row = {
		.keywords = STR(""), .uidl = STR(""), .size = 1, .flags = flags
	};
	struct body_place place = { .inline_bytes = STR("x") };
	struct store *s = m->serve.store;
	int64_t inbox;

	assert_return_code(store_find_inbox(s, &inbox, NULL), 0);
	assert_return_code(store_begin(s, NULL), 0);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		row.uid = FIRST_UID + i;
		assert_return_code(store_add(s, inbox, &row, &place, NULL, NULL), 0);
	}
	assert_return_code(store_commit(s, NULL), 0);
}

static int set_up(void **state, unsigned flags)
{
	struct memory_server *m;

	assert_int_equal(memory_server_set_up(state), 0);
	m = *state;
	assert_return_code(memory_session_open(m, 1, STR_LIT("")), 0);
	add_messages(m, flags);
	says(m, 0, "SELECT INBOX", "3004 EXISTS");
	says(m, 1, "SELECT INBOX", "3004 EXISTS");
	return 0;
}

static int set_up_plain(void **state)
{
	return set_up(state, 0);
}

static int set_up_deleted(void **state)
{
	return set_up(state, FLAG_DELETED);
}

/* The first session's command as far as its first piece, what the other one says then,
   and the rest of it: all that the first one heard, a view. */
static struct str between(struct memory_server *m, const char *command, const char *other,
	const char *answer)
{
	struct memory_session *s = &m->sessions[0];

	buf_clear(&s->output);
	assert_return_code(buf_append_c(&s->session.in, command), 0);
	assert_return_code(buf_append_c(&s->session.in, "\r\n"), 0);
	assert_int_equal(session_run(&s->session), SERVICE_AGAIN); /* it is read */
	assert_int_equal(session_run(&s->session), SERVICE_AGAIN);
	says(m, 1, other, answer);
	assert_int_equal(buf_len(&s->output), 0);
	assert_return_code(memory_session_feed(m, 0, STR_LIT("")), 0);
	return buf_view(&s->output);
}

static void flags_of_others_stay(void **state)
{
	struct memory_server *m = *state;
	struct str said = between(m, "t STORE 1:* FLAGS.SILENT (word)",
		"UID STORE 3019 FLAGS (\\Flagged)", "t OK");

	assert_true(has(said, "t OK"));
	says(m, 0, "FETCH 3004 FLAGS", "FLAGS (word)");
	said = between(m, "t STORE 1:* +FLAGS.SILENT (more)",
		"UID STORE 3018 +FLAGS (\\Flagged)", "t OK");
	assert_true(has(said, "t OK"));
	says(m, 0, "FETCH 3003 FLAGS", "FLAGS (\\Flagged more word)");
	says(m, 1, "UID SEARCH UNKEYWORD more", "* SEARCH\r\n");
}

/* RFC 7162, 3.1.3: the check and the change of a message are one. */
static void what_changed_in_between_is_left_alone(void **state)
{
	struct memory_server *m = *state;
	struct str said;
	char command[100];

	(void)snprintf(command, sizeof(command),
		"t STORE 1:* (UNCHANGEDSINCE %llu) +FLAGS.SILENT (word)",
		(unsigned long long)store_modseq(m->serve.store));
	said = between(m, command, "UID STORE 3019 +FLAGS (\\Flagged)", "t OK");
	assert_true(has(said, "t OK [MODIFIED 3004]"));
	says(m, 0, "FETCH 3004 FLAGS", "FLAGS (\\Flagged)");
	says(m, 0, "FETCH 3003 FLAGS", "FLAGS (word)");
}

static void messages_that_are_kept_are_kept(void **state)
{
	struct memory_server *m = *state;
	struct str said = between(
		m, "t EXPUNGE", "UID STORE 3019 -FLAGS.SILENT (\\Deleted)", "t OK");

	assert_true(has(said, "t OK"));
	says(m, 1, "NOOP", "t OK");
	says(m, 1, "UID SEARCH UID 20:*", "* SEARCH 3019\r\n");
}

static void close_keeps_them_too(void **state)
{
	struct memory_server *m = *state;
	struct str said =
		between(m, "t CLOSE", "UID STORE 3019 -FLAGS.SILENT (\\Deleted)", "t OK");

	assert_false(has(said, "EXPUNGE"));
	assert_true(has(said, "t OK Close"));
	says(m, 1, "NOOP", "t OK");
	says(m, 1, "UID SEARCH UID 20:*", "* SEARCH 3019\r\n");
}

/* RFC 6851, 3.3: each message is moved or it is not. */
static void a_move_goes_on_where_it_can(void **state)
{
	struct memory_server *m = *state;
	struct str said;

	says(m, 1, "UID STORE 3019 +FLAGS.SILENT (\\Deleted)", "t OK");
	said = between(m, "t MOVE 5:* Sent", "UID EXPUNGE 3019", "t OK");
	assert_true(has(said, "* OK [COPYUID "));
	assert_true(has(said, "20:3018 "));
	assert_false(has(said, "3019"));
	assert_true(has(said, "t OK Move"));
	says(m, 0, "STATUS Sent (MESSAGES)", "MESSAGES 2999");
	says(m, 0, "STATUS INBOX (MESSAGES)", "MESSAGES 4");
}

static void a_move_that_ends_in_the_middle_says_what_it_moved(void **state)
{
	struct memory_server *m = *state;
	struct str said = between(m, "t MOVE 5:* Sent", "RENAME Sent Elsewhere", "t OK");

	/* it is the same mailbox */
	assert_true(has(said, "t OK Move"));
	says(m, 0, "STATUS Elsewhere (MESSAGES)", "MESSAGES 3000");
	says(m, 0, "SELECT Elsewhere", "t OK");
	says(m, 1, "SELECT Elsewhere", "t OK");
	said = between(m, "t MOVE 1:* Trash", "DELETE Trash", "t OK");
	assert_true(has(said, "* OK [COPYUID "));
	assert_true(has(said, " EXPUNGE\r\n"));
	assert_true(has(said, "t NO [NONEXISTENT]"));
	says(m, 0, "NOOP", "t OK");
}

/* RFC 3501, 6.4.7: it is there as a whole, or not at all. */
static void a_copy_is_one_piece(void **state)
{
	struct memory_server *m = *state;
	struct str said =
		between(m, "t COPY 1:* Sent", "STATUS Sent (MESSAGES)", "MESSAGES 3004");

	assert_true(has(said, "t OK [COPYUID "));
}

#define TEST(function, set_up)                                                           \
	cmocka_unit_test_setup_teardown(function, set_up, memory_server_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flags_of_others_stay, set_up_plain),
		TEST(what_changed_in_between_is_left_alone, set_up_plain),
		TEST(messages_that_are_kept_are_kept, set_up_deleted),
		TEST(close_keeps_them_too, set_up_deleted),
		TEST(a_move_goes_on_where_it_can, set_up_plain),
		TEST(a_move_that_ends_in_the_middle_says_what_it_moved, set_up_plain),
		TEST(a_copy_is_one_piece, set_up_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
