/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of users and passwords: what is read of them, line by line. */
#include "control/account_file.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct file_row {
	const char *text;
	size_t len;
	const char *read; /* "number user=password" or "number !what is wrong", lines */
} rows[] = {
	{ TEXT("alice:secret\nbob:x\n"), "1 alice=secret\n2 bob=x\n" },
	{ TEXT("alice:a:b,c; d \n"), "1 alice=a:b,c; d \n" },
	{ TEXT("alice: secret"), "1 alice= secret\n" },
	{ TEXT("alice:\"secret\"\n"), "1 alice=\"secret\"\n" },
	{ TEXT("a:1\nb,2\n"), "1 a=1\n2 !no password\n" },
	{ TEXT("\xef\xbb\xbf"
	       "alice:1\r\n\r\n# bob:2\r\nc:3\r\n"),
		"1 alice=1\n4 c=3\n" },
	{ TEXT("alice,secret\nbob,x\n"), "1 alice=secret\n2 bob=x\n" },
	{ TEXT("user,password\nalice,secret\n"), "2 alice=secret\n" },
	{ TEXT("Login;PASSWORD\nalice;secret\nuser;password\n"),
		"2 alice=secret\n3 user=password\n" },
	{ TEXT("user:password\n"), "1 user=password\n" },
	{ TEXT("alice\ta,b\n"), "1 alice=a,b\n" },
	{ TEXT("\"al ice\",\"a \"\"b\"\", c\"\n"), "1 al ice=a \"b\", c\n" },
	{ TEXT("alice,\"a:b\"\r\n"), "1 alice=a:b\n" },
	{ TEXT("alice,a\"b\n"), "1 alice=a\"b\n" },
	{ TEXT("alice,a,b\n"), "1 !more than a user and a password; a password with a "
			       "separator in it goes between quotes\n" },
	{ TEXT("alice,\"a\"b\n"), "1 !more than a user and a password; a password with a "
				  "separator in it goes between quotes\n" },
	{ TEXT("alice,\"a\n b\"\n"), "1 !a quote is not closed\n2 !no password\n" },
	{ TEXT("alice\n"), "1 !neither user:password nor user,password\n" },
	{ TEXT("alice:\n"), "1 !no password\n" },
	{ TEXT(":secret\n"), "1 !no user\n" },
	{ TEXT(" :secret\n"), "1 !no user\n" },
	{ TEXT("alice:a\0b\n"), "1 !a NUL in it\n" },
	{ TEXT("a\0lice:b\n"), "1 !a NUL in it\n" },
	{ TEXT("alice:b\rc\r\n"), "1 alice=b\rc\n" },
	{ TEXT(""), "" },
	{ TEXT("\n\n# nobody\n"), "" },
};

static int note(void *context, const struct account_line *line)
{
	struct buf *out = context;

	if (line->wrong)
		return buf_printf(out, "%zu !%s\n", line->number, line->wrong);
	return buf_printf(out, "%zu %.*s=%.*s\n", line->number, STR_ARG(line->name),
		STR_ARG(line->password));
}

static void files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = malloc(rows[i].len + 1); /* its end is its end */
		struct buf out;

		assert_non_null(text);
		memcpy(text, rows[i].text, rows[i].len);
		text = realloc(text, rows[i].len ? rows[i].len : 1);
		buf_init(&out, 0);
		assert_int_equal(account_file_each(text, rows[i].len, note, &out), 0);
		if (!str_eq(buf_view(&out), str_from(rows[i].read)))
			fail_msg("row %zu: \"%.*s\"", i, STR_ARG(buf_view(&out)));
		buf_fini(&out);
		free(text);
	}
}

static void too_long(void **state)
{
	static char text[3000];
	struct buf out;

	(void)state;
	memset(text, 'a', sizeof(text));
	buf_init(&out, 0);
	text[256] = ':';
	text[300] = '\n';
	text[301] = ':';
	text[302] = 'b';
	text[303] = '\n';
	text[305] = ':';
	assert_int_equal(account_file_each(text, sizeof(text), note, &out), 0);
	assert_true(str_eq(
		buf_view(&out), STR_LIT("1 !the user's name is too long\n2 !no user\n"
					"3 !the password is too long\n")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(files),
		cmocka_unit_test(too_long) };

	return cmocka_run_group_tests_name("account_file", tests, NULL, NULL);
}
