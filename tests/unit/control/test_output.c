/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One struct, three printers. */
#include "control/terminal/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
	struct str name;
	uint64_t count, size, at;
	bool good;
	int kept;
};

#define ROW(field) offsetof(struct row, field)
#define ALL (IN_JSON | IN_LIST | IN_TABLE)
static const struct column columns[] = {
	{ "name", "who", COLUMN_TEXT, ALL, ROW(name) },
	{ "count", "n", COLUMN_NUMBER, ALL, ROW(count) },
	{ "size", "size", COLUMN_BYTES, ALL, ROW(size) },
	{ "good", "good", COLUMN_YES_NO, IN_JSON | IN_LIST, ROW(good) },
	{ "kept", "kept", COLUMN_KEPT, ALL, ROW(kept) },
	{ "at", "at", COLUMN_TIME, IN_JSON, ROW(at) },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const struct row plain = { STR("alice"), 7, 1500, 0, true, -1 };
static const struct row odd = { STR("m\xc3\xbcller\n\x1b[2J"), 123456, 3999999, 1000,
	false, 1 };
static const struct row latin = { STR("m\xfcller"), 0, 0, 0, false, 0 };

static void check_json(const struct row *row, const char *want)
{
	json_t *object = output_object(columns, COLUMNS, row);
	char *text = json_dumps(object, JSON_COMPACT);

	assert_string_equal(text, want);
	free(text);
	json_decref(object);
}

static void test_json(void **state)
{
	(void)state;
	check_json(&plain, "{\"name\":\"alice\",\"count\":7,\"size\":1500,\"good\":true,"
			   "\"kept\":null,\"at\":null}");
	check_json(&odd, "{\"name\":\"m\xc3\xbcller\\n\\u001B[2J\",\"count\":123456,"
			 "\"size\":3999999,\"good\":false,\"kept\":true,\"at\":1000}");
	check_json(&latin, "{\"name\":\"m?ller\",\"count\":0,\"size\":0,\"good\":false,"
			   "\"kept\":false,\"at\":null}");
}

static void test_table(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	struct table t;

	(void)state;
	assert_int_equal(table_init(&t, columns, COLUMNS), 0);
	assert_int_equal(table_add(&t, &plain), 0);
	assert_int_equal(table_add(&t, &odd), 0);
	table_print(&t, to);
	table_fini(&t);
	(void)fclose(to);
	assert_string_equal(text, "who               n    size  kept\n"
				  "alice             7  1.5 kB  -\n"
				  "m\xc3\xbcller??[2J  123456  3.9 MB  yes\n");
	free(text);
}

/* U+009B is ESC [ for some terminals, U+202E turns what follows. */
static void test_nothing_steers_a_terminal(void **state)
{
	static const struct {
		struct str name;
		const char *json, *clean;
	} rows[] = {
		{ STR("a\xc2\x9b"
		      "2Jb\x7f"),
			"[\"a\\u009B2Jb\\u007F\"]\n", "a??2Jb?" },
		{ STR("\xe2\x80\xae"
		      "gpj.exe"),
			"[\"\\u202Egpj.exe\"]\n", "???gpj.exe" },
		{ STR("m\xc3\xbcller \xf0\x9f\x93\xa7"),
			"[\"m\xc3\xbcller \xf0\x9f\x93\xa7\"]\n",
			"m\xc3\xbcller \xf0\x9f\x93\xa7" },
		{ STR("b\x9b"
		      "2J"),
			"[\"b?2J\"]\n", "b?2J" },
		{ STR(""), "[\"\"]\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *array = json_pack("[o]", output_string(rows[i].name)), *again;
		char *text = NULL;
		size_t len;
		FILE *to = open_memstream(&text, &len);

		assert_int_equal(output_dump(array, JSON_COMPACT, to), 0);
		(void)fflush(to);
		assert_string_equal(text, rows[i].json);
		again = json_loads(text, 0, NULL);
		assert_true(json_equal(array, again));
		json_decref(again);
		json_decref(array);
		rewind(to);
		output_clean(rows[i].name, to);
		(void)fclose(to);
		assert_memory_equal(text, rows[i].clean, strlen(rows[i].clean));
		free(text);
	}
}

static void test_list(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	output_list(columns, COLUMNS, &plain, to);
	(void)fclose(to);
	assert_string_equal(text, "who                alice\n"
				  "n                  7\n"
				  "size               1.5 kB\n"
				  "good               yes\n"
				  "kept               -\n");
	free(text);
}

static void test_bytes(void **state)
{
	static const struct {
		uint64_t size;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1000, "1.0 kB" },
		{ 999999, "999.9 kB" },
		{ 1000000, "1.0 MB" },
		{ UINT64_MAX, "18.4 EB" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row = { .size = rows[i].size };
		char *text = NULL;
		size_t len;
		FILE *to = open_memstream(&text, &len);

		output_list(&columns[2], 1, &row, to);
		(void)fclose(to);
		text[strlen(text) - 1] = '\0';
		assert_string_equal(text + strlen("size               "), rows[i].text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_json),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_nothing_steers_a_terminal),
		cmocka_unit_test(test_list), cmocka_unit_test(test_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
