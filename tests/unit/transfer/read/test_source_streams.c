/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both readers over every kind of stream: one that gives a byte at a time, one that would
 * block at every second call, one with bytes pending, one with a handshake. Whatever the
 * stream does, the copy in memory is the same.
 */
#include "transfer/copy/sync.h"
#include "transfer/read/imap_source.h"
#include "transfer/read/pop3_source.h"
#include "transfer/read/script_server.h"
#include "transfer/write/memory_destination.h"

#include "support/odd_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BODY_LEN 6000 /* a streamed literal: above IMAP_KEEP_MAX */
#define ROW1                                                                             \
	"* 1 FETCH (UID 3 FLAGS (\\Seen) INTERNALDATE \"01-Feb-2003 04:05:06 +0100\" "   \
	"RFC822.SIZE 6000"
#define ROW2                                                                             \
	"* 2 FETCH (UID 5 FLAGS ($Label) INTERNALDATE \"02-Feb-2003 04:05:06 +0100\" "   \
	"RFC822.SIZE 7"

static const struct script_row imap_rows[] = {
	{ "CAPABILITY", "* CAPABILITY IMAP4rev1\r\n@ OK done\r\n" },
	{ "LOGIN", "@ OK in\r\n" },
	{ "LIST", "* LIST () \"/\" INBOX\r\n* LIST (\\Noselect) \"/\" Top\r\n@ OK "
		  "done\r\n" },
	{ "LSUB", "* LSUB () \"/\" INBOX\r\n@ OK done\r\n" },
	{ "EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT 6] x\r\n"
		     "@ OK [READ-ONLY] done\r\n" },
	{ "UID FETCH 1:*", ROW1 ")\r\n" ROW2 ")\r\n@ OK done\r\n" },
	{ "UID FETCH", ROW1 " BODY[] {6000}\r\n#)\r\n" ROW2
			    " BODY[] {7}\r\n{3}\r\n\r\n)\r\n@ OK done\r\n" },
	{ NULL, NULL },
};

static const struct script_row pop3_rows[] = {
	{ "CAPA", "+OK\r\nUIDL\r\nPIPELINING\r\n.\r\n" },
	{ "USER", "+OK\r\n" },
	{ "PASS", "+OK\r\n" },
	{ "LIST", "+OK\r\n1 6002\r\n2 7\r\n.\r\n" },
	{ "UIDL", "+OK\r\n1 first\r\n2 second\r\n.\r\n" },
	{ "RETR 1", "+OK\r\n#\r\n.\r\n" },
	{ "RETR 2", "+OK\r\n..{3}\r\n.\r\n" },
	{ "RSET", "+OK\r\n" },
	{ "QUIT", "+OK\r\n" },
	{ NULL, NULL },
};

static char long_body[BODY_LEN + 1];
static const struct sockaddr_storage nowhere;

static int nothing_known(
	void *context, bool *ret_exists, struct source_status *ret, struct error *err)
{
	(void)context;
	(void)err;
	*ret_exists = false;
	*ret = (struct source_status){ .uidnext = 1 };
	return 0;
}

static void open_imap(struct script *s, struct source *ret)
{
	struct imap_source_options o = script_imap(s);
	struct error err = { 0 };

	assert_int_equal(imap_source_new(&o, ret, &err), 0);
}

static void open_pop3(struct script *s, struct source *ret)
{
	struct pop3_source_options o = { .addresses = &nowhere,
		.n_addresses = 1,
		.login = STR_LIT("alice"),
		.password = STR_LIT("secret"),
		.known = { .find = nothing_known },
		.dialer = script_dialer(s),
		.spool_folder = "/tmp" };
	struct error err = { 0 };

	assert_int_equal(pop3_source_new(&o, ret, &err), 0);
}

static const struct protocol_row {
	const char *name;
	const char *greeting;
	const struct script_row *rows;
	bool has_tags;
	void (*open)(struct script *s, struct source *ret);
	const char *behind; /* the long body */
	const char *second_body;
	unsigned folders;
} protocols[] = {
	{ "imap", "* OK hello\r\n", imap_rows, true, open_imap, "", "{3}\r\n\r\n", 2 },
	{ "pop3", "+OK hello\r\n", pop3_rows, false, open_pop3, "\r\n", ".{3}\r\n", 1 },
};

static void check(const struct memory_destination *to, const struct protocol_row *row)
{
	const struct memory_kept_folder *inbox = &to->durable.folders[0];

	assert_int_equal(to->durable.n_folders, row->folders);
	for (size_t i = 0; i < to->durable.n_folders; i++)
		if (str_eq(to->durable.folders[i].is.is.name, STR_LIT("INBOX")))
			inbox = &to->durable.folders[i];
	assert_int_equal(inbox->count, 2);
	assert_true(str_starts(inbox->mail[0].body, str_from(long_body)));
	assert_true(
		str_eq(str_skip(inbox->mail[0].body, BODY_LEN), str_from(row->behind)));
	assert_true(str_eq(inbox->mail[1].body, str_from(row->second_body)));
}

static void copy_over(const struct protocol_row *row, int stream)
{
	struct script script = { .greeting = row->greeting,
		.rows = row->rows,
		.has_tags = row->has_tags,
		.body = long_body,
		.stream = stream };
	struct memory_destination *memory;
	struct destination to;
	struct source source;
	struct error err = { 0 };
	struct sync sync;

	memory = memory_destination_new(&to);
	row->open(&script, &source);
	sync_init(&sync, &source, &to, NULL, NULL);
	if (source.ops->connect(source.self, &err) < 0 || sync_pass(&sync, &err) < 0)
		fail_msg("%s over %s: %s", row->name,
			stream == SCRIPT_PLAIN ? "plain" : odd_name((enum oddity)stream),
			err.text);
	check(memory, row);
	sync_fini(&sync);
	source.ops->free(source.self);
	to.ops->free(to.self);
	assert_true(script_end(&script));
}

static void every_stream(void **state)
{
	(void)state;
	memset(long_body, 'x', BODY_LEN);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		for (int stream = SCRIPT_PLAIN; stream < ODD_COUNT; stream++)
			copy_over(&protocols[i], stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_stream) };

	return cmocka_run_group_tests_name("source_streams", tests, NULL, NULL);
}
