/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that have been here before. */
#include "wire/smtp/loop.h"

#include "lib/wire/wire_test.h"

static struct smtp_recipient second = { .address = STR("bob@example.com") };
static const struct smtp_recipient first = { .next = &second,
	.address = STR("Alice@example.com") };

static const struct row {
	const char *name;
	struct str message;
	enum smtp_loop loop;
} rows[] = {
	{ "none",
		STR("Received: x\r\nSubject: y\r\n\r\nDelivered-To: bob@example.com\r\n"),
		SMTP_LOOP_NONE },
	{ "the same", STR("Received: x\r\nDelivered-To: alice@EXAMPLE.com\r\n\r\n"),
		SMTP_LOOP_DELIVERED },
	{ "in brackets, folded", STR("delivered-to:\r\n <bob@example.com>\r\n\r\n"),
		SMTP_LOOP_DELIVERED },
	{ "another one",
		STR("Delivered-To: list@example.com\r\nX-Delivered-To: "
		    "bob@example.com\r\n\r\n"),
		SMTP_LOOP_NONE },
	{ "one that begins so", STR("Delivered-To: bob@example.com.org\r\n\r\n"),
		SMTP_LOOP_NONE },
	{ "no value", STR("Delivered-To:\r\nDelivered-To: <>\r\n\r\n"), SMTP_LOOP_NONE },
	{ "empty", STR(""), SMTP_LOOP_NONE },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str message = exact_copy(rows[i].message);

		if (smtp_loop_find(message, &first) != rows[i].loop)
			fail_msg("%s", rows[i].name);
		exact_free(message);
	}
}

static enum smtp_loop many(const char *line, int n)
{
	struct buf message;
	enum smtp_loop loop;

	buf_init(&message, 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(buf_append_c(&message, line), 0);
	loop = smtp_loop_find(buf_view(&message), &first);
	buf_fini(&message);
	return loop;
}

static void test_hops(void **state)
{
	(void)state;
	assert_int_equal(many("Received: by x\r\n", SMTP_HOPS_MAX), SMTP_LOOP_NONE);
	assert_int_equal(many("Received: by x\r\n", SMTP_HOPS_MAX + 1), SMTP_LOOP_HOPS);
	assert_int_equal(
		many("Delivered-To: x\r\n", SMTP_DELIVERED_TO_MAX + 1), SMTP_LOOP_HOPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_hops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
