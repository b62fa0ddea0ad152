/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The writer of a Maildir, told things by a stream: what it does, and what it refuses. */
#include "transfer/maildir/record.h"
#include "transfer/maildir/writer.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "cur/100.M1P1.mailferry,S=5:2,S"
#define ROUNDS 100 /* of a race that was lost by both within ten */
#define NEW_NAME "new/100.M1P1.mailferry,S=5"

struct world {
	char path[64];
	int folder, socket;
	pid_t writer;
	struct buf in;
	char said[256]; /* what it failed with */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || sodium_init() < 0)
		return -1;
	(void)snprintf(w->path, sizeof(w->path), "/tmp/mailferry-maildir-XXXXXX");
	if (!mkdtemp(w->path))
		return -1;
	w->folder = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->socket = -1;
	buf_init(&w->in, 0);
	*state = w;
	return w->folder < 0 ? -1 : 0;
}

static void end(struct world *w)
{
	fd_closep(&w->socket);
	if (w->writer)
		(void)waitpid(w->writer, NULL, 0);
	w->writer = 0;
	buf_clear(&w->in);
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	end(w);
	fd_closep(&w->folder);
	buf_fini(&w->in);
	(void)snprintf(command, sizeof(command), "rm -rf %s", w->path);
	(void)!system(command);
	free(w);
	return 0;
}

static void begin(struct world *w, const char *account)
{
	int ends[2];

	end(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	w->writer = fork();
	if (w->writer == 0) {
		(void)close(ends[0]);
		_exit(maildir_write(ends[1], w->folder, account, 0) < 0);
	}
	(void)close(ends[1]);
	w->socket = ends[0];
}

static void say(struct world *w, const struct maildir_record *r)
{
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(maildir_record_put(&out, r), 0);
	/* one that has ended hears nothing: what it said is asked for */
	(void)send(w->socket, buf_view(&out).ptr, buf_len(&out), MSG_NOSIGNAL);
	buf_fini(&out);
}

#define SAY(w, ...) say(w, &(const struct maildir_record){ __VA_ARGS__ })

/* The kind of the next one; 0: it has ended. */
static unsigned hear(struct world *w)
{
	struct maildir_record r;
	struct str bytes;

	for (;;) {
		size_t len = buf_len(&w->in);
		enum maildir_record_result is;

		bytes = buf_view(&w->in);
		is = maildir_record_read(&bytes, &r);
		assert_true(is != MAILDIR_BAD);
		if (is == MAILDIR_OK) {
			(void)snprintf(w->said, sizeof(w->said), "%.*s",
				STR_ARG(r.kind == RECORD_FAILED ? r.bytes : r.name));
			buf_consume(&w->in, len - bytes.len);
			return r.kind;
		}
		if (buf_read(&w->in, w->socket, 4096) <= 0)
			return 0;
	}
}

static void say_body(struct world *w, const char *text)
{
	unsigned char digest[MAILDIR_DIGEST_SIZE];

	crypto_generichash(digest, sizeof(digest), (const unsigned char *)text,
		strlen(text), NULL, 0);
	SAY(w, .kind = RECORD_BYTES, .bytes = str_from(text));
	SAY(w, .kind = RECORD_END, .bytes = str_of(digest, sizeof(digest)));
}

static void say_message(struct world *w, const char *name, const char *text)
{
	SAY(w, .kind = RECORD_MESSAGE, .name = str_from(name), .len = strlen(text),
		.date = 100);
	say_body(w, text);
}

static void fails(struct world *w, const char *part)
{
	unsigned kind;

	while ((kind = hear(w)) != RECORD_FAILED)
		if (!kind)
			fail_msg("no word of \"%s\"", part);
	if (!strstr(w->said, part))
		fail_msg("\"%s\", not \"%s\"", w->said, part);
	assert_int_equal(hear(w), 0);
}

static void open_inbox(struct world *w)
{
	begin(w, "alice");
	while (hear(w) == RECORD_IS_FOLDER)
		;
	SAY(w, .kind = RECORD_FOLDER, .name = STR_LIT("."));
}

static void holds(const struct world *w, const char *name, const char *text)
{
	CLEANUP(fd_closep) int fd = openat(w->folder, name, O_RDONLY | O_CLOEXEC);
	char is[64] = "";

	if (!text) {
		assert_int_equal(fd, -1);
		return;
	}
	if (fd < 0 || read(fd, is, sizeof(is) - 1) < 0 || strcmp(is, text) != 0)
		fail_msg("%s: \"%s\"", name, is);
}

static void put(const struct world *w, const char *name, const char *text)
{
	CLEANUP(fd_closep)
	int fd = openat(w->folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void test_writes_renames_removes(void **state)
{
	struct world *w = *state;
	struct stat is;

	open_inbox(w);
	assert_int_equal(hear(w), RECORD_LISTED);
	say_message(w, NEW_NAME, "hello");
	SAY(w, .kind = RECORD_FILE, .file = 0, .len = 3);
	say_body(w, "3 V");
	SAY(w, .kind = RECORD_COMMIT);
	assert_int_equal(hear(w), RECORD_DONE);
	holds(w, NEW_NAME, "hello");
	holds(w, "dovecot-uidlist", "3 V");
	assert_int_equal(fstatat(w->folder, NEW_NAME, &is, 0), 0);
	assert_int_equal(is.st_mtime, 100);
	SAY(w, .kind = RECORD_RENAME, .name = STR_LIT(NEW_NAME),
		.other = STR_LIT(FILE_NAME));
	SAY(w, .kind = RECORD_FOLDER, .name = STR_LIT("."));
	assert_int_equal(hear(w), RECORD_HAS);
	assert_string_equal(w->said, FILE_NAME);
	assert_int_equal(hear(w), RECORD_LISTED);
	SAY(w, .kind = RECORD_REMOVE, .name = STR_LIT(FILE_NAME));
	SAY(w, .kind = RECORD_COMMIT);
	assert_int_equal(hear(w), RECORD_DONE);
	holds(w, FILE_NAME, NULL);
}

/* What was sent last is what is refused. */
static void test_refuses_what_makes_no_sense(void **state)
{
	struct world *w = *state;

	open_inbox(w);
	SAY(w, .kind = RECORD_MESSAGE, .name = STR_LIT(FILE_NAME), .len = 3);
	SAY(w, .kind = RECORD_BYTES, .bytes = STR_LIT("hello"));
	fails(w, "makes no sense");
	open_inbox(w);
	SAY(w, .kind = RECORD_MESSAGE, .name = STR_LIT(FILE_NAME), .len = 9);
	say_body(w, "hello");
	fails(w, "makes no sense");
	open_inbox(w);
	SAY(w, .kind = RECORD_MESSAGE, .name = STR_LIT(FILE_NAME), .len = 5);
	SAY(w, .kind = RECORD_COMMIT);
	fails(w, "makes no sense");
	open_inbox(w);
	SAY(w, .kind = RECORD_LISTED);
	fails(w, "makes no sense");
	begin(w, "alice");
	say_message(w, FILE_NAME, "hello");
	fails(w, "makes no sense");
	open_inbox(w);
	SAY(w, .kind = RECORD_MESSAGE, .name = STR_LIT(FILE_NAME), .len = 5);
	SAY(w, .kind = RECORD_BYTES, .bytes = STR_LIT("hello"));
	SAY(w, .kind = RECORD_END, .bytes = STR_LIT("0123456789abcdef0123456789abcdef"));
	fails(w, "changed on their way");
	holds(w, FILE_NAME, NULL);
}

static void test_nothing_takes_a_place(void **state)
{
	struct world *w = *state;

	open_inbox(w);
	say_message(w, FILE_NAME, "hello");
	SAY(w, .kind = RECORD_COMMIT);
	say_message(w, FILE_NAME, "other");
	SAY(w, .kind = RECORD_COMMIT);
	fails(w, "cannot name");
	holds(w, FILE_NAME, "hello");
}

static void test_of_others(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdirat(w->folder, ".Sent", 0700), 0);
	assert_int_equal(mkdirat(w->folder, ".Sent/new", 0700), 0);
	put(w, ".Sent/new/1.somebody", "theirs");
	begin(w, "alice");
	fails(w, "has not put there");
	holds(w, "mailferry", NULL);
	assert_int_equal(unlinkat(w->folder, ".Sent/new/1.somebody", 0), 0);
	open_inbox(w);
	say_message(w, FILE_NAME, "hello");
	SAY(w, .kind = RECORD_COMMIT);
	while (hear(w) != RECORD_DONE)
		;
	begin(w, "bob");
	fails(w, "another account's");
	put(w, "cur/1.somebody:2,", "theirs"); /* delivered meanwhile */
	begin(w, "alice");
	fails(w, "has not put there");
	holds(w, "cur/1.somebody:2,", "theirs");
}

/* Two accounts whose names make the same path, at the same moment. */
static void test_one_of_two_accounts_has_it(void **state)
{
	struct world *w = *state, other = *w;

	buf_init(&other.in, 0);
	for (int i = 0; i < ROUNDS; i++) {
		bool first, second;

		begin(w, "alice@a.example");
		begin(&other, "alice@b.example");
		first = hear(w) == RECORD_READY;
		second = hear(&other) == RECORD_READY;
		end(&other); /* first: its writer has our end of the other, too */
		end(w);
		assert_true(first != second);
		assert_non_null(
			strstr(first ? other.said : w->said, "another account's"));
		assert_int_equal(unlinkat(w->folder, "mailferry", 0), 0);
	}
	buf_fini(&other.in);
}

/* One that was killed behind link(2), or while it wrote. */
static void test_goes_on(void **state)
{
	struct world *w = *state;

	open_inbox(w);
	assert_int_equal(hear(w), RECORD_LISTED);
	end(w);
	put(w, "tmp/mailferry-list", "3 V");
	put(w, "tmp/100.M1P1.mailferry,S=5:2,S", "hel");
	assert_int_equal(linkat(w->folder, "tmp/mailferry-list", w->folder,
				 "dovecot-uidlist.lock", 0),
		0);
	open_inbox(w);
	assert_int_equal(hear(w), RECORD_LISTED);
	holds(w, "dovecot-uidlist.lock", NULL);
	say_message(w, FILE_NAME, "hello");
	SAY(w, .kind = RECORD_COMMIT);
	assert_int_equal(hear(w), RECORD_DONE);
	holds(w, FILE_NAME, "hello");
}

static void test_drops_a_folder(void **state)
{
	struct world *w = *state;
	struct stat is;

	open_inbox(w);
	SAY(w, .kind = RECORD_FOLDER, .name = STR_LIT(".Old"));
	say_message(w, FILE_NAME, "hello");
	SAY(w, .kind = RECORD_COMMIT);
	while (hear(w) != RECORD_DONE)
		;
	holds(w, ".Old/" FILE_NAME, "hello");
	SAY(w, .kind = RECORD_DROP, .name = STR_LIT(".Old"));
	SAY(w, .kind = RECORD_COMMIT);
	assert_int_equal(hear(w), RECORD_DONE);
	assert_int_equal(fstatat(w->folder, ".Old", &is, 0), -1);
	SAY(w, .kind = RECORD_DROP, .name = STR_LIT("."));
	fails(w, "cannot be removed");
}

/* What is a link leads out. */
static void test_links(void **state)
{
	struct world *w = *state;

	assert_int_equal(symlinkat("/tmp", w->folder, ".Link"), 0);
	open_inbox(w);
	SAY(w, .kind = RECORD_FOLDER, .name = STR_LIT(".Link"));
	fails(w, "cannot make the folder .Link");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_writes_renames_removes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_refuses_what_makes_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_nothing_takes_a_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_one_of_two_accounts_has_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drops_a_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
