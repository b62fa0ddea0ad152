/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one client asks for, however much it is: the account's other sessions have their
   turn in between, and nothing takes the square of what there is. */
#include "mailstore/serve/imap_session.h"
#include "mailstore/serve/memory_session.h"
#include "mailstore/serve/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BOUND_S 120 /* what it bounds takes a second at most */

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

/* Turns until it waits for the client: to be read, or for the next command. */
static size_t turns(struct memory_server *m, const struct buf *command)
{
	struct memory_session *s = &m->sessions[0];
	enum service_need need = SERVICE_AGAIN;
	size_t n = 0;

	assert_return_code(buf_append(&s->session.in, buf_view(command)), 0);
	while (need == SERVICE_AGAIN) {
		need = session_run(&s->session);
		n++;
	}
	return n;
}

static void add_often(struct buf *command, const char *words, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_return_code(buf_append_c(command, words), 0);
}

static void rest_is_well(struct memory_server *m)
{
	buf_clear(&m->sessions[0].output);
	assert_return_code(memory_session_feed(m, 0, STR_LIT("")), 0);
	assert_true(has(buf_view(&m->sessions[0].output), "t OK"));
}

static void add_mailboxes(struct memory_server *m, const char *above, unsigned count)
{
	struct buf name;
	int64_t id;

	buf_init(&name, 0);
	assert_return_code(store_begin(m->serve.store, NULL), 0);
	for (unsigned i = 0; i < count; i++) {
		struct mailbox box = { .separator = '/', .special_use = STR("") };

		buf_clear(&name);
		assert_return_code(buf_printf(&name, "%s%u", above, i), 0);
		box.name = buf_view(&name);
		assert_return_code(
			store_create_mailbox(m->serve.store, &box, &id, NULL), 0);
	}
	assert_return_code(store_commit(m->serve.store, NULL), 0);
	buf_fini(&name);
}

static void add_messages(struct memory_server *m, unsigned count, size_t len)
{
	struct store_message row = { .keywords = STR(""), .uidl = STR(""), .size = len };
	struct store *s = m->serve.store;
	struct body_writer w;
	struct body_place place;
	struct mailbox inbox;
	struct arena arena;
	char *bytes = calloc(1, len);

	assert_non_null(bytes);
	memset(bytes, 'x', len);
	memcpy(bytes, "A: b\r\n\r\n", 8);
	arena_init(&arena);
	assert_return_code(
		store_find_mailbox(s, STR_LIT("INBOX"), &arena, &inbox, NULL), 0);
	assert_return_code(store_begin(s, NULL), 0);
	for (unsigned i = 0; i < count; i++) {
		assert_return_code(store_body_begin(s, len, &w, NULL), 0);
		assert_return_code(store_body_write(s, &w, str_of(bytes, len), NULL), 0);
		assert_return_code(store_body_end(s, &w, &place, NULL), 0);
		assert_return_code(store_add(s, inbox.id, &row, &place, NULL, NULL), 0);
	}
	assert_return_code(store_commit(s, NULL), 0);
	arena_fini(&arena);
	free(bytes);
}

/* 64 KiB of patterns for each name. */
static void patterns_are_compared_in_turns(void **state)
{
	struct memory_server *m = *state;
	struct buf command;

	buf_init(&command, 0);
	add_mailboxes(m, "x", 30);
	assert_return_code(buf_append_c(&command, "t LIST \"\" ("), 0);
	for (unsigned i = 0; i < 60; i++) {
		assert_return_code(buf_append_c(&command, i ? " " : ""), 0);
		add_often(&command, "*x", 500);
	}
	assert_return_code(buf_append_c(&command, " *)\r\n"), 0);
	assert_true(turns(m, &command) > 2);
	rest_is_well(m);
	assert_true(has(buf_view(&m->sessions[0].output), "\"/\" x29\r\n"));
	buf_fini(&command);
}

/* Nor is more of a list in memory than the client takes. */
static void a_list_waits_for_the_client(void **state)
{
	struct memory_server *m = *state;
	struct buf command;

	buf_init(&command, 0);
	add_mailboxes(m, "a mailbox with a name that is not short/", 4000);
	assert_return_code(buf_append_c(&command, "t LIST \"\" *\r\n"), 0);
	(void)turns(m, &command);
	assert_true(buf_len(&m->sessions[0].session.out.text) < 2 * (size_t)OUTPUT_FULL);
	rest_is_well(m);
	assert_true(has(buf_view(&m->sessions[0].output), "short/3999\"\r\n"));
	buf_fini(&command);
}

static void keys_are_asked_in_turns(void **state)
{
	struct memory_server *m = *state;
	struct buf command;

	buf_init(&command, 0);
	add_messages(m, 100, 100);
	says(m, 0, "SELECT INBOX", "t OK");
	assert_return_code(buf_append_c(&command, "t SEARCH"), 0);
	add_often(&command, " HEADER A b", 3000);
	assert_return_code(buf_append_c(&command, "\r\n"), 0);
	assert_true(turns(m, &command) > 10);
	rest_is_well(m);
	buf_fini(&command);
}

static void items_of_a_long_message_are_made_in_turns(void **state)
{
	struct memory_server *m = *state;
	struct buf command;

	buf_init(&command, 0);
	add_messages(m, 1, (size_t)9 << 20);
	says(m, 0, "SELECT INBOX", "t OK");
	assert_return_code(buf_append_c(&command, "t FETCH 5 ("), 0);
	add_often(&command, "BODY.PEEK[2] ", 50);
	assert_return_code(buf_append_c(&command, "UID)\r\n"), 0);
	assert_true(turns(m, &command) > 50);
	rest_is_well(m);
	buf_fini(&command);
}

/* Flags that others changed, each with as many words as there may be. */
static void flags_are_told_as_they_are_taken(void **state)
{
	struct memory_server *m = *state;
	const struct imap *imap = m->sessions[0].session.state;
	struct store *s = m->serve.store;
	struct buf words, idle;

	buf_init(&words, 0);
	buf_init(&idle, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_return_code(buf_printf(&words, "%sw%063u", i ? " " : "", i), 0);
	add_messages(m, 600, 100);
	says(m, 0, "SELECT INBOX", "604 EXISTS");
	assert_return_code(store_begin(s, NULL), 0);
	for (uint32_t uid = 20; uid < 620; uid++)
		assert_return_code(store_set_flags(s, imap->view.mailbox, uid, 0,
					   buf_view(&words), NULL, NULL),
			0);
	assert_return_code(store_commit(s, NULL), 0);
	assert_return_code(buf_append_c(&idle, "t IDLE\r\n"), 0);
	(void)turns(m, &idle);
	assert_true(buf_len(&m->sessions[0].session.out.text) < (size_t)36 << 20);
	buf_clear(&m->sessions[0].output);
	assert_return_code(memory_session_feed(m, 0, STR_LIT("DONE\r\n")), 0);
	assert_true(has(buf_view(&m->sessions[0].output), "* 604 FETCH (FLAGS (w"));
	assert_true(has(buf_view(&m->sessions[0].output), "t OK"));
	buf_fini(&words);
	buf_fini(&idle);
}

/* Each is read and taken apart, however little of it is wanted. */
static void messages_that_urls_name_have_a_limit(void **state)
{
	static const struct {
		unsigned urls;
		const char *answer;
	} rows[] = { { 16, "t OK" }, { 17, "t NO [LIMIT]" } };
	struct memory_server *m = *state;
	struct buf command;

	add_messages(m, 1, 190000); /* of 200,000 */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_init(&command, 0);
		assert_return_code(buf_append_c(&command, "APPEND Sent CATENATE ("), 0);
		add_often(&command, "URL \"/INBOX/;UID=20/;SECTION=HEADER\" ",
			rows[i].urls);
		assert_return_code(buf_append_c(&command, "TEXT {1+}\r\nx)"), 0);
		assert_return_code(buf_byte(&command, '\0'), 0);
		says(m, 0, buf_view(&command).ptr, rows[i].answer);
		buf_fini(&command);
	}
}

/* RFC 5267, 4.3: thousands of bodies that others touched are not read in one step. */
static void a_search_that_costs_too_much_is_not_kept_up_to_date(void **state)
{
	struct memory_server *m = *state;
	struct memory_session *s = &m->sessions[0];

	assert_return_code(memory_session_open(m, 1, STR_LIT("")), 0);
	add_messages(m, 2100, 100);
	says(m, 0, "SELECT INBOX", "2104 EXISTS");
	says(m, 1, "SELECT INBOX", "2104 EXISTS");
	assert_return_code(memory_session_feed(m, 0,
				   STR_LIT("a SEARCH RETURN (UPDATE COUNT) UNSEEN\r\n"
					   "b SEARCH RETURN (UPDATE COUNT) TEXT xx\r\n")),
		0);
	says(m, 1, "STORE 5:900 +FLAGS.SILENT (\\Flagged)", "t OK");
	says(m, 0, "NOOP", "t OK");
	assert_false(has(buf_view(&s->output), "NOUPDATE"));
	says(m, 1, "STORE 1:* +FLAGS.SILENT (\\Seen)", "t OK");
	says(m, 0, "NOOP", "* NO [NOUPDATE \"b\"]");
	assert_true(has(buf_view(&s->output), "(TAG \"a\") REMOVEFROM"));
	says(m, 1, "STORE 1:* -FLAGS.SILENT (\\Seen)", "t OK");
	says(m, 0, "NOOP", "(TAG \"a\") ADDTO");
	assert_false(has(buf_view(&s->output), "TAG \"b\""));
}

/* RFC 5465, 5.8 */
static void too_many_new_messages_end_notification(void **state)
{
	struct memory_server *m = *state;

	says(m, 0, "SELECT INBOX", "4 EXISTS");
	says(m, 0, "NOTIFY SET (SELECTED (MessageNew (BODY.PEEK[]) MessageExpunge))",
		"t OK");
	add_messages(m, 10, 100);
	says(m, 0, "NOOP", "* 14 FETCH (UID");
	add_messages(m, 10, (size_t)1 << 20);
	says(m, 0, "NOOP", "* OK [NOTIFICATIONOVERFLOW]");
	add_messages(m, 1, 100);
	says(m, 0, "NOOP", "* 25 EXISTS");
	assert_false(has(buf_view(&m->sessions[0].output), "FETCH"));
}

/* ── limits ────────────────────────────────────────────────────────────────────────── */

/* Words of 1,000 bytes each. */
static void say_words(struct memory_server *m, const char *verb, unsigned from,
	unsigned n, const char *answer)
{
	struct buf command;

	buf_init(&command, 0);
	assert_return_code(buf_printf(&command, "STORE 1:2 %s (", verb), 0);
	for (unsigned i = 0; i < n; i++)
		assert_return_code(
			buf_printf(&command, "%s%01000u", i ? " " : "", from + i), 0);
	assert_return_code(buf_append_c(&command, ")"), 0);
	assert_return_code(buf_byte(&command, '\0'), 0);
	says(m, 0, buf_view(&command).ptr, answer);
	buf_fini(&command);
}

static void keywords_have_a_limit(void **state)
{
	struct memory_server *m = *state;
	struct str said;

	says(m, 0, "SELECT INBOX", "t OK");
	say_words(m, "FLAGS.SILENT", 0, 4, "t OK");
	say_words(m, "FLAGS.SILENT", 0, 5, "t NO [LIMIT]");
	say_words(m, "+FLAGS.SILENT", 4, 1, "t NO [LIMIT]");
	says(m, 0, "FETCH 1 FLAGS", "0003)");
	says(m, 0, "STORE 1 +FLAGS.SILENT (\\Seen)", "t OK");
	say_words(m, "-FLAGS.SILENT", 0, 60, "t OK");
	for (unsigned i = 4; i < 64; i += 4)
		say_words(m, "FLAGS.SILENT", i, 4, "t OK");
	say_words(m, "FLAGS.SILENT", 64, 2, "t NO [LIMIT]");
	say_words(m, "FLAGS.SILENT", 10, 4, "t OK");
	assert_return_code(memory_session_say(m, 0, "NOOP", &said), 0);
}

static void names_have_a_limit(void **state)
{
	struct memory_server *m = *state;
	char deep[200] = "a";

	for (size_t i = 1; i < 2 * 63; i += 2)
		memcpy(deep + i, "/a", 3);
	says(m, 0, "CREATE b", "t OK");
	says(m, 0, "CREATE b/c", "t OK");
	assert_return_code(memory_session_feed(m, 0, STR_LIT("u RENAME b ")), 0);
	assert_return_code(memory_session_feed(m, 0, str_from(deep)), 0);
	buf_clear(&m->sessions[0].output);
	assert_return_code(memory_session_feed(m, 0, STR_LIT("\r\n")), 0);
	assert_true(has(buf_view(&m->sessions[0].output), "u NO"));
	memcpy(deep + strlen(deep), "/a", 3);
	for (unsigned i = 0; i < 2; i++) {
		char command[300];

		(void)snprintf(command, sizeof(command), "%s %s",
			i ? "SUBSCRIBE" : "CREATE", deep);
		says(m, 0, command, "t NO [LIMIT]");
		command[strlen(command) - 2] = '\0';
		says(m, 0, command, "t OK");
	}
	add_mailboxes(m, "many/", 9989);
	says(m, 0, "CREATE one", "t OK");
	says(m, 0, "CREATE two", "t NO [LIMIT]");
	says(m, 0, "RENAME one two", "t OK");
	says(m, 0, "RENAME INBOX three", "t NO [LIMIT]");
	says(m, 0, "DELETE two", "t OK");
	says(m, 0, "RENAME INBOX three", "t OK");
}

static void metadata_has_a_limit(void **state)
{
	struct memory_server *m = *state;
	struct store *s = m->serve.store;
	char *bytes = calloc(1, (size_t)32 << 20);

	assert_non_null(bytes);
	says(m, 0, "SETMETADATA Sent (/private/a \"x\")", "t OK");
	assert_return_code(store_begin(s, NULL), 0);
	assert_return_code(store_set_metadata(s, 1, STR_LIT("/private/b"),
				   str_of(bytes, (size_t)32 << 20), NULL),
		0);
	assert_return_code(store_commit(s, NULL), 0);
	says(m, 0, "SETMETADATA Sent (/private/c \"x\")", "t NO [METADATA TOOMANY]");
	says(m, 0, "SETMETADATA Sent (/private/a NIL)", "t OK");
	free(bytes);
}

/* ── squares ───────────────────────────────────────────────────────────────────────── */

static void many_mailboxes_come_at_once(void **state)
{
	struct memory_server *m = *state;

	assert_return_code(memory_session_open(m, 1, STR_LIT("")), 0);
	says(m, 1, "NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))", "t OK");
	(void)alarm(BOUND_S);
	add_mailboxes(m, "at once/", 5000);
	says(m, 1, "NOOP", "at once/4999\"\r\n");
	(void)alarm(0);
}

/* The names above them are there once, and not once for each. */
static void names_above_are_added_once(void **state)
{
	struct memory_server *m = *state;
	struct names names;
	struct arena arena;
	char above[1001];

	for (size_t i = 0; i < sizeof(above) - 1; i++)
		above[i] = i % 2 ? '/' : 'a';
	above[sizeof(above) - 1] = '\0';
	add_mailboxes(m, above, 1000);
	arena_init(&arena);
	assert_return_code(names_load(m->serve.store, &arena, &names, NULL), 0);
	assert_true(names.count > 1500);
	assert_true(names.cap < 5000);
	arena_fini(&arena);
}

static void many_words_are_found(void **state)
{
	struct view v = { .store = NULL };
	struct buf words;
	bool known;
	int r;

	(void)state;
	buf_init(&v.keywords, 0);
	buf_init(&words, 0);
	for (unsigned i = 0; i < 9000; i++)
		assert_return_code(buf_printf(&words, "%sw%u", i ? " " : "", i), 0);
	(void)alarm(BOUND_S);
	assert_true(view_add_keywords(&v, STR_LIT("W17"), &r));
	assert_true(view_add_keywords(&v, buf_view(&words), &r));
	for (unsigned i = 0; i < 300; i++)
		assert_false(view_add_keywords(&v, buf_view(&words), &r));
	(void)alarm(0);
	assert_true(str_eq(view_spelling(&v, STR_LIT("w17"), &known), STR_LIT("W17")));
	assert_true(known);
	assert_true(
		str_eq(view_spelling(&v, STR_LIT("W8999"), &known), STR_LIT("w8999")));
	assert_true(known);
	assert_true(
		str_eq(view_spelling(&v, STR_LIT("w9000"), &known), STR_LIT("w9000")));
	assert_false(known);
	assert_int_equal(buf_len(&v.keywords), buf_len(&words));
	view_close(&v);
	buf_fini(&words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(patterns_are_compared_in_turns,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(a_list_waits_for_the_client,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(keys_are_asked_in_turns,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(items_of_a_long_message_are_made_in_turns,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(flags_are_told_as_they_are_taken,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(messages_that_urls_name_have_a_limit,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(
			a_search_that_costs_too_much_is_not_kept_up_to_date,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(too_many_new_messages_end_notification,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(keywords_have_a_limit,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(names_have_a_limit, memory_server_set_up,
			memory_server_tear_down),
		cmocka_unit_test_setup_teardown(metadata_has_a_limit,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(many_mailboxes_come_at_once,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test_setup_teardown(names_above_are_added_once,
			memory_server_set_up, memory_server_tear_down),
		cmocka_unit_test(many_words_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
