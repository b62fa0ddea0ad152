/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sockets of the kernel's queues that the admission before this one left. */
#include "admission/admission.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "messages/takeover.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void say(int to, enum message_type type, const char *what, uint64_t number, int fd)
{
	const struct message m = {
		.type = type, .text = str_from(what), .number = number
	};
	char bytes[IPC_MESSAGE_MAX];
	ssize_t len = message_encode(&m, bytes, sizeof(bytes));

	assert_true(len > 0);
	assert_int_equal(ipc_send(to, str_of(bytes, (size_t)len), &fd, fd >= 0), 0);
	fd_closep(&fd);
}

static int queue_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	assert_true(fd >= 0);
	return fd;
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_kept(void **state)
{
	static struct admission a;
	static struct program_start start;
	struct error err;
	size_t before = open_descriptors();
	int pair[2];

	(void)state;
	assert_int_equal(ipc_pair(pair), 0);
	start.handed = pair[1];
	a.start = &start;
	for (size_t i = 0; i < RULES_QUEUES_MAX; i++)
		a.kept[i] = -1;
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST + 1,
		queue_socket());
	/* what is closed: the same once more, numbers that are not ours, other sockets */
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST + 1,
		queue_socket());
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST - 1,
		queue_socket());
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST + RULES_QUEUES_MAX,
		queue_socket());
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, UINT64_MAX, queue_socket());
	say(pair[0], MESSAGE_HANDED, TAKEOVER_DOOR, RULES_QUEUE_FIRST, queue_socket());
	say(pair[0], MESSAGE_HANDED, "", RULES_QUEUE_FIRST, queue_socket());
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST,
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST,
		open("/dev/null", O_RDONLY | O_CLOEXEC));
	say(pair[0], MESSAGE_HANDED, TAKEOVER_QUEUE, RULES_QUEUE_FIRST, -1);
	say(pair[0], MESSAGE_TAKEN_OVER, "", 0, -1);
	assert_int_equal(follow_kept(&a, &err), 0);
	assert_int_equal(start.handed, -1);
	for (size_t i = 0; i < RULES_QUEUES_MAX; i++)
		assert_int_equal(a.kept[i] >= 0, i == 1);
	assert_int_equal(open_descriptors(), before + 2); /* that one, and our end */
	fd_closep(&a.kept[1]);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
