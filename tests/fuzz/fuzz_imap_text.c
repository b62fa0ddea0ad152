/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz_imap_text.h"

#include "wire/imap/frame.h"

#include <stdlib.h>

#define RESPONSE_MAX (1u << 30) /* the answers to one command: not our concern here */

struct reader {
	struct str rest;
	int depth;
};

static void step(struct reader *r, size_t n)
{
	if (n > r->rest.len)
		abort();
	r->rest = str_skip(r->rest, n);
}

static void read_quoted(struct reader *r)
{
	step(r, 1);
	while (r->rest.len && r->rest.ptr[0] != '"') {
		unsigned char c = (unsigned char)r->rest.ptr[0];

		if (c >= 0x80 || c == '\0' || c == '\r' || c == '\n')
			abort();
		step(r, c == '\\' ? 2 : 1);
	}
	step(r, 1);
}

static void read_literal(struct reader *r)
{
	size_t line = str_index(r->rest, '\n') + 1;
	struct imap_literal literal;
	struct str before;

	if (line < 4 || line > r->rest.len ||
		imap_literal_announced(str_take(r->rest, line - 2), &literal, &before) !=
			IMAP_FRAME_LITERAL)
		abort();
	step(r, line);
	if (literal.size > r->rest.len ||
		str_index(str_take(r->rest, (size_t)literal.size), '\0') < literal.size)
		abort();
	step(r, (size_t)literal.size);
}

void fuzz_check_value(struct str value)
{
	struct reader r = { .rest = value };

	while (r.rest.len) {
		unsigned char c = (unsigned char)r.rest.ptr[0];

		if (c == '"') {
			read_quoted(&r);
		} else if (c == '{') {
			read_literal(&r);
		} else {
			r.depth += (c == '(') - (c == ')');
			if (r.depth < 0 || c < 0x20 || c >= 0x7f)
				abort();
			step(&r, 1);
		}
	}
	if (r.depth)
		abort();
}

void fuzz_check_responses(struct str output)
{
	while (output.len) {
		struct imap_framer framer;
		struct imap_literal at;
		enum imap_frame frame;

		imap_frame_init(&framer, RESPONSE_MAX);
		while ((frame = imap_frame_next(&framer, output, &at)) ==
			IMAP_FRAME_LITERAL)
			imap_frame_keep(&framer);
		if (frame != IMAP_FRAME_COMMAND)
			abort();
		output = str_skip(output, at.offset);
	}
}
