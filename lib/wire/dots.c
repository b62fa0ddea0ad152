/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/dots.h"

#include <string.h>

void undot_init(struct undot *u)
{
	u->state = UNDOT_LINE_START;
}

/* How many bytes lie before the next dot that begins a line. */
static size_t before_dot(enum undot_state *state, struct str s)
{
	size_t at = 0, newline;
	bool crlf;

	while (at < s.len && (*state != UNDOT_LINE_START || s.ptr[at] != '.')) {
		newline = at + str_index(str_skip(s, at), '\n');
		if (newline == s.len) {
			*state = s.ptr[s.len - 1] == '\r' ? UNDOT_CR : UNDOT_TEXT;
			return s.len;
		}
		crlf = newline > at ? s.ptr[newline - 1] == '\r' : *state == UNDOT_CR;
		*state = crlf ? UNDOT_LINE_START : UNDOT_TEXT;
		at = newline + 1;
	}
	return at;
}

/* Behind ".": a CR may begin the end, all else belongs to the line. */
static enum undot_is after_dot(struct undot *u, char next, size_t *used)
{
	u->state = UNDOT_TEXT;
	if (next == '\r') {
		u->state = UNDOT_DOT_CR;
		++*used;
	}
	return UNDOT_NEED_MORE;
}

static enum undot_is after_dot_cr(
	struct undot *u, char next, struct str *ret_bytes, size_t *used)
{
	if (next == '\n') {
		u->state = UNDOT_ENDED;
		++*used;
		return UNDOT_END;
	}
	u->state = UNDOT_CR;
	*ret_bytes = STR_LIT("\r");
	return UNDOT_BYTES;
}

static enum undot_is step(
	struct undot *u, struct str input, struct str *ret_bytes, size_t *used)
{
	struct str rest = str_skip(input, *used);
	size_t n;

	if (u->state == UNDOT_DOT)
		return after_dot(u, rest.ptr[0], used);
	if (u->state == UNDOT_DOT_CR)
		return after_dot_cr(u, rest.ptr[0], ret_bytes, used);
	n = before_dot(&u->state, rest);
	if (!n) {
		u->state = UNDOT_DOT;
		++*used;
		return UNDOT_NEED_MORE;
	}
	*ret_bytes = str_take(rest, n);
	*used += n;
	return UNDOT_BYTES;
}

enum undot_is undot_next(
	struct undot *u, struct str input, struct str *ret_bytes, size_t *ret_used)
{
	enum undot_is is = u->state == UNDOT_ENDED ? UNDOT_END : UNDOT_NEED_MORE;
	size_t used = 0;

	while (is == UNDOT_NEED_MORE && used < input.len)
		is = step(u, input, ret_bytes, &used);
	*ret_used = used;
	return is;
}

void dots_init(struct dots *d)
{
	*d = (struct dots){ .state = UNDOT_LINE_START, .after_lf = true };
}

/* The line up to and with its LF, or all there is. */
static struct str one_line(struct str bytes)
{
	size_t newline = str_index(bytes, '\n');

	return str_take(bytes, newline + 1);
}

int dots_put(struct dots *d, struct str bytes, struct buf *out)
{
	int r = 0;

	while (bytes.len && r == 0) {
		struct str line = one_line(bytes);
		enum undot_state state = d->state;

		if (d->after_lf && line.ptr[0] == '.')
			r = buf_byte(out, '.');
		if (r == 0)
			r = buf_append(out, line);
		if (state == UNDOT_LINE_START)
			state = UNDOT_TEXT; /* a dot is no end here */
		(void)before_dot(&state, line);
		d->state = state;
		d->after_lf = line.ptr[line.len - 1] == '\n';
		bytes = str_skip(bytes, line.len);
	}
	return r;
}

int dots_end(struct dots *d, struct buf *out)
{
	bool whole = d->state == UNDOT_LINE_START;

	d->state = UNDOT_ENDED;
	return buf_append_c(out, whole ? ".\r\n" : "\r\n.\r\n");
}
