/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which request is shown what, and which is refused, in the order of judging. */
#include "dashboard/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "0123456789abcdefghij"
#define NOW 100000u

enum with { NOBODY, COOKIE, COOKIE_AND_FORM, BEARER, WRONG_COOKIE, WRONG_FORM };

static const struct {
	const char *method, *path, *query, *body;
	enum with with;
	bool admin;
	unsigned status;
	enum view view;
} rows[] = {
	{ "GET", "/", "", "", NOBODY, false, 303, VIEW_NONE },
	{ "GET", "/", "", "", WRONG_COOKIE, false, 303, VIEW_NONE },
	{ "GET", "/", "", "", BEARER, false, 303, VIEW_NONE },
	{ "GET", "/", "", "", COOKIE, false, 200, VIEW_MAIN },
	{ "HEAD", "/", "", "", COOKIE, false, 200, VIEW_MAIN },
	{ "POST", "/", "", "", COOKIE, false, 405, VIEW_NONE },
	{ "PUT", "/login", "", "", NOBODY, false, 405, VIEW_NONE },
	{ "GET", "/login", "", "", NOBODY, false, 200, VIEW_LOGIN },
	{ "POST", "/login", "", "", NOBODY, false, 200, VIEW_LOG_IN },
	{ "GET", "/style.css", "", "", NOBODY, false, 200, VIEW_FILE },
	{ "GET", "/frame.html", "", "", NOBODY, false, 404, VIEW_NONE },
	{ "GET", "/../etc/passwd", "", "", COOKIE, true, 404, VIEW_NONE },
	{ "GET", "//", "", "", COOKIE, true, 404, VIEW_NONE },
	{ "GET", "", "", "", COOKIE, true, 404, VIEW_NONE },
	/* of one user */
	{ "GET", "/account", "name=anna", "", COOKIE, false, 200, VIEW_ACCOUNT },
	{ "GET", "/account", "", "", COOKIE, false, 404, VIEW_NONE },
	{ "GET", "/account", "name=a%00b", "", COOKIE, false, 404, VIEW_NONE },
	{ "GET", "/account", "name=anna", "", NOBODY, false, 303, VIEW_NONE },
	/* as the CLI prints it */
	{ "GET", "/json/accounts", "", "", COOKIE, false, 200, VIEW_JSON },
	{ "GET", "/json/accounts", "", "", BEARER, false, 200, VIEW_JSON },
	{ "GET", "/json/accounts", "", "", NOBODY, false, 401, VIEW_NONE },
	{ "GET", "/json/account", "name=anna", "", BEARER, false, 200, VIEW_JSON },
	{ "GET", "/json/account", "", "", BEARER, false, 404, VIEW_NONE },
	{ "GET", "/json/accounts", "name=anna", "", BEARER, false, 404, VIEW_NONE },
	{ "GET", "/json/", "", "", COOKIE, true, 404, VIEW_NONE },
	{ "GET", "/json/route-local", "name=anna", "", COOKIE, true, 404, VIEW_NONE },
	/* actions */
	{ "GET", "/confirm", "do=kick&of=1", "", COOKIE, true, 200, VIEW_CONFIRM },
	{ "GET", "/confirm", "do=kick&of=1", "", COOKIE, false, 403, VIEW_NONE },
	{ "GET", "/confirm", "do=accounts&of=1", "", COOKIE, true, 404, VIEW_NONE },
	{ "GET", "/confirm", "do=account&of=anna", "", COOKIE, true, 404, VIEW_NONE },
	{ "GET", "/confirm", "do=retire", "", COOKIE, true, 404, VIEW_NONE },
	{ "GET", "/do", "do=kick&of=1", "", COOKIE_AND_FORM, true, 405, VIEW_NONE },
	{ "POST", "/do", "", "do=kick&of=1", COOKIE_AND_FORM, true, 200, VIEW_DO },
	{ "POST", "/do", "", "do=kick&of=1", COOKIE_AND_FORM, false, 403, VIEW_NONE },
	{ "POST", "/do", "", "do=kick&of=1", COOKIE, true, 403, VIEW_NONE },
	{ "POST", "/do", "", "do=kick&of=1", WRONG_FORM, true, 403, VIEW_NONE },
	{ "POST", "/do", "", "do=kick&of=1", BEARER, true, 303, VIEW_NONE },
	{ "POST", "/do", "", "do=kick", COOKIE_AND_FORM, true, 404, VIEW_NONE },
	{ "POST", "/do", "do=kick&of=1", "", COOKIE_AND_FORM, true, 404, VIEW_NONE },
	{ "POST", "/do", "", "do=account&of=anna", COOKIE_AND_FORM, true, 404,
		VIEW_NONE },
	{ "POST", "/logout", "", "", COOKIE, false, 403, VIEW_NONE },
	{ "POST", "/logout", "", "", COOKIE_AND_FORM, false, 200, VIEW_LOG_OUT },
};

struct asked {
	struct request request;
	char query[64], body[160], cookie[64];
};

static void make(size_t i, const struct session *s, struct asked *a)
{
	char wrong[SECRET_TEXT];

	*a = (struct asked){ .request = { .method = str_from(rows[i].method),
				     .path = str_from(rows[i].path),
				     .host = STR("127.0.0.1:8625") } };
	memcpy(wrong, s->form, sizeof(wrong));
	wrong[SECRET_TEXT - 2] ^= 1;
	(void)snprintf(a->query, sizeof(a->query), "%s", rows[i].query);
	(void)snprintf(a->body, sizeof(a->body), "%s&form=%s", rows[i].body,
		rows[i].with == COOKIE_AND_FORM ? s->form
		: rows[i].with == WRONG_FORM    ? wrong
						: "");
	(void)snprintf(a->cookie, sizeof(a->cookie), "other=1; mailferry=%s",
		rows[i].with == WRONG_COOKIE ? "00000000000000000000000000000000"
					     : s->id);
	if (rows[i].with != NOBODY && rows[i].with != BEARER)
		a->request.cookie = str_from(a->cookie);
	if (rows[i].with == BEARER)
		a->request.authorization = STR_LIT("Bearer " TOKEN);
	assert_true(form_read(a->query, strlen(a->query), &a->request.query));
	assert_true(form_read(a->body, strlen(a->body), &a->request.body));
}

static struct session *log_in(struct logins *l)
{
	struct session *s = NULL;

	assert_int_equal(logins_init(l, STR_LIT(TOKEN)), 0);
	assert_int_equal(login_try(l, STR_LIT(TOKEN), NOW, &s), LOGIN_RIGHT);
	return s;
}

static void test_rows(void **state)
{
	struct logins l;
	struct session *s = log_in(&l);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked a;
		struct judgement j;

		make(i, s, &a);
		j = request_judge(&a.request, &l, rows[i].admin, NOW);
		if (j.status != rows[i].status ||
			(j.status == 200 && j.view != rows[i].view))
			fail_msg("row %zu, %s %s?%s: %u, view %d", i, rows[i].method,
				rows[i].path, rows[i].query, j.status, (int)j.view);
	}
}

static void test_argument(void **state)
{
	struct logins l;
	struct session *s = log_in(&l);
	struct asked a;
	struct judgement j;
	char name[QUESTION_ARGUMENT_MAX + 1];

	(void)state;
	memset(name, 'x', sizeof(name));
	make(3, s, &a);
	a.request.path = STR_LIT("/account");
	a.request.query =
		(struct form){ .fields = { { STR("name"), STR("--help") } }, .n = 1 };
	j = request_judge(&a.request, &l, false, NOW);
	assert_int_equal(j.question, QUESTION_ACCOUNT);
	assert_true(str_eq(j.argument, STR_LIT("--help")));
	a.request.query.fields[0].value = str_of(name, sizeof(name) - 1);
	assert_int_equal(request_judge(&a.request, &l, false, NOW).status, 200);
	a.request.query.fields[0].value = str_of(name, sizeof(name));
	assert_int_equal(request_judge(&a.request, &l, false, NOW).status, 404);
}

/* Another site's name that leads to this host is no name of ours. */
static void test_host(void **state)
{
	static const struct {
		const char *host;
		bool is_local;
	} hosts[] = {
		{ "localhost", true },
		{ "LOCALHOST:8625", true },
		{ "127.0.0.1", true },
		{ "127.0.0.1:9", true },
		{ "[::1]:8625", true },
		{ "", false },
		{ "evil.example", false },
		{ "127.0.0.1.evil.example", false },
		{ "localhost.evil.example:8625", false },
		{ "localhost:evil", false },
		{ "localhost:", false },
		{ "127.0.0.1:8625@evil.example", false },
		{ "192.0.2.1:8625", false },
	};
	struct logins l;
	struct session *s = log_in(&l);

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct asked a;
		unsigned status;

		make(3, s, &a);
		a.request.host = str_from(hosts[i].host);
		status = request_judge(&a.request, &l, false, NOW).status;
		if (status != (hosts[i].is_local ? 200 : 403))
			fail_msg("\"%s\": %u", hosts[i].host, status);
	}
}

/* A form of another site, and of another port of this host. */
static void test_site(void **state)
{
	static const struct {
		const char *site;
		unsigned status;
	} sites[] = { { "same-origin", 200 }, { "none", 200 }, { "", 200 },
		{ "same-site", 403 }, { "cross-site", 403 }, { "x", 403 } };
	struct logins l;
	struct session *s = log_in(&l);
	size_t logout = sizeof(rows) / sizeof(rows[0]) - 1;

	(void)state;
	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		struct asked a;

		make(logout, s, &a);
		a.request.fetch_site = str_from(sites[i].site);
		assert_int_equal(request_judge(&a.request, &l, false, NOW).status,
			sites[i].status);
	}
}

/* What the process that runs commands takes of the one that browsers talk to. */
static void test_questions(void **state)
{
	(void)state;
	for (int q = 0; q < QUESTION_COUNT; q++) {
		bool has = question_has_argument((enum question)q);

		assert_int_equal(question_by_name(str_from(question_rows[q].name)), q);
		assert_true(question_is_allowed(
			(uint64_t)q, has ? STR_LIT("anna") : STR_LIT(""), true));
		assert_false(question_is_allowed(
			(uint64_t)q, has ? STR_LIT("") : STR_LIT("anna"), true));
		assert_int_equal(question_is_allowed((uint64_t)q,
					 has ? STR_LIT("anna") : STR_LIT(""), false),
			!question_rows[q].is_action);
	}
	assert_false(question_is_allowed(QUESTION_COUNT, STR_LIT(""), true));
	assert_false(question_is_allowed(UINT64_MAX, STR_LIT(""), true));
	assert_false(question_is_allowed(QUESTION_ACCOUNT, STR_LIT("a\0b"), true));
	assert_int_equal(question_by_name(STR_LIT("retire")), QUESTION_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_argument),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_site),
		cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
