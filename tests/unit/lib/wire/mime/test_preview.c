/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/preview.h"

#include "lib/wire/wire_test.h"

#define HTML "Content-Type: text/html\r\n\r\n"

static void test_previews(void **state)
{
	static const struct {
		struct str message, preview;
	} rows[] = {
		{ STR("\r\nHello\r\n\r\n  world \r\n"), STR("Hello world") },
		{ STR("\r\n"), STR("") },
		{ STR("Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n"),
			STR("Hello") },
		{ STR("Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4"),
			STR("\xc3\xa4") },
		{ STR(HTML "<html><head><title>T</title><style>p {}</style></head>"
			   "<body><p>A &amp; B</p><br>C&nbsp;&#68;&#x45; &unknown; "
			   "<script>x < 1</script><!-- no > --> Z</body>"),
			STR("A & B C DE &unknown; Z") },
		{ STR(HTML "<b"), STR("") },
		{ STR(HTML "<style>never closed"), STR("") },
		{ STR(HTML "a<header>b"), STR("a b") },
		{ STR(HTML "&#xffffff;&#0;x&"), STR("x&") },
		{ STR("Content-Type: multipart/alternative; boundary=x\r\n\r\n"
		      "--x\r\nContent-Type: text/html\r\n\r\n<p>html\r\n"
		      "--x\r\n\r\nplain\r\n--x--\r\n"),
			STR("plain") },
		{ STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n"
		      "--x\r\nContent-Disposition: attachment\r\n\r\nattached\r\n"
		      "--x\r\n\r\ntext\r\n--x--\r\n"),
			STR("text") },
		{ STR("Content-Type: image/png\r\n\r\nxx"), STR("") },
		{ STR("\r\na\xe2\x80\x8b \xc2\xa0 b"), STR("a b") },
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct str message = exact_copy(rows[i].message);
		struct mime_tree tree;
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(mime_scan(message, &tree), 0);
		assert_int_equal(mime_preview(&tree, &out), 0);
		SAME(rows[i].message.ptr, buf_view(&out), rows[i].preview);
		buf_fini(&out);
		mime_tree_fini(&tree);
		exact_free(message);
	}
}

/* RFC 8970, 3.3: characters are counted, not bytes, and none is cut. */
static void test_length(void **state)
{
	struct mime_tree tree;
	struct buf message, out;

	(void)state;
	buf_init(&message, 0);
	buf_init(&out, 0);
	assert_int_equal(buf_append_c(&message, "\r\n"), 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(buf_append_c(&message, "\xc3\xa4"), 0);
	assert_int_equal(mime_scan(buf_view(&message), &tree), 0);
	assert_int_equal(mime_preview(&tree, &out), 0);
	assert_int_equal(buf_len(&out), (size_t)MIME_PREVIEW_CHARS * 2);
	mime_tree_fini(&tree);
	buf_fini(&message);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_previews),
		cmocka_unit_test(test_length) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
