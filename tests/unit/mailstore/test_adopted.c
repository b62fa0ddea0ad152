/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An account whose process the mailstore before this one has: what that one is asked. */
#include "mailstore/processes.h"

#include "base/fd.h"
#include "base/ipc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct test {
	struct loop loop;
	struct settings settings;
	struct processes all;
	int before; /* the other mailstore's end of the link */
	enum message_type answer;
};

/* The peer is the test. */
static void send_to_peer(struct peer *peer, const struct message *m)
{
	((struct test *)peer)->answer = m->type;
}

static void adopt(struct test *t, uint64_t knows)
{
	const struct message m = {
		.type = MESSAGE_ADOPT, .account = STR("ada"), .number2 = knows
	};
	int ends[2];

	*t = (struct test){ .all = { .loop = &t->loop,
				    .settings = &t->settings,
				    .send = send_to_peer } };
	assert_int_equal(loop_init(&t->loop, false), 0);
	assert_int_equal(ipc_pair(ends), 0);
	t->before = ends[1];
	assert_int_equal(processes_adopt(&t->all, &m, ends[0]), 0);
}

/* What the other one was told; NONE: nothing. */
static enum message_type told(const struct test *t)
{
	char bytes[512];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	struct message m;
	ssize_t len = ipc_receive(t->before, bytes, sizeof(bytes), fds, &n_fds);

	if (len == -EAGAIN)
		return MESSAGE_NONE;
	assert_true(len > 0);
	assert_int_equal(message_decode(str_of(bytes, (size_t)len), &m), 0);
	return m.type;
}

/* Its end ends the process, as this mailstore sees it. */
static void finish(struct test *t)
{
	fd_closep(&t->before);
	while (t->all.first)
		loop_turn(&t->loop);
	assert_int_equal(loop_fini(&t->loop), 0);
}

static void test_a_question_that_it_may_not_know(void **state)
{
	static const struct {
		const char *name;
		enum message_type question;
		uint64_t knows;
		enum message_type told, answer;
	} rows[] = {
		/* it would hang up, and the account would be out of reach */
		{ "ROOM to one that does not say what it knows", MESSAGE_ROOM, 0,
			MESSAGE_NONE, MESSAGE_DELIVERED },
		{ "ROOM to one that knows all before it", MESSAGE_ROOM, MESSAGE_ROOM,
			MESSAGE_NONE, MESSAGE_DELIVERED },
		{ "ROOM to one that knows it", MESSAGE_ROOM, MESSAGE_TYPE_COUNT,
			MESSAGE_ROOM, MESSAGE_NONE },
		{ "STAGE to one that does not say what it knows", MESSAGE_STAGE, 0,
			MESSAGE_STAGE, MESSAGE_NONE },
		{ "MEND to one that does not say what it knows", MESSAGE_MEND, 0,
			MESSAGE_NONE, MESSAGE_DELIVERY_FAILED },
		{ "MEND to one that knows all before it", MESSAGE_MEND, MESSAGE_MEND,
			MESSAGE_NONE, MESSAGE_DELIVERY_FAILED },
		{ "MEND to one that knows it", MESSAGE_MEND, MESSAGE_MEND + 1,
			MESSAGE_MEND, MESSAGE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct message m = { .type = rows[i].question,
			.account = STR("ada"),
			.session = STR("1.1.0") };
		struct test t;

		adopt(&t, rows[i].knows);
		processes_stage(&t.all, (struct peer *)&t, &m, -1);
		if (told(&t) != rows[i].told || t.answer != rows[i].answer)
			fail_msg("%s", rows[i].name);
		finish(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		test_a_question_that_it_may_not_know) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
