/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions that go on in another process between any two commands say the same as those
 * that do not: two servers are told the same by three clients, at random, and in one of
 * them whoever can sleeps after each command.
 *
 *   test_hibernate [FIRST LAST]   seeds; for a long run: 1 5000
 */
#include "mailstore/serve/hibernation.h"
#include "mailstore/serve/memory_session.h"
#include "mailstore/serve/view_stored.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS 3
#define STEPS 150
#define INBOX 1 /* its number in the store */

static uint64_t first_seed = 1, last_seed = 8;

/* %u: a message, a UID or a modseq; small numbers, so that they meet. Each APPEND has a
   date: without one it is that moment's, which is another one in the other server. */
static const char *const commands[] = {
	"NOOP",
	"NOOP",
	"CHECK",
	"nonsense",
	"SELECT INBOX",
	"SELECT INBOX",
	"SELECT INBOX (CONDSTORE)",
	"SELECT INBOX (QRESYNC (1000 %u))",
	"EXAMINE INBOX",
	"SELECT Sent",
	"SELECT nowhere",
	"CLOSE",
	"UNSELECT",
	"STATUS INBOX (MESSAGES UIDNEXT RECENT UNSEEN HIGHESTMODSEQ)",
	"FETCH 1:* (FLAGS)",
	"FETCH %u:* (UID FLAGS)",
	"FETCH %u (BODY[TEXT])",
	"UID FETCH 1:* (FLAGS MODSEQ)",
	"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %u)",
	"STORE %u +FLAGS (\\Seen)",
	"STORE %u -FLAGS (\\Seen)",
	"STORE %u:* +FLAGS.SILENT (\\Flagged k%u)",
	"STORE 1:%u FLAGS (k%u)",
	"STORE %u +FLAGS (\\Deleted)",
	"STORE 1:* (UNCHANGEDSINCE %u) +FLAGS (\\Answered)",
	"UID STORE %u FLAGS.SILENT ()",
	"UID STORE 1:* +FLAGS (\\Deleted)",
	"EXPUNGE",
	"UID EXPUNGE 1:%u",
	"APPEND INBOX (k%u) \" 7-Feb-1994 21:52:25 -0800\" {4+}\r\nbody",
	"APPEND INBOX (\\Deleted) \" 1-Jul-2024 10:00:00 +0000\" {2+}\r\nx\n",
	"APPEND Sent \" 6-Feb-1994 08:00:00 +0000\" {2+}\r\nx\n",
	"COPY %u INBOX",
	"UID MOVE 1:%u Sent",
	"SEARCH RETURN (SAVE) %u:* SEEN",
	"UID SEARCH RETURN (SAVE COUNT) KEYWORD k%u",
	"FETCH $ (UID)",
	"UID SEARCH OR SEEN KEYWORD k%u",
	"SEARCH NOT DELETED",
	"SORT (REVERSE ARRIVAL) UTF-8 RECENT",
	"ENABLE CONDSTORE",
	"ENABLE QRESYNC",
	"ENABLE IMAP4rev2",
	"ENABLE UIDONLY",
	"RENAME Archive Elsewhere",
	"RENAME Elsewhere Archive",
	"IDLE",
	"IDLE",
	"IDLE",
	"IDLE",
	"LOGOUT",
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void write_command(uint64_t *state, struct buf *out)
{
	const char *text = commands[next(state) % N_COMMANDS];

	assert_int_equal(buf_append_c(out, "t "), 0);
	for (; *text; text++) {
		int r = text[0] == '%' ? buf_number(out, next(state) % 24 + 1)
		                       : buf_byte(out, *text);

		assert_int_equal(r, 0);
		text += *text == '%';
	}
	assert_int_equal(buf_append_c(out, "\r\n"), 0);
}

struct pair {
	struct memory_server awake, sleeps;
	bool idles[CLIENTS];
	unsigned slept;
};

static void say(struct memory_server *m, size_t i, struct str bytes)
{
	if (!m->sessions[i].open)
		assert_int_equal(memory_session_open(m, i, STR_LIT("")), 0);
	assert_int_equal(memory_session_feed(m, i, bytes), 0);
}

static void compare(struct pair *p, uint64_t seed, int step, struct str said)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		struct buf *one = &p->awake.sessions[i].output,
			   *other = &p->sleeps.sessions[i].output;

		if (!str_eq(buf_view(one), buf_view(other)))
			fail_msg("seed %llu, step %d: %.*sclient %zu was told\n%.*s"
				 "and after sleep\n%.*s",
				(unsigned long long)seed, step, STR_ARG(said), i,
				STR_ARG(buf_view(one)), STR_ARG(buf_view(other)));
		assert_int_equal(p->awake.sessions[i].open, p->sleeps.sessions[i].open);
		buf_clear(one);
		buf_clear(other);
	}
}

/* Sessions wake from what it says and from what has changed since, not from the rows. */
static void keep_image(struct memory_server *m, int64_t mailbox)
{
	struct store *store = m->serve.store;

	assert_int_equal(store_begin_derived(store, NULL), 0);
	assert_int_equal(view_stored_keep(store, mailbox, NULL), 0);
	assert_int_equal(store_commit(store, NULL), 0);
}

static void step(struct pair *p, uint64_t seed, int number, uint64_t *state)
{
	size_t client = next(state) % CLIENTS;
	struct buf line;
	int n;

	buf_init(&line, 0);
	if (p->idles[client])
		assert_int_equal(buf_append_c(&line, "DONE\r\n"), 0);
	else
		write_command(state, &line);
	p->idles[client] = str_eq(buf_view(&line), STR_LIT("t IDLE\r\n"));
	say(&p->awake, client, buf_view(&line));
	say(&p->sleeps, client, buf_view(&line));
	/* they show words that no message has any more, as long as a process lives */
	view_images_fini(&p->awake.serve.images);
	sort_cache_fini(&p->awake.serve.sort_cache);
	if (number % 8 == 7)
		keep_image(&p->sleeps, INBOX);
	n = memory_server_sleep(&p->sleeps);
	assert_true(n >= 0);
	p->slept += (unsigned)n;
	compare(p, seed, number, buf_view(&line));
	buf_fini(&line);
}

static void run(uint64_t seed)
{
	struct pair p = { .slept = 0 };
	uint64_t state = seed;

	assert_int_equal(memory_server_open(&p.awake), 0);
	assert_int_equal(memory_server_open(&p.sleeps), 0);
	for (int i = 0; i < STEPS; i++)
		step(&p, seed, i, &state);
	assert_int_equal(store_verify(p.sleeps.serve.store, NULL), 0);
	/* all but those that had just logged out */
	assert_true(p.slept > STEPS * (CLIENTS - 1));
	memory_server_close(&p.awake);
	memory_server_close(&p.sleeps);
}

static void test_nobody_notices(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed <= last_seed; seed++)
		run(seed);
}

/* As in hibernation.h, `|` for NUL. INBOX is the first mailbox, with 3, 5, 8, 13; its
   changes are the ninth to the twelfth of the account. */
#define INBOX_HEAD "1|0|0|1|1000|0|0|0|0|"
#define LOST "* BYE Your mailbox was restored, please log in again.\r\n"

static const struct row {
	const char *name, *known, *hears; /* the answer to "a NOOP" */
} rows[] = {
	{ "all is as it was", INBOX_HEAD "4|13|12|12|12|||13||",
		"a OK NOOP completed.\r\n" },
	{ "no mailbox", "1|0|0|0|0|0|0|0|0|0|0|0|0|0|||||", "a OK NOOP completed.\r\n" },
	{ "one that was not told of is gone",
		"1|0|0|1|1000|0|1|0|0|5|13|12|12|12||||4 0 0 1|",
		"* 2 EXPUNGE\r\na OK NOOP completed.\r\n" },
	{ "new mail that was not told of", "1|0|0|1|1000|0|1|0|0|3|8|12|11|12|||||",
		"* 4 EXISTS\r\n* 1 RECENT\r\na OK NOOP completed.\r\n" },
	{ "flags that were not told of",
		"1|0|0|1|1000|0|1|0|0|4|13|12|11|12||||13 1 0 3|",
		"* 4 FETCH (FLAGS (\\Deleted))\r\na OK NOOP completed.\r\n" },
	{ "changed, and nothing is said of it", INBOX_HEAD "4|13|12|11|12|||||", LOST },
	{ "changed meanwhile", INBOX_HEAD "4|13|11|11|11|||||",
		"* 4 FETCH (FLAGS (\\Deleted))\r\na OK NOOP completed.\r\n" },
	{ "the store is younger", "1|0|0|1|1000|0|0|0|0|4|13|99|4|4|||||", LOST },
	{ "another mailbox of that number", "1|0|0|1|7|0|0|0|0|4|13|12|12|12|||||",
		LOST },
	{ "no mailbox of that number", "1|0|0|99|1000|0|0|0|0|4|13|12|12|12|||||", LOST },
	{ "more messages than there are", INBOX_HEAD "5|13|12|12|12|||||", LOST },
	{ "fewer", INBOX_HEAD "3|13|12|12|12|||||", LOST },
	{ "one behind the last", INBOX_HEAD "5|13|12|12|12||||14 0 0 0|", LOST },
	{ "a list that is none", INBOX_HEAD "4|13|12|12|12||||x|", LOST },
	{ "a set that is none", INBOX_HEAD "4|13|12|12|12|||x||", LOST },
	{ "another version", "2|0|0|0|0|0|0|0|0|0|0|0|0|0|||||", LOST },
	{ "a number that is none", "1|0|0|x|0|0|0|0|0|0|0|0|0|0|||||", LOST },
	{ "a NUL too many", "1|0|0|0|0|0|0|0|0|0|0|0|0|0||||||", LOST },
	{ "cut short", "1|0|0|1", LOST },
	{ "nothing", "", LOST },
};

static void unfold(const char *text, struct buf *out)
{
	buf_init(out, 0);
	for (; *text; text++)
		assert_int_equal(buf_byte(out, (char)(*text == '|' ? '\0' : *text)), 0);
}

static void wake_row(const struct row *row, bool from_image)
{
	struct memory_server m;
	struct buf known;

	assert_int_equal(memory_server_open(&m), 0);
	if (from_image)
		keep_image(&m, INBOX);
	unfold(row->known, &known);
	assert_int_equal(memory_session_wake(&m, 0, buf_view(&known)), 0);
	assert_int_equal(memory_session_feed(&m, 0, STR_LIT("a NOOP\r\n")), 0);
	if (!str_eq(buf_view(&m.sessions[0].output), str_from(row->hears)))
		fail_msg("%s%s: %.*s", row->name, from_image ? ", from an image" : "",
			STR_ARG(buf_view(&m.sessions[0].output)));
	buf_fini(&known);
	memory_server_close(&m);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		wake_row(&rows[i], false);
		wake_row(&rows[i], true);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nobody_notices) };

	if (argc == 3) {
		first_seed = strtoull(argv[1], NULL, 10);
		last_seed = strtoull(argv[2], NULL, 10);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
