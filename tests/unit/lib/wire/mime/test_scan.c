/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts and their byte ranges, from well-formed mail to rubbish. */
#include "wire/mime/header.h"
#include "wire/mime/scan.h"

#include "lib/wire/wire_test.h"

#define NUMBERS_MAX 8

/* "2.1" → its numbers. */
static size_t numbers_of(const char *path, uint32_t numbers[NUMBERS_MAX])
{
	struct str rest = str_from(path);
	size_t count = 0;

	while (rest.len && count < NUMBERS_MAX)
		assert_true(str_to_u32(str_split(&rest, '.'), &numbers[count++]));
	return count;
}

#define ALTERNATIVE                                                                      \
	"Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\npre\r\n--b\r\n\r\n"  \
	"one\r\n--b\r\nX: y\r\n\r\ntwo\r\nlines\r\n--b--\r\npost\r\n"
#define NESTED                                                                           \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "         \
	"multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\ninner\r\n--b1--\r\n--b\r\n"     \
	"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nmessage\r\n--b--\r\n"

static const struct {
	const char *name;
	struct str message;
	const char *path;
	struct str header, body; /* ptr NULL: there is no such part */
	uint64_t lines;
} rows[] = {
	{ "whole", STR("A: b\r\n\r\nbody\r\n"), "", STR("A: b\r\n\r\n"), STR("body\r\n"),
		1 },
	{ "itself", STR("A: b\r\n\r\nbody\r\n"), "1", STR("A: b\r\n\r\n"),
		STR("body\r\n"), 1 },
	{ "not twice", STR("A: b\r\n\r\nbody\r\n"), "1.1", { 0 }, { 0 }, 0 },
	{ "not 2", STR("A: b\r\n\r\nbody\r\n"), "2", { 0 }, { 0 }, 0 },
	{ "nothing", STR(""), "", STR(""), STR(""), 0 },
	{ "bare LF", STR("A: b\n\nbody\n"), "1", STR("A: b\n\n"), STR("body\n"), 1 },
	{ "no blank line", STR("A: b\r\n"), "1", STR("A: b\r\n"), STR(""), 0 },
	{ "no header", STR("\r\nbody"), "1", STR("\r\n"), STR("body"), 0 },
	{ "first", STR(ALTERNATIVE), "1", STR("\r\n"), STR("one"), 0 },
	{ "second", STR(ALTERNATIVE), "2", STR("X: y\r\n\r\n"), STR("two\r\nlines"), 1 },
	{ "no third", STR(ALTERNATIVE), "3", { 0 }, { 0 }, 0 },
	{ "longer boundary wins", STR(NESTED), "1.1", STR("\r\n"), STR("inner"), 0 },
	{ "message", STR(NESTED), "2", STR("Content-Type: message/rfc822\r\n\r\n"),
		STR("Subject: s\r\n\r\nmessage"), 2 },
	{ "in message", STR(NESTED), "2.1", STR("Subject: s\r\n\r\n"), STR("message"),
		0 },
	{ "end missing",
		STR("Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b"
		    "\r\n\r\ntwo"),
		"2", STR("\r\n"), STR("two"), 0 },
	{ "boundary in the header of a message",
		STR("Content-Type: multipart/mixed; "
		    "boundary=b\r\n\r\n--b\r\nContent-Type: "
		    "message/rfc822\r\n\r\nSubject: no blank line\r\n--b--\r\n"),
		"1", STR("Content-Type: message/rfc822\r\n\r\n"),
		STR("Subject: no blank line"), 0 },
	{ "nothing in a message",
		STR("Content-Type: multipart/mixed; "
		    "boundary=b\r\n\r\n--b\r\nContent-Type: "
		    "message/rfc822\r\n\r\n--b--\r\n"),
		"1", STR("Content-Type: message/rfc822\r\n\r\n"), STR(""), 0 },
	{ "boundary in pieces",
		STR("Content-Type: multipart/x; boundary*0=\"abc\"; "
		    "boundary*1=def\r\n\r\n"
		    "--abcdef\r\n\r\none\r\n--abcdef\r\n\r\ntwo\r\n--abcdef--\r\n"),
		"2", STR("\r\n"), STR("two"), 0 },
	{ "boundary encoded",
		STR("Content-Type: multipart/x; boundary*=us-ascii''a%62c\r\n\r\n"
		    "--abc\r\n\r\none\r\n--abc--\r\n"),
		"1", STR("\r\n"), STR("one"), 0 },
	/* the line end before a boundary is the boundary's (RFC 2046, 5.1.1) */
	{ "boundary in a header",
		STR("Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nA: b\r\n--b\r\n"
		    "\r\ntwo\r\n--b--"),
		"1", STR("A: b"), STR(""), 0 },
	{ "no boundary", STR("Content-Type: multipart/x\r\n\r\n--b\r\n\r\none\r\n"), "1",
		STR("Content-Type: multipart/x\r\n\r\n"), STR("--b\r\n\r\none\r\n"), 3 },
	{ "never comes", STR("Content-Type: multipart/x; boundary=b\r\n\r\ntext\r\n"),
		"1", { 0 }, { 0 }, 0 },
	{ "digest",
		STR("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
		    "Subject: s\r\n\r\nx\r\n--b--\r\n"),
		"1.1", STR("Subject: s\r\n\r\n"), STR("x"), 0 },
	{ "quoted boundary",
		STR("Content-Type: multipart/x;\r\n\tboundary=\"a \\\"b\\\"\"\r\n\r\n--a "
		    "\"b\"  \r\n\r\none\r\n--a \"b\"--"),
		"1", STR("\r\n"), STR("one"), 0 },
	{ "NUL", STR("A: \0\r\n\r\n\0\n\0"), "1", STR("A: \0\r\n\r\n"), STR("\0\n\0"),
		1 },
};

static void check_part(size_t i)
{
	uint32_t numbers[NUMBERS_MAX];
	size_t count = numbers_of(rows[i].path, numbers);
	const struct mime_part *part;
	struct mime_tree tree;

	assert_int_equal(mime_scan(rows[i].message, &tree), 0);
	part = mime_part_find(&tree, numbers, count);
	if (!part != !rows[i].body.ptr)
		fail_msg("%s: %s", rows[i].name, part ? "a part" : "no part");
	if (part) {
		SAME(rows[i].name, mime_part_header(&tree, part), rows[i].header);
		SAME(rows[i].name, mime_part_body(&tree, part), rows[i].body);
		assert_int_equal(part->lines, rows[i].lines);
	}
	mime_tree_fini(&tree);
}

static void test_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		check_part(i);
}

/* Deep and many: the rest stays inside what is around it. */
static void test_limits(void **state)
{
	struct mime_tree tree;
	struct buf deep, many;

	(void)state;
	buf_init(&deep, 0);
	for (int i = 0; i < 3 * MIME_DEPTH_MAX; i++)
		assert_int_equal(
			buf_printf(&deep,
				"Content-Type: multipart/x; boundary=b%d.\n\n--b%d.\n", i,
				i),
			0);
	assert_int_equal(mime_scan(buf_view(&deep), &tree), 0);
	assert_int_equal(tree.count, MIME_DEPTH_MAX);
	mime_tree_fini(&tree);
	buf_init(&many, 0);
	assert_int_equal(
		buf_append_c(&many, "Content-Type: multipart/x; boundary=b\n\n"), 0);
	for (int i = 0; i < 2 * MIME_PARTS_MAX; i++)
		assert_int_equal(buf_append_c(&many, "--b\n\nx\n"), 0);
	assert_int_equal(mime_scan(buf_view(&many), &tree), 0);
	assert_int_equal(tree.count, MIME_PARTS_MAX);
	mime_tree_fini(&tree);
	buf_fini(&deep);
	buf_fini(&many);
}

/* The same as if every field were taken apart. */
static void test_finding_fields(void **state)
{
	static const char letters[] = "aAbB: \t\r\n\n-";
	const struct str names[] = { STR("a"), STR("ab"), STR("a-b"), STR("") };
	unsigned seed = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct str name = names[i % 4], all, rest;
		struct mime_field field, first = { 0 }, last = { 0 }, found;
		char text[40];

		for (size_t k = 0; k < sizeof(text); k++) {
			seed = seed * 1103515245 + 12345;
			text[k] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		rest = all = str_of(text, sizeof(text));
		while (mime_next_field(&rest, &field)) {
			if (!str_ieq(field.name, name))
				continue;
			if (!first.all.ptr)
				first = last = field;
			else if (str_trim(field.value).len)
				last = field;
		}
		assert_int_equal(
			mime_find_field(all, name, &found), first.all.ptr != NULL);
		if (first.all.ptr)
			assert_ptr_equal(found.all.ptr, first.all.ptr);
		assert_int_equal(
			mime_find_last_field(all, name, &found), first.all.ptr != NULL);
		if (first.all.ptr)
			assert_ptr_equal(found.all.ptr, last.all.ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_finding_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
