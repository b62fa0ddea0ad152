/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file with a login at another server. */
#include "settings/login_file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_16 "0123456789abcdef"
#define LONG_256                                                                         \
	LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16  \
		LONG_16 LONG_16 LONG_16 LONG_16 LONG_16 LONG_16

static const struct row {
	const char *text;
	unsigned mode;
	const char *user, *password; /* NULL: refused */
	const char *why;
} rows[] = {
	{ "me@example.net\nsecret\n", 0600, "me@example.net", "secret", NULL },
	{ "me\r\n a b \r\n", 0400, "me", " a b ", NULL },
	{ "me\nsecret", 0600, "me", "secret", NULL },
	{ "me\nsecret\n", 0640, NULL, NULL, "chmod 600" },
	{ "me\nsecret\n", 0604, NULL, NULL, "chmod 600" },
	{ "me\n", 0600, NULL, NULL, "two lines" },
	{ "\nsecret\n", 0600, NULL, NULL, "two lines" },
	{ "", 0600, NULL, NULL, "two lines" },
	{ "me\nsecret\nmore\n", 0600, NULL, NULL, "two lines" },
	{ "me\nsec\tret\n", 0600, NULL, NULL, "two lines" },
	{ "me\n" LONG_256 LONG_256 LONG_256 LONG_256 "\n", 0600, NULL, NULL, "longer" },
};

static int read_row(const char *path, const struct row *row, struct buf *out,
	struct login *ret, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r;

	assert_true(fd >= 0);
	assert_int_equal(
		write(fd, row->text, strlen(row->text)), (ssize_t)strlen(row->text));
	assert_int_equal(fchmod(fd, row->mode), 0);
	fd_closep(&fd);
	fd = login_file_open(path, err);
	if (fd < 0)
		return fd;
	r = login_file_read(fd, path, out, ret, err);
	if (r == 0) { /* once more: who is started again has the same descriptor */
		buf_clear(out);
		r = login_file_read(fd, path, out, ret, err);
	}
	fd_closep(&fd);
	return r;
}

static void test_rows(void **state)
{
	char path[] = "/tmp/mailferry-login-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	fd_closep(&fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct login login;
		struct error err = { 0 };
		struct buf file;
		int r;

		buf_init(&file, 0);
		r = read_row(path, &rows[i], &file, &login, &err);
		if ((r == 0) != (rows[i].user != NULL))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (r == 0) {
			assert_true(str_eq(login.user, str_from(rows[i].user)));
			assert_true(str_eq(login.password, str_from(rows[i].password)));
		} else if (!strstr(err.text, rows[i].why)) {
			fail_msg("row %zu: %s", i, err.text);
		}
		buf_fini(&file);
	}
	assert_int_equal(unlink(path), 0);
}

static void test_no_file(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(login_file_open("/tmp/mailferry-no-such-file", &err), -ENOENT);
	assert_int_equal(login_file_open("/tmp", &err), -EINVAL);
}

/* Who could put another password there could read our mail. */
static void test_anothers(void **state)
{
	char path[] = "/tmp/mailferry-login-XXXXXX";
	int fd = mkstemp(path);
	struct error err = { 0 };

	(void)state;
	assert_true(fd >= 0);
	if (geteuid() == 0) {
		assert_int_equal(fchown(fd, 65534, 65534), 0);
		assert_int_equal(login_file_open(path, &err), -EPERM);
		assert_non_null(strstr(err.text, "chown root"));
	}
	fd_closep(&fd);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
