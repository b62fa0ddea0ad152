/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two sessions do what comes to their minds to one mailbox, closing and selecting it
 * again and again (from an image, mostly: in memory, or in the store); each time one of
 * them asks for everything, the answer is what the rows say. Images in the store are
 * made, damaged and left to age in between.
 */
#include "mailstore/serve/memory_session.h"
#include "mailstore/serve/view_stored.h"
#include "wire/imap/flags.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 3000

static const char *const deeds[] = {
	"STORE 1:* +FLAGS.SILENT (\\Answered)",
	"STORE 1:* -FLAGS (\\Answered)",
	"STORE 2:4 +FLAGS (\\Seen \\Deleted)",
	"STORE 3:* -FLAGS.SILENT (\\Seen \\Deleted)",
	"UID STORE 8:40 +FLAGS.SILENT (\\Deleted \\Flagged)",
	"UID STORE 1:* -FLAGS (\\Deleted)",
	"STORE 1,3 FLAGS (\\Draft)",
	"STORE 1:2 +FLAGS (word)",
	"STORE 1:* -FLAGS (word)",
	"EXPUNGE",
	"UID EXPUNGE 1:30",
	"APPEND INBOX (\\Seen) {4+}\r\na\r\n\r",
	"COPY 1:2 INBOX",
	"MOVE 1 INBOX",
	"CLOSE",
	"UNSELECT",
	"SELECT INBOX",
	"EXAMINE INBOX",
	"SELECT Sent",
	"NOOP",
	"FETCH 1:* FLAGS",
};

struct fixture {
	struct memory_server server;
	unsigned seed, compared;
};

static unsigned random_below(struct fixture *f, size_t n)
{
	f->seed = f->seed * 1103515245 + 12345;
	return (f->seed >> 8) % (unsigned)n;
}

static struct str tell(struct fixture *f, size_t session, const char *command)
{
	struct str said;

	assert_return_code(memory_session_say(&f->server, session, command, &said), 0);
	return said;
}

struct writing {
	struct buf *out;
	uint32_t number;
};

static int put_row(void *context, const struct store_message *m)
{
	struct writing *w = context;

	assert_return_code(
		buf_printf(w->out, "* %" PRIu32 " FETCH (UID %" PRIu32 " FLAGS (",
			++w->number, m->uid),
		0);
	assert_return_code(
		imap_put_flags(w->out, m->flags & ~(unsigned)FLAG_RECENT, m->keywords),
		0);
	return buf_printf(w->out, ") MODSEQ (%" PRIu64 "))\r\n", m->modseq);
}

static void check(struct fixture *f, size_t session)
{
	struct store *s = f->server.serve.store;
	struct writing w = { .out = &(struct buf){ 0 } };
	struct mailbox m = { 0 };
	struct arena arena;
	struct str said, expected;

	arena_init(&arena);
	assert_return_code(store_find_mailbox(s, STR_LIT("INBOX"), &arena, &m, NULL), 0);
	(void)tell(f, session, "EXAMINE INBOX"); /* \Recent is not taken, nor shown */
	assert_return_code(
		store_each_message(s, m.id, 1, UINT32_MAX, put_row, &w, NULL), 0);
	assert_return_code(buf_append_c(w.out, "t OK"), 0);
	said = tell(f, session, "FETCH 1:* (UID FLAGS MODSEQ)");
	expected = buf_view(w.out);
	if (w.number && !str_starts(said, expected))
		fail_msg("expected %.*s\ngot %.*s", STR_ARG(expected), STR_ARG(said));
	f->compared += w.number;
	buf_fini(w.out);
	arena_fini(&arena);
}

/* As the process would after it was started anew, or in the background. */
static void use_the_store(struct fixture *f)
{
	struct store *s = f->server.serve.store;
	int64_t inbox;

	if (random_below(f, 10) == 0)
		view_images_fini(&f->server.serve.images);
	if (random_below(f, 10))
		return;
	assert_return_code(store_find_inbox(s, &inbox, NULL), 0);
	assert_return_code(store_begin_derived(s, NULL), 0);
	assert_return_code(view_stored_keep(s, inbox, NULL), 0);
	assert_return_code(store_commit(s, NULL), 0);
}

static void images_are_true(void **state)
{
	struct fixture f = { .seed = 7 };

	(void)state;
	assert_return_code(memory_server_open(&f.server), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_return_code(memory_session_open(&f.server, i, STR_LIT("")), 0);
		(void)tell(&f, i, "ENABLE CONDSTORE IMAP4rev2"); /* no \Recent */
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t session = random_below(&f, 2);
		const char *deed =
			deeds[random_below(&f, sizeof(deeds) / sizeof(deeds[0]))];

		use_the_store(&f);
		(void)tell(&f, session, deed);
		if (random_below(&f, 4) == 0)
			check(&f, session);
	}
	assert_true(f.compared > 1000);
	assert_return_code(store_verify(f.server.serve.store, NULL), 0);
	memory_server_close(&f.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(images_are_true) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
