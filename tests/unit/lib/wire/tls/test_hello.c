/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ClientHellos whole, cut at every byte and into records of every size; and what is none.
 */
#include "wire/tls/hello.h"

#include "lib/wire/wire_test.h"

/* Two bytes of length, then that many bytes. */
#define EXTENSION(type, length, value) "\x00" type "\x00" length value
#define SNI(list_length, name_length, name)                                              \
	"\x00" list_length "\x00"                                                        \
	"\x00" name_length name
#define START                                                                            \
	"\x03\x03"                                                                       \
	"0123456789abcdef0123456789abcdef"                                               \
	"\x00"                                                                           \
	"\x00\x02\x13\x01"                                                               \
	"\x01\x00"

static const struct {
	const char *name;
	struct str body; /* of the message, without extensions' length */
	struct str extensions;
	enum tls_hello_result result;
	const char *host;
	uint16_t version;
	bool early;
} rows[] = {
	{ "no extensions at all", STR(START), { 0 }, TLS_HELLO_DONE, "", 0x0303, false },
	{ "empty extensions", STR(START), STR(""), TLS_HELLO_DONE, "", 0x0303, false },
	{ "name", STR(START), STR(EXTENSION("\x00", "\x08", SNI("\x06", "\x03", "A.b"))),
		TLS_HELLO_DONE, "a.b", 0x0303, false },
	{ "name with the root's dot", STR(START),
		STR(EXTENSION("\x00", "\x09", SNI("\x07", "\x04", "a.b."))),
		TLS_HELLO_DONE, "a.b", 0x0303, false },
	{ "name with a NUL", STR(START),
		STR(EXTENSION("\x00", "\x08", SNI("\x06", "\x03", "a\0b"))),
		TLS_HELLO_DONE, "", 0x0303, false },
	{ "empty name", STR(START),
		STR(EXTENSION("\x00", "\x05", SNI("\x03", "\x00", ""))), TLS_HELLO_DONE,
		"", 0x0303, false },
	{ "two names", STR(START),
		STR(EXTENSION("\x00", "\x08", SNI("\x06", "\x03", "a.b"))
				EXTENSION("\x00", "\x08", SNI("\x06", "\x03", "c.d"))),
		TLS_HELLO_BAD, "", 0, false },
	{ "name longer than its list", STR(START),
		STR(EXTENSION("\x00", "\x08", SNI("\x06", "\x04", "a.b"))), TLS_HELLO_BAD,
		"", 0, false },
	{ "versions, one of them GREASE", STR(START),
		STR(EXTENSION("\x2b", "\x07", "\x06\x7a\x7a\x03\x04\x03\x03")),
		TLS_HELLO_DONE, "", 0x0304, false },
	{ "odd versions", STR(START), STR(EXTENSION("\x2b", "\x04", "\x03\x03\x04\x03")),
		TLS_HELLO_BAD, "", 0, false },
	{ "early data", STR(START), STR(EXTENSION("\x2a", "\x00", "")), TLS_HELLO_DONE,
		"", 0x0303, true },
	{ "unknown extension", STR(START), STR(EXTENSION("\x99", "\x01", "x")),
		TLS_HELLO_DONE, "", 0x0303, false },
	{ "extension longer than the rest", STR(START),
		STR(EXTENSION("\x99", "\x02", "x")), TLS_HELLO_BAD, "", 0, false },
	{ "no ciphers",
		STR("\x03\x03"
		    "0123456789abcdef0123456789abcdef"
		    "\x00\x00\x00\x01\x00"),
		{ 0 }, TLS_HELLO_BAD, "", 0, false },
	{ "session of 33 bytes",
		STR("\x03\x03"
		    "0123456789abcdef0123456789abcdef"
		    "\x21"
		    "0123456789abcdef0123456789abcdef0"
		    "\x00\x02\x13\x01\x01\x00"),
		{ 0 }, TLS_HELLO_BAD, "", 0, false },
	{ "nothing", STR(""), { 0 }, TLS_HELLO_BAD, "", 0, false },
};

static void add(struct buf *b, struct str bytes)
{
	assert_int_equal(buf_append(b, bytes), 0);
}

static void add_number(struct buf *b, size_t value, size_t size)
{
	while (size--)
		assert_int_equal(buf_byte(b, (char)(value >> 8 * size & 0xff)), 0);
}

static void make_message(size_t row, struct buf *out)
{
	size_t len = rows[row].body.len;

	if (rows[row].extensions.ptr)
		len += 2 + rows[row].extensions.len;
	assert_int_equal(buf_byte(out, 1), 0);
	add_number(out, len, 3);
	add(out, rows[row].body);
	if (rows[row].extensions.ptr) {
		add_number(out, rows[row].extensions.len, 2);
		add(out, rows[row].extensions);
	}
}

/* record: at most so many bytes of the message in each. */
static void make_records(struct str message, size_t record, struct buf *out)
{
	while (message.len) {
		struct str piece = str_take(message, record);

		add(out, STR_LIT("\x16\x03\x01"));
		add_number(out, piece.len, 2);
		add(out, piece);
		message = str_skip(message, piece.len);
	}
}

/* piece: at most so many bytes a read. */
static enum tls_hello_result read_in_pieces(
	struct str bytes, size_t piece, struct tls_hello *ret)
{
	struct tls_hello_reader reader;
	enum tls_hello_result result = TLS_HELLO_NEED_MORE;

	tls_hello_init(&reader);
	while (bytes.len && result == TLS_HELLO_NEED_MORE) {
		struct str copy = exact_copy(str_take(bytes, piece));

		result = tls_hello_read(&reader, copy, ret);
		exact_free(copy);
		bytes = str_skip(bytes, piece);
	}
	tls_hello_fini(&reader);
	return result;
}

static void check(size_t row, struct str records, size_t record, size_t piece)
{
	struct tls_hello hello = { 0 };
	enum tls_hello_result result = read_in_pieces(records, piece, &hello);

	if (result != rows[row].result)
		fail_msg("%s (records of %zu, reads of %zu): %d", rows[row].name, record,
			piece, (int)result);
	if (result != TLS_HELLO_DONE)
		return;
	SAME(rows[row].name, str_from(hello.name), str_from(rows[row].host));
	assert_int_equal(hello.version, rows[row].version);
	assert_int_equal(hello.has_early_data, rows[row].early);
}

static void test_hellos(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 7, 64, 16384 };

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		for (size_t k = 0; k < N_ROWS(sizes); k++) {
			struct buf message, records;

			buf_init(&message, 0);
			buf_init(&records, 0);
			make_message(i, &message);
			make_records(buf_view(&message), sizes[k], &records);
			for (size_t piece = 1; piece < 9; piece++)
				check(i, buf_view(&records), sizes[k], piece);
			check(i, buf_view(&records), sizes[k], 100000);
			buf_fini(&message);
			buf_fini(&records);
		}
	}
}

/* Cut anywhere it asks for more, and never answers. */
static void test_cut(void **state)
{
	struct buf message, records;
	struct tls_hello hello;

	(void)state;
	buf_init(&message, 0);
	buf_init(&records, 0);
	make_message(2, &message);
	make_records(buf_view(&message), 16, &records);
	for (size_t n = 0; n < buf_len(&records); n++)
		assert_int_equal(
			read_in_pieces(str_take(buf_view(&records), n), 100, &hello),
			TLS_HELLO_NEED_MORE);
	buf_fini(&message);
	buf_fini(&records);
}

static void test_others(void **state)
{
	static const struct {
		const char *name;
		struct str bytes;
		enum tls_hello_result result;
	} others[] = {
		{ "IMAP", STR("a LOGIN u p\r\n"), TLS_HELLO_NOT_TLS },
		{ "one byte of it", STR("a"), TLS_HELLO_NOT_TLS },
		{ "SSL 2", STR("\x80\x2e\x01\x03\x01"), TLS_HELLO_NOT_TLS },
		{ "not version 3", STR("\x16\x02\x00\x00\x01"), TLS_HELLO_NOT_TLS },
		{ "empty record", STR("\x16\x03\x01\x00\x00"), TLS_HELLO_BAD },
		{ "record too long", STR("\x16\x03\x01\x40\x01"), TLS_HELLO_BAD },
		{ "another message", STR("\x16\x03\x01\x00\x01\x02"), TLS_HELLO_BAD },
		{ "message too long", STR("\x16\x03\x01\x00\x04\x01\x00\x40\x01"),
			TLS_HELLO_TOO_BIG },
		{ "an alert behind its start",
			STR("\x16\x03\x01\x00\x01\x01\x15\x03\x01"), TLS_HELLO_NOT_TLS },
		{ "bytes behind the message",
			STR("\x16\x03\x01\x00\x05\x01\x00\x00\x00x"), TLS_HELLO_BAD },
	};
	struct tls_hello hello;

	(void)state;
	for (size_t i = 0; i < N_ROWS(others); i++)
		for (size_t piece = 1; piece < 12; piece++)
			if (read_in_pieces(others[i].bytes, piece, &hello) !=
				others[i].result)
				fail_msg("%s in pieces of %zu", others[i].name, piece);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hellos),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
