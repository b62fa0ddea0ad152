/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The listening sockets that a worker finds among its descriptors. */
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum given { END, IMAP, SMTP, STRANGE, BOUND, JOURNAL, FILE_, GIVEN_COUNT };

static const struct row {
	const char *name;
	enum given given[4];
	int n; /* found, or -errno */
} rows[] = {
	{ "none", { END }, -EBADF },
	{ "one", { IMAP }, 1 },
	{ "two", { IMAP, SMTP }, 2 },
	{ "the journal's socket behind them", { IMAP, SMTP, JOURNAL }, 2 },
	{ "the journal's socket alone", { JOURNAL }, -EBADF },
	{ "a file behind them", { IMAP, FILE_ }, 1 },
	{ "one that does not listen", { IMAP, BOUND }, 1 },
	{ "no service's", { IMAP, STRANGE }, -ENOENT },
};

static int tcp(uint16_t port, bool listens)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
		.sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		(listens && listen(fd, 1) < 0))
		abort();
	return fd;
}

static int make(const struct settings *s, enum given what)
{
	switch (what) {
	case IMAP:
		return tcp(settings_listen_port(s, SERVICE_IMAP), true);
	case SMTP:
		return tcp(settings_listen_port(s, SERVICE_SMTP), true);
	case STRANGE:
		return tcp(19999, true);
	case BOUND:
		return tcp(settings_listen_port(s, SERVICE_IMAP), false);
	case JOURNAL:
		return socket(AF_UNIX, SOCK_DGRAM, 0);
	case FILE_:
		return open("/dev/null", O_RDONLY);
	case END:
	case GIVEN_COUNT:
		break;
	}
	return -1;
}

/* In a process of its own: descriptors are where the master would have put them. */
static int find(const struct settings *s, const struct row *row)
{
	struct listener found[LISTENERS_MAX] = { 0 };
	size_t n = 0;
	int r;

	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
	for (int fd = 3; fd < WORKER_FD_LISTENERS; fd++)
		if (open("/dev/null", O_RDONLY) != fd)
			return 99;
	for (size_t i = 0; i < 4 && row->given[i] != END; i++)
		if (make(s, row->given[i]) != WORKER_FD_LISTENERS + (int)i)
			return 99;
	r = worker_find_listeners(s, found, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (found[i].fd != WORKER_FD_LISTENERS + (int)i ||
			found[i].service !=
				(row->given[i] == IMAP ? SERVICE_IMAP : SERVICE_SMTP))
			return 98;
	return r < 0 ? r : (int)n;
}

static void test_rows(void **state)
{
	static const char text[] = "source = \"192.0.2.1\"\ndomains = {\"example.com\"}\n"
				   "strategy = \"after-logoff\"\n";
	char path[] = "/tmp/mailferry-given-XXXXXX";
	int file = mkstemp(path);
	struct settings settings;
	struct error err;

	(void)state;
	assert_int_equal(write(file, text, sizeof(text) - 1), sizeof(text) - 1);
	close(file);
	assert_int_equal(settings_load(path, &settings, &err), 0);
	(void)unlink(path);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status;
		pid_t child = fork();

		if (child == 0)
			_exit(find(&settings, &rows[i]) & 0xff);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != (rows[i].n & 0xff))
			fail_msg("%s: %d", rows[i].name, (int8_t)WEXITSTATUS(status));
	}
	settings_fini(&settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
