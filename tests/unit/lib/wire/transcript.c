/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lib/wire/transcript.h"

#include "lib/wire/wire_test.h"

#include <dirent.h>

static int hex(char c)
{
	const struct str digits = STR("0123456789abcdef");
	size_t at = str_index(digits, c);

	assert_true(at < digits.len);
	return (int)at;
}

/* The byte behind a backslash; *at is left on its last character. */
static char escaped(struct str line, size_t *at)
{
	char c = line.ptr[++*at];

	switch (c) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case '0':
		return '\0';
	case 'x':
		*at += 2;
		return (char)(hex(line.ptr[*at - 1]) * 16 + hex(line.ptr[*at]));
	default:
		return c;
	}
}

static void add_line(struct transcript *t, struct str line)
{
	struct transcript_line *l = &t->lines[t->n_lines++];
	size_t start = buf_len(&t->bytes);

	assert_true(t->n_lines < TRANSCRIPT_LINES_MAX && line.len >= 2);
	l->mark = line.ptr[0];
	for (size_t i = 3; i < line.len; i++)
		assert_int_equal(
			buf_byte(&t->bytes,
				line.ptr[i] == '\\' ? escaped(line, &i) : line.ptr[i]),
			0);
	if (line.ptr[1] == ':')
		assert_int_equal(buf_append_c(&t->bytes, "\r\n"), 0);
	/* the buffer may move: only the length is good until all is read */
	l->text.len = buf_len(&t->bytes) - start;
}

static void parse(struct transcript *t, struct str text)
{
	size_t at = 0;

	while (text.len) {
		struct str line = str_split(&text, '\n');

		if (line.len && line.ptr[0] != '#')
			add_line(t, line);
	}
	for (size_t i = 0; i < t->n_lines; i++) {
		t->lines[i].text.ptr = t->bytes.data + at;
		at += t->lines[i].text.len;
	}
}

static void run_file(
	const char *path, const char *name, void (*run)(const struct transcript *t))
{
	struct transcript *t = calloc(1, sizeof(*t));
	struct buf text;
	FILE *in = fopen(path, "rb");
	char *space;

	assert_non_null(in);
	assert_non_null(t);
	buf_init(&text, 0);
	buf_init(&t->bytes, 0);
	assert_true(
		snprintf(t->name, sizeof(t->name), "%s", name) < (int)sizeof(t->name));
	do {
		assert_int_equal(buf_reserve(&text, 4096, &space), 0);
		buf_commit(&text, fread(space, 1, 4096, in));
	} while (!feof(in));
	(void)fclose(in);
	parse(t, buf_view(&text));
	run(t);
	buf_fini(&text);
	buf_fini(&t->bytes);
	free(t);
}

void transcripts_run(const char *folder, void (*run)(const struct transcript *t))
{
	char path[1024], file[2048];
	const struct dirent *entry;
	unsigned count = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", TRANSCRIPTS, folder);
	d = opendir(path);
	if (!d)
		fail_msg("%s is missing", path);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		run_file(file, entry->d_name, run);
		count++;
	}
	closedir(d);
	assert_true(count > 0);
}

struct str transcript_of(const struct transcript *t, char mark, struct buf *out)
{
	for (size_t i = 0; i < t->n_lines; i++)
		if (t->lines[i].mark == mark)
			assert_int_equal(buf_append(out, t->lines[i].text), 0);
	return buf_view(out);
}

struct str transcript_trace(
	const struct transcript *t, const char *without, struct buf *out)
{
	for (size_t i = 0; i < t->n_lines; i++)
		if (!strchr(without, t->lines[i].mark))
			trace_line(out, t->lines[i].mark, t->lines[i].text);
	return buf_view(out);
}

void trace_line(struct buf *trace, char mark, struct str text)
{
	bool whole =
		text.len >= 2 && str_eq(str_skip(text, text.len - 2), STR_LIT("\r\n"));

	assert_int_equal(buf_printf(trace, "%c: ", mark), 0);
	assert_int_equal(buf_append(trace, text), 0);
	if (!whole)
		assert_int_equal(buf_append_c(trace, "\r\n"), 0);
}

void trace_bytes(struct buf *trace, char mark, struct buf *pending)
{
	for (;;) {
		struct str all = buf_view(pending);
		size_t newline = str_index(all, '\n');

		if (newline == all.len)
			return;
		trace_line(trace, mark, str_take(all, newline + 1));
		buf_consume(pending, newline + 1);
	}
}

void assert_same_trace(
	const struct transcript *t, size_t step, struct str got, struct str want)
{
	if (str_eq(got, want))
		return;
	fail_msg("%s, in steps of %zu:\n---- got\n%.*s---- expected\n%.*s", t->name, step,
		STR_ARG(got), STR_ARG(want));
}
