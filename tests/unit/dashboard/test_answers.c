/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is shown of before, and when it is asked anew. */
#include "dashboard/answers.h"

#include "base/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define Q QUESTION_FLOWS
#define NOW 1000u

static int file_with(const char *text)
{
	int fd = memfd_create("answer", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void take(struct answers *a, const char *text, int exit_code, uint64_t now)
{
	CLEANUP(fd_closep) int fd = file_with(text);

	answers_take(a, Q, fd, exit_code, STR_LIT("why"), now);
}

static void test_age(void **state)
{
	struct answers a = { 0 };

	(void)state;
	assert_int_equal(answers_state(&a, Q, NOW), ANSWER_NONE);
	assert_true(answers_ask(&a, Q, NOW));
	assert_false(answers_ask(&a, Q, NOW)); /* one at a time, whoever looks */
	take(&a, "[1]", 0, NOW + 10);
	assert_int_equal(json_array_size(a.of[Q].last.json), 1);
	assert_int_equal(answers_state(&a, Q, NOW + 1009), ANSWER_FRESH);
	assert_false(answers_ask(&a, Q, NOW + 1009));
	assert_int_equal(answers_state(&a, Q, NOW + 1010), ANSWER_STALE);
	assert_int_equal(answers_state(&a, Q, NOW + 30010), ANSWER_OLD);
	assert_true(answers_ask(&a, Q, NOW + 1010));
	assert_int_equal(json_array_size(a.of[Q].last.json), 1); /* shown meanwhile */
	/* one that takes long is asked for more rarely */
	take(&a, "[1, 2]", 0, NOW + 1110);
	assert_int_equal(answers_state(&a, Q, NOW + 1110 + 4999), ANSWER_FRESH);
	assert_int_equal(answers_state(&a, Q, NOW + 1110 + 5000), ANSWER_STALE);
	answers_fini(&a);
}

static void test_forgotten(void **state)
{
	struct answers a = { 0 };

	(void)state;
	assert_true(answers_ask(&a, Q, NOW));
	answers_forget(&a);
	take(&a, "[1]", 0, NOW + 10); /* from before the change */
	assert_int_equal(answers_state(&a, Q, NOW + 10), ANSWER_NONE);
	assert_true(answers_ask(&a, Q, NOW + 10));
	take(&a, "[1]", 0, NOW + 20);
	assert_int_equal(answers_state(&a, Q, NOW + 20), ANSWER_FRESH);
	answers_fini(&a);
}

static void test_failed(void **state)
{
	struct answers a = { 0 };

	(void)state;
	assert_true(answers_ask(&a, Q, NOW));
	take(&a, "[1]", 1, NOW);
	assert_null(a.of[Q].last.json);
	assert_string_equal(a.of[Q].last.says, "why");
	assert_true(answers_ask(&a, Q, NOW + 2000));
	take(&a, "[1", 0, NOW + 2000);
	assert_null(a.of[Q].last.json);
	assert_true(answers_ask(&a, Q, NOW + 4000));
	answers_take(&a, Q, -1, 1, STR_LIT(""), NOW + 4000);
	assert_null(a.of[Q].last.json);
	assert_true(answer_why(&a.of[Q].last).len > 0); /* as it came without a word */
	answers_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
