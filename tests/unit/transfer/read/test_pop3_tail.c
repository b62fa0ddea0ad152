/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Late mail in a maildrop: the two messages of the switch, and what stands behind them.
 * Each row is two looks of two processes: what each hands on, and what it says else.
 */
#include "transfer/account/results/sweep_state.h"
#include "transfer/read/pop3_source.h"
#include "transfer/read/script_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The UIDs that they were given here are not those of their places. */
#define PROVEN(messages, last)                                                           \
	"{\"time\":\"t1\",\"uidls\":{\"messages\":" messages ",\"last\":" last "},"      \
	"\"folders\":[{\"name\":\"INBOX\",\"result\":\"equal\",\"uidvalidity\":77,"      \
	"\"uidnext\":9}]}"
#define USUAL PROVEN("2", "\"b\"")
#define LISTS(list, uidl)                                                                \
	{ "LIST", "+OK\r\n" list ".\r\n" },                                              \
	{                                                                                \
		"UIDL", "+OK\r\n" uidl ".\r\n"                                           \
	}
#define LIST2 "1 3\r\n2 3\r\n"
#define LIST3 LIST2 "3 3\r\n"
#define LIST4 LIST3 "4 3\r\n"
#define UIDL2 "1 a\r\n2 b\r\n"

struct look {
	struct script_row answers[3];
	const char *came; /* UIDs and bytes */
	const char *note; /* some of it; NULL: none */
};

static const struct tail_row {
	const char *name, *certificate;
	struct look looks[2];
} rows[] = {
	{ "nothing came", USUAL, { { { LISTS(LIST2, UIDL2) }, "", NULL } } },
	{ "two, and one more", USUAL,
		{ { { LISTS(LIST4, UIDL2 "3 c\r\n4 d\r\n") }, "9=c 10=d ", NULL },
			{ { LISTS(LIST4 "5 3\r\n", UIDL2 "3 c\r\n4 d\r\n5 e\r\n") },
				"11=e ", NULL } } },
	{ "into an empty one", PROVEN("0", "\"\""),
		{ { { LISTS("1 3\r\n", "1 a\r\n") }, "9=a ", NULL } } },
	{ "one of then is gone", USUAL,
		{ { { LISTS("1 3\r\n", "1 b\r\n") }, "",
			"not those of the last time" } } },
	{ "one of then is gone, one is new", USUAL,
		{ { { LISTS(LIST2, "1 b\r\n2 c\r\n") }, "",
			"not those of the last time" } } },
	{ "a new one stands among the others", USUAL,
		{ { { LISTS(LIST3, "1 a\r\n2 c\r\n3 b\r\n") }, "",
			"not those of the last time" } } },
	{ "one that had come is gone, one is new", USUAL,
		{ { { LISTS(LIST3, UIDL2 "3 c\r\n") }, "9=c ", NULL },
			{ { LISTS(LIST3, UIDL2 "3 d\r\n") }, "",
				"not those of the last time" } } },
	{ "one is not given, and comes later", USUAL,
		{ { { LISTS(LIST4, UIDL2 "3 c\r\n4 d\r\n"), { "RETR 3", "-ERR no\r\n" } },
			  "", "POP3 message 3, c: -ERR no" },
			{ { LISTS(LIST4, UIDL2 "3 c\r\n4 d\r\n") }, "9=c 10=d ",
				NULL } } },
	{ "one unique-id for two", USUAL,
		{ { { LISTS(LIST4, UIDL2 "3 c\r\n4 c\r\n") }, "9=c 10=d ", NULL } } },
};

static const struct script_row usual[] = {
	{ "CAPA", "+OK\r\nUIDL\r\nPIPELINING\r\n.\r\n" },
	{ "USER", "+OK\r\n" },
	{ "PASS", "+OK\r\n" },
	{ "RETR 1", "+OK\r\na\r\n.\r\n" },
	{ "RETR 3", "+OK\r\nc\r\n.\r\n" },
	{ "RETR 4", "+OK\r\nd\r\n.\r\n" },
	{ "RETR 5", "+OK\r\ne\r\n.\r\n" },
	{ "RSET", "+OK\r\n" },
	{ "QUIT", "+OK\r\n" },
	{ NULL, NULL },
};
static const char *const forbidden[] = { "DELE", "TOP", "RETR 2", NULL };
static const struct sockaddr_storage nowhere;

static int hand_on(void *context, const struct sweep_folder *f, const struct mail *m,
	int fd, struct error *err)
{
	char *came = context, byte = '?';
	size_t len = strlen(came);

	(void)err;
	assert_int_equal(f->uidvalidity, 77);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	(void)snprintf(came + len, 100 - len, "%u=%c ", m->uid, byte);
	return 0;
}

static void open_source(struct script *s, struct source *ret)
{
	struct pop3_source_options o = { .addresses = &nowhere,
		.n_addresses = 1,
		.login = STR_LIT("alice"),
		.password = STR_LIT("secret"),
		.dialer = script_dialer(s),
		.spool_folder = "/tmp",
		.may_lack_uidls = true };
	struct error err = { 0 };

	assert_int_equal(pop3_source_new(&o, ret, &err), 0);
}

/* As a process does it: *state is what the one before has written. */
static int look(const struct tail_row *row, struct script *script, char **state,
	char *came, struct error *err)
{
	struct sweep sweep;
	struct source source;
	struct source_tail tail;
	int code;

	open_source(script, &source);
	sweep_init(&sweep, &source);
	sweep.hand_on = hand_on;
	sweep.context = came;
	sweep.spool_folder = "/tmp";
	assert_int_equal(sweep_state_read(&sweep, str_from(row->certificate),
				 str_from(*state ? *state : ""), err),
		0);
	tail = sweep_tail(sweep_folder(&sweep, STR_LIT("INBOX")));
	assert_int_equal(source.ops->set_tail(source.self, &tail, err), 0);
	code = source.ops->connect(source.self, err);
	if (code == 0)
		code = sweep_round(&sweep, err);
	free(*state);
	*state = sweep_state_write(&sweep, str_from(row->certificate));
	sweep_fini(&sweep);
	source.ops->free(source.self);
	return code;
}

static void run_look(const struct tail_row *row, const struct look *l, char **state)
{
	struct script_row table[3 + sizeof(usual) / sizeof(usual[0])];
	struct script script = { .greeting = "+OK hello\r\n",
		.rows = table,
		.stream = SCRIPT_PLAIN,
		.forbidden = forbidden };
	char came[100] = "";
	struct error err = { 0 };
	size_t n = 0;
	int code;

	while (n < 3 && l->answers[n].command) {
		table[n] = l->answers[n];
		n++;
	}
	memcpy(&table[n], usual, sizeof(usual));
	code = look(row, &script, state, came, &err);
	if (code < 0 || strcmp(came, l->came) != 0)
		fail_msg("%s: \"%s\" came: %s", row->name, came, err.text);
	if (l->note ? !strstr(*state, l->note)
		    : !strstr(*state, "\"note\":\"\"") && strstr(*state, "note"))
		fail_msg("%s: %s", row->name, *state);
	assert_int_equal(script.connections, 1);
	assert_true(script_end(&script));
}

static void tails(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *state = NULL;

		for (size_t k = 0; k < 2 && rows[i].looks[k].came; k++)
			run_look(&rows[i], &rows[i].looks[k], &state);
		free(state);
	}
}

/* Names of ours would be of no use: they come with each message's header. */
static void without_unique_ids(void **unused)
{
	static const struct script_row table[] = {
		{ "LIST", "+OK\r\n1 3\r\n2 3\r\n3 3\r\n.\r\n" },
		{ "UIDL", "-ERR what?\r\n" },
		{ "CAPA", "-ERR what?\r\n" },
		{ "USER", "+OK\r\n" },
		{ "PASS", "+OK\r\n" },
		{ NULL, NULL },
	};
	struct script script = { .greeting = "+OK hello\r\n",
		.rows = table,
		.stream = SCRIPT_PLAIN,
		.forbidden = forbidden };
	char came[100] = "", *state = NULL;
	struct error err = { 0 };

	(void)unused;
	assert_int_equal(look(&rows[0], &script, &state, came, &err), -ENOTSUP);
	assert_string_equal(came, "");
	free(state);
	assert_true(script_end(&script));
}

static void damaged(void **unused)
{
	static const struct source_tail tail = {
		.uidvalidity = 7, .uidnext = 2, .count = 2, .last = STR("b")
	};
	struct script script = { .greeting = "+OK\r\n", .stream = SCRIPT_PLAIN };
	struct source source;
	struct error err = { 0 };

	(void)unused;
	open_source(&script, &source);
	assert_int_equal(source.ops->set_tail(source.self, &tail, &err), -ENODATA);
	source.ops->free(source.self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tails),
		cmocka_unit_test(without_unique_ids),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("pop3_tail", tests, NULL, NULL);
}
