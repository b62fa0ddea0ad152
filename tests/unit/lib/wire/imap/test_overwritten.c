/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A password that was shown is gone when it was answered: the client may stay. */
#include "wire/imap/prelogin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct imap_offer offer = {
	.greeting = STR("* OK hello"),
	.capability = STR("IMAP4rev1 AUTH=PLAIN"),
	.id = STR("NIL"),
};

static void test_password_is_overwritten(void **state)
{
	static const struct str tries[] = {
		STR("a LOGIN alice secret\r\n"),
		STR("a LOGIN alice \"secret\"\r\n"),
		STR("a LOGIN alice \"sec\\ret\"\r\n"),
		STR("a LOGIN alice {6+}\r\nsecret\r\n"),
		STR("a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct imap_prelogin machine;
		struct str password, command = tries[i];
		enum prelogin_action action;
		struct arena arena;
		struct buf out;
		size_t used;

		arena_init(&arena);
		buf_init(&out, 0);
		imap_prelogin_init(&machine, &offer, &arena, 200);
		do {
			action = imap_prelogin_next(&machine, command, &used, &out);
			command = str_skip(command, used);
		} while (action == PRELOGIN_AGAIN);
		assert_int_equal(action, PRELOGIN_LOGIN);
		password = machine.login.password;
		assert_true(str_eq(password, STR_LIT("secret")));
		imap_prelogin_answered(&machine);
		assert_null(machine.login.password.ptr);
		assert_memory_equal(password.ptr, "\0\0\0\0\0\0", password.len);
		buf_fini(&out);
		arena_fini(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password_is_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
