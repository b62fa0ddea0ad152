/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the mover and the writer of a Maildir say to each other. */
#include "transfer/maildir/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct name {
	const char *name;
	bool is_file, is_folder;
} names[] = {
	{ "cur/1.M1P1.mailferry,S=5:2,", true, false },
	{ "cur/1580551872.M7P1.mailferry,S=4711,Z=-300:2,FSab", true, false },
	{ "new/1.M1P1.mailferry,S=5", true, false },
	{ "new/1.M1P1.mailferry,S=5:2,S", false, false },
	{ "cur/1.M1P1.mailferry,S=5", false, false },
	{ "cur/1.M1P1.mailferry,S=5:2,/", false, false },
	{ "cur/../../1.M1P1.mailferry,S=5:2,", false, false },
	{ "cur/1.M1P1.mailferry,S=5:2,S/../x", false, false },
	{ "tmp/1.M1P1.mailferry,S=5", false, false },
	{ "cur/1.M1P1.mailferry:2,", false, false },
	{ "cur/.M1P1.mailferry,S=5:2,", false, false },
	{ "cur/1.somebody,S=5:2,", false, false },
	{ "", false, false },
	{ ".", false, true },
	{ ".Archive.2019", false, true },
	{ "..", false, false },
	{ ".a..b", false, false },
	{ ".a.", false, false },
	{ "./x", false, false },
	{ ".a/b", false, false },
	{ ".a\nb", false, false },
	{ "a", false, false },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct str name = str_from(names[i].name);

		if (maildir_file_is_ours(name) != names[i].is_file ||
			maildir_folder_is_valid(name) != names[i].is_folder)
			fail_msg("\"%s\"", names[i].name);
	}
}

#define DIGEST "0123456789abcdef0123456789abcdef"
#define FILE_NAME "cur/1.M1P1.mailferry,S=5:2,S"
#define OTHER_NAME "new/1.M1P1.mailferry,S=5"

static const struct maildir_record records[] = {
	{ .kind = RECORD_FOLDER, .name = STR(".Sent") },
	{ .kind = RECORD_MESSAGE,
		.name = STR(FILE_NAME),
		.len = UINT64_C(1) << 40,
		.date = -86400 },
	{ .kind = RECORD_FILE, .file = 2, .len = 7 },
	{ .kind = RECORD_BYTES, .bytes = STR("a\0\r\n") },
	{ .kind = RECORD_END, .bytes = STR(DIGEST) },
	{ .kind = RECORD_RENAME, .name = STR(OTHER_NAME), .other = STR(FILE_NAME) },
	{ .kind = RECORD_REMOVE, .name = STR(FILE_NAME) },
	{ .kind = RECORD_DROP, .name = STR(".Sent") },
	{ .kind = RECORD_COMMIT },
	{ .kind = RECORD_IS_FOLDER, .name = STR(".") },
	{ .kind = RECORD_READY },
	{ .kind = RECORD_HAS, .name = STR(FILE_NAME) },
	{ .kind = RECORD_LISTED },
	{ .kind = RECORD_DONE },
	{ .kind = RECORD_FAILED, .code = -ENOSPC, .bytes = STR("no room") },
};
#define RECORDS (sizeof(records) / sizeof(records[0]))
_Static_assert(RECORDS == RECORD_KINDS - 1, "one of each");

static void assert_same(const struct maildir_record *a, const struct maildir_record *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(str_eq(a->name, b->name));
	assert_true(str_eq(a->other, b->other));
	assert_true(str_eq(a->bytes, b->bytes));
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->date, b->date);
	assert_int_equal(a->file, b->file);
	assert_int_equal(a->code, b->code);
}

/* All of them in a row, and each beginning of that. */
static void test_there_and_back(void **state)
{
	struct maildir_record is;
	struct str bytes;
	struct buf out;
	size_t n, whole = 0;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < RECORDS; i++)
		assert_int_equal(maildir_record_put(&out, &records[i]), 0);
	for (size_t len = 0; len <= buf_len(&out); len++) {
		bytes = str_take(buf_view(&out), len);
		for (n = 0; maildir_record_read(&bytes, &is) == MAILDIR_OK; n++)
			assert_same(&is, &records[n]);
		assert_int_equal(maildir_record_read(&bytes, &is), MAILDIR_NEED_MORE);
		assert_true(n == whole || n == whole + 1);
		whole = n;
	}
	assert_int_equal(whole, RECORDS);
	buf_fini(&out);
}

static const struct bad {
	const char *what;
	struct str bytes;
} bad[] = {
	{ "no such kind", STR("\0\0\0\0\0") },
	{ "no such kind", STR("\x10") },
	{ "longer than there is", STR("\x04\1\0\1\0") },
	{ "a name that leads out", STR("\1\2\0\0\0..") },
	{ "a commit with something", STR("\x09\1\0\0\0x") },
	{ "an end without its digest", STR("\5\1\0\0\0x") },
	{ "bytes without one", STR("\4\0\0\0\0") },
	{ "no such file", STR("\3\x09\0\0\0\3\0\0\0\0\0\0\0\0") },
	{ "a failure that is none", STR("\x0f\4\0\0\0\0\0\0\0") },
	{ "a message without a name",
		STR("\2\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str bytes = bad[i].bytes;
		struct maildir_record r;

		if (maildir_record_read(&bytes, &r) != MAILDIR_BAD)
			fail_msg("%s", bad[i].what);
	}
}

static void test_what_is_not_written(void **state)
{
	static const struct maildir_record wrong[] = {
		{ .kind = RECORD_FOLDER, .name = STR("..") },
		{ .kind = RECORD_REMOVE, .name = STR("cur/x") },
		{ .kind = RECORD_END, .bytes = STR("short") },
	};
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(maildir_record_put(&out, &wrong[i]), -EINVAL);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_what_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
