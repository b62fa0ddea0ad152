/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ticket is good for one session, once, for a short time. */
#include "messages/ticket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000u

static const struct ticket_bearer alice = { STR("alice"), STR("4d2-1f"), STR("imap") };

static struct ticket_key key_of_test(void)
{
	struct ticket_key key;

	assert_int_equal(ticket_key_make(&key), 0);
	assert_int_not_equal(key.epoch, 0);
	return key;
}

static struct str make(const struct ticket_key *key, uint64_t serial, char *space)
{
	assert_int_equal(ticket_make(key, serial, NOW, &alice, space), 0);
	return str_of(space, TICKET_SIZE);
}

static void test_bearers(void **state)
{
	static const struct ticket_bearer others[] = {
		{ STR("bob"), STR("4d2-1f"), STR("imap") },
		{ STR("alice"), STR("4d2-20"), STR("imap") },
		{ STR("alice"), STR("4d2-1f"), STR("pop3") },
		{ STR("alic"), STR("e4d2-1f"), STR("imap") },
		{ STR(""), STR(""), STR("") },
	};
	struct ticket_window window = { 0 };
	struct ticket_key key = key_of_test();
	char space[TICKET_SIZE];
	struct str ticket = make(&key, 1, space);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(
			ticket_use(&key, &window, ticket, NOW, &others[i]), -EACCES);
	assert_int_equal(ticket_use(&key, &window, ticket, NOW, &alice), 0);
	assert_int_equal(ticket_use(&key, &window, ticket, NOW, &alice), -EALREADY);
}

/* Every bit counts, and every byte. */
static void test_damage(void **state)
{
	static struct ticket_window window;
	struct ticket_key key = key_of_test(), other = key_of_test(), none = { 0 };
	char space[TICKET_SIZE];
	struct str ticket = make(&key, 1, space);

	(void)state;
	for (size_t i = 0; i < (size_t)TICKET_SIZE * 8; i++) {
		space[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(ticket_use(&key, &window, ticket, NOW, &alice), -EACCES);
		space[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t i = 0; i < TICKET_SIZE; i++)
		assert_int_equal(
			ticket_use(&key, &window, str_take(ticket, i), NOW, &alice),
			-EACCES);
	other.epoch = key.epoch;
	assert_int_equal(ticket_use(&other, &window, ticket, NOW, &alice), -EACCES);
	assert_int_equal(ticket_use(&none, &window, ticket, NOW, &alice), -EACCES);
	memset(space, 0, sizeof(space));
	assert_int_equal(ticket_use(&none, &window, ticket, NOW, &alice), -EACCES);
}

static void test_time(void **state)
{
	static struct ticket_window window;
	struct ticket_key key = key_of_test();
	char space[TICKET_SIZE];
	struct str ticket = make(&key, 1, space);

	(void)state;
	assert_int_equal(
		ticket_use(&key, &window, ticket, NOW + TICKET_MS + 1, &alice), -ETIME);
	assert_int_equal(ticket_use(&key, &window, ticket, NOW + TICKET_MS, &alice), 0);
}

/* In any order, each once; one that is older than the window is too old. */
static void test_window(void **state)
{
	static struct ticket_window window;
	static const uint64_t serials[] = { 5, 3, 4, 70, 6, 64, 63, 65536, 65537, 66000,
		1000000, 999999 };
	struct ticket_key key = key_of_test();
	char space[TICKET_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		struct str ticket = make(&key, serials[i], space);

		assert_int_equal(ticket_use(&key, &window, ticket, NOW, &alice), 0);
		assert_int_equal(
			ticket_use(&key, &window, ticket, NOW, &alice), -EALREADY);
	}
	assert_int_equal(
		ticket_use(&key, &window, make(&key, 66000, space), NOW, &alice), -ETIME);
	assert_int_equal(
		ticket_use(&key, &window, make(&key, 1000000 - TICKET_WINDOW + 1, space),
			NOW, &alice),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bearers),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
