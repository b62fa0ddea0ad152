/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_TRANSCRIPT_H
#define WIRE_TRANSCRIPT_H
/*
 * tests/transcripts/.../NAME.txt: a dialogue, from which a test takes what goes in and
 * what has to come out. A line is a mark, a space and a text:
 *
 *   C: STAT          what goes in under the mark "C", CRLF added
 *   C- STA           the same without a line end
 *   S: +OK 2 320     what has to come out, in this order
 *   # ...            a comment
 *
 * \r \n \0 \\ and \xNN stand for bytes. Which marks there are is the test's business.
 */
#include "base/buf.h"

struct transcript_line {
	char mark;
	struct str text; /* with its CRLF, unless "-" */
};

#define TRANSCRIPT_LINES_MAX 512

struct transcript {
	char name[64];
	struct buf bytes; /* what the lines point into */
	struct transcript_line lines[TRANSCRIPT_LINES_MAX];
	size_t n_lines;
};

/* Runs each file of tests/transcripts/<folder>; fails when there is none. */
void transcripts_run(const char *folder, void (*run)(const struct transcript *t));

/* All lines of one mark as one. */
struct str transcript_of(const struct transcript *t, char mark, struct buf *out);
/* All lines but those of the given marks, "X: text". */
struct str transcript_trace(
	const struct transcript *t, const char *without, struct buf *out);
/* One line of a trace. */
void trace_line(struct buf *trace, char mark, struct str text);
/* Cuts bytes into lines "X: ..."; what has no line end yet stays in *pending. */
void trace_bytes(struct buf *trace, char mark, struct buf *pending);

void assert_same_trace(
	const struct transcript *t, size_t step, struct str got, struct str want);

#endif
