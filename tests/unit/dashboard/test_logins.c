/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One token, sessions of their own, and how each ends. */
#include "dashboard/logins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN STR_LIT("0123456789abcdefghij")
#define NOW 100000u

static struct str cookie_of(const struct session *s, char text[static 64])
{
	(void)snprintf(text, 64, "mailferry=%s", s->id);
	return str_from(text);
}

static void test_tokens(void **state)
{
	static const struct str wrong[] = { STR(""), STR("0123456789abcdefghi"),
		STR("0123456789abcdefghijk"), STR("0123456789abcdefghiJ") };
	struct session *s = NULL;
	struct logins l;

	(void)state;
	assert_int_equal(logins_init(&l, TOKEN), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint64_t now = NOW + i * 2 * LOGIN_PAUSE_MS;

		assert_int_equal(login_try(&l, wrong[i], now, &s), LOGIN_WRONG);
		/* the right one waits, too: it would tell that the wrong one was wrong */
		assert_int_equal(login_try(&l, TOKEN, now + 1, &s), LOGIN_PAUSED);
		assert_null(s);
	}
	assert_int_equal(login_try(&l, TOKEN, NOW * 2, &s), LOGIN_RIGHT);
	assert_non_null(s);
}

static void test_cookies(void **state)
{
	struct session *s = NULL;
	struct logins l;
	char text[64], longer[160];

	(void)state;
	assert_int_equal(logins_init(&l, TOKEN), 0);
	assert_null(login_by_cookie(&l, STR_LIT("mailferry="), NOW));
	assert_int_equal(login_try(&l, TOKEN, NOW, &s), LOGIN_RIGHT);
	assert_ptr_equal(login_by_cookie(&l, cookie_of(s, text), NOW), s);
	(void)snprintf(longer, sizeof(longer), "a=b; %s; c", text);
	assert_ptr_equal(login_by_cookie(&l, str_from(longer), NOW), s);
	(void)snprintf(longer, sizeof(longer), "x%s", text);
	assert_null(login_by_cookie(&l, str_from(longer), NOW));
	(void)snprintf(longer, sizeof(longer), "%s0", text);
	assert_null(login_by_cookie(&l, str_from(longer), NOW));
	assert_null(login_by_cookie(&l, STR_LIT(""), NOW));
	assert_null(login_by_cookie(&l, STR_LIT("mailferry"), NOW));
	/* the secret of forms is another one */
	(void)snprintf(longer, sizeof(longer), "mailferry=%s", s->form);
	assert_null(login_by_cookie(&l, str_from(longer), NOW));
	assert_true(session_sent_form(s, str_from(s->form)));
	assert_false(session_sent_form(s, str_from(s->id)));
	assert_false(session_sent_form(s, STR_LIT("")));
	/* it ends by itself, or at once */
	assert_null(login_by_cookie(&l, cookie_of(s, text), NOW + SESSION_MS));
	session_end(s);
	assert_null(login_by_cookie(&l, str_from(text), NOW));
}

static void test_oldest_makes_room(void **state)
{
	struct session *s = NULL;
	struct logins l;
	char first[64], second[64], text[64];

	(void)state;
	assert_int_equal(logins_init(&l, TOKEN), 0);
	assert_int_equal(login_try(&l, TOKEN, NOW, &s), LOGIN_RIGHT);
	(void)cookie_of(s, first);
	for (unsigned i = 1; i <= SESSIONS_MAX; i++) {
		assert_int_equal(login_try(&l, TOKEN, NOW + i, &s), LOGIN_RIGHT);
		if (i == 1)
			(void)cookie_of(s, second);
	}
	assert_null(login_by_cookie(&l, str_from(first), NOW));
	assert_non_null(login_by_cookie(&l, str_from(second), NOW));
	assert_ptr_equal(login_by_cookie(&l, cookie_of(s, text), NOW), s);
}

static void test_header(void **state)
{
	struct logins l;

	(void)state;
	assert_int_equal(logins_init(&l, TOKEN), 0);
	assert_int_equal(login_by_header(&l, STR_LIT("Bearer 0123456789abcdefghij"), NOW),
		LOGIN_RIGHT);
	assert_int_equal(
		login_by_header(&l, STR_LIT("bearer  0123456789abcdefghij"), NOW),
		LOGIN_RIGHT);
	assert_int_equal(login_by_header(&l, STR_LIT("Basic 0123456789abcdefghij"), NOW),
		LOGIN_WRONG);
	assert_int_equal(login_by_header(&l, STR_LIT("Bearer x"), NOW), LOGIN_WRONG);
	/* guesses are as slow here */
	assert_int_equal(
		login_by_header(&l, STR_LIT("Bearer 0123456789abcdefghij"), NOW + 1),
		LOGIN_PAUSED);
	assert_int_equal(login_by_header(&l, STR_LIT("Bearer 0123456789abcdefghij"),
				 NOW + LOGIN_PAUSE_MS),
		LOGIN_RIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_oldest_makes_room),
		cmocka_unit_test(test_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
