/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of a session that was read along. Each row is run whole and split at
 * every byte. A dialogue is text of the client (C) and the server (S) in turn; `|` is
 * CRLF. What is known at its end:
 *
 *   "name/w 12"  selected (w: SELECT, r: EXAMINE), so many messages; "-" none; "?" doubt
 *   then the enabled words, "idle:TAG", "quiet" or "waits"; or "lost: why"; or "stays":
 *   it is followed, but may not cross
 */
#include "wire/imap/cross.h"
#include "wire/imap/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *name;
	const char *says[12]; /* "C…" or "S…" */
	const char *known;
};

#define SELECTED                                                                         \
	"Ca SELECT INBOX|", "S* 12 EXISTS|* OK [UIDVALIDITY 7] ok|a OK [READ-WRITE] in|"
#define KNOWN "INBOX/w 12"

static const struct row rows[] = {
	{ "nothing", { NULL }, "- quiet" },
	{ "noop", { "Ca NOOP|", "Sa OK done|" }, "- quiet" },
	{ "under way", { "Ca NOOP|" }, "- waits" },
	{ "half a command", { "Ca NO" }, "stays" },
	{ "half a response", { "S* 5 EXI" }, "- waits" },
	{ "select", { SELECTED }, KNOWN " quiet" },
	{ "examine",
		{ "Ca exAMINE \"a b\"|",
			"S* 1 EXISTS|* OK [UIDVALIDITY 7]|a OK [READ-ONLY] in|" },
		"a b/r 1 quiet" },
	{ "select, and the server makes it read-only",
		{ "Ca SELECT x|",
			"S* 1 EXISTS|* OK [UIDVALIDITY 7]|a OK [READ-ONLY] in|" },
		"x/r 1 quiet" },
	{ "a name in a literal",
		{ "Ca SELECT {5}|", "S+ go|", "CA]\"\\ |",
			"S* 0 EXISTS|* OK [UIDVALIDITY 1]|a OK in|" },
		"A]\"\\ /w 0 quiet" },
	{ "a name in a literal that does not wait",
		{ "Ca SELECT {1+}|x|", "S* 3 EXISTS|* OK [UIDVALIDITY 1]|a OK in|" },
		"x/w 3 quiet" },
	{ "select under way", { SELECTED, "Cb SELECT x|", "S* 3 EXISTS|" },
		KNOWN " waits" },
	{ "a select that fails", { SELECTED, "Cb SELECT x|", "Sb NO not there|" },
		"- quiet" },
	{ "a select that is no command", { SELECTED, "Cb SELECT x|", "Sb BAD what|" },
		"stays" },
	{ "two selects at once, the second counts",
		{ "Ca SELECT x|b SELECT y|",
			"S* 3 EXISTS|* OK [UIDVALIDITY 1]|a OK in|* 4 EXISTS|"
			"* OK [UIDVALIDITY 2]|b OK in|" },
		"y/w 4 quiet" },
	{ "without a UIDVALIDITY", { "Ca SELECT x|", "S* 3 EXISTS|a OK in|" }, "stays" },
	{ "without a count", { "Ca SELECT x|", "S* OK [UIDVALIDITY 1]|a OK in|" },
		"stays" },
	{ "close", { SELECTED, "Cb CLOSE|", "Sb OK|" }, "- quiet" },
	{ "a close that fails", { SELECTED, "Cb CLOSE|", "Sb NO why|" }, KNOWN " quiet" },
	{ "unselect", { SELECTED, "Cb UNSELECT|", "Sb OK gone|" }, "- quiet" },
	{ "new mail", { SELECTED, "S* 13 EXISTS|* 1 RECENT|" }, "INBOX/w 13 quiet" },
	{ "expunge", { SELECTED, "Cb EXPUNGE|", "S* 3 EXPUNGE|* 3 EXPUNGE|b OK done|" },
		"INBOX/w 10 quiet" },
	{ "vanished", { SELECTED, "S* VANISHED 3:4,9|* VANISHED (EARLIER) 1:2|" },
		"INBOX/w 9 quiet" },
	{ "more vanished than there were", { SELECTED, "S* VANISHED 1:4000|" }, "stays" },
	{ "a fetch",
		{ SELECTED, "Cb UID FETCH 1 BODY[]|",
			"S* 1 FETCH (UID 1 BODY[] {25}|* BYE|b OK forged|* 5 EXI)|b OK|" },
		KNOWN " quiet" },
	{ "two literals in one response",
		{ SELECTED, "Cb FETCH 1 (A B)|",
			"S* 1 FETCH (BODY[1] {3}|x|  BODY[2] ~{2}|)  )|b OK done|" },
		KNOWN " quiet" },
	{ "inside of a literal", { SELECTED, "Cb FETCH 1 A|", "S* 1 FETCH (A {99}|abc" },
		KNOWN " waits" },
	{ "a literal that is refused",
		{ "Ca APPEND x {300}|", "Sa NO too large|", "Cb NOOP|", "Sb OK|" },
		"- quiet" },
	{ "a literal that is refused, then nothing", { "Ca APPEND x {3}|", "Sa NO no|" },
		"- quiet" },
	{ "a literal that is sent", { "Ca APPEND x {4}|", "S+ go|", "Cb O" }, "stays" },
	{ "a literal and the rest", { "Ca APPEND x {4}|", "S+ go|", "Cb OK||", "Sa OK|" },
		"- quiet" },
	{ "a literal that did not wait", { "Ca APPEND x {4}|abcd|" },
		"lost: a literal was not waited with" },
	{ "a literal of nothing", { "Ca LOGOFF {0+}||" }, "- waits" },
	{ "idle", { SELECTED, "Cb IDLE|", "S+ idling|* 13 EXISTS|" },
		"INBOX/w 13 idle:b quiet" },
	{ "idle, not yet", { SELECTED, "Cb IDLE|" }, KNOWN " waits" },
	{ "idle, and done", { "Cb IDLE|", "S+ idling|", "CDONE|" }, "- waits" },
	{ "idle, and over", { "Cb IDLE|", "S+ i|", "CDONE|", "Sb OK|" }, "- quiet" },
	{ "done in small letters", { "Cb IDLE|", "S+ i|", "Cdone|", "Sb OK|" },
		"- quiet" },
	{ "idle, refused", { "Cb IDLE|", "Sb NO|", "Cc NOOP|", "Sc OK|" }, "- quiet" },
	{ "idle ended by a command", { "Cb IDLE|", "S+ i|", "Cc NOOP|" },
		"lost: IDLE was not ended by DONE" },
	{ "done at once, as some do", { "Cb IDLE|DONE|c NOOP|", "S+ i|b OK|c OK|" },
		"lost: the server goes on with nothing" },
	{ "enabled", { "Ca ENABLE QRESYNC X|", "S* ENABLED QRESYNC|a OK|" },
		"- CONDSTORE QRESYNC quiet" },
	{ "enabled, something else",
		{ "Ca ENABLE METADATA|", "S* ENABLED METADATA|a OK|" },
		"lost: an extension was enabled that cannot be carried on" },
	{ "condstore by select",
		{ "Ca SELECT x (CONDSTORE)|",
			"S* 3 EXISTS|* OK [UIDVALIDITY 1]|a OK in|" },
		"x/w 3 CONDSTORE quiet" },
	{ "condstore by fetch",
		{ SELECTED, "Cb FETCH 1:* (FLAGS) (CHANGEDSINCE 5)|", "Sb OK|" },
		KNOWN " CONDSTORE quiet" },
	{ "condstore in quotes",
		{ SELECTED, "Cb SEARCH SUBJECT \"a MODSEQ b\"|", "Sb OK|" },
		KNOWN " quiet" },
	{ "a result that is kept",
		{ SELECTED, "Cb UID SEARCH RETURN (SAVE) ALL|", "Sb OK|" }, "stays" },
	{ "a result that was kept",
		{ SELECTED, "Cb SEARCH RETURN (SAVE) ALL|", "Sb OK|", "Cc CLOSE|",
			"Sc OK|" },
		"- quiet" },
	{ "a result that is kept up to date",
		{ SELECTED, "Cb SORT RETURN (UPDATE) (DATE) UTF-8 ALL|", "Sb OK|" },
		"stays" },
	{ "compress", { "Ca COMPRESS DEFLATE|", "Sa OK now|" },
		"lost: a command that cannot be carried on" },
	{ "compress, refused", { "Ca COMPRESS DEFLATE|", "Sa NO no|" }, "- quiet" },
	{ "notify", { "Ca NOTIFY SET (personal (MessageNew))|", "Sa OK|" },
		"lost: a command that cannot be carried on" },
	{ "a command that nobody knows", { "Ca XSTATE 5|", "Sa OK|" },
		"lost: a command that cannot be carried on" },
	{ "one that the server does not know either", { "Ca XSTATE 5|", "Sa BAD what|" },
		"- quiet" },
	{ "rename", { SELECTED, "Cb RENAME x y|", "Sb OK|" }, "stays" },
	{ "rename, without a mailbox", { "Cb RENAME x y|", "Sb OK|" }, "- quiet" },
	{ "logout", { "Ca LOGOUT|" }, "stays" },
	{ "bye", { "S* BYE down|" }, "lost: the server ends it" },
	{ "an answer to nobody", { "Ca NOOP|", "Sb OK|" },
		"lost: an answer is to no command" },
	{ "the same tag twice", { "Ca NOOP|a NOOP|" },
		"lost: a tag is too long, or used twice" },
	{ "the same tag again", { "Ca NOOP|", "Sa OK|", "Ca NOOP|", "Sa OK|" },
		"- quiet" },
	{ "many commands, answered in another order",
		{ "Ca NOOP|b NOOP|c NOOP|", "Sb OK|c OK|a OK|" }, "- quiet" },
	{ "a text that looks like a literal", { "S* OK see {5}|" },
		"lost: a literal is in no place for one" },
	{ "a login", { "Ca AUTHENTICATE PLAIN|" },
		"lost: a login inside of the session" },
	{ "an empty line", { "C|a NOOP|", "Sa OK|" }, "- quiet" },
	{ "no command", { "C ( |" }, "lost: a command is not understood" },
	{ "a bare LF", { "Ca NOOP\n", "Sa OK\n" }, "- quiet" },
	{ "a server that greets nobody", { "S+ what|" },
		"lost: the server goes on with nothing" },
};

static void unfold(const char *text, struct buf *out)
{
	for (; *text; text++)
		assert_int_equal(
			*text == '|' ? buf_append_c(out, "\r\n") : buf_byte(out, *text),
			0);
}

static void give(struct imap_follow *f, char who, struct str bytes)
{
	if (who == 'C')
		imap_follow_client(f, bytes);
	else
		imap_follow_source(f, bytes);
}

static void say(struct imap_follow *f, const char *says, size_t piece)
{
	struct buf bytes;

	buf_init(&bytes, 0);
	unfold(says + 1, &bytes);
	for (struct str rest = buf_view(&bytes); rest.len; rest = str_skip(rest, piece)) {
		/* at the end of its own memory */
		struct str part = str_take(rest, piece);
		char *copy = malloc(part.len);

		assert_non_null(copy);
		memcpy(copy, part.ptr, part.len);
		give(f, says[0], str_of(copy, part.len));
		free(copy);
	}
	buf_fini(&bytes);
}

static void tell_known(const struct imap_follow *f, struct buf *out)
{
	const struct imap_selection *s = &f->selected;
	struct str idle = imap_follow_idle_tag(f);
	struct buf words;

	if (f->lost || !imap_follow_can_cross(f)) {
		(void)buf_printf(out, f->lost ? "lost: %s" : "stays", f->lost);
		return;
	}
	if (s->state == IMAP_SELECTION_NONE)
		(void)buf_append_c(out, "-");
	else if (s->state == IMAP_SELECTION_KNOWN)
		(void)buf_printf(out, "%.*s/%c %llu", (int)s->name_len, s->name,
			s->read_only ? 'r' : 'w', (unsigned long long)s->count);
	else
		(void)buf_append_c(out, "?");
	buf_init(&words, 0);
	assert_int_equal(imap_follow_enabled_words(f->enabled, &words), 0);
	if (buf_len(&words))
		(void)buf_printf(out, " %.*s", STR_ARG(buf_view(&words)));
	buf_fini(&words);
	if (idle.len)
		(void)buf_printf(out, " idle:%.*s", STR_ARG(idle));
	(void)buf_append_c(out, imap_follow_is_quiet(f) ? " quiet" : " waits");
}

static void run_row(const struct row *row, size_t piece)
{
	struct imap_follow *f = calloc(1, sizeof(*f));
	struct buf known;

	assert_non_null(f);
	imap_follow_init(f);
	for (size_t i = 0; i < 12 && row->says[i]; i++)
		say(f, row->says[i], piece);
	buf_init(&known, 0);
	tell_known(f, &known);
	if (!str_eq(buf_view(&known), str_from(row->known)))
		fail_msg("%s, in pieces of %zu: \"%.*s\", not \"%s\"", row->name, piece,
			STR_ARG(buf_view(&known)), row->known);
	buf_fini(&known);
	imap_follow_fini(f);
	free(f);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 40; piece++)
			run_row(&rows[i], piece);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i], 1000);
}

/* What is inside a literal may be left out. */
static void test_skipping(void **state)
{
	struct imap_follow f;

	(void)state;
	imap_follow_init(&f);
	say(&f, "Ca FETCH 1 A|", 100);
	say(&f, "S* 1 FETCH (A {1000}|ab", 100);
	assert_int_equal(imap_follow_skips(&f), 998);
	imap_follow_skipped(&f, 990);
	assert_int_equal(imap_follow_skips(&f), 8);
	say(&f, "Sabcdefgh)|a OK|", 100);
	assert_true(imap_follow_is_quiet(&f));
	assert_int_equal(imap_follow_skips(&f), 0);
	say(&f, "S* BYE|", 100);
	assert_int_equal(imap_follow_skips(&f), UINT64_MAX);
	imap_follow_fini(&f);
}

static void test_limits(void **state)
{
	struct imap_follow f;
	char line[64];

	(void)state;
	imap_follow_init(&f);
	for (int i = 0; i < IMAP_FOLLOW_COMMANDS_MAX; i++) {
		(void)snprintf(line, sizeof(line), "Ct%d NOOP|", i);
		say(&f, line, 100);
	}
	assert_null(f.lost);
	say(&f, "Cmore NOOP|", 100);
	assert_string_equal(f.lost, "too many commands under way");
	imap_follow_fini(&f);
	imap_follow_init(&f);
	say(&f, "C0123456789012345678901234 NOOP|", 100);
	assert_string_equal(f.lost, "a tag is too long, or used twice");
	imap_follow_fini(&f);
}

/* ---- to a quiet point, and back ---- */

struct crossing_row {
	const char *name;
	const char *before[6]; /* as in a row above */
	/* "S…" the server says; "s…" it has heard; "c…" the client has; "=…" the event:
	   clean, failed, back; "U…" the UIDs; "<" it returns */
	const char *lines[24];
};

#define TWO "Ca SELECT x|", "S* 2 EXISTS|* OK [UIDVALIDITY 1]|a OK|"
#define IDLE "Ci IDLE|", "S+ idling|"
#define FETCH1 "sz1b FETCH 1:* (UID)|"
#define FETCH2 "sz2b FETCH 1:* (UID)|"
#define FETCH3 "sz3b FETCH 1:* (UID)|"
#define NOOP1 "sz1a NOOP|"
#define NOOP2 "sz2a NOOP|"

static const struct crossing_row crossings[] = {
	{ "no mailbox", { NULL }, { "sz1a NOOP|", "Sz1a OK|", "=clean", "U" } },
	{ "a mailbox", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 3)|* 2 FETCH (UID 20)|z1b OK done|", "=clean",
			"U3,20" } },
	{ "mail comes behind it", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 3)|* 2 FETCH (UID 4)|* 3 EXISTS|z1b OK|",
			"c* 3 EXISTS|", FETCH2,
			"S* 1 FETCH (UID 3)|* 2 FETCH (UID 4)|* 3 FETCH (UID 9)|z2b OK|",
			"=clean", "U3:4,9" } },
	{ "flags that it did not know", { TWO },
		{ FETCH1,
			"S* 2 FETCH (FLAGS (\\Seen) UID 4)|* 1 FETCH (UID 3)|"
			"* 1 FETCH (FLAGS ())|z1b OK|",
			"c* 2 FETCH (FLAGS (\\Seen) UID 4)|* 1 FETCH (FLAGS ())|",
			"=clean", "U3:4" } },
	{ "MODSEQ", { TWO },
		{ FETCH1, "S* 1 FETCH (MODSEQ (5) UID 3)|* 2 FETCH (UID 4)|z1b OK|",
			"c* 1 FETCH (MODSEQ (5) UID 3)|", "=clean", "U3:4" } },
	{ "some are gone, as it turns out", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 3)|* 2 FETCH (UID 4)|z1b NO gone|", "=clean",
			"U3:4" } },
	{ "an expunge between two commands", { TWO },
		{ FETCH1, "S* 1 EXPUNGE|", "=failed" } },
	{ "VANISHED between two commands", { TWO },
		{ FETCH1, "S* VANISHED 3|", "=failed" } },
	{ "IDLE", { TWO, IDLE },
		{ "sDONE|", "S* 1 EXPUNGE|i OK done|", "c* 1 EXPUNGE|", NOOP1, "Sz1a OK|",
			FETCH1, "S* 1 FETCH (UID 4)|z1b OK|", "=clean", "U4" } },
	{ "IDLE, and an expunge by NOOP", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "S* 1 EXPUNGE|z1a OK|", FETCH1,
			"S* 1 FETCH (UID 4)|z1b OK|", "c* 1 EXPUNGE|", "=clean", "U4" } },
	{ "IDLE, and an expunge in the middle", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "Sz1a OK|", FETCH1,
			"S* 1 FETCH (UID 3)|* 1 EXPUNGE|z1b OK|", "c* 1 EXPUNGE|", NOOP2,
			"Sz2a OK|", FETCH2, "S* 1 FETCH (UID 4)|z2b OK|", "=clean",
			"U4" } },
	{ "IDLE, and nothing is left", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "S* 1 EXPUNGE|* 1 EXPUNGE|z1a OK|",
			"c* 1 EXPUNGE|* 1 EXPUNGE|", "=clean", "U" } },
	{ "IDLE, and back from a refusal", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "Sz1a OK|", FETCH1, "Sz1b BAD no|",
			"=failed", "<", "si IDLE|", "S+ i|", "=back" } },
	{ "a command under way", { TWO, "Cb FETCH 1 A|" },
		{ "S* 1 FETCH (A {3}|", "c* 1 FETCH (A {3}|", "Sb O)|b OK done|",
			"cb O)|b OK done|", FETCH1 } },
	{ "the numbers never fit", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 3)|z1b OK|", FETCH2,
			"S* 2 FETCH (UID 3)|z2b OK|", FETCH3, "Sz3b OK|", "=failed", "<",
			"=back" } },
	{ "a UID twice", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 5)|* 2 FETCH (UID 5)|z1b OK|", FETCH2 } },
	{ "UIDs that fall", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 5)|* 2 FETCH (UID 4)|z1b OK|", FETCH2 } },
	{ "two UIDs of one message", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 5)|* 1 FETCH (UID 6)|z1b OK|", "=failed" } },
	{ "UID 0", { TWO }, { FETCH1, "S* 1 FETCH (UID 0)|z1b OK|", "=failed" } },
	{ "message 0", { TWO }, { FETCH1, "S* 0 FETCH (UID 1)|z1b OK|", "=failed" } },
	{ "a number without end", { TWO },
		{ FETCH1, "S* 4294967295 FETCH (UID 1)|z1b OK|", "=failed" } },
	{ "an empty mailbox",
		{ "Ca SELECT x|", "S* 0 EXISTS|* OK [UIDVALIDITY 1]|a OK|" },
		{ "sz1a NOOP|", "Sz1a OK|", "=clean", "U" } },
	{ "an empty mailbox, and mail comes",
		{ "Ca SELECT x|", "S* 0 EXISTS|* OK [UIDVALIDITY 1]|a OK|" },
		{ "sz1a NOOP|", "S* 1 EXISTS|z1a OK|", "c* 1 EXISTS|", FETCH1,
			"S* 1 FETCH (UID 3)|z1b OK|", "=clean", "U3" } },
	{ "a refusal", { TWO }, { FETCH1, "Sz1b BAD no|", "=failed", "<", "=back" } },
	{ "an answer to somebody else", { TWO }, { FETCH1, "Sb OK|", "=failed" } },
	{ "the answers in another order", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "Sz1b OK|", "=failed" } },
	{ "a message that speaks our tag", { TWO },
		{ FETCH1, "S* 1 FETCH (X {10}|z1b OK x| )|",
			"c* 1 FETCH (X {10}|z1b OK x| )|" } },
	{ "bye", { TWO }, { FETCH1, "S* BYE|", "=failed" } },
	{ "back", { TWO },
		{ FETCH1, "S* 1 FETCH (UID 3)|* 2 FETCH (UID 4)|z1b OK|", "=clean", "<",
			"=back" } },
	{ "back to IDLE", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "Sz1a OK|", FETCH1,
			"S* 1 FETCH (UID 3)|* 2 FETCH (UID 4)|z1b OK|", "=clean", "<",
			"si IDLE|", "S* 3 EXISTS|+ idling|", "c* 3 EXISTS|", "=back" } },
	{ "back to IDLE, which is refused now", { TWO, IDLE },
		{ "sDONE|", "Si OK|", NOOP1, "Sz1a OK|", FETCH1,
			"S* 1 FETCH (UID 3)|* 2 FETCH (UID 4)|z1b OK|", "=clean", "<",
			"si IDLE|", "Si NO not now|", "ci NO not now|", "=back" } },
	{ "back, before anything was asked", { TWO, "Cb NOOP|" }, { "<", "=back" } },
	{ "what was under way loses it", { "Cb COMPRESS DEFLATE|" },
		{ "Sb OK|", "cb OK|", "=failed", "<", "=back" } },
};

struct scene {
	struct imap_follow follow;
	struct imap_cross cross;
	struct buf input, to_source, to_client, events;
};

static void read_all(struct scene *s)
{
	static const char *const events[] = { [IMAP_CROSS_CLEAN] = "clean",
		[IMAP_CROSS_FAILED] = "failed",
		[IMAP_CROSS_BACK] = "back" };
	enum imap_cross_event event;
	struct str forward;
	size_t used;

	do {
		event = imap_cross_next(
			&s->cross, buf_view(&s->input), &forward, &used, &s->to_source);
		(void)buf_append(&s->to_client, forward);
		buf_consume(&s->input, used);
		if (event > IMAP_CROSS_AGAIN)
			(void)buf_append_c(&s->events, events[event]);
	} while (event == IMAP_CROSS_AGAIN);
}

static void server_says(struct scene *s, const char *text, size_t piece)
{
	struct buf bytes;

	buf_init(&bytes, 0);
	unfold(text, &bytes);
	for (struct str rest = buf_view(&bytes); rest.len; rest = str_skip(rest, piece)) {
		(void)buf_append(&s->input, str_take(rest, piece));
		read_all(s);
	}
	buf_fini(&bytes);
}

static void is_there(struct buf *b, const char *text, const char *row, size_t piece)
{
	struct buf expected;

	buf_init(&expected, 0);
	unfold(text, &expected);
	if (!str_starts(buf_view(b), buf_view(&expected)) ||
		(!buf_len(&expected) && buf_len(b)))
		fail_msg("%s, in pieces of %zu: \"%.*s\", not \"%s\"", row, piece,
			STR_ARG(buf_view(b)), text);
	buf_consume(b, buf_len(&expected));
	buf_fini(&expected);
}

static void run_line(
	struct scene *s, const char *line, const struct crossing_row *row, size_t piece)
{
	struct buf uids;

	switch (line[0]) {
	case 'S':
		server_says(s, line + 1, piece);
		break;
	case 's':
		is_there(&s->to_source, line + 1, row->name, piece);
		break;
	case 'c':
		is_there(&s->to_client, line + 1, row->name, piece);
		break;
	case '=':
		is_there(&s->events, line + 1, row->name, piece);
		break;
	case 'U':
		buf_init(&uids, 0);
		assert_int_equal(imap_cross_uids(&s->cross, &uids), 0);
		is_there(&uids, line + 1, row->name, piece);
		buf_fini(&uids);
		break;
	default:
		assert_true(imap_cross_return(&s->cross, &s->to_source));
		if (s->cross.state == IMAP_CROSS_OVER)
			(void)buf_append_c(&s->events, "back");
	}
}

static void run_crossing(const struct crossing_row *row, size_t piece)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct buf *const all[] = { &s->input, &s->to_source, &s->to_client, &s->events };

	imap_follow_init(&s->follow);
	for (size_t i = 0; i < 6 && row->before[i]; i++)
		say(&s->follow, row->before[i], 1000);
	imap_cross_init(&s->cross, &s->follow, STR_LIT("z"));
	assert_int_equal(imap_cross_begin(&s->cross, &s->to_source), 0);
	for (size_t i = 0; i < 24 && row->lines[i]; i++)
		run_line(s, row->lines[i], row, piece);
	if (buf_len(&s->to_client) || buf_len(&s->to_source))
		fail_msg("%s: left over \"%.*s\", \"%.*s\"", row->name,
			STR_ARG(buf_view(&s->to_client)),
			STR_ARG(buf_view(&s->to_source)));
	/* it goes on as it was */
	if (s->cross.state == IMAP_CROSS_OVER && !s->follow.lost)
		assert_true(imap_follow_can_cross(&s->follow));
	imap_follow_fini(&s->follow);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_fini(all[i]);
	free(s);
}

static void test_crossings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(crossings) / sizeof(crossings[0]); i++)
		for (size_t piece = 1; piece < 60; piece++)
			run_crossing(&crossings[i], piece);
}

/* Of a mailbox where every other message was expunged. */
static void say_scattered(struct scene *s, unsigned n)
{
	char line[64];

	for (unsigned i = 1; i <= n; i++) {
		(void)snprintf(
			line, sizeof(line), "* %u FETCH (UID %u)|", i, 100000 + 2 * i);
		server_says(s, line, sizeof(line));
	}
	server_says(s, "z1b OK|", 100);
}

/* What cannot be told to who goes on stays, and is not asked again. */
static void test_scattered(void **state)
{
	static const struct {
		unsigned n;
		bool crosses;
	} sizes[] = { { IMAP_CROSS_UIDS_MAX / 7, true },
		{ IMAP_CROSS_UIDS_MAX / 7 + 1, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct scene *s = calloc(1, sizeof(*s));
		char line[64];

		assert_non_null(s);
		imap_follow_init(&s->follow);
		say(&s->follow, "Ca SELECT x|", 1000);
		(void)snprintf(line, sizeof(line), "S* %u EXISTS|", sizes[i].n);
		say(&s->follow, line, 1000);
		say(&s->follow, "S* OK [UIDVALIDITY 1]|a OK|", 1000);
		imap_cross_init(&s->cross, &s->follow, STR_LIT("z"));
		assert_int_equal(imap_cross_begin(&s->cross, &s->to_source), 0);
		say_scattered(s, sizes[i].n);
		is_there(&s->events, sizes[i].crosses ? "clean" : "failed", "scattered",
			0);
		assert_true(imap_cross_return(&s->cross, &s->to_source));
		assert_int_equal(s->cross.state, IMAP_CROSS_OVER);
		assert_int_equal(imap_follow_can_cross(&s->follow), sizes[i].crosses);
		say(&s->follow, "Cb CLOSE|", 1000);
		say(&s->follow, "Sb OK|", 1000);
		assert_true(imap_follow_can_cross(&s->follow));
		imap_follow_fini(&s->follow);
		buf_fini(&s->input);
		buf_fini(&s->to_source);
		buf_fini(&s->to_client);
		buf_fini(&s->events);
		free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_skipping),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_crossings),
		cmocka_unit_test(test_scattered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
