/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client that says anything to a small maildrop, and a reader that takes the server's
   answers back: bodies come out as they are in the maildrop. The first byte chooses the
   step, the second how much of the rest is the body. */
#include "fuzz.h"

#include "wire/pop3/response.h"
#include "wire/pop3/session.h"

#include <stdlib.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

static uint32_t count(void *context)
{
	(void)context;
	return 2;
}

static uint64_t size_of(void *context, uint32_t number)
{
	must(number == 1 || number == 2);
	return ((struct str *)context)->len;
}

static struct str uidl(void *context, uint32_t number)
{
	(void)context;
	(void)number;
	return STR_LIT("u");
}

static int read_body(
	void *context, uint32_t number, uint64_t offset, struct str *ret_piece)
{
	(void)number;
	*ret_piece = str_take(str_skip(*(struct str *)context, (size_t)offset), 5);
	return 0;
}

static int commit(void *context, const struct pop3_session *s)
{
	(void)context;
	must(pop3_session_is_deleted(s, 1) || pop3_session_is_deleted(s, 2));
	return 0;
}

static const struct pop3_maildrop_ops ops = {
	.count = count, .size = size_of, .uidl = uidl, .read = read_body, .commit = commit
};

static void run(struct str commands, size_t step, struct str *body, struct buf *out)
{
	struct pop3_session s;
	struct arena arena;
	size_t start = 0, known = 0, used;
	enum pop3_session_action action;

	arena_init(&arena);
	must(pop3_session_init(&s, &ops, body, &arena) == 0);
	do {
		known = commands.len - known > step ? known + step : commands.len;
		do {
			struct buf reply;

			buf_init(&reply, POP3_SESSION_REPLY_MAX);
			action = pop3_session_next(&s,
				str_skip(str_take(commands, known), start), &used,
				&reply);
			start += used;
			must(start <= known && buf_append(out, buf_view(&reply)) == 0);
			buf_fini(&reply);
		} while (action == POP3_SESSION_AGAIN || action == POP3_SESSION_SEND);
		must(action != POP3_SESSION_FAILED);
	} while (action != POP3_SESSION_QUIT && known < commands.len);
	arena_fini(&arena);
}

/* Strict readers see a line only behind CRLF: a body with a dot behind a bare LF comes
   back with one more, all others as they were, but for a last CRLF. */
static void there_and_back(struct str body)
{
	struct buf answer, back;
	struct pop3_reader r;
	struct str bytes, unread;
	enum pop3_read is;
	size_t used;

	for (size_t i = 0; i + 1 < body.len; i++)
		if (body.ptr[i] == '\n' && body.ptr[i + 1] == '.' &&
			(i == 0 || body.ptr[i - 1] != '\r'))
			return;
	buf_init(&answer, 0);
	buf_init(&back, 0);
	run(STR_LIT("RETR 1\r\n"), 8, &body, &answer);
	pop3_reader_expect(&r, POP3_EXPECT_BYTES);
	unread = buf_view(&answer);
	do {
		is = pop3_reader_next(&r, unread, &bytes, &used);
		unread = str_skip(unread, used);
		if (is == POP3_READ_BYTES)
			must(buf_append(&back, bytes) == 0);
	} while (is == POP3_READ_OK || is == POP3_READ_BYTES);
	must(is == POP3_READ_END && !unread.len);
	must(str_eq(str_take(buf_view(&back), body.len), body));
	bytes = str_skip(buf_view(&back), body.len);
	must(!bytes.len || str_eq(bytes, STR_LIT("\r\n")));
	buf_fini(&answer);
	buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest, body;
	struct buf whole, split;

	if (size < 2)
		return 0;
	rest = str_of(data + 2, size - 2);
	body = str_take(rest, data[1]);
	rest = str_skip(rest, data[1]);
	buf_init(&whole, 0);
	buf_init(&split, 0);
	run(rest, rest.len + 1, &body, &whole);
	run(rest, (size_t)data[0] + 1, &body, &split);
	must(str_eq(buf_view(&whole), buf_view(&split)));
	there_and_back(body);
	buf_fini(&whole);
	buf_fini(&split);
	return 0;
}
