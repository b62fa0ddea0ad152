/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/binary.h"

#include "base/buf.h"
#include "lib/wire/wire_test.h"

#include <errno.h>

static int take(void *context, struct str bytes)
{
	return buf_append(context, bytes);
}

static void test_nuls(void **state)
{
	static const struct {
		struct str message, encoded; /* "": cannot be */
	} rows[] = {
		{ STR("A: b\r\n\r\nplain"), STR("A: b\r\n\r\nplain") },
		{ STR("A: b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\1\2"),
			STR("A: b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC") },
		{ STR("\r\n\0"), STR("Content-Transfer-Encoding: base64\r\n\r\nAA==") },
		{ STR("Content-Type: multipart/mixed; boundary=x\r\n\r\np\r\n--x\r\n\r\n"
		      "text\r\n--x\r\nX: y\r\n\r\n\0\r\n--x\r\n\r\nmore\r\n--x--\r\n"),
			STR("Content-Type: multipart/mixed; boundary=x\r\n\r\np\r\n"
			    "--x\r\n\r\ntext\r\n--x\r\nX: y\r\n"
			    "Content-Transfer-Encoding: base64\r\n\r\nAA==\r\n--x\r\n\r\n"
			    "more\r\n--x--\r\n") },
		{ STR("A: \0\r\n\r\nbody"), STR("") },
		{ STR("A: \0\r\n\r\nbody\0"), STR("") },
		{ STR("Content-Transfer-Encoding: base64\r\n\r\n\0"), STR("") },
		{ STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n\0\r\n"
		      "--x\r\n\r\ntext\r\n--x--\r\n"),
			STR("") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str message = exact_copy(rows[i].message);
		struct mime_tree tree;
		struct buf out;
		int r;

		buf_init(&out, 0);
		assert_int_equal(mime_scan(message, &tree), 0);
		r = mime_encode_nuls(&tree, take, &out);
		assert_int_equal(r, rows[i].encoded.len ? 0 : -EPROTONOSUPPORT);
		if (r == 0)
			SAME(rows[i].message.ptr, buf_view(&out), rows[i].encoded);
		buf_fini(&out);
		mime_tree_fini(&tree);
		exact_free(message);
	}
}

static void test_replaced(void **state)
{
	char bytes[] = "\0a\0\0b\0c";

	(void)state;
	mime_replace_nuls(bytes, 6); /* not the one behind */
	assert_memory_equal(bytes,
		"\x80"
		"a\x80\x80"
		"b\x80"
		"c",
		sizeof(bytes));
	mime_replace_nuls(bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_nuls),
		cmocka_unit_test(test_replaced) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
