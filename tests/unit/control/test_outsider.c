/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A child asks: what it says comes back, and nothing else of what it is or does. */
#include "control/check/outsider.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char prefix[] = "no-user-is-called-";
static struct settings settings = { .user_prefix = prefix,
	.uid_range = { 1900000000, 1900000999 } };

struct found {
	unsigned uid, euid;
	int n_groups, shadow, self, tcp, fd;
	bool was_prepared;
	char large[200000]; /* more than a pipe holds */
};

static struct found found;
static int kept = -1; /* a descriptor of this process */

static int prepare(void *context, struct error *err)
{
	struct found *f = context;

	(void)err;
	f->was_prepared = getuid() == *(const unsigned *)&f->uid;
	return 0;
}

static int look(void *context, struct error *err)
{
	struct found *f = context;

	(void)err;
	f->uid = getuid();
	f->euid = geteuid();
	f->n_groups = getgroups(0, NULL);
	f->shadow = open("/etc/shadow", O_RDONLY) < 0 ? errno : 0;
	f->self = open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
	f->tcp = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
	f->fd = fcntl(kept, F_GETFD) < 0 ? errno : 0;
	memset(f->large, 'x', sizeof(f->large));
	return 0;
}

static void test_who_asks(void **state)
{
	static const struct outsider asker = { prepare, look };
	struct error err = { 0 };

	(void)state;
	found.uid = getuid();
	kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 20);
	assert_true(kept >= 20);
	if (outsider_ask(&settings, &asker, &found, &found, sizeof(found), &err) < 0)
		fail_msg("%s", err.text);
	assert_true(found.was_prepared);
	if (geteuid() == 0) {
		assert_true(found.uid != 0 && found.euid == found.uid);
		assert_int_equal(found.n_groups, 0);
	}
	assert_true(found.shadow != 0);
	assert_int_equal(found.tcp, 0);
	assert_int_equal(found.fd, EBADF);
	assert_int_equal(found.large[sizeof(found.large) - 1], 'x');
	close(kept);
}

static int refuse(void *context, struct error *err)
{
	(void)context;
	return error_set(err, -ECONNREFUSED, "nothing listens there");
}

static int refuse_silently(void *context, struct error *err)
{
	(void)context;
	(void)err;
	return -EPROTO;
}

static int crash(void *context, struct error *err)
{
	(void)context;
	(void)err;
	(void)signal(SIGSEGV, SIG_DFL);
	(void)raise(SIGSEGV);
	return 0;
}

static int break_out(void *context, struct error *err)
{
	(void)context;
	(void)err;
	(void)kill(getppid(), SIGKILL);
	return 0;
}

static int leave(void *context, struct error *err)
{
	(void)context;
	(void)err;
	_exit(0);
}

static void test_failures(void **state)
{
	static const struct {
		struct outsider asker;
		int code;
		const char *text;
	} rows[] = {
		{ { .ask = refuse }, -ECONNREFUSED, "nothing listens there" },
		{ { .ask = refuse_silently }, -EPROTO, "cannot ask: Protocol error" },
		{ { .prepare = refuse, .ask = look }, -ECONNREFUSED,
			"nothing listens there" },
		{ { .ask = crash }, -EIO,
			"the process that asks it has ended: signal 11 (Segmentation "
			"fault)" },
		{ { .ask = break_out }, -EIO,
			"the process that asks it has ended: signal 31 (Bad system "
			"call)" },
		{ { .ask = leave }, -EIO,
			"the process that asks it has ended: exit code 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = { 0 };
		char result = 'x';
		int code =
			outsider_ask(&settings, &rows[i].asker, NULL, &result, 1, &err);

		if (code != rows[i].code || strcmp(err.text, rows[i].text) != 0)
			fail_msg("row %zu: %d %s", i, code, err.text);
	}
}

/* Taken over by the server that it asks, it may write what it likes, and stay. */
static int stay(void *context, struct error *err)
{
	static const struct {
		int code;
		struct error err;
		char result;
	} report = { .result = 'x' };

	(void)context;
	(void)err;
	(void)!write(STDERR_FILENO + 1, &report,
		offsetof(__typeof__(report), result) + sizeof(report.result));
	(void)poll(NULL, 0, -1);
	return 0;
}

static void test_one_that_stays(void **state)
{
	static const struct outsider asker = { .ask = stay };
	struct error err = { 0 };
	char result = '\0';

	(void)state;
	(void)alarm(10); /* by itself it never ends */
	assert_int_equal(outsider_ask(&settings, &asker, NULL, &result, 1, &err), 0);
	(void)alarm(0);
	assert_int_equal(result, 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_asks),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_one_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
