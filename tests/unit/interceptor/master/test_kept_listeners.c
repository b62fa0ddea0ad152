/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listening sockets of an interceptor before this one: what fits the settings is used,
   what does not is closed, whatever it is called. */
#include "interceptor/master/master.h"

#include "base/fd.h"
#include "nft-rules/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHER_PORT 19999

struct test {
	struct program_start start;
	struct master master;
	struct worker_slot slot;
	int to; /* our end of what it is handed */
	char config[64];
};

static int setup(void **state)
{
	static const char text[] = "source = \"192.0.2.1\"\ndomains = {\"example.com\"}\n"
				   "strategy = \"after-logoff\"\n";
	struct test *t = calloc(1, sizeof(*t));
	struct error err;
	int pair[2], fd;

	assert_non_null(t);
	(void)snprintf(t->config, sizeof(t->config), "/tmp/mailferry-kept-XXXXXX");
	fd = mkstemp(t->config);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(settings_load(t->config, &t->start.settings, &err), 0);
	assert_int_equal(ipc_pair(pair), 0);
	t->to = pair[0];
	t->start.handed = pair[1];
	t->master.start = &t->start;
	t->master.settings = &t->start.settings;
	t->slot.master = &t->master;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	follow_close_rest(&t->master);
	settings_fini(&t->start.settings);
	(void)unlink(t->config);
	fd_closep(&t->to);
	free(t);
	return 0;
}

static void say(
	struct test *t, enum message_type type, const char *what, uint64_t number, int fd)
{
	const struct message m = {
		.type = type, .text = str_from(what), .number = number
	};
	char bytes[IPC_MESSAGE_MAX];
	ssize_t len = message_encode(&m, bytes, sizeof(bytes));

	assert_true(len > 0);
	assert_int_equal(ipc_send(t->to, str_of(bytes, (size_t)len), &fd, fd >= 0), 0);
	fd_closep(&fd);
}

static int take(struct test *t)
{
	struct error err;

	say(t, MESSAGE_TAKEN_OVER, "", 0, -1);
	return follow_kept(&t->master, &err);
}

/* As source_listen() makes them, but for the rights that it takes. */
static int listener(struct test *t, enum service_id service, uint16_t port, bool listens)
{
	const struct settings *s = &t->start.settings;
	const struct marks marks = marks_of(s->mark_mask, s->mark);
	int mark = (int)mark_bits(&marks, MARK_LISTENER), on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
		.sin_port = htons(port ? port : settings_listen_port(s, service)) };

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int nothing(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_used(void **state)
{
	struct test *t = *state;
	int fd = -1;

	say(t, MESSAGE_HANDED, "imap", 0, listener(t, SERVICE_IMAP, 0, true));
	say(t, MESSAGE_HANDED, "imap", 1, listener(t, SERVICE_IMAP, 0, true));
	assert_int_equal(take(t), 0);
	assert_int_equal(t->start.handed, -1);
	assert_int_equal(
		follow_give_listener(&t->slot, SERVICE_POP3, AF_INET, &fd), -ENOENT);
	assert_int_equal(
		follow_give_listener(&t->slot, SERVICE_IMAP, AF_INET6, &fd), -ENOENT);
	assert_int_equal(follow_give_listener(&t->slot, SERVICE_IMAP, AF_INET, &fd), 0);
	close(fd);
	/* the other one is worker 1's */
	assert_int_equal(
		follow_give_listener(&t->slot, SERVICE_IMAP, AF_INET, &fd), -ENOENT);
}

static void test_closed(void **state)
{
	struct test *t = *state;
	size_t before = open_descriptors();
	int unmarked = 0, fd = listener(t, SERVICE_IMAP, 0, true), unused = -1;

	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_MARK, &unmarked, sizeof(unmarked)), 0);
	say(t, MESSAGE_HANDED, "imap", 0, fd);
	say(t, MESSAGE_HANDED, "imap", 0, listener(t, SERVICE_IMAP, OTHER_PORT, true));
	say(t, MESSAGE_HANDED, "imap", 0, listener(t, SERVICE_IMAP, 0, false));
	say(t, MESSAGE_HANDED, "imap", 0, nothing());
	say(t, MESSAGE_HANDED, "imap", UINT64_MAX, nothing());
	say(t, MESSAGE_HANDED, "imap", WORKERS_MAX, nothing());
	say(t, MESSAGE_HANDED, "managesieve", 0, nothing());
	say(t, MESSAGE_HANDED, "", 0, nothing());
	say(t, MESSAGE_HANDED, "imap", 0, -1);
	say(t, MESSAGE_RETIRED_IS, "imap", 0, -1);
	assert_int_equal(take(t), 0);
	assert_int_equal(
		follow_give_listener(&t->slot, SERVICE_IMAP, AF_INET, &unused), -ENOENT);
	follow_close_rest(&t->master);
	assert_int_equal(open_descriptors(), before - 1); /* its end of the socket */
}

/* The supervisor ends in the middle of it: this one does not begin with half of them. */
static void test_cut(void **state)
{
	struct test *t = *state;
	struct error err;

	say(t, MESSAGE_HANDED, "imap", 0, listener(t, SERVICE_IMAP, 0, true));
	fd_closep(&t->to);
	assert_true(follow_kept(&t->master, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
