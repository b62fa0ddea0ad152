/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages go there and back; whatever is cut, too long or unknown is refused. */
#include "messages/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct message full = {
	.type = MESSAGE_SERVE,
	.number = UINT64_MAX,
	.number2 = 0x0102030405060708,
	.account = STR("alice"),
	.session = STR("5f2c01"),
	.service = STR("imap"),
	.tag = STR("a1"),
	.client = STR("192.0.2.1:40000"),
	.text = STR("a\0b"),
	.payload = STR("a2 SELECT INBOX\r\n"),
};

static void assert_same(const struct message *a, const struct message *b)
{
	assert_int_equal(a->type, b->type);
	assert_true(a->number == b->number && a->number2 == b->number2);
	assert_true(str_eq(a->account, b->account) && str_eq(a->session, b->session));
	assert_true(str_eq(a->service, b->service) && str_eq(a->tag, b->tag));
	assert_true(str_eq(a->client, b->client) && str_eq(a->text, b->text));
	assert_true(str_eq(a->payload, b->payload));
}

static void test_round_trip(void **state)
{
	char bytes[512];
	struct message back;
	ssize_t len;

	(void)state;
	for (int type = MESSAGE_NONE + 1; type < MESSAGE_TYPE_COUNT; type++) {
		struct message sent = full;

		sent.type = (enum message_type)type;
		len = message_encode(&sent, bytes, sizeof(bytes));
		assert_true(len > 0);
		assert_int_equal(message_decode(str_of(bytes, (size_t)len), &back), 0);
		assert_same(&sent, &back);
		assert_non_null(message_type_name(sent.type));
	}
	assert_string_equal(message_type_name(MESSAGE_RELEASED), "RELEASED");
}

/* Each shorter piece lies at the very end of its own allocation, for the sanitizer. */
static void test_cut_and_trailing(void **state)
{
	char bytes[512];
	struct message back;
	size_t len = (size_t)message_encode(&full, bytes, sizeof(bytes));

	(void)state;
	for (size_t i = 0; i < len; i++) {
		char *cut = malloc(i ? i : 1);

		memcpy(cut, bytes, i);
		assert_int_equal(message_decode(str_of(cut, i), &back), -EBADMSG);
		free(cut);
	}
	assert_int_equal(message_decode(str_of(bytes, len + 1), &back), -EBADMSG);
	for (size_t room = 0; room < len; room++) {
		char *small = malloc(room ? room : 1);

		assert_int_equal(message_encode(&full, small, room), -EMSGSIZE);
		free(small);
	}
}

/* One behind the other, and what is cut off ends it. */
static void test_in_a_row(void **state)
{
	char bytes[1024];
	size_t len = (size_t)message_encode(&full, bytes, sizeof(bytes));
	struct str rest;
	struct message back;

	(void)state;
	assert_int_equal(message_encode(&full, bytes + len, sizeof(bytes) - len), len);
	for (size_t cut = 0; cut <= len; cut++) {
		rest = str_of(bytes, 2 * len - cut);
		assert_int_equal(message_next(&rest, &back), 0);
		assert_same(&full, &back);
		assert_int_equal(rest.len, len - cut);
		if (cut == 0)
			assert_int_equal(message_next(&rest, &back), 0);
		else
			assert_int_equal(message_next(&rest, &back), -EBADMSG);
		assert_int_equal(rest.len, cut == 0 ? 0 : len - cut);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		unsigned char value;
	} rows[] = {
		{ "other version", 0, MESSAGE_VERSION + 1 },
		{ "no type", 1, MESSAGE_NONE },
		{ "unknown type", 1, MESSAGE_TYPE_COUNT },
		{ "huge field", 18, 0xff },
		{ "field a byte longer", 21, 6 },
	};
	char bytes[512];
	struct message back;
	size_t len = (size_t)message_encode(&full, bytes, sizeof(bytes));

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char kept = bytes[rows[i].at];

		bytes[rows[i].at] = (char)rows[i].value;
		if (message_decode(str_of(bytes, len), &back) != -EBADMSG)
			fail_msg("%s was taken", rows[i].name);
		bytes[rows[i].at] = kept;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_and_trailing),
		cmocka_unit_test(test_in_a_row),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
