/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which address is the source, where a connection to it goes, and that it arrives. */
#include "interceptor/sockets/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static union endpoint endpoint(const char *address, uint16_t port)
{
	union endpoint e = { 0 };

	if (inet_pton(AF_INET, address, &e.v4.sin_addr) == 1) {
		e.any.sa_family = AF_INET;
		e.v4.sin_port = htons(port);
		return e;
	}
	assert_int_equal(inet_pton(AF_INET6, address, &e.v6.sin6_addr), 1);
	e.any.sa_family = AF_INET6;
	e.v6.sin6_port = htons(port);
	return e;
}

static void add_source(struct settings *s, const char *address)
{
	union endpoint e = endpoint(address, 0);

	memcpy(&s->sources[s->n_sources++], &e, sizeof(e));
}

static void assert_text(const union endpoint *e, const char *wanted)
{
	char text[ADDRESS_TEXT_MAX];

	endpoint_text(e, text);
	assert_string_equal(text, wanted);
}

static void test_is_source(void **state)
{
	static const struct {
		const char *address;
		bool is;
	} rows[] = {
		{ "192.0.2.10", true },
		{ "192.0.2.11", false },
		{ "2001:db8::10", true },
		{ "2001:db8::11", false },
		/* another family is another address, whatever it means */
		{ "::ffff:192.0.2.10", false },
	};
	static struct settings s;

	(void)state;
	add_source(&s, "192.0.2.10");
	add_source(&s, "2001:db8::10");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union endpoint e = endpoint(rows[i].address, 143);

		if (source_is(&s, &e) != rows[i].is)
			fail_msg("%s", rows[i].address);
	}
}

static void test_address(void **state)
{
	static const struct {
		const char *moved, *wanted_by_client, *goes_to;
	} rows[] = {
		{ "", "192.0.2.10", "192.0.2.10:1143" },
		{ "", "2001:db8::10", "[2001:db8::10]:1143" },
		{ "198.51.100.1", "192.0.2.10", "198.51.100.1:1143" },
		{ "2001:db8::99", "192.0.2.10", "[2001:db8::99]:1143" },
	};
	static struct settings s;

	(void)state;
	s.services[SERVICE_IMAP].upstream_port = 1143;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union endpoint wanted = endpoint(rows[i].wanted_by_client, 143), to;
		char moved[64];

		(void)snprintf(moved, sizeof(moved), "%s", rows[i].moved);
		s.source_moved_to = moved;
		assert_int_equal(source_address(&s, SERVICE_IMAP, &wanted, &to), 0);
		assert_text(&to, rows[i].goes_to);
	}
}

static void test_address_is_none(void **state)
{
	static struct settings s;
	char moved[] = "mail.example.com";
	union endpoint wanted = endpoint("192.0.2.10", 143), to;

	(void)state;
	s.source_moved_to = moved;
	assert_int_equal(source_address(&s, SERVICE_IMAP, &wanted, &to), -EINVAL);
}

/* A listener of any kernel's choice of port. */
static int listen_on(const char *address, union endpoint *ret)
{
	union endpoint here = endpoint(address, 0);
	socklen_t len = sizeof(here);
	int fd = socket(here.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, &here.any, endpoint_length(&here)) < 0)
		return -1;
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, &here.any, &len), 0);
	*ret = here;
	return fd;
}

static void test_connect(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		union endpoint there;
		int listener = listen_on(addresses[i], &there), fd, accepted;

		if (listener < 0)
			continue; /* a machine without IPv6 */
		fd = source_connect(&there, NULL);
		assert_true(fd >= 0);
		accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(accepted >= 0);
		assert_int_equal(write(accepted, "x", 1), 1);
		close(accepted);
		close(fd);
		close(listener);
	}
}

/* Connects as that client and returns the port that the source sees. */
static uint16_t port_seen(const union endpoint *there, int listener,
	const union endpoint *client, int *ret_fd)
{
	union endpoint seen = { 0 };
	socklen_t len = sizeof(seen);
	int fd = source_connect(there, client), accepted;

	if (fd == -EPERM)
		skip(); /* IP_TRANSPARENT is root's */
	assert_true(fd >= 0);
	accepted = accept4(listener, &seen.any, &len, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	close(accepted);
	assert_int_equal(seen.v4.sin_addr.s_addr, client->v4.sin_addr.s_addr);
	*ret_fd = fd;
	return ntohs(seen.v4.sin_port);
}

/* A client's own ports are never ours: connection tracking would mix up the two. */
static void test_port_of_our_leg(void **state)
{
	static const uint16_t clients[] = { 32768, 40000, 60999, 65535, 2768, 12345 };
	union endpoint there;
	int listener = listen_on("127.0.0.1", &there);

	(void)state;
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		union endpoint client = endpoint("127.0.0.5", clients[i]);
		int one, two;
		uint16_t a = port_seen(&there, listener, &client, &one);
		uint16_t b = port_seen(&there, listener, &client, &two);

		assert_in_range(a, 10000, 32767);
		assert_in_range(b, 10000, 32767);
		assert_int_not_equal(a, b);
		assert_int_not_equal(a, clients[i]);
		assert_int_not_equal(b, clients[i]);
		close(one);
		close(two);
	}
	close(listener);
}

static void test_lengths(void **state)
{
	union endpoint v4 = endpoint("192.0.2.1", 25), v6 = endpoint("2001:db8::1", 25);

	(void)state;
	assert_int_equal(endpoint_length(&v4), sizeof(struct sockaddr_in));
	assert_int_equal(endpoint_length(&v6), sizeof(struct sockaddr_in6));
	assert_text(&v4, "192.0.2.1:25");
	assert_text(&v6, "[2001:db8::1]:25");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_source),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_address_is_none),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_port_of_our_leg),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
