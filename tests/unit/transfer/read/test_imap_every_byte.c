/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A conversation in which everything is right, spoilt at one byte: cut off there, the
 * byte lost, doubled or replaced, something unasked for put in. Two passes over it, the
 * second of which asks for changes. Whatever happens:
 *
 *   - a pass that says "equal" has both messages of INBOX here, whole
 *   - one that fails says why
 *   - nothing but reading is asked of the server
 *   - a server in which nothing is wrong puts everything right, in two passes
 *
 *    test_imap_every_byte [N]     every Nth byte (89th), others for each fault; 1: all
 */
#include "transfer/copy/sync.h"
#include "transfer/read/imap_source.h"
#include "transfer/read/script_server.h"
#include "transfer/write/memory_destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEP 89
#define PATIENCE_MS 60 /* a tag that is lost is waited for */
#define DATE "INTERNALDATE \"01-Feb-2003 04:05:06 +0100\""
#define ROW(n) "* " #n " FETCH (UID " #n " FLAGS (\\Seen) " DATE " RFC822.SIZE 4)\r\n"
#define BODY(n)                                                                          \
	"* " #n " FETCH (UID " #n " FLAGS (\\Seen) " DATE                                \
	" RFC822.SIZE 4 BODY[] {4}\r\nhi\r\n)\r\n"
#define END "@ OK done\r\n"

static const struct script_row rows[] = {
	{ "CAPABILITY", "* CAPABILITY IMAP4rev1 NAMESPACE CONDSTORE ESEARCH\r\n" END },
	{ "LOGIN", "@ OK in\r\n" },
	{ "ID", END },
	{ "NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" END },
	{ "LIST", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n" END },
	{ "LSUB", "* LSUB () \"/\" INBOX\r\n" END },
	{ "STATUS", "* STATUS INBOX (MESSAGES 2)\r\n" END },
	{ "EXAMINE", "* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n"
		     "* OK [UIDNEXT 3] x\r\n* OK [HIGHESTMODSEQ 5] x\r\n"
		     "@ OK [READ-ONLY] done\r\n" },
	{ "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE) (CHANGEDSINCE", END },
	{ "UID SEARCH", "* ESEARCH (TAG \"@\") UID ALL 1:2\r\n" END },
	{ "UID FETCH 1:* (UID FLAGS", ROW(1) ROW(2) END },
	{ "UID FETCH 1:2", BODY(1) BODY(2) END },
	{ "UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)", ROW(1) END },
	{ "UID FETCH 2 (UID FLAGS INTERNALDATE RFC822.SIZE)", ROW(2) END },
	{ "FETCH 1 ", ROW(1) END },
	{ "FETCH 2 ", ROW(2) END },
	{ "UID FETCH 1 ", BODY(1) END },
	{ "UID FETCH 2 ", BODY(2) END },
	{ NULL, NULL },
};
#define ALL_BYTES 1100 /* that the server says in a session; a few more than it does */

static const char *const forbidden[] = { "SELECT", "STORE", "UID STORE", "EXPUNGE",
	"UID EXPUNGE", "APPEND", "COPY", "UID COPY", "MOVE", "UID MOVE", "CREATE",
	"DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "CLOSE", "SETACL", NULL };

static const struct fault_row {
	enum script_fault fault;
	const char *with;
} faults[] = {
	{ SCRIPT_CUT, NULL },
	{ SCRIPT_DROPPED, NULL },
	{ SCRIPT_DOUBLED, NULL },
	{ SCRIPT_REPLACED, " " },
	{ SCRIPT_REPLACED, "(" },
	{ SCRIPT_REPLACED, ")" },
	{ SCRIPT_REPLACED, "\"" },
	{ SCRIPT_REPLACED, "{" },
	{ SCRIPT_REPLACED, "9" },
	{ SCRIPT_REPLACED, "\r\n" },
	{ SCRIPT_INSERTED, "\r\n" },
	{ SCRIPT_INSERTED, " " },
	{ SCRIPT_INSERTED, "{1099511627776}\r\n" },
	{ SCRIPT_LINE, "* BYE for now\r\n" },
	{ SCRIPT_LINE, "* 1 EXPUNGE\r\n" },
	{ SCRIPT_LINE, "* 0 EXISTS\r\n" },
	{ SCRIPT_LINE, "* 4294967295 EXISTS\r\n" },
	{ SCRIPT_LINE, "* OK [UIDVALIDITY 10] another\r\n" },
	{ SCRIPT_LINE, "* OK [HIGHESTMODSEQ 1] less\r\n" },
	{ SCRIPT_LINE, "* 1 FETCH (FLAGS (\\Deleted))\r\n" },
	{ SCRIPT_LINE, "* 1 FETCH (UID 7 FLAGS ())\r\n" },
	{ SCRIPT_LINE, "* VANISHED 1:2\r\n" },
	{ SCRIPT_LINE, "* LIST (\\Noselect) \"/\" INBOX\r\n" },
	{ SCRIPT_LINE, "* SEARCH 1 2\r\n" },
	{ SCRIPT_LINE, "* ESEARCH UID ALL 1\r\n" },
	{ SCRIPT_LINE, "m1 OK of nothing\r\n" },
	{ SCRIPT_LINE, "+ go on\r\n" },
	{ SCRIPT_LINE, "\r\n" },
};

static size_t step = STEP;

static void open_source(struct script *s, struct source *ret, unsigned patience_ms)
{
	struct imap_source_options o = script_imap(s);
	struct error err = { 0 };

	assert_int_equal(imap_source_new(&o, ret, &err), 0);
	ret->ops->patience(ret->self, patience_ms);
}

static bool has_both(const struct memory_destination *to)
{
	for (size_t i = 0; i < to->durable.n_folders; i++) {
		const struct memory_kept_folder *f = &to->durable.folders[i];

		if (f->count != 2)
			continue;
		if (f->mail[0].body.len == f->mail[0].is.size &&
			f->mail[1].body.len == f->mail[1].is.size)
			return true;
	}
	return false;
}

/* A pass; whether it says that all is equal. */
static bool says_equal(struct source *source, struct sync *sync, const char *what)
{
	struct error err = { 0 };
	int r = sync_pass(sync, &err);

	if (r < 0 && !*err.text)
		fail_msg("%s: it fails and does not say why (%d)", what, r);
	if (r < 0)
		source->ops->close(source->self);
	return r == 0 && !sync->differences && !sync->n_unreadable;
}

static void two_passes(struct script *script, struct memory_destination *memory,
	struct destination *to, const char *what)
{
	bool is_spoilt = script->fault_at != 0, equal = false;
	struct source source;
	struct sync sync;
	struct error err = { 0 };

	open_source(script, &source, is_spoilt ? PATIENCE_MS : 5000);
	sync_init(&sync, &source, to, NULL, NULL);
	for (int i = 0; i < 2 && source.ops->connect(source.self, &err) == 0; i++) {
		equal = says_equal(&source, &sync, what);
		if (equal && !has_both(memory))
			fail_msg("%s: it says \"equal\", and mail is missing", what);
		if (i == 0 && sync.folders.count) /* in the same session, if it lives */
			equal = says_equal(&source, &sync, what);
		if (equal && !has_both(memory))
			fail_msg("%s: it says \"equal\" then, and mail is missing", what);
		source.ops->close(source.self);
	}
	if (is_spoilt ? false : !equal || !has_both(memory))
		fail_msg("%s: it is not put right: %s", what, sync.first);
	sync_fini(&sync);
	source.ops->free(source.self);
	if (!script_end(script))
		fail_msg("%s: a command that changes the source", what);
}

static void one_fault(const struct fault_row *fault, size_t at)
{
	struct script script = { .greeting = "* OK hello\r\n",
		.rows = rows,
		.has_tags = true,
		.stream = SCRIPT_PLAIN,
		.fault_at = at,
		.fault = fault->fault,
		.with = fault->with,
		.forbidden = forbidden };
	struct destination to;
	struct memory_destination *memory = memory_destination_new(&to);
	char what[96];

	(void)snprintf(what, sizeof(what), "fault %d at %zu (%.40s)", (int)fault->fault,
		at, fault->with ? fault->with : "");
	two_passes(&script, memory, &to, what);
	script.fault_at = 0;
	two_passes(&script, memory, &to, what);
	to.ops->free(to.self);
}

static void every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (size_t at = 1 + i * 7 % step; at <= ALL_BYTES; at += step)
			one_fault(&faults[i], at);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_byte) };

	if (argc > 1)
		step = (size_t)strtoul(argv[1], NULL, 10);
	step = step ? step : STEP;
	return cmocka_run_group_tests_name("imap_every_byte", tests, NULL, NULL);
}
