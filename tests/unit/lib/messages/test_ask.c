/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A question over a socket in a folder of the test's own; the other side is played here,
   since a new connection takes a message before it is accepted. */
#include "messages/ask.h"

#include "base/fd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "test.sock"

struct bench {
	char folder[32], path[64];
	int listener;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	(void)snprintf(b->folder, sizeof(b->folder), "/tmp/ask-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	(void)snprintf(b->path, sizeof(b->path), "%s/" NAME, b->folder);
	b->listener = ipc_listen(b->path, 0600, NULL);
	assert_true(b->listener >= 0);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	fd_closep(&b->listener);
	(void)unlink(b->path);
	(void)rmdir(b->folder);
	free(b);
	return 0;
}

static const struct message question = { .type = MESSAGE_QUIESCE, .account = STR("ada") };

/* Takes the question off and says that; the connection ends with it. */
static void answer(struct bench *b, struct str bytes)
{
	char asked[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX], fd = ipc_accept(b->listener);
	size_t n_fds = 0;
	struct message m;
	ssize_t n = ipc_receive(fd, asked, sizeof(asked), fds, &n_fds);

	assert_true(n > 0);
	assert_int_equal(message_decode(str_of(asked, (size_t)n), &m), 0);
	assert_int_equal(m.type, MESSAGE_QUIESCE);
	if (bytes.len)
		assert_int_equal(ipc_send(fd, bytes, NULL, 0), 0);
	fd_closep(&fd);
}

static struct str encode(const struct message *m, char bytes[static IPC_MESSAGE_MAX])
{
	ssize_t n = message_encode(m, bytes, IPC_MESSAGE_MAX);

	assert_true(n > 0);
	return str_of(bytes, (size_t)n);
}

static void test_answers(void **state)
{
	static const struct answer_row {
		const char *name;
		struct message answer; /* MESSAGE_NONE: the bytes */
		struct str bytes;
		int code;
		const char *says;
	} rows[] = {
		{ "yes", { .type = MESSAGE_QUIESCED, .number = 7 }, STR(""), 1, "" },
		{ "failed", { .type = MESSAGE_FAILED, .text = STR("no memory") }, STR(""),
			-EREMOTEIO, "no memory" },
		{ "another type", { .type = MESSAGE_RELEASED }, STR(""), -EBADMSG,
			"answered RELEASED instead of QUIESCED" },
		{ "garbage", { .type = MESSAGE_NONE }, STR("\x09\x01rubbish"), -EBADMSG,
			"another version" },
		{ "closed", { .type = MESSAGE_NONE }, STR(""), -EPIPE, "closed" },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct answer_row *row = &rows[i];
		char space[IPC_MESSAGE_MAX];
		struct error err = { 0 };
		uint64_t number = 0;
		int fd = ask_begin(b->folder, NAME, &question, &err);

		assert_true(fd >= 0);
		assert_int_equal(ask_answered(fd, MESSAGE_QUIESCED, &number, NULL), 0);
		answer(b, row->answer.type ? encode(&row->answer, space) : row->bytes);
		if (ask_answered(fd, MESSAGE_QUIESCED, &number, &err) != row->code ||
			!strstr(err.text, row->says))
			fail_msg("%s: %s", row->name, err.text);
		assert_int_equal(number, row->code == 1 ? 7 : 0);
		fd_closep(&fd);
	}
}

static void test_nobody(void **state)
{
	struct bench *b = *state;
	struct error err = { 0 };

	assert_true(ask_runs(b->folder, NAME));
	assert_false(ask_runs(b->folder, "other.sock"));
	fd_closep(&b->listener); /* its file is still there, as after a kill -9 */
	assert_int_equal(ask(b->folder, NAME, &question, MESSAGE_QUIESCED, &ask_patience,
				 NULL, &err),
		-ECONNREFUSED);
	assert_non_null(strstr(err.text, "mailferry does not run here"));
	(void)unlink(b->path);
	assert_int_equal(ask_tell(b->folder, NAME, &question, &err), -ECONNREFUSED);
}

static int count(void *context)
{
	return ++*(int *)context == 2 ? -ECANCELED : 0;
}

static void test_patience(void **state)
{
	struct bench *b = *state;
	struct error err = { 0 };
	int ticks = 0;
	struct patience stops = { .ms = 60000, .tick = count, .context = &ticks };
	struct patience brief = { .ms = 30 };

	assert_int_equal(
		ask(b->folder, NAME, &question, MESSAGE_QUIESCED, &stops, NULL, &err),
		-ECANCELED);
	assert_int_equal(ticks, 2);
	assert_int_equal(
		ask(b->folder, NAME, &question, MESSAGE_QUIESCED, &brief, NULL, &err),
		-ETIMEDOUT);
	assert_non_null(strstr(err.text, "no answer"));
	ticks = 0;
	assert_int_equal(wait_pause(&stops), -ECANCELED);
	assert_int_equal(wait_pause(&brief), 0);
}

/* A descriptor that nobody asked for does not stay open. */
static void test_descriptors(void **state)
{
	struct message yes = { .type = MESSAGE_QUIESCED };
	struct bench *b = *state;
	char space[IPC_MESSAGE_MAX];
	struct str bytes = encode(&yes, space);
	int fd = ask_begin(b->folder, NAME, &question, NULL);
	int theirs = ipc_accept(b->listener);

	assert_int_equal(ipc_send(theirs, bytes, &theirs, 1), 0);
	assert_int_equal(ask_answered(fd, MESSAGE_QUIESCED, NULL, NULL), 1);
	fd_closep(&theirs);
	/* ours was the last end of theirs */
	assert_int_equal(ask_answered(fd, MESSAGE_QUIESCED, NULL, NULL), -EPIPE);
	fd_closep(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_patience, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_descriptors, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
