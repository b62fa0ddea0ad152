/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of users and passwords: what is read of them, line by line. */
#include "control/accounts/account_file.h"
#include "control/accounts/master_file.h"

#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

#define NO_SIZE                                                                          \
	"what stands behind the password is no size (1500M, 2G); a password with a "     \
	"separator in it goes between quotes"
#define NO_USER_SIZE                                                                     \
	"what stands behind the user is no size (1500M, 2G); with --master a list has "  \
	"no passwords"
#define MORE "more than a user and a size; with --master a list has no passwords"

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
	{ TEXT("alice,a,b\n"), "1 !" NO_SIZE "\n" },
	{ TEXT("alice,a,1500,b\n"),
		"1 !more than a user, a password and a size; a "
		"password with a separator in it goes between quotes\n" },
	{ TEXT("alice,a,1500\nbob,b,\ncarol,c, 2G\ndave,d\n"),
		"1 alice=a 1500\n2 bob=b\n3 carol=c 2147483648\n4 dave=d\n" },
	{ TEXT("User,Password,Size\nalice,a,1K\n"), "2 alice=a 1024\n" },
	{ TEXT("alice,a,1.5G\n"), "1 !" NO_SIZE "\n" },
	{ TEXT("alice,a,9999999999999T\n"), "1 !" NO_SIZE "\n" },
	{ TEXT("alice:a,1500\n"), "1 alice=a,1500\n" },
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
	if (line->size)
		return buf_printf(out, "%zu %.*s=%.*s %llu\n", line->number,
			STR_ARG(line->name), STR_ARG(line->password),
			(unsigned long long)line->size);
	return buf_printf(out, "%zu %.*s=%.*s\n", line->number, STR_ARG(line->name),
		STR_ARG(line->password));
}

static const struct file_row users[] = {
	{ TEXT("alice\nbob\n"), "1 alice=\n2 bob=\n" },
	{ TEXT("\xef\xbb\xbf# all\r\n\r\n alice \r\n"), "3 alice=\n" },
	{ TEXT("user\nsize\n"), "1 user=\n2 size=\n" },
	{ TEXT("user,size\nalice,1500M\nbob,\ncarol\n"),
		"2 alice= 1572864000\n3 bob=\n4 carol=\n" },
	{ TEXT("\"al,ice\";7\n"), "1 al,ice= 7\n" },
	{ TEXT("alice:secret\n"), "1 !" MORE "\n" },
	{ TEXT("alice,secret\n"), "1 !" NO_USER_SIZE "\n" },
	{ TEXT("alice,1,2\n"), "1 !" MORE "\n" },
	{ TEXT("\"alice\n"), "1 !a quote is not closed\n" },
	{ TEXT(",1\n"), "1 !no user\n" },
	{ TEXT("a\0b\n"), "1 !a NUL in it\n" },
};

static void read_row(enum account_file kind, const struct file_row *row)
{
	char *text = malloc(row->len ? row->len : 1); /* its end is its end */
	struct buf out;

	assert_non_null(text);
	memcpy(text, row->text, row->len);
	buf_init(&out, 0);
	assert_int_equal(account_file_each(kind, text, row->len, note, &out), 0);
	if (!str_eq(buf_view(&out), str_from(row->read)))
		fail_msg("\"%s\": \"%.*s\"", row->text, STR_ARG(buf_view(&out)));
	buf_fini(&out);
	free(text);
}

static void files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		read_row(ACCOUNT_FILE_PASSWORDS, &rows[i]);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		read_row(ACCOUNT_FILE_USERS, &users[i]);
}

static const struct master_row {
	const char *text, *separator;
	const char *login, *password; /* or: */
	bool is_suffix;
	const char *wrong;
} masters[] = {
	{ "cyrus:a:b\n", "*", "cyrus", "a:b", false, NULL },
	{ "# who\n*dove:secret\n", "*", "*dove", "secret", true, NULL },
	{ "*dove:secret\n", "", "*dove", "secret", false, NULL },
	{ "--dove,secret\n", "--", "--dove", "secret", true, NULL },
	{ "", "*", NULL, NULL, false, "m has 0 lines; one is wanted: name:password" },
	{ "a:b\nc:d\n", "*", NULL, NULL, false,
		"m has 2 lines; one is wanted: name:password" },
	{ "\n*:secret\n", "*", NULL, NULL, false, "m:2: no master user behind \"*\"" },
	{ "cyrus\n", "*", NULL, NULL, false,
		"m:1: neither user:password nor user,password" },
	{ "a:b\ncyrus:\n", "*", NULL, NULL, false, "m:2: no password" },
};

static void read_master(const struct master_row *row)
{
	struct master_file f = { .text = strdup(row->text), .len = strlen(row->text) };
	struct error err = { 0 };
	int code = master_file_parse(&f, "m", row->separator, &err);

	if (row->wrong) {
		assert_int_equal(code, -EINVAL);
		assert_string_equal(err.text, row->wrong);
	} else {
		assert_int_equal(code, 0);
		assert_true(str_eq(f.login, str_from(row->login)));
		assert_true(str_eq(f.password, str_from(row->password)));
		assert_int_equal(f.is_suffix, row->is_suffix);
	}
	master_file_fini(&f);
}

static void master_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(masters) / sizeof(masters[0]); i++)
		read_master(&masters[i]);
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
	assert_int_equal(
		account_file_each(ACCOUNT_FILE_PASSWORDS, text, sizeof(text), note, &out),
		0);
	assert_true(str_eq(
		buf_view(&out), STR_LIT("1 !the user's name is too long\n2 !no user\n"
					"3 !the password is too long\n")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(files),
		cmocka_unit_test(master_files), cmocka_unit_test(too_long) };

	return cmocka_run_group_tests_name("account_file", tests, NULL, NULL);
}
