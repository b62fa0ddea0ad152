/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the writer says to a source and makes of its answers: a row of a script for each
 * command, then one conversation spoilt at each of its bytes.
 */
#include "transfer/back/imap_writer.h"

#include "transfer/read/script_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 60 /* a tag that is lost is waited for */
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

static int append(struct talk *t, uint32_t *ret_uid, struct error *err)
{
	const struct mail m = { .flags = MAIL_SEEN, .keywords = STR("Old"), .zone = 60 };
	uint32_t uidvalidity = 0;

	*ret_uid = 0;
	return t->writer.ops->append(
		t->writer.self, STR_LIT("INBOX"), &m, BODY, &uidvalidity, ret_uid, err);
}

/* ---- APPEND ---- */

static const struct append_row {
	const char *capability, *answer;
	int code;
	uint32_t uid;
} appends[] = {
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9 4] done\r\n", 0, 4 },
	{ PLAIN, "+ go on\r\n@ OK [APPENDUID 9 4] done\r\n", 0, 4 },
	{ PLAIN, "+ go on\r\n* 3 EXISTS\r\n" END, 0, 0 },
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9] done\r\n", 0, 0 },
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9 4:5] done\r\n", 0, 0 },
	{ WITH_UIDPLUS, "@ OK [APPENDUID -1 4] done\r\n", 0, 0 },
	{ WITH_UIDPLUS, "@ OK [APPENDUID 9 99999999999] done\r\n", 0, 0 },
	{ WITH_UIDPLUS, "@ NO [OVERQUOTA] no room\r\n", -EREMOTEIO, 0 },
	{ WITH_UIDPLUS, "@ BAD NULs\r\n", -EREMOTEIO, 0 },
	{ WITH_UIDPLUS, "* BYE going down\r\n", -ECONNRESET, 0 },
	{ WITH_UIDPLUS, "m99 OK whose?\r\n", -EPROTO, 0 },
	{ WITH_UIDPLUS, "", -ETIMEDOUT, 0 }, /* it may be there, and nobody knows */
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
		uint32_t uid;
		int code;

		assert_int_equal(begin(&t, &err), 0);
		code = append(&t, &uid, &err);
		if (code != appends[i].code || uid != appends[i].uid)
			fail_msg("row %zu: %d, UID %u: %s", i, code, uid, err.text);
		/* after a refusal it goes on, after anything else it is over */
		code = t.writer.ops->subscribe(
			t.writer.self, STR_LIT("INBOX"), true, &err);
		assert_int_equal(code,
			appends[i].code && appends[i].code != -EREMOTEIO ? -ENOTCONN : 0);
		assert_true(end(&t));
	}
}

static int enough(void *context)
{
	(void)context;
	return -ECANCELED;
}

/* The admin wants the user to stay, and the source goes on to say that it is at it. */
static void test_append_is_given_up(void **state)
{
	static const struct script_row rows[] = { { "CAPABILITY", WITH_UIDPLUS },
		{ "LOGIN", "@ OK in\r\n" }, { "APPEND", "* OK Hang in there\r\n" },
		{ NULL, NULL } };
	struct talk t = { .script = script_of(rows), .tick = enough };
	struct error err = { 0 };
	uint32_t uid;

	(void)state;
	assert_int_equal(begin(&t, &err), 0);
	assert_int_equal(append(&t, &uid, &err), -ECANCELED);
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
#define ALL_BYTES 420 /* that the server says; a few more than it does */
#define EACH 3        /* others for each fault */

static int talk_through(struct talk *t, struct error *err)
{
	static const uint32_t uids[] = { 2, 5 };
	const struct writer_ops *ops = t->writer.ops;
	void *self = t->writer.self;
	struct writer_folder f;
	uint32_t uid;
	int r = ops->create(self, STR_LIT("New"), err);

	if (r == 0)
		r = ops->open(self, STR_LIT("INBOX"), &f, err);
	if (r == 0)
		r = append(t, &uid, err);
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
		cmocka_unit_test(test_append_is_given_up),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_expunge),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
