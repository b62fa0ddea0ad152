/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A POP3 session over a maildrop in memory, driven by tests/transcripts/pop3/session.
 *
 *   M: 120 uidl text   a message: its size for LIST, its UIDL, its body (\n: CRLF is
 * \r\n) E: 2               reading message 2 fails; E: QUIT: the commit fails C: S:
 * client and server D: 2               message 2 was removed (at QUIT) R: 2 message 2 was
 * retrieved Z: quit            the connection is closed, or "failed"
 */
#include "wire/pop3/session.h"

#include "lib/wire/transcript.h"
#include "lib/wire/wire_test.h"

#include <errno.h>

#define MESSAGES_MAX 16

struct drop {
	struct str size[MESSAGES_MAX], uidl[MESSAGES_MAX], body[MESSAGES_MAX];
	uint32_t count;
	uint32_t broken; /* a message that cannot be read */
	bool cannot_commit;
	size_t piece; /* how much one read gives */
	struct buf *trace, *pending;
};

static uint32_t drop_count(void *context)
{
	return ((struct drop *)context)->count;
}

static uint64_t drop_size(void *context, uint32_t number)
{
	uint64_t size;

	assert_true(str_to_u64(((struct drop *)context)->size[number - 1], &size));
	return size;
}

static struct str drop_uidl(void *context, uint32_t number)
{
	return ((struct drop *)context)->uidl[number - 1];
}

static int drop_read(
	void *context, uint32_t number, uint64_t offset, struct str *ret_piece)
{
	struct drop *d = context;

	if (number == d->broken)
		return -EIO;
	*ret_piece = str_take(str_skip(d->body[number - 1], offset), d->piece);
	return 0;
}

static void event(struct drop *d, char mark, uint32_t number)
{
	char text[16];

	trace_bytes(d->trace, 'S', d->pending);
	(void)snprintf(text, sizeof(text), "%u", number);
	trace_line(d->trace, mark, str_from(text));
}

static void drop_retrieved(void *context, uint32_t number)
{
	event(context, 'R', number);
}

static int drop_commit(void *context, const struct pop3_session *s)
{
	struct drop *d = context;

	bool any = false;

	if (d->cannot_commit)
		return -EIO;
	for (uint32_t i = 1; i <= d->count; i++) {
		if (!pop3_session_is_deleted(s, i))
			continue;
		event(d, 'D', i);
		any = true;
	}
	assert_true(any); /* it is not asked for nothing */
	return 0;
}

static const struct pop3_maildrop_ops ops = { .count = drop_count,
	.size = drop_size,
	.uidl = drop_uidl,
	.read = drop_read,
	.retrieved = drop_retrieved,
	.commit = drop_commit };

static void fill(struct drop *d, const struct transcript *t)
{
	for (size_t i = 0; i < t->n_lines; i++) {
		struct str text = t->lines[i].text;

		if (t->lines[i].mark == 'M') {
			assert_true(d->count < MESSAGES_MAX);
			d->size[d->count] = str_split(&text, ' ');
			d->uidl[d->count] = str_split(&text, ' ');
			d->body[d->count++] = text;
		} else if (t->lines[i].mark == 'E') {
			if (!str_to_u32(str_trim(text), &d->broken))
				d->cannot_commit = true;
		}
	}
}

/* Everything that is known goes in until the machine wants more or the end has come. */
static bool feed(struct pop3_session *s, struct str known, size_t *start, struct drop *d)
{
	for (;;) {
		size_t used;
		enum pop3_session_action action =
			pop3_session_next(s, str_skip(known, *start), &used, d->pending);

		*start += used;
		trace_bytes(d->trace, 'S', d->pending);
		if (action == POP3_SESSION_NEED_MORE)
			return true;
		if (action == POP3_SESSION_AGAIN || action == POP3_SESSION_SEND)
			continue;
		trace_line(d->trace, 'Z',
			action == POP3_SESSION_QUIT ? STR_LIT("quit")
						    : STR_LIT("failed"));
		return false;
	}
}

static void run_in_steps(
	const struct transcript *t, struct str input, size_t step, size_t piece)
{
	struct buf trace, pending, want;
	struct drop d = { .piece = piece, .trace = &trace, .pending = &pending };
	struct pop3_session s;
	struct arena arena;
	size_t start = 0, known = 0;

	arena_init(&arena);
	buf_init(&trace, 0);
	buf_init(&pending, POP3_SESSION_REPLY_MAX);
	buf_init(&want, 0);
	fill(&d, t);
	assert_int_equal(pop3_session_init(&s, &ops, &d, &arena), 0);
	do {
		known = input.len - known > step ? known + step : input.len;
	} while (feed(&s, str_take(input, known), &start, &d) && known < input.len);
	assert_int_equal(buf_len(&pending), 0);
	assert_same_trace(t, step, buf_view(&trace), transcript_trace(t, "CME", &want));
	buf_fini(&want);
	buf_fini(&pending);
	buf_fini(&trace);
	arena_fini(&arena);
}

static void run(const struct transcript *t)
{
	struct buf bytes;
	struct str input;

	buf_init(&bytes, 0);
	input = exact_copy(transcript_of(t, 'C', &bytes));
	run_in_steps(t, input, input.len, 1000);
	run_in_steps(t, input, input.len, 1);
	run_in_steps(t, input, 1, 1000);
	run_in_steps(t, input, 1, 1);
	run_in_steps(t, input, 7, 3);
	exact_free(input);
	buf_fini(&bytes);
}

static void test_transcripts(void **state)
{
	(void)state;
	transcripts_run("pop3/session", run);
}

/* ---- more than one portion ---- */

static uint32_t many_count(void *context)
{
	(void)context;
	return 20000;
}

static uint64_t many_size(void *context, uint32_t number)
{
	(void)context;
	return number == 1 ? 1000000 : 10;
}

static struct str many_uidl(void *context, uint32_t number)
{
	(void)context;
	(void)number;
	return STR_LIT("0123456789012345678901234567890123456789");
}

/* A megabyte of dots. */
static int many_read(
	void *context, uint32_t number, uint64_t offset, struct str *ret_piece)
{
	(void)number;
	*ret_piece = str_of(context, offset < 750000 ? 250000 : 1000000 - (size_t)offset);
	return 0;
}

static const struct pop3_maildrop_ops many_ops = { .count = many_count,
	.size = many_size,
	.uidl = many_uidl,
	.read = many_read,
	.commit = drop_commit };

/* Bytes in an answer that is sent portion by portion. */
static size_t answer_length(struct pop3_session *s, struct str command)
{
	struct buf reply;
	size_t total = 0, used, portions = 0;
	enum pop3_session_action action;

	buf_init(&reply, POP3_SESSION_REPLY_MAX);
	do {
		action = pop3_session_next(s, command, &used, &reply);
		command = str_skip(command, used);
		total += buf_len(&reply);
		assert_true(buf_len(&reply) <= POP3_SESSION_REPLY_MAX);
		buf_clear(&reply);
		portions++;
	} while (action == POP3_SESSION_SEND);
	assert_int_equal(action, POP3_SESSION_AGAIN);
	assert_true(portions > 10);
	buf_fini(&reply);
	return total;
}

static void test_portions(void **state)
{
	struct pop3_session s;
	struct arena arena;
	char *body = malloc(250000);

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < 250000; i += 2)
		memcpy(body + i, ".\n", 2);
	arena_init(&arena);
	assert_int_equal(pop3_session_init(&s, &many_ops, body, &arena), 0);
	/* "+OK\r\n", numbers of 1 to 5 digits, a space, 40 bytes, CRLF, ".\r\n" */
	assert_int_equal(answer_length(&s, STR_LIT("UIDL\r\n")),
		5 + 9 + 90 * 2 + 900 * 3 + 9000 * 4 + 10001 * 5 + 20000 * 43 + 3);
	/* each dot doubled; a bare LF at the end */
	assert_int_equal(
		answer_length(&s, STR_LIT("RETR 1\r\n")), 20 + 1000000 + 500000 + 5);
	assert_int_equal(
		answer_length(&s, STR_LIT("TOP 1 999999\r\n")), 5 + 1000000 + 500000 + 5);
	arena_fini(&arena);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_portions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
