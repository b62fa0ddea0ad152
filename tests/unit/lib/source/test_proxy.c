/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of the PROXY protocol (its specification, 2.1 and 2.2). */
#include "source/proxy.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V6(last) "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" last
#define BYTES(text) text, sizeof(text) - 1
#define ALL_ONES "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static const struct row {
	enum source_proxy version;
	const char *client, *wanted; /* NULL: our own */
	const char *bytes;
	size_t len;
} rows[] = {
	{ SOURCE_PROXY_NO, "192.0.2.1", "198.51.100.9", BYTES("") },
	{ SOURCE_PROXY_NO, NULL, NULL, BYTES("") },
	{ SOURCE_PROXY_V1, "192.0.2.1", "198.51.100.9",
		BYTES("PROXY TCP4 192.0.2.1 198.51.100.9 50000 143\r\n") },
	{ SOURCE_PROXY_V1, "2001:db8::1", "2001:db8::2",
		BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 50000 143\r\n") },
	{ SOURCE_PROXY_V1, ALL_ONES, ALL_ONES,
		BYTES("PROXY TCP6 " ALL_ONES " " ALL_ONES " 50000 143\r\n") },
	{ SOURCE_PROXY_V1, NULL, NULL, BYTES("PROXY UNKNOWN\r\n") },
	{ SOURCE_PROXY_V2, "192.0.2.1", "198.51.100.9",
		BYTES(SIGNATURE "\x21\x11\0\x0c"
				"\xc0\0\x02\x01\xc6\x33\x64\x09\xc3\x50\0\x8f") },
	{ SOURCE_PROXY_V2, "2001:db8::1", "2001:db8::2",
		BYTES(SIGNATURE "\x21\x21\0\x24" V6("\x01")
				V6("\x02") "\xc3\x50\0\x8f") },
	{ SOURCE_PROXY_V2, NULL, NULL, BYTES(SIGNATURE "\x20\0\0\0") },
};

static struct sockaddr_storage address(const char *text, uint16_t port)
{
	struct sockaddr_storage a = { 0 };

	assert_true(address_read(text, &a));
	if (a.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&a)->sin_port = htons(port);
	return a;
}

static void test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct sockaddr_storage client = { 0 }, wanted = { 0 };
		char got[SOURCE_PROXY_MAX];
		size_t len;

		if (row->client) {
			client = address(row->client, 50000);
			wanted = address(row->wanted, 143);
		}
		len = source_proxy_header(row->version, row->client ? &client : NULL,
			row->client ? &wanted : NULL, got);
		if (len != row->len || memcmp(got, row->bytes, len) != 0)
			fail_msg("row %zu: %zu bytes, \"%.*s\"", i, len, (int)len, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_headers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
