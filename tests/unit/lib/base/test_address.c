/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage of(const char *text, uint16_t port)
{
	struct sockaddr_storage a;

	assert_true(address_read(text, &a));
	address_set_port(&a, port);
	return a;
}

static void bytes_are_those_of_the_network(void **state)
{
	struct sockaddr_storage v4 = of("192.0.2.7", 25), v6 = of("2001:db8::7", 25);

	(void)state;
	assert_true(str_eq(address_bytes(&v4), STR_LIT("\xc0\x00\x02\x07")));
	assert_true(str_eq(address_bytes(&v6),
		STR_LIT("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07")));
}

static void an_address_is_made_of_its_bytes(void **state)
{
	static const char *const all[] = { "192.0.2.7", "0.0.0.0", "2001:db8::7", "::" };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct sockaddr_storage a = of(all[i], 0), made;

		memset(&made, 0xff, sizeof(made));
		address_from_bytes(a.ss_family, address_bytes(&a).ptr, &made);
		assert_memory_equal(&made, &a, sizeof(a));
	}
}

static void a_host_is_the_same_by_any_port(void **state)
{
	static const char *const all[] = { "192.0.2.7", "192.0.2.8", "0.0.0.0",
		"::", "::ffff:192.0.2.7", "2001:db8::7", "2001:db8:0:0:1::7" };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			struct sockaddr_storage a = of(all[i], 25), b = of(all[k], 143);

			assert_int_equal(address_is_same_host(&a, &b), i == k);
		}
}

static void one_is_taken_from_a_socket(void **state)
{
	static const char *const all[] = { "192.0.2.7", "2001:db8::7" };
	const struct sockaddr other = { .sa_family = AF_UNIX };
	struct sockaddr_storage made;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct sockaddr_storage a = of(all[i], 25);

		memset(&made, 0xff, sizeof(made));
		assert_true(address_from_socket((struct sockaddr *)&a, &made));
		assert_memory_equal(&made, &a, sizeof(a));
	}
	assert_false(address_from_socket(&other, &made));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_those_of_the_network),
		cmocka_unit_test(an_address_is_made_of_its_bytes),
		cmocka_unit_test(a_host_is_the_same_by_any_port),
		cmocka_unit_test(one_is_taken_from_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
