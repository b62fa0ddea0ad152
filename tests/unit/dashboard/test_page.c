/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pages: whatever an account is called, it is text; the picture has a dot for each. */
#include "dashboard/crossing.h"
#include "dashboard/page.h"
#include "dashboard/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const hostile[] = {
	"<script>alert(1)</script>",
	"\"><img src=x onerror=alert(1)>",
	"' onmouseover='alert(1)",
	"</title></svg></style><svg onload=alert(1)>",
	"&lt;b&gt;&#0;",
	"javascript:alert(1)",
	"\x1b]0;x\x07",
	"a\r\nSet-Cookie: x=y",
	"\xe2\x80\xae"
	"anna",
};
#define HOSTILE (sizeof(hostile) / sizeof(hostile[0]))

static char *text_of(struct html *h)
{
	char *text;

	assert_int_equal(h->code, 0);
	text = str_dup_c(buf_view(&h->out));
	assert_non_null(text);
	html_fini(h);
	return text;
}

static void test_escaping(void **state)
{
	struct html h;
	char *text;

	(void)state;
	html_init(&h);
	html_text(&h, STR_LIT("<a href=\"x\">'&\x01\x7f\n"));
	html_argument(&h, STR_LIT("a b&c=\xc3\xa4\"<"));
	text = text_of(&h);
	assert_string_equal(text, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\xef\xbf\xbd"
				  "\xef\xbf\xbd\na%20b%26c%3D%C3%A4%22%3C");
	free(text);
}

/* What tags and attributes are made of: text changes none of it. */
static size_t count_marks(const char *page)
{
	size_t n = 0;

	for (; (page = strpbrk(page, "<>\"'")) != NULL; page++)
		n++;
	return n;
}

static json_t *account(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:I}", "name", name,
		"route", "source", "stage", "failed", "pin", name, "capturable", true,
		"held", name, "last_error", name, "next_try_at", (json_int_t)1);
}

static json_t *flow(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "id", name, "service", name,
		"client", name, "account", name, "route", name, "packets", (json_int_t)1);
}

static char *main_page(const char *name)
{
	struct session session = { .form = "0123456789abcdef0123456789abcdef" };
	json_t *answers[QUESTION_WHOLE_COUNT] = {
		[QUESTION_STATUS] = json_pack("{s:[s], s:[s], s:s, s:{s:b}}", "attention",
			name, "source", name, "strategy", name, "programs", name, 0),
		[QUESTION_ACCOUNTS] = json_pack("[o]", account(name)),
		[QUESTION_TRANSFERS] = json_pack("[o]", account(name)),
		[QUESTION_FLOWS] = json_pack("[o]", flow(name)),
		[QUESTION_COUNTERS] = json_pack("[o]", flow(name)),
		[QUESTION_REPORT] =
			json_pack("{s:[s], s:[o]}", "reasons", name, "addresses",
				json_pack("{s:s, s:s}", "address", name, "why", name)),
	};
	struct page p = { .admin = true, .session = &session, .search = str_from(name) };
	struct html h;

	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++) {
		assert_non_null(answers[q]);
		p.of[q] = answers[q];
	}
	html_init(&h);
	page_main(&h, &p);
	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++)
		json_decref(answers[q]);
	return text_of(&h);
}

static void test_hostile_names(void **state)
{
	char *plain = main_page("anna");

	(void)state;
	for (size_t i = 0; i < HOSTILE; i++) {
		char *page = main_page(hostile[i]);

		if (count_marks(page) != count_marks(plain))
			fail_msg("\"%s\" makes tags", hostile[i]);
		if (strstr(page, "href=\"javascript") || strchr(page, '\x1b') ||
			strchr(page, '\r'))
			fail_msg("\"%s\" is in the page as it is", hostile[i]);
		free(page);
	}
	free(plain);
}

static void test_hostile_pages(void **state)
{
	static const struct page p = { .admin = true };

	(void)state;
	for (size_t i = 0; i < HOSTILE; i++) {
		struct str name = str_from(hostile[i]);
		json_t *one = account(hostile[i]);
		struct html h;
		char *text;

		html_init(&h);
		page_account(&h, &p, name, one, STR_LIT(""));
		page_account(&h, &p, name, NULL, name);
		page_confirm(&h, &p, QUESTION_ROUTE_LOCAL, name);
		page_done(&h, &p, QUESTION_KICK, name, false, name);
		page_error(&h, hostile[i]);
		text = text_of(&h);
		if (strstr(text, "<script>") || strstr(text, "<img") ||
			strstr(text, "<svg"))
			fail_msg("\"%s\" is in a page as it is", hostile[i]);
		free(text);
		json_decref(one);
	}
}

/* ── the picture ───────────────────────────────────────────────────────────────────── */

static const struct {
	const char *route, *stage;
	bool capturable;
	enum place place;
} places[] = {
	{ "source", "idle", true, PLACE_WAITING },
	{ "source", "idle", false, PLACE_NOT_CAPTURABLE },
	{ "source", "failed", false, PLACE_FAILED },
	{ "source", "due", true, PLACE_DUE },
	{ "source", "copying", true, PLACE_COPYING },
	{ "source", "catching-up", true, PLACE_CATCHING_UP },
	{ "busy", "switching", true, PLACE_SWITCHING },
	{ "busy", "done", true, PLACE_SWITCHING },
	{ "local", "done", true, PLACE_HERE },
	{ "local", "failed", true, PLACE_HERE },
	{ "", "", true, PLACE_WAITING },
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static json_t *at(size_t i)
{
	return json_pack("{s:s, s:s, s:b}", "route", places[i].route, "stage",
		places[i].stage, "capturable", places[i].capturable);
}

static void test_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLACES; i++) {
		json_t *one = at(i);

		if (place_of(one) != places[i].place)
			fail_msg("%s, %s: %s", places[i].route, places[i].stage,
				place_rows[place_of(one)].name);
		json_decref(one);
	}
	for (int i = 0; i < PLACE_COUNT; i++)
		assert_int_equal(place_by_name(str_from(place_rows[i].name)), i);
	assert_int_equal(place_by_name(STR_LIT("")), PLACE_COUNT);
}

/* All dots of a picture, by the lengths of its lines; each inside the drawing. */
static double count_dots(const char *page)
{
	double n = 0;

	while ((page = strstr(page, "stroke-dasharray=\"")) != NULL) {
		unsigned dot = 0, gap = 0;
		const char *end;

		assert_int_equal(
			sscanf(page, "stroke-dasharray=\"%u %u\"", &dot, &gap), 2);
		page = strstr(page, " d=\"") + 4;
		end = strchr(page, '"');
		while ((page = strchr(page, 'M')) != NULL && page < end) {
			unsigned x, y, w;

			assert_int_equal(sscanf(page, "M%u %uh%u", &x, &y, &w), 3);
			assert_true(x + w <= 10000 && y + dot / 2 <= 3100);
			n += (double)w / (dot + gap);
			page++;
		}
		page = end;
	}
	return n;
}

static void test_dots(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 7, 99, 1000, 9999, 20000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (size_t k = 0; k <= PLACES; k++) { /* the last: all kinds of them */
			json_t *all = json_array();
			struct html h;
			char *text;

			for (size_t n = 0; n < counts[i]; n++)
				assert_int_equal(json_array_append_new(all,
							 at(k < PLACES ? k : n % PLACES)),
					0);
			html_init(&h);
			crossing_write(&h, all);
			text = text_of(&h);
			assert_int_equal((size_t)(count_dots(text) + 0.5), counts[i]);
			assert_true(strlen(text) < 40000);
			free(text);
			json_decref(all);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_hostile_pages),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
