/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The folder of delivery reports: what is in it is whole, and it has an end. */
#include "source/reports.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct settings settings;
static char folder[64], reports[96];

static void touch(const char *name, const char *text, size_t len)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", reports, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	(void)close(fd);
}

static void remove_all(void)
{
	struct report_name *names;
	int n = reports_list(&settings, &names);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(reports_remove(&settings, &names[i]), 0);
	free(names);
}

static int add_from(
	uint64_t network, const char *id, const char *recipient, struct str message)
{
	return reports_add(&settings, &(struct report){ .id = id,
					      .recipient = str_from(recipient),
					      .message = message,
					      .network = network });
}

static int add(const char *id, const char *recipient, const char *message)
{
	return add_from(0, id, recipient, str_from(message));
}

static struct report_name only(void)
{
	struct report_name *names, first;

	assert_int_equal(reports_list(&settings, &names), 1);
	first = names[0];
	free(names);
	return first;
}

static void test_one(void **state)
{
	struct reports_view v;
	struct report_name name;
	struct str to, message;
	struct buf file;
	uint64_t now = clock_wall_ms();

	(void)state;
	buf_init(&file, 0);
	assert_int_equal(reports_look(&settings, &v), 0);
	assert_int_equal(v.n, 0);
	assert_int_equal(add("1f.2", "x@example.net", "A: b\r\n\r\ntext\n\r\n"), 0);
	assert_int_equal(reports_look(&settings, &v), 0);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.bytes, 29);
	name = only();
	assert_true(report_at(&name) >= now && report_at(&name) <= clock_wall_ms());
	assert_int_equal(v.oldest_at, report_at(&name));
	assert_non_null(strstr(name.text, "-1f.2"));
	assert_int_equal(reports_read(&settings, &name, &file, &to, &message), 0);
	assert_true(str_eq(to, str_from("x@example.net")));
	assert_true(str_eq(message, str_from("A: b\r\n\r\ntext\n\r\n")));
	assert_int_equal(reports_remove(&settings, &name), 0);
	assert_int_equal(reports_remove(&settings, &name), -ENOENT);
	assert_int_equal(reports_read(&settings, &name, &file, &to, &message), -ENOENT);
	buf_fini(&file);
}

/* The oldest first, also of names that are none of ours. */
static void test_order(void **state)
{
	static const char *const made[] = { "1700000000002-b", "1700000000001-c",
		"1700000000001-a", "x", ".hidden" };
	static const char *const want[] = { "1700000000001-a", "1700000000001-c",
		"1700000000002-b", "x" };
	struct report_name *names;
	struct reports_view v;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		touch(made[i], "a\nb", 3);
	assert_int_equal(reports_list(&settings, &names), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(names[i].text, want[i]);
	assert_int_equal(report_at(&names[1]), 1700000000001);
	assert_int_equal(report_at(&names[3]), 0);
	free(names);
	assert_int_equal(reports_look(&settings, &v), 0);
	assert_int_equal(v.n, 4);
	remove_all();
	names = calloc(1, sizeof(*names));
	assert_non_null(names);
	(void)snprintf(names->text, sizeof(names->text), ".hidden");
	assert_int_equal(reports_remove(&settings, names), 0);
	free(names);
}

/* What a thief in a worker may leave there. */
static void test_damaged(void **state)
{
	static char much[REPORT_MAX + 1];
	static const struct {
		const char *text;
		size_t len;
	} rows[] = { { "", 0 }, { "x@example.net", 13 }, { "x@example.net\n", 14 },
		{ much, sizeof(much) } };
	struct report_name name = { "1700000000001-a" };
	struct str to, message;
	char path[256];
	struct buf file;

	(void)state;
	buf_init(&file, 0);
	memset(much, '\n', sizeof(much));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		touch(name.text, rows[i].text, rows[i].len);
		assert_int_equal(
			reports_read(&settings, &name, &file, &to, &message), -EBADMSG);
	}
	remove_all();
	(void)snprintf(path, sizeof(path), "%s/%s", reports, name.text);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(reports_read(&settings, &name, &file, &to, &message), -EBADMSG);
	remove_all();
	assert_int_equal(mkfifo(path, 0600), 0); /* and nobody waits for its other end */
	assert_int_equal(reports_read(&settings, &name, &file, &to, &message), -EBADMSG);
	remove_all();
	buf_fini(&file);
}

static void test_full(void **state)
{
	static char large[REPORT_MAX];
	struct reports_view v;
	char name[32];

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(
		add_from(0, "a", "x", (struct str){ large, sizeof(large) }), -EDQUOT);
	for (unsigned i = 0; i < REPORTS_MAX - 1; i++) {
		(void)snprintf(name, sizeof(name), "1700000000001-%u", i);
		touch(name, "a\nb", 3);
	}
	assert_int_equal(add("a", "x", "b"), 0);
	assert_int_equal(add("b", "x", "b"), -EDQUOT);
	assert_int_equal(reports_look(&settings, &v), 0);
	assert_int_equal(v.n, REPORTS_MAX);
	remove_all();
	for (unsigned i = 0; i < REPORTS_BYTES_MAX / REPORT_MAX; i++) {
		(void)snprintf(name, sizeof(name), "1700000000001-%u", i);
		touch(name, large, sizeof(large));
	}
	assert_int_equal(add("b", "x", "b"), -EDQUOT);
	remove_all();
}

/* So many to that hash of an address from that network. */
static void fill(unsigned n, uint64_t to, uint64_t network)
{
	char text[REPORT_NAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "1700000000001-%016llx-%016llx-%u",
			(unsigned long long)to, (unsigned long long)network, i);
		touch(text, "a\nb", 3);
	}
}

/* One address has its share, in whatever case it is written. */
static void test_share(void **state)
{
	static const char *const names[] = { "1700000000001-a", "x", "",
		"1700000000001-0123456789abcde-a", "1700000000001-0123456789abcdeg-a",
		"1700000000001-0123456789ABCDEF-a", "170000000000-0123456789abcdef-a" };
	struct report_name name, other;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(name.text, sizeof(name.text), "%s", names[i]);
		assert_int_equal(report_to(&name), 0);
	}
	assert_int_equal(add("a", "Joe@Example.Net", "b"), 0);
	name = only();
	remove_all();
	fill(REPORTS_MAX / 2 - 1, report_to(&name), 0);
	assert_int_equal(add("b", "joe@example.net", "b"), 0);
	assert_int_equal(add("c", "JOE@example.net", "b"), -EDQUOT);
	assert_int_equal(add("d", "ann@example.net", "b"), 0);
	remove_all();
	assert_int_equal(add("d", "ann@example.net", "b"), 0);
	other = only();
	assert_int_not_equal(report_to(&name), report_to(&other));
	remove_all();
}

static uint64_t hash_of_sender(const char *to)
{
	struct report_name name;

	assert_int_equal(add("a", to, "b"), 0);
	name = only();
	remove_all();
	return report_to(&name);
}

/* However many addresses somebody names, from however many networks, there is room for
   the others. */
static void test_forged_senders(void **state)
{
	static const unsigned rows[] = { 1, 2, 9 };

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		uint64_t hashes[9];
		char to[32];

		for (unsigned i = 0; i < rows[k]; i++) {
			(void)snprintf(to, sizeof(to), "x%u@example.net", i);
			hashes[i] = hash_of_sender(to);
		}
		for (unsigned i = 0; i < rows[k]; i++)
			fill(REPORTS_MAX / (rows[k] + 1) + 1, hashes[i], 0);
		for (unsigned i = 0; i < rows[k]; i++) {
			(void)snprintf(to, sizeof(to), "x%u@example.net", i);
			assert_int_equal(add("a", to, "b"), -EDQUOT);
		}
		assert_int_equal(add("a", "ann@example.net", "b"), 0);
		remove_all();
	}
	fill(REPORTS_MAX / 2, 0, 1);
	assert_int_equal(add_from(1, "a", "y1@example.net", STR_LIT("b")), -EDQUOT);
	assert_int_equal(add_from(2, "a", "y2@example.net", STR_LIT("b")), 0);
	remove_all();
}

static void test_lock(void **state)
{
	int fd = -1, other = open(reports, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(reports_lock(&settings, &fd), 0);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	(void)close(fd);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	(void)close(other);
}

static void test_no_folder(void **state)
{
	struct reports_view v;
	struct report_name *names;

	(void)state;
	assert_int_equal(rmdir(reports), 0);
	assert_int_equal(reports_look(&settings, &v), -ENOENT);
	assert_int_equal(reports_list(&settings, &names), -ENOENT);
	assert_int_equal(add("a", "x", "b"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_forged_senders),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_no_folder),
	};
	int failed;

	(void)snprintf(folder, sizeof(folder), "/tmp/mailferry-reports-XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	settings.state_dir = folder;
	(void)snprintf(reports, sizeof(reports), "%s/%s", folder, REPORTS_DIRECTORY);
	if (mkdir(reports, 0700) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return rmdir(folder) < 0 || failed;
}
