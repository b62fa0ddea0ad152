/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Heads of packets, whole and cut at every byte. */
#include "wire/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define V4(flags, fragment, protocol)                                                    \
	"\x45\0\0\x28\0\0" fragment "\x40" protocol "\0\0\xc0\0\2\1\xcb\0\x71\x0a"
#define TCP(flags) "\x9c\x40\0\x8f\0\0\0\1\0\0\0\0\x50" flags "\xfa\xf0\0\0\0\0"
#define V6(next)                                                                         \
	"\x60\0\0\0\0\x14" next "\x40\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"         \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a"

static const struct {
	const char *name;
	struct str bytes;
	unsigned version; /* 0: refused */
	size_t needs;     /* how many bytes it takes at least */
} rows[] = {
	{ "IPv4", STR(V4("", "\0\0", "\6") TCP("\2")), 4, 34 },
	{ "IPv4, ECN", STR(V4("", "\0\0", "\6") TCP("\xc2")), 4, 34 },
	{ "IPv4, do not fragment", STR(V4("", "\x40\0", "\6") TCP("\2")), 4, 34 },
	{ "IPv4, first fragment", STR(V4("", "\x20\0", "\6") TCP("\2")), 4, 34 },
	{ "IPv4, a later fragment", STR(V4("", "\0\1", "\6") TCP("\2")), 0, 0 },
	{ "IPv4, UDP", STR(V4("", "\0\0", "\x11") TCP("\2")), 0, 0 },
	{ "IPv4 with options",
		STR("\x46\0\0\x2c\0\0\0\0\x40\6\0\0\xc0\0\2\1\xcb\0\x71\x0a\1\1\1\1" TCP(
			"\2")),
		4, 38 },
	{ "IPv4, head too short",
		STR("\x44\0\0\x28\0\0\0\0\x40\6\0\0\xc0\0\2\1\xcb\0\x71\x0a" TCP("\2")),
		0, 0 },
	{ "IPv6", STR(V6("\6") TCP("\2")), 6, 54 },
	{ "IPv6, hop-by-hop", STR(V6("\0") "\6\0\1\4\0\0\0\0" TCP("\2")), 6, 62 },
	{ "IPv6, two extensions",
		STR(V6("\x3c") "\x2b\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* 16 bytes */
			       "\6\0\0\0\0\0\0\0" TCP("\2")),
		6, 78 },
	{ "IPv6, first fragment", STR(V6("\x2c") "\6\0\0\1\0\0\0\1" TCP("\2")), 6, 62 },
	{ "IPv6, a later fragment", STR(V6("\x2c") "\6\0\0\x09\0\0\0\1" TCP("\2")), 0,
		0 },
	{ "IPv6, authenticated", STR(V6("\x33") "\6\1\0\0\0\0\0\1\0\0\0\1" TCP("\2")), 6,
		66 },
	{ "IPv6, ICMP", STR(V6("\x3a") TCP("\2")), 0, 0 },
	{ "IPv6, an extension that is longer than the packet",
		STR(V6("\0") "\6\xff\0\0\0\0\0\0" TCP("\2")), 0, 0 },
	{ "something else", STR("\x50\0\0\x28" TCP("\2") TCP("\2") TCP("\2")), 0, 0 },
	{ "nothing", STR(""), 0, 0 },
};

/* At the end of its memory, so that a byte too many is seen. */
static bool read_copy(struct str bytes, struct tcp_packet *ret)
{
	char *copy = malloc(bytes.len ? bytes.len : 1);
	bool is_read;

	assert_non_null(copy);
	memcpy(copy, bytes.ptr, bytes.len);
	is_read = tcp_packet_read(str_of(copy, bytes.len), ret);
	free(copy);
	return is_read;
}

static void test_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t len = 0; len <= rows[i].bytes.len; len++) {
			struct tcp_packet p = { 0 };
			bool wanted = rows[i].version && len >= rows[i].needs;

			if (read_copy(str_take(rows[i].bytes, len), &p) != wanted)
				fail_msg("%s, %zu bytes", rows[i].name, len);
			if (wanted &&
				(p.version != rows[i].version || p.from_port != 40000 ||
					p.to_port != 143 || !(p.flags & TCP_FLAG_SYN)))
				fail_msg("%s: version %u, ports %u %u, flags %x",
					rows[i].name, p.version, p.from_port, p.to_port,
					p.flags);
		}
}

static void test_addresses(void **state)
{
	struct tcp_packet p;

	(void)state;
	assert_true(tcp_packet_read(rows[0].bytes, &p));
	assert_memory_equal(p.from, "\xc0\0\2\1", 4);
	assert_true(tcp_packet_read((struct str)STR(V6("\6") TCP("\2")), &p));
	assert_memory_equal(p.from, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
