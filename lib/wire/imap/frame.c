/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/frame.h"

void imap_frame_init(struct imap_framer *f, size_t line_max)
{
	*f = (struct imap_framer){ .line_max = line_max };
}

void imap_frame_reset(struct imap_framer *f)
{
	imap_frame_init(f, f->line_max);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum imap_frame imap_literal_announced(
	struct str line, struct imap_literal *ret, struct str *ret_before)
{
	size_t close = line.len, open;
	bool plus;
	uint64_t size;

	if (!line.len || line.ptr[line.len - 1] != '}')
		return IMAP_FRAME_COMMAND;
	close = line.len - 1;
	plus = close > 0 && line.ptr[close - 1] == '+';
	if (plus)
		close--;
	open = close;
	while (open > 0 && is_digit(line.ptr[open - 1]))
		open--;
	if (open == 0 || open == close || line.ptr[open - 1] != '{')
		return IMAP_FRAME_COMMAND;
	if (!str_to_u64(str_of(line.ptr + open, close - open), &size) || size > INT64_MAX)
		return IMAP_FRAME_BAD;
	ret->size = size;
	ret->synchronizing = !plus;
	*ret_before = str_take(line, open - 1);
	return IMAP_FRAME_LITERAL;
}

/* The bytes of the line from its start up to `end`, a CR that may belong to its end left
   out. */
static struct str line_until(const struct imap_framer *f, struct str input, size_t end)
{
	struct str line = str_of(input.ptr + f->line_start, end - f->line_start);

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static enum imap_frame end_of_line(
	struct imap_framer *f, struct str input, size_t newline, struct imap_literal *ret)
{
	struct str line = line_until(f, input, newline), before;
	enum imap_frame is = imap_literal_announced(line, ret, &before);

	ret->offset = newline + 1;
	f->scanned = newline + 1;
	if (is == IMAP_FRAME_LITERAL)
		f->pending = ret->size;
	return is;
}

enum imap_frame imap_frame_next(
	struct imap_framer *f, struct str input, struct imap_literal *ret)
{
	struct str unseen = str_skip(input, f->scanned);
	size_t newline;

	if (f->scanned > input.len)
		return IMAP_FRAME_NEED_MORE; /* inside a kept literal */
	newline = str_index(unseen, '\n');
	if (line_until(f, input, f->scanned + newline).len > f->line_max)
		return IMAP_FRAME_TOO_LONG;
	if (newline == unseen.len) {
		f->scanned = input.len;
		return IMAP_FRAME_NEED_MORE;
	}
	return end_of_line(f, input, f->scanned + newline, ret);
}

void imap_frame_keep(struct imap_framer *f)
{
	if (__builtin_add_overflow(f->scanned, f->pending, &f->scanned))
		f->scanned = SIZE_MAX;
	f->line_start = f->scanned;
	f->pending = 0;
}
