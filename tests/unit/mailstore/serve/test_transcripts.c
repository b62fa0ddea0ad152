/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dialogues with the server as people read them (tests/transcripts/imap):
 *
 *   C: a line of the client     C2: of the second session
 *   S: a line of the server     S2: …
 *   # a remark
 *
 * "..." in a line of the server stands for any text.
 *
 * Each runs with whole lines, again byte by byte, and again with sessions that go on in
 * another process after each line, where they can; on a fresh store.
 */
#include "mailstore/serve/memory_session.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE_MAX_BYTES 4096

enum manner { LINEWISE, BYTEWISE, HIBERNATING, MANNER_COUNT };
static const char *const manners[] = { "linewise", "bytewise", "hibernating" };
_Static_assert(sizeof(manners) / sizeof(manners[0]) == MANNER_COUNT, "one each");

struct transcript {
	const char *path;
	struct memory_server server;
	enum manner manner;
	unsigned slept;
	unsigned line;
};

static void feed(struct transcript *t, size_t session, struct str bytes)
{
	size_t piece = t->manner == BYTEWISE ? 1 : bytes.len;

	for (; bytes.len; bytes = str_skip(bytes, piece))
		assert_return_code(
			memory_session_feed(&t->server, session, str_take(bytes, piece)),
			0);
}

static void client_says(struct transcript *t, size_t session, struct str line)
{
	if (!t->server.sessions[session].open)
		assert_return_code(
			memory_session_open(&t->server, session, STR_LIT("")), 0);
	feed(t, session, line);
	feed(t, session, STR_LIT("\r\n"));
	if (t->manner == HIBERNATING) {
		int n = memory_server_sleep(&t->server);

		assert_return_code(n, -n);
		t->slept += (unsigned)n;
	}
}

static bool is_expected(struct str line, struct str expected)
{
	for (size_t i = 0; i + 3 <= expected.len; i++) {
		struct str rest = str_skip(expected, i + 3);

		if (str_starts(str_skip(expected, i), STR_LIT("...")))
			return line.len >= i + rest.len &&
			       str_eq(str_take(line, i), str_take(expected, i)) &&
			       str_eq(str_skip(line, line.len - rest.len), rest);
	}
	return str_eq(line, expected);
}

static void server_says(struct transcript *t, size_t session, struct str expected)
{
	struct buf *output = &t->server.sessions[session].output;
	struct str said = buf_view(output);
	size_t newline = str_index(said, '\n');
	struct str line = str_take(said, newline);

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (newline == said.len || !is_expected(line, expected))
		fail_msg("%s:%u (%s)\nexpected: %.*s\n     got: %.*s", t->path, t->line,
			manners[t->manner], STR_ARG(expected), STR_ARG(line));
	buf_consume(output, newline + 1);
}

/* "C2: text" → 'C', 1, "text". */
static bool parse_line(struct str line, char *who, size_t *session, struct str *text)
{
	size_t colon = str_index(line, ':');

	if (colon == line.len || colon > 2)
		return false;
	*who = line.ptr[0];
	*session = colon == 2 ? (size_t)(line.ptr[1] - '1') : 0;
	*text = str_skip(line, colon + 1);
	if (text->len && text->ptr[0] == ' ')
		*text = str_skip(*text, 1);
	return *session < MEMORY_SESSIONS && (*who == 'C' || *who == 'S');
}

static void play_line(struct transcript *t, struct str line)
{
	struct str text;
	size_t session = 0;
	char who = 0;

	t->line++;
	if (!line.len || line.ptr[0] == '#')
		return;
	if (!parse_line(line, &who, &session, &text))
		fail_msg("%s:%u: neither C: nor S:", t->path, t->line);
	if (who == 'C')
		client_says(t, session, text);
	else
		server_says(t, session, text);
}

/* How often sessions slept. */
static unsigned play(const char *path, enum manner manner)
{
	struct transcript t = { .path = path, .manner = manner };
	char line[LINE_MAX_BYTES];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_return_code(memory_server_open(&t.server), 0);
	while (fgets(line, sizeof(line), file))
		play_line(&t, str_take(str_from(line), strcspn(line, "\n")));
	for (size_t i = 0; i < MEMORY_SESSIONS; i++) {
		struct str left = buf_view(&t.server.sessions[i].output);

		if (left.len)
			fail_msg("%s: session %zu also said: %.*s", path, i + 1,
				STR_ARG(left));
	}
	assert_return_code(store_verify(t.server.serve.store, NULL), 0);
	memory_server_close(&t.server);
	(void)fclose(file);
	return t.slept;
}

static int is_transcript(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

static void test_all(void **state)
{
	struct dirent **entries;
	int count = scandir(TRANSCRIPTS, &entries, is_transcript, alphasort);
	unsigned slept = 0;

	(void)state;
	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		char path[LINE_MAX_BYTES];

		(void)snprintf(
			path, sizeof(path), "%s/%s", TRANSCRIPTS, entries[i]->d_name);
		for (int manner = 0; manner < MANNER_COUNT; manner++)
			slept += play(path, (enum manner)manner);
		free(entries[i]);
	}
	free(entries);
	assert_true(slept > (unsigned)count * 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
