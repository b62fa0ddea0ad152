/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mail folders and their owners, as root makes them. */
#include "users/folders.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST 1900000016u

static const struct users users = { .first = FIRST, .last = FIRST + 2 };

struct house {
	char mail[PATH_MAX], folder[PATH_MAX + 32];
	struct uid_pool pool;
};

static void begin(struct house *h)
{
	struct error err;

	if (geteuid() != 0)
		skip(); /* folders are given away */
	(void)snprintf(h->mail, sizeof(h->mail), "/tmp/mf-folders-XXXXXX");
	assert_non_null(mkdtemp(h->mail));
	assert_int_equal(uid_pool_empty(&h->pool, &users, &err), 0);
}

static const char *in(struct house *h, const char *name)
{
	(void)snprintf(h->folder, sizeof(h->folder), "%s/%s", h->mail, name);
	return h->folder;
}

static void end(struct house *h)
{
	static const char *const names[] = { "alice", "bob", "carol", ".new" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)rmdir(in(h, names[i]));
	assert_int_equal(rmdir(h->mail), 0);
	uid_pool_close(&h->pool);
}

static unsigned made(struct house *h, const char *name)
{
	struct error err = { 0 };
	struct stat st;
	unsigned uid;

	if (folder_owner_or_make(&users, &h->pool, in(h, name), &uid, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	assert_int_equal(stat(in(h, name), &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, uid);
	assert_int_equal(st.st_mode & 0777, 0700);
	return uid;
}

static void test_each_has_its_own(void **state)
{
	struct house h;
	struct error err;
	unsigned uid;

	(void)state;
	begin(&h);
	assert_int_equal(made(&h, "alice"), FIRST);
	assert_int_equal(made(&h, "bob"), FIRST + 1);
	assert_int_equal(made(&h, "alice"), FIRST);
	assert_int_equal(made(&h, "carol"), FIRST + 2);
	assert_int_equal(
		folder_owner_or_make(&users, &h.pool, in(&h, "dave"), &uid, &err),
		-ENOSPC);
	end(&h);
}

/* Killed while it made one: nobody's folder stands under no account's name, and the next
   one is made all the same. */
static void test_after_a_kill(void **state)
{
	struct house h;
	struct stat st;

	(void)state;
	begin(&h);
	assert_int_equal(mkdir(in(&h, ".new"), 0700), 0);
	assert_int_equal(made(&h, "alice"), FIRST);
	assert_int_equal(stat(in(&h, ".new"), &st), -1);
	end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_has_its_own),
		cmocka_unit_test(test_after_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
