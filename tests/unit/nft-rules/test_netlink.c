/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions to the running kernel that go wrong, and the one after them. */
#include "base/fd.h"
#include "nft-rules/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

static int open_diag(void **state)
{
	static struct mnl_socket *socket;

	*state = &socket;
	return netlink_open(NETLINK_SOCK_DIAG, &socket, NULL);
}

static int close_diag(void **state)
{
	netlink_close(*state);
	return 0;
}

static int refuse(const struct nlmsghdr *answer, void *data)
{
	(void)answer;
	(void)data;
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

static int count(const struct nlmsghdr *answer, void *data)
{
	int *n = data;

	(void)answer;
	(*n)++;
	return MNL_CB_OK;
}

/* The end of the first answer, which nobody has read, is not the second one. */
static void the_rest_is_dropped(void **state)
{
	struct mnl_socket **diag = *state;
	CLEANUP(fd_closep) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = 0;

	assert_int_equal(listen(listener, 1), 0); /* on some port */
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			netlink_ask_tcp(*diag, AF_INET, TCP_LISTEN, false, refuse, NULL),
			-ENOMEM);
	assert_int_equal(
		netlink_ask_tcp(*diag, AF_INET, TCP_LISTEN, false, count, &n), 0);
	assert_true(n >= 1);
}

/* One that the kernel takes without a word: the event loop must not hang on it. */
static void no_answer_is_not_waited_for(void **state)
{
	struct mnl_socket **diag = *state;
	_Alignas(struct nlmsghdr) char bytes[NLMSG_HDRLEN] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = NLMSG_NOOP;
	request->nlmsg_flags = NLM_F_REQUEST;
	assert_int_equal(netlink_ask(*diag, request, NULL, NULL), -EAGAIN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_rest_is_dropped, open_diag, close_diag),
		cmocka_unit_test_setup_teardown(
			no_answer_is_not_waited_for, open_diag, close_diag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
