/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A POP3 session whose client asks for everything at once and takes it in pieces: each
   run leaves something to send or waits for input, and all of it comes. */
#include "mailstore/serve/memory_session.h"
#include "mailstore/serve/pop3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 3000
#define LONG_LINES 5000
#define LINE "........................................................\r\n"

struct fixture {
	struct memory_server server;
	struct session session;
	struct buf said;
	struct str long_body;
	unsigned runs;
};

static void add_message(struct store *s, int64_t inbox, struct str body)
{
	struct store_message m = {
		.keywords = STR(""), .size = body.len, .uidl = STR("")
	};
	struct body_writer w;
	struct body_place place;

	assert_return_code(store_body_begin(s, body.len, &w, NULL), 0);
	assert_return_code(store_body_write(s, &w, body, NULL), 0);
	assert_return_code(store_body_end(s, &w, &place, NULL), 0);
	assert_return_code(store_add(s, inbox, &m, &place, NULL, NULL), 0);
}

static int64_t inbox_of(struct store *s)
{
	struct mailbox m;
	struct arena arena;

	arena_init(&arena);
	assert_return_code(store_find_mailbox(s, STR_LIT("INBOX"), &arena, &m, NULL), 0);
	arena_fini(&arena);
	return m.id;
}

/* Number 5 is long, with a dot at the front of each line; those after it are short. */
static int open_session(void **state)
{
	static const struct login login = { .session = STR("s"), .service = STR("pop3") };
	struct fixture *f = calloc(1, sizeof(*f));
	char *text = malloc(sizeof(LINE) * LONG_LINES);
	struct store *s;
	int64_t inbox;

	assert_non_null(f);
	assert_non_null(text);
	for (size_t i = 0; i < LONG_LINES; i++)
		memcpy(text + i * (sizeof(LINE) - 1), LINE, sizeof(LINE));
	f->long_body = str_from(text);
	assert_return_code(memory_server_open(&f->server), 0);
	s = f->server.serve.store;
	inbox = inbox_of(s);
	assert_return_code(store_begin(s, NULL), 0);
	add_message(s, inbox, f->long_body);
	for (unsigned i = 0; i < MANY; i++)
		add_message(s, inbox, STR_LIT("Subject: a\r\n\r\n.a\r\n"));
	assert_return_code(store_commit(s, NULL), 0);
	assert_return_code(
		session_open(&f->session, &pop3_service, &f->server.serve, &login), 0);
	*state = f;
	return 0;
}

static int close_session(void **state)
{
	struct fixture *f = *state;

	session_close(&f->session);
	memory_server_close(&f->server);
	buf_fini(&f->said);
	free((void *)(uintptr_t)f->long_body.ptr);
	free(f);
	return 0;
}

/* Whatever there is is taken at once, in one piece. */
static size_t take(struct fixture *f)
{
	struct str piece = output_view(&f->session.out);

	if (!piece.len)
		return 0;
	assert_return_code(buf_append(&f->said, piece), 0);
	output_consume(&f->session.out, piece.len);
	return piece.len;
}

static struct str say(struct fixture *f, struct str commands)
{
	enum service_need need;
	size_t left, taken;

	buf_clear(&f->said);
	assert_return_code(buf_append(&f->session.in, commands), 0);
	do {
		left = buf_len(&f->session.in);
		need = session_run(&f->session);
		f->runs++;
		/* no read was left open */
		assert_return_code(store_begin(f->server.serve.store, NULL), 0);
		store_rollback(f->server.serve.store);
		taken = take(f);
		assert_true(taken || buf_len(&f->session.in) < left ||
			    need == SERVICE_INPUT || need == SERVICE_END);
	} while (need != SERVICE_INPUT && need != SERVICE_END);
	return buf_view(&f->said);
}

static size_t count(struct str text, struct str what)
{
	size_t n = 0;

	for (; text.len >= what.len; text = str_skip(text, 1))
		n += str_starts(text, what);
	return n;
}

static void a_long_list(void **state)
{
	struct fixture *f = *state;
	struct str said = say(f, STR_LIT("UIDL\r\nLIST\r\n"));

	assert_int_equal(count(said, STR_LIT("\r\n")), 2 * (2 + 5 + MANY) + 1);
	assert_int_equal(count(said, STR_LIT("\r\n.\r\n")), 2);
}

static void all_at_once(void **state)
{
	struct fixture *f = *state;
	struct buf commands = { 0 };
	struct str said;

	(void)say(f, STR_LIT("NOOP\r\n"));
	for (unsigned i = 5; i <= 5 + MANY; i++)
		assert_return_code(buf_printf(&commands, "RETR %u\r\n", i), 0);
	f->runs = 0;
	said = say(f, buf_view(&commands));
	assert_int_equal(count(said, STR_LIT("+OK ")), 1 + MANY);
	assert_int_equal(count(said, STR_LIT("\r\n." LINE)), LONG_LINES);
	assert_int_equal(count(said, STR_LIT("\r\n\r\n..a\r\n.\r\n")), MANY);
	assert_in_range(f->runs, 2, MANY / 10); /* not one for each command */
	buf_fini(&commands);
}

static void what_is_deleted_goes_with_the_end(void **state)
{
	struct fixture *f = *state;
	struct str said = say(f, STR_LIT("RETR 6\r\nDELE 6\r\nDELE 7\r\nQUIT\r\n"));
	struct mailbox m = { 0 };

	assert_int_equal(count(said, STR_LIT("+OK ")), 5);
	assert_int_equal(count(said, STR_LIT("+OK Logging out.\r\n")), 1);
	assert_return_code(store_mailbox_counts(f->server.serve.store,
				   inbox_of(f->server.serve.store), &m, NULL),
		0);
	assert_int_equal(m.messages, 5 + MANY - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_long_list, open_session, close_session),
		cmocka_unit_test_setup_teardown(all_at_once, open_session, close_session),
		cmocka_unit_test_setup_teardown(
			what_is_deleted_goes_with_the_end, open_session, close_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
