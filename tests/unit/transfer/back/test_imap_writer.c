/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the writer says to a source and makes of its answers: a row of a script for each
 * command, then one conversation spoilt at each of its bytes.
 */
#include "transfer/back/imap_writer.h"

#include "support/odd_stream.h"
#include "transfer/read/script_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 500 /* a tag that is lost is waited for; a busy machine, too */
#define END "@ OK done\r\n"
#define BODY STR_LIT("hi\r\n") /* no word of it is a command to the script */
#define WITH_UIDPLUS "* CAPABILITY IMAP4rev1 UIDPLUS LITERAL+\r\n" END
#define PLAIN "* CAPABILITY IMAP4rev1\r\n" END
#define SELECTED "* FLAGS (\\Seen Old)\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n"

struct talk {
	struct script script;
	struct source source;
	struct writer writer;
	int (*tick)(void *context);
};

static int begin(struct talk *t, struct error *err)
{
	struct imap_source_options options = script_imap(&t->script);

	assert_int_equal(imap_source_new(&options, &t->source, err), 0);
	t->source.ops->patience(t->source.self, PATIENCE_MS);
	assert_int_equal(
		imap_writer_new(&(struct imap_writer_options){ .imap = &t->source,
					.patience_ms = PATIENCE_MS,
					.tick = t->tick,
					.context = t },
			&t->writer, err),
		0);
	return t->writer.ops->connect(t->writer.self, err);
}

static bool end(struct talk *t)
{
	t->writer.ops->free(t->writer.self);
	t->source.ops->free(t->source.self);
	return script_end(&t->script);
}

static struct script script_of(const struct script_row *rows)
{
	return (struct script){ .greeting = "* OK hello\r\n",
		.rows = rows,
		.has_tags = true,
		.stream = SCRIPT_PLAIN };
}

static void one_message(struct writer_message *m, unsigned flags)
{
	*m = (struct writer_message){
		.mail = { .flags = flags, .keywords = STR("Old"), .zone = 60 },
		.body = BODY
	};
}

static int append(struct talk *t, struct writer_message *m, struct error *err)
{
	one_message(m, MAIL_SEEN);
	return t->writer.ops->append(t->writer.self, STR_LIT("INBOX"), m, 1, err);
}

/* ---- APPEND ---- */

static const struct append_row {
	const char *capability, *answer;
	int code;
	uint32_t uid;
	enum append_end end;
} appends[] = {
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9 4] done\r\n", 0, 4, APPEND_TAKEN },
	{ PLAIN, "+ go on\r\n@ OK [APPENDUID 9 4] done\r\n", 0, 4, APPEND_TAKEN },
	{ PLAIN, "+ go on\r\n* 3 EXISTS\r\n" END, 0, 0, APPEND_TAKEN },
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9] done\r\n", 0, 0, APPEND_TAKEN },
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9 4:5] done\r\n", 0, 0, APPEND_TAKEN },
	{ WITH_UIDPLUS, "@ OK [APPENDUID -1 4] done\r\n", 0, 0, APPEND_TAKEN },
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9 99999999999] done\r\n", 0, 0, APPEND_TAKEN },
	{ WITH_UIDPLUS, "@ NO [OVERQUOTA] no room\r\n", 0, 0, APPEND_REFUSED },
	{ WITH_UIDPLUS, "@ BAD NULs\r\n", 0, 0, APPEND_REFUSED },
	{ WITH_UIDPLUS, "* BYE going down\r\n", -ECONNRESET, 0, APPEND_UNKNOWN },
	{ WITH_UIDPLUS, "m99 OK whose?\r\n", -EPROTO, 0, APPEND_UNKNOWN },
	{ WITH_UIDPLUS, "", -ETIMEDOUT, 0,
		APPEND_UNKNOWN }, /* it may be there, and nobody knows */
};

static void test_append(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(appends) / sizeof(appends[0]); i++) {
		const struct script_row rows[] = { { "CAPABILITY",
							   appends[i].capability },
			{ "LOGIN", "@ OK in\r\n" }, { "APPEND", appends[i].answer },
			{ "SUBSCRIBE", END }, { "LOGOUT", END }, { NULL, NULL } };
		struct talk t = { .script = script_of(rows) };
		struct error err = { 0 };
		struct writer_message m;
		int code;

		assert_int_equal(begin(&t, &err), 0);
		code = append(&t, &m, &err);
		if (code != appends[i].code || m.uid != appends[i].uid ||
			m.end != appends[i].end)
			fail_msg("row %zu: %d, end %d, UID %u: %s", i, code, (int)m.end,
				m.uid, err.text);
		assert_int_equal(m.why[0] != '\0', m.end == APPEND_REFUSED);
		/* after a refusal it goes on, after anything else it is over */
		code = t.writer.ops->subscribe(
			t.writer.self, STR_LIT("INBOX"), true, &err);
		assert_int_equal(code, appends[i].code ? -ENOTCONN : 0);
		assert_true(end(&t));
	}
}

static int enough(void *context)
{
	(void)context;
	return -ECANCELED;
}

/* ---- several at once ---- */

#define SOME 3

static const unsigned flag_of[SOME] = { MAIL_SEEN, MAIL_ANSWERED, MAIL_FLAGGED };

static int append_some(struct talk *t, struct writer_message *m, struct error *err)
{
	for (size_t i = 0; i < SOME; i++)
		one_message(&m[i], flag_of[i]);
	return t->writer.ops->append(t->writer.self, STR_LIT("INBOX"), m, SOME, err);
}

/* What the source says when it has the third of them, which are m4, m5 and m6. */
static const struct some_row {
	const char *answers;
	int code;
	const char *ends; /* t: taken, r: refused, -: not known */
	uint32_t uids[SOME];
} somes[] = {
	{ "m4 OK [APPENDUID 9 4] x\r\nm5 OK [APPENDUID 9 5] x\r\n"
	  "m6 OK [APPENDUID 9 6] x\r\n",
		0, "ttt", { 4, 5, 6 } },
	{ "* 3 EXISTS\r\nm4 OK x\r\n* 4 EXISTS\r\nm5 OK x\r\nm6 OK x\r\n", 0, "ttt",
		{ 0 } },
	/* an answer belongs to its tag */
	{ "m6 OK [APPENDUID 9 6] x\r\nm4 OK [APPENDUID 9 4] x\r\n"
	  "m5 OK [APPENDUID 9 5] x\r\n",
		0, "ttt", { 4, 5, 6 } },
	/* one that is refused costs no other */
	{ "m4 OK [APPENDUID 9 4] x\r\nm5 NO [OVERQUOTA] full\r\n"
	  "m6 OK [APPENDUID 9 5] x\r\n",
		0, "trt", { 4, 0, 5 } },
	{ "m6 OK x\r\nm5 OK x\r\nm4 NO [TOOBIG] long\r\n", 0, "rtt", { 0 } },
	{ "m4 NO [TRYCREATE] a\r\nm5 NO [TRYCREATE] b\r\nm6 BAD c\r\n", 0, "rrr", { 0 } },
	/* one that is missing is not known, and the others are */
	{ "m4 OK [APPENDUID 9 4] x\r\nm6 OK [APPENDUID 9 6] x\r\n", -ETIMEDOUT, "t-t",
		{ 4, 0, 6 } },
	{ "m4 OK x\r\n* BYE going down\r\nm5 OK x\r\n", -ECONNRESET, "t--", { 0 } },
	{ "m5 NO full\r\nm6 BYE\r\n", -ECONNRESET, "-r-", { 0 } },
	/* what was answered already, or was not asked */
	{ "m4 OK [APPENDUID 9 4] x\r\nm4 NO no\r\nm5 OK x\r\n", -EPROTO, "t--", { 4 } },
	{ "m5 OK x\r\nm7 OK x\r\nm4 OK x\r\n", -EPROTO, "-t-", { 0 } },
	{ "m4 OK x\r\nm3 OK x\r\nm5 OK x\r\n", -EPROTO, "t--", { 0 } },
	{ "m4 OK x\r\nm4294967301 OK x\r\n", -EPROTO, "t--", { 0 } }, /* 2^32 + 5 */
	{ "m5 OK x\r\nnonsense\r\n", -EPROTO, "-t-", { 0 } },
	{ "", -ETIMEDOUT, "---", { 0 } },
};

static void check_some(size_t row, const struct writer_message *m)
{
	for (size_t k = 0; k < SOME; k++)
		if ("-tr"[m[k].end] != somes[row].ends[k] ||
			m[k].uid != somes[row].uids[k] ||
			(m[k].end == APPEND_REFUSED) != (m[k].why[0] != '\0'))
			fail_msg("row %zu, message %zu: end %d, UID %u", row, k,
				(int)m[k].end, m[k].uid);
}

/* In pieces, too: a stream that gives a byte at a time. */
static void test_several_ahead(void **state)
{
	static const int streams[] = { SCRIPT_PLAIN, ODD_TRICKLE };

	(void)state;
	for (size_t n = 0; n < 2 * sizeof(somes) / sizeof(somes[0]); n++) {
		size_t i = n / 2;
		const struct script_row rows[] = { { "CAPABILITY", WITH_UIDPLUS },
			{ "LOGIN", "@ OK in\r\n" },
			{ "APPEND \"INBOX\" (\\Seen Old)", "" },
			{ "APPEND \"INBOX\" (\\Answered Old)", "" },
			{ "APPEND \"INBOX\" (\\Flagged Old)", somes[i].answers },
			{ "SUBSCRIBE", END }, { "LOGOUT", END }, { NULL, NULL } };
		struct talk t = { .script = script_of(rows) };
		struct writer_message m[SOME];
		struct error err = { 0 };
		int code;

		t.script.stream = streams[n % 2];
		assert_int_equal(begin(&t, &err), 0);
		code = append_some(&t, m, &err);
		if (code != somes[i].code || (code && !err.text[0]))
			fail_msg("row %zu: %d: %s", i, code, err.text);
		check_some(i, m);
		assert_int_equal(t.writer.ops->subscribe(
					 t.writer.self, STR_LIT("INBOX"), true, &err),
			code ? -ENOTCONN : 0);
		assert_true(end(&t));
	}
}

/* Without LITERAL+ each waits for its "+", and for its answer. */
static void test_several_one_by_one(void **state)
{
	static const struct script_row rows[] = { { "CAPABILITY", PLAIN },
		{ "LOGIN", "@ OK in\r\n" },
		{ "APPEND \"INBOX\" (\\Seen Old)", "+ go on\r\n" END },
		{ "APPEND \"INBOX\" (\\Answered Old)", "@ NO [OVERQUOTA] full\r\n" },
		{ "APPEND \"INBOX\" (\\Flagged Old)",
			"+ go on\r\n@ OK [APPENDUID 9 5] x\r\n" },
		{ "LOGOUT", END }, { NULL, NULL } };
	struct talk t = { .script = script_of(rows) };
	struct writer_message m[SOME];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(begin(&t, &err), 0);
	assert_int_equal(append_some(&t, m, &err), 0);
	assert_int_equal(m[0].end, APPEND_TAKEN);
	assert_int_equal(m[1].end, APPEND_REFUSED);
	assert_non_null(strstr(m[1].why, "does not take a message: full"));
	assert_int_equal(m[2].end, APPEND_TAKEN);
	assert_int_equal(m[2].uid, 5);
	assert_true(end(&t));
}

/* The admin wants the user to stay, and the source goes on to say that it is at it. */
static void test_append_is_given_up(void **state)
{
	static const struct script_row rows[] = { { "CAPABILITY", WITH_UIDPLUS },
		{ "LOGIN", "@ OK in\r\n" }, { "APPEND", "* OK Hang in there\r\n" },
		{ NULL, NULL } };
	struct talk t = { .script = script_of(rows), .tick = enough };
	struct error err = { 0 };
	struct writer_message m;

	(void)state;
	assert_int_equal(begin(&t, &err), 0);
	assert_int_equal(append(&t, &m, &err), -ECANCELED);
	assert_int_equal(m.end, APPEND_UNKNOWN);
	assert_true(end(&t));
}

/* ---- SELECT ---- */

static const struct open_row {
	const char *answer;
	int code;
	unsigned flags;
	const char *keywords;
	bool any;
} opens[] = {
	{ SELECTED "* OK [PERMANENTFLAGS (\\Seen \\Deleted Old)] x\r\n"
		   "@ OK [READ-WRITE] x\r\n",
		0, MAIL_SEEN | MAIL_DELETED, "Old", false },
	{ SELECTED "* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n" END, 0, MAIL_SEEN, "",
		true },
	{ SELECTED END, 0,
		MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED | MAIL_DRAFT, "",
		true },
	{ SELECTED "@ OK [READ-ONLY] x\r\n", -EREMOTEIO, 0, "", false },
	{ "* 2 EXISTS\r\n" END, -EREMOTEIO, 0, "", false }, /* no UIDVALIDITY */
	{ "@ NO there is none\r\n", -EREMOTEIO, 0, "", false },
};

static void test_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++) {
		const struct script_row rows[] = { { "CAPABILITY", WITH_UIDPLUS },
			{ "LOGIN", "@ OK in\r\n" }, { "SELECT", opens[i].answer },
			{ "LOGOUT", END }, { NULL, NULL } };
		struct talk t = { .script = script_of(rows) };
		struct writer_folder f = { .keywords = STR("") };
		struct error err = { 0 };

		assert_int_equal(begin(&t, &err), 0);
		assert_int_equal(
			t.writer.ops->open(t.writer.self, STR_LIT("INBOX"), &f, &err),
			opens[i].code);
		assert_int_equal(f.flags, opens[i].flags);
		assert_int_equal(f.any_keyword, opens[i].any);
		assert_true(str_eq(f.keywords, str_from(opens[i].keywords)));
		assert_int_equal(f.uidvalidity, opens[i].code ? 0 : 9);
		assert_true(end(&t));
	}
}

/* ---- EXPUNGE ---- */

static const char *const never[] = { "DELETE", "EXPUNGE", "CLOSE", NULL };
static const char *const never_deleted[] = { "DELETE", "CLOSE", NULL };

static const struct expunge_row {
	const char *capability, *search;
	const char *const *forbidden;
	int code;
} expunges[] = {
	/* by UID: nothing need be looked for */
	{ WITH_UIDPLUS, "@ BAD not asked\r\n", never, 0 },
	{ PLAIN, "* SEARCH 2 5\r\n" END, never_deleted, 0 },
	{ PLAIN, "* SEARCH\r\n" END, never_deleted, 0 },
	/* others are marked, or what is marked is not known: no EXPUNGE */
	{ PLAIN, "* SEARCH 2 3 5\r\n" END, never, -EBUSY },
	{ PLAIN, "* SEARCH 2 x\r\n" END, never, -EPROTO },
	{ PLAIN, "@ NO later\r\n", never, -EREMOTEIO },
};

static void test_expunge(void **state)
{
	static const uint32_t uids[] = { 2, 5 };

	(void)state;
	for (size_t i = 0; i < sizeof(expunges) / sizeof(expunges[0]); i++) {
		const struct script_row rows[] = {
			{ "CAPABILITY", expunges[i].capability },
			{ "LOGIN", "@ OK in\r\n" },
			{ "UID STORE 2,5 +FLAGS.SILENT (\\Deleted)\r\n", END },
			{ "UID EXPUNGE 2,5\r\n", END },
			{ "UID SEARCH DELETED", expunges[i].search },
			{ "EXPUNGE\r\n", "* 1 EXPUNGE\r\n* 3 EXPUNGE\r\n" END },
			{ "LOGOUT", END },
			{ NULL, NULL },
		};
		struct talk t = { .script = script_of(rows) };
		struct error err = { 0 };
		int code;

		t.script.forbidden = expunges[i].forbidden;
		assert_int_equal(begin(&t, &err), 0);
		code = t.writer.ops->expunge(t.writer.self, uids, 2, &err);
		if (code != expunges[i].code || (code && !err.text[0]))
			fail_msg("row %zu: %d: %s", i, code, err.text);
		assert_true(end(&t));
	}
}

/* ---- spoilt at each byte ---- */

static const struct {
	enum script_fault fault;
	const char *with;
} faults[] = {
	{ SCRIPT_CUT, "" },
	{ SCRIPT_DROPPED, "" },
	{ SCRIPT_DOUBLED, "" },
	{ SCRIPT_REPLACED, "{" },
	{ SCRIPT_INSERTED, "\r\n" },
	{ SCRIPT_LINE, "* BYE no more\r\n" },
	{ SCRIPT_LINE, "* 1 FETCH (FLAGS (\\Seen) BODY[] {99999999}\r\n" },
	{ SCRIPT_LINE, "+ more\r\n" },
};
#define ALL_BYTES 520 /* that the server says; a few more than it does */
#define EACH 3        /* others for each fault */

static int talk_through(struct talk *t, struct error *err)
{
	static const uint32_t uids[] = { 2, 5 };
	const struct writer_ops *ops = t->writer.ops;
	void *self = t->writer.self;
	struct writer_folder f;
	struct writer_message m[SOME];
	int r = ops->create(self, STR_LIT("New"), err);

	if (r == 0)
		r = ops->open(self, STR_LIT("INBOX"), &f, err);
	if (r == 0)
		r = append(t, &m[0], err);
	if (r == 0)
		r = append_some(t, m, err);
	if (r == 0)
		r = ops->flag(self, uids, 2, true, MAIL_SEEN, STR_LIT("Old"), err);
	return r ? r : ops->expunge(self, uids, 2, err);
}

/* It ends, says why and sends nothing that it must not; unspoilt, all of it is done. */
static void test_every_byte(void **state)
{
	static const struct script_row rows[] = { { "CAPABILITY", WITH_UIDPLUS },
		{ "LOGIN", "@ OK in\r\n" }, { "CREATE \"New\"", END },
		{ "SELECT \"INBOX\"",
			SELECTED "* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n" END },
		{ "APPEND", "@ OK [APPENDUID 9 4] done\r\n" },
		{ "UID STORE", "* 1 FETCH (FLAGS (\\Seen))\r\n" END },
		{ "UID EXPUNGE 2,5", "* 1 EXPUNGE\r\n" END }, { "LOGOUT", END },
		{ NULL, NULL } };

	struct talk whole = { .script = script_of(rows) };
	struct error none = { 0 };

	(void)state;
	assert_int_equal(begin(&whole, &none), 0);
	assert_int_equal(talk_through(&whole, &none), 0);
	assert_true(end(&whole));
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (size_t at = 1 + i % EACH; at < ALL_BYTES; at += EACH) {
			struct talk t = { .script = script_of(rows) };
			struct error err = { 0 };
			int r;

			t.script.forbidden = never;
			t.script.fault = faults[i].fault;
			t.script.with = faults[i].with;
			t.script.fault_at = at;
			r = begin(&t, &err);
			if (r == 0)
				r = talk_through(&t, &err);
			if (r && !err.text[0])
				fail_msg("fault %zu at %zu: %d", i, at, r);
			if (!end(&t))
				fail_msg("fault %zu at %zu: forbidden", i, at);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_several_ahead),
		cmocka_unit_test(test_several_one_by_one),
		cmocka_unit_test(test_append_is_given_up),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_expunge),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
