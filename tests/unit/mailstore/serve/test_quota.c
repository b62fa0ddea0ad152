/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a quota holds back, what it does not, and what is said of it. INBOX has four
   messages at the beginning (memory_session.h). */
#include "mailstore/serve/delivery.h"
#include "mailstore/serve/memory_session.h"
#include "mailstore/serve/quota_warning.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static void says(struct memory_server *m, const char *command, const char *words)
{
	struct str said;

	assert_return_code(memory_session_say(m, 0, command, &said), 0);
	if (!memmem(said.ptr, said.len, words, strlen(words)))
		fail_msg("%s: no \"%s\" in %.*s", command, words, STR_ARG(said));
}

#define OVER "t NO [OVERQUOTA] The account's quota is used up."

static void holds_back(void **state)
{
	struct memory_server *m = *state;

	m->serve.quota.messages = 5;
	says(m, "SELECT INBOX", "t OK");
	says(m, "GETQUOTAROOT INBOX", "* QUOTA \"\" (MESSAGE 4 5)");
	says(m, "COPY 1:2 Sent", OVER);
	says(m, "STATUS Sent (MESSAGES)", "(MESSAGES 0)");
	says(m, "APPEND Sent {4+}\r\na\r\n\r", "t OK [APPENDUID");
	says(m, "COPY 1 Sent", OVER);
	says(m, "APPEND Sent {4}", OVER); /* before it comes */
	says(m, "APPEND Sent {4+}\r\na\r\n\r", OVER);
	says(m, "APPEND Sent CATENATE (TEXT {4+}\r\na\r\n\r)", OVER);
	says(m, "STATUS Sent (MESSAGES)", "(MESSAGES 1)");
	/* what makes it no larger is allowed, to make room first of all */
	says(m, "MOVE 1 Sent", "t OK");
	says(m, "REPLACE 1 INBOX {4+}\r\nb\r\n\r", "t OK");
	says(m, "STORE 1 +FLAGS (\\Deleted)", "t OK");
	says(m, "EXPUNGE", "t OK");
	says(m, "APPEND Sent {4+}\r\na\r\n\r", "t OK [APPENDUID");
}

static void several_count_together(void **state)
{
	struct memory_server *m = *state;

	m->serve.quota.messages = 6;
	says(m, "APPEND Sent {4+}\r\na\r\n\r {4+}\r\nb\r\n\r {4+}\r\nc\r\n\r", OVER);
	says(m, "STATUS Sent (MESSAGES)", "(MESSAGES 0)");
	says(m, "APPEND Sent {4+}\r\na\r\n\r {4+}\r\nb\r\n\r", "t OK [APPENDUID");
}

/* Each before it is written: what does not fit together must not fill the disk first. */
static void several_count_before_they_come(void **state)
{
	struct memory_server *m = *state;
	char text[6000];

	m->serve.quota.bytes = 4096; /* some 1000 are used */
	(void)snprintf(text, sizeof(text), "APPEND Sent {1900+}\r\n%01900d {1900}", 1);
	says(m, text, OVER);
	(void)snprintf(text, sizeof(text),
		"APPEND Sent CATENATE (TEXT {1900+}\r\n%01900d) "
		"CATENATE (TEXT {1900+}\r\n%01900d) {9}",
		1, 2);
	says(m, text, OVER);
	(void)snprintf(text, sizeof(text), "APPEND Sent {1900+}\r\n%01900d", 1);
	says(m, text, "t OK [APPENDUID");
}

static void of_bytes(void **state)
{
	struct memory_server *m = *state;

	m->serve.quota.bytes = 4096;
	says(m, "APPEND Sent {5000}",
		"t NO [OVERQUOTA] The message is larger than the account's quota.");
	says(m, "APPEND Sent {4000}", OVER);
	says(m, "GETQUOTA \"\"", "* QUOTA \"\" (STORAGE 1 4)");
	says(m, "SETQUOTA \"\" (STORAGE 9999)", "t NO [NOPERM]");
	m->serve.quota.bytes = 1; /* lowered below what is there */
	says(m, "SELECT INBOX", "t OK");
	says(m, "COPY 1 Sent", OVER);
	says(m, "MOVE 1 Sent", "t OK");
}

/* Set by another process while this one goes on. */
static void its_own(void **state)
{
	struct memory_server *m = *state;
	const struct quota four = { .messages = 4 }, none = { 0 };
	struct quota_use use = { 0 };

	m->serve.quota.messages = 100;
	says(m, "SELECT INBOX", "t OK");
	assert_return_code(quota_set(m->folder, &four, NULL), 0);
	says(m, "COPY 1 Sent", OVER);
	says(m, "GETQUOTA \"\"", "(MESSAGE 4 4)");
	assert_return_code(quota_look(m->folder, &m->serve.quota, &use, NULL), 0);
	assert_true(use.is_own);
	assert_int_equal(use.messages, 4);
	assert_int_equal(use.quota.messages, 4);
	assert_return_code(quota_set(m->folder, &none, NULL), 0);
	m->serve.quota.messages = 4;
	says(m, "COPY 1 Sent", "t OK");
	says(m, "GETQUOTA \"\"", "* QUOTA \"\" ()");
	assert_return_code(quota_set(m->folder, NULL, NULL), 0);
	says(m, "COPY 1 Sent", OVER);
	assert_return_code(store_verify(m->serve.store, NULL), 0);
}

static const char *deliver_shared(
	struct memory_server *m, enum delivery_what what, size_t size, bool is_shared)
{
	struct delivery d = { .what = what,
		.fd = memfd_create("message", MFD_CLOEXEC),
		.may_exceed = is_shared };
	struct delivery *list[] = { &d };
	char *bytes = malloc(size);

	assert_true(d.fd >= 0);
	assert_non_null(bytes);
	memset(bytes, 'x', size);
	assert_int_equal(write(d.fd, bytes, size), (ssize_t)size);
	free(bytes);
	deliveries_run(&m->serve, list, 1);
	(void)close(d.fd);
	return d.code < 0 ? delivery_reply(d.code) : "250";
}

static const char *deliver(struct memory_server *m, enum delivery_what what, size_t size)
{
	return deliver_shared(m, what, size, false);
}

static const char *room_for(struct memory_server *m, uint64_t size)
{
	struct delivery d = { .what = DELIVERY_ROOM, .fd = -1, .size = size };
	struct delivery *list[] = { &d };

	deliveries_run(&m->serve, list, 1);
	return d.code < 0 ? delivery_reply(d.code) : "250";
}

/* At RCPT a message that does not fit is refused for that recipient; behind the dot it
   must not take the others' from them. */
static void of_recipients(void **state)
{
	struct memory_server *m = *state;
	struct quota_use use = { 0 };

	m->serve.quota = (struct quota){ .bytes = 10000, .messages = 6 };
	assert_string_equal(room_for(m, 0), "250");
	assert_string_equal(room_for(m, 5000), "250");
	assert_string_equal(
		room_for(m, 10000), "452 4.2.2 Mailbox is full, try again later");
	assert_string_equal(room_for(m, 10001),
		"552 5.2.2 Message is larger than the mailbox may be");
	assert_string_equal(deliver_shared(m, DELIVERY_AT_ONCE, 20000, true), "250");
	assert_string_equal(room_for(m, 0), "452 4.2.2 Mailbox is full, try again later");
	m->serve.quota.bytes = 0;
	assert_string_equal(deliver(m, DELIVERY_AT_ONCE, 10), "250");
	assert_string_equal(room_for(m, 0), "452 4.2.2 Mailbox is full, try again later");
	m->serve.quota.messages = 0;
	assert_string_equal(room_for(m, UINT64_MAX), "250");
	assert_return_code(quota_look(m->folder, &m->serve.quota, &use, NULL), 0);
	assert_int_equal(use.messages, 6); /* a question leaves nothing behind */
}

/* `mailferry quota` may be writing: a question does not wait for that. */
static void asked_beside_a_writer(void **state)
{
	struct memory_server *m = *state;
	char path[PATH_MAX];
	sqlite3 *other;

	(void)snprintf(path, sizeof(path), "%s/index.sqlite", m->folder);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	m->serve.quota.messages = 5;
	assert_string_equal(room_for(m, 0), "250");
	m->serve.quota.messages = 4;
	assert_string_equal(room_for(m, 0), "452 4.2.2 Mailbox is full, try again later");
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* Of which per cent a message tells after so many more messages, or fewer. */
static void warns_once(void **state)
{
	static const struct {
		int more; /* messages; < 0: so many go */
		unsigned percent;
	} rows[] = {
		{ 1, 0 },            /* 4 of 20 */
		{ 11, 0 },           /* 15: 75 % */
		{ 1, 80 },           /* 16, and the message that says so */
		{ 0, 0 },            /* 17 */
		{ 1, 0 },            /* 18: 90 % */
		{ 1, 95 },           /* 19, and 20 */
		{ -1, 0 },           /* 19 */
		{ 1, 0 },            /* full again: it was told */
		{ -2, 0 },           /* 18: 90 % is 95 less the slack */
		{ 2, 0 }, { -3, 0 }, /* 17: clearly below 95 */
		{ 2, 95 },           /* 19, and 20 */
		{ -9, 0 },           /* 11: 55 % */
		{ 9, 95 },           /* 20: no room for a message; the log tells */
		{ -9, 0 },           /* 11 */
		{ 8, 95 },           /* 19: one for both, and 20 */
	};
	struct memory_server *m = *state;
	struct error err = { 0 };

	says(m, "SELECT INBOX", "t OK");
	says(m, "EXPUNGE", "t OK"); /* one is marked */
	m->serve.quota.messages = 20;
	m->serve.warnings = (struct quota_warnings){ { 80, 95 }, 2 };
	m->serve.letter = (struct quota_letter){ "alice", "example.com" };
	says(m, "SELECT INBOX", "t OK");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned percent = 0;
		char command[64];

		for (int n = 0; n < rows[i].more; n++)
			says(m, "APPEND INBOX {4+}\r\na\r\n\r", "t OK");
		if (rows[i].more < 0) {
			(void)snprintf(command, sizeof(command),
				"STORE 1:%d +FLAGS.SILENT (\\Deleted)", -rows[i].more);
			says(m, command, "t OK");
			says(m, "EXPUNGE", "t OK");
		}
		if (quota_warn(&m->serve, &percent, &err) < 0 ||
			percent != rows[i].percent)
			fail_msg("row %zu: %u %s", i, percent, err.text);
	}
	says(m, "FETCH * BODY[HEADER]", "Subject: Your mailbox is 95 % full\r\n");
	says(m, "FETCH * BODY[HEADER]", "To: <alice@example.com>\r\n");
	says(m, "FETCH * BODY[HEADER]", "Auto-Submitted: auto-generated\r\n");
	says(m, "FETCH * BODY[TEXT]", "Your mailbox holds 19 of 20 messages.\r\n");
	assert_return_code(store_verify(m->serve.store, NULL), 0);
}

/* By bytes. Without thresholds or a quota nothing is said; a
   name that no header could hold is not in one. */
static void warns_of_bytes(void **state)
{
	struct memory_server *m = *state;
	unsigned percent = 1;

	m->serve.letter = (struct quota_letter){ "a\r\nBcc: b", "example.com" };
	m->serve.quota.bytes = 1;
	assert_return_code(quota_warn(&m->serve, &percent, NULL), 0);
	assert_int_equal(percent, 0);
	m->serve.warnings = (struct quota_warnings){ { 50 }, 1 };
	m->serve.quota.bytes = 0;
	assert_return_code(quota_warn(&m->serve, &percent, NULL), 0);
	assert_int_equal(percent, 0);
	m->serve.warnings.percents[0] = 1;
	m->serve.quota.bytes = 20000;
	assert_return_code(quota_warn(&m->serve, &percent, NULL), 0);
	assert_int_equal(percent, 1);
	says(m, "SELECT INBOX", "t OK");
	says(m, "FETCH * BODY[HEADER]", "To: undisclosed-recipients:;\r\n");
	says(m, "FETCH * BODY[HEADER]", "Subject: Your mailbox is ");
	says(m, "FETCH * BODY[TEXT]", " of 0.0 MB.\r\n");
	m->serve.quota.bytes = 1; /* lowered: no room for a message */
	m->serve.warnings.percents[0] = 50;
	assert_return_code(quota_warn(&m->serve, &percent, NULL), 0);
	assert_int_equal(percent, 50);
	says(m, "FETCH * BODY[TEXT]", " of 0.0 MB.\r\n");
}

static void of_mail(void **state)
{
	struct memory_server *m = *state;

	m->serve.quota = (struct quota){ .bytes = 10000, .messages = 6 };
	assert_string_equal(deliver(m, DELIVERY_STAGE, 20000),
		"552 5.2.2 Message is larger than the mailbox may be");
	assert_string_equal(deliver(m, DELIVERY_AT_ONCE, 5000), "250");
	assert_string_equal(deliver(m, DELIVERY_STAGE, 5000),
		"452 4.2.2 Mailbox is full, try again later");
	assert_string_equal(deliver(m, DELIVERY_AT_ONCE, 10), "250");
	assert_string_equal(deliver(m, DELIVERY_AT_ONCE, 10),
		"452 4.2.2 Mailbox is full, try again later");
}

#define TEST(function)                                                                   \
	cmocka_unit_test_setup_teardown(                                                 \
		function, memory_server_set_up, memory_server_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(holds_back),
		TEST(several_count_together),
		TEST(several_count_before_they_come),
		TEST(of_bytes),
		TEST(its_own),
		TEST(warns_once),
		TEST(warns_of_bytes),
		TEST(of_mail),
		TEST(of_recipients),
		TEST(asked_beside_a_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
