/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BODYSTRUCTURE of odd parts: what a client is told of names, encodings and types. */
#include "wire/imap/envelope.h"

#include "lib/wire/wire_test.h"

#define LEAF(type, params, encoding, octets, lines, disposition)                         \
	"(" type " " params " NIL NIL \"" encoding "\" " octets lines                    \
	" NIL " disposition " NIL NIL)"

static const struct {
	const char *name;
	struct str message, structure;
} rows[] = {
	{ "name in pieces, some encoded",
		STR("Content-Type: application/pdf\r\nContent-Disposition: "
		    "attachment;\r\n"
		    " filename*0*=UTF-8''Angebot%20f%C3%BCr;\r\n filename*2=\"und Sohn "
		    ".pdf\""
		    ";\r\n filename*1*=%20M%C3%BCller%20\r\n\r\nx\r\n"),
		STR(LEAF("\"application\" \"pdf\"", "NIL", "7bit", "3", "",
			"(\"attachment\" (\"filename*\" "
			"\"UTF-8''Angebot%20f%C3%BCr%20M%C3%BCller%20und%20Sohn%20.pdf\")"
			")")) },
	{ "first piece plain, second encoded",
		STR("Content-Type: a/b; name*0=\"a%\"; name*1*=%41\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "(\"name*\" \"''a%25%41\")", "7bit", "0", "",
			"NIL")) },
	{ "a gap in the pieces",
		STR("Content-Type: a/b; name*0=x; name*2=z; c=d\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "(\"name\" \"x\" \"name*2\" \"z\" \"c\" \"d\")",
			"7bit", "0", "", "NIL")) },
	{ "no first piece", STR("Content-Type: a/b; name*1=x\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "(\"name*1\" \"x\")", "7bit", "0", "", "NIL")) },
	{ "white space inside quotes",
		STR("Content-Type: a/b; name=\" notes .txt \"\r\nContent-Disposition: "
		    "attachment; filename*0=\"Annual \"; "
		    "filename*1=\"report.pdf\"\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "(\"name\" \" notes .txt \")", "7bit", "0", "",
			"(\"attachment\" (\"filename\" \"Annual report.pdf\"))")) },
	{ "two dispositions: the last",
		STR("Content-Type: a/b\r\nContent-Disposition: inline\r\n"
		    "Content-Disposition: attachment; filename=x\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "NIL", "7bit", "0", "",
			"(\"attachment\" (\"filename\" \"x\"))")) },
	{ "two types: the first", STR("Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "NIL", "7bit", "0", "", "NIL")) },
	{ "encoding of two words",
		STR("Content-Type: a/b\r\nContent-Transfer-Encoding: 8 bit\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "NIL", "7bit", "0", "", "NIL")) },
	{ "encoding that is a type",
		STR("Content-Type: a/b\r\nContent-Transfer-Encoding: text/html\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "NIL", "7bit", "0", "", "NIL")) },
	{ "encoding with a comment",
		STR("Content-Type: a/b\r\nContent-Transfer-Encoding: Base64 (x) "
		    ";y\r\n\r\n"),
		STR(LEAF("\"a\" \"b\"", "NIL", "Base64", "0", "", "NIL")) },
	{ "multipart without a boundary",
		STR("Content-Type: multipart/mixed\r\n\r\nx\r\n"),
		STR(LEAF("\"text\" \"plain\"", "(\"charset\" \"us-ascii\")", "7bit", "3",
			" 1", "NIL")) },
	{ "header that ends at the boundary",
		STR("Content-Type: multipart/mixed; "
		    "boundary=b\r\n\r\n--b\r\nContent-Type: "
		    "message/rfc822\r\n\r\nSubject: s\r\n--b--\r\n"),
		STR("((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 10 (NIL \"s\" NIL NIL "
		    "NIL NIL "
		    "NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL "
		    "NIL "
		    "\"7bit\" 0 0 NIL NIL NIL NIL) 0 NIL NIL NIL NIL) \"mixed\" "
		    "(\"boundary\" "
		    "\"b\") NIL NIL NIL)") },
};

static void test_structures(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str message = exact_copy(rows[i].message);
		struct mime_tree tree;
		struct arena arena;
		struct buf out;

		arena_init(&arena);
		buf_init(&out, 0);
		assert_int_equal(mime_scan(message, &tree), 0);
		assert_int_equal(imap_put_structure(&out, &tree, true, &arena), 0);
		SAME(rows[i].name, buf_view(&out), rows[i].structure);
		mime_tree_fini(&tree);
		buf_fini(&out);
		arena_fini(&arena);
		exact_free(message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
