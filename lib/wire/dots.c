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

/* Where the first dot lies that begins a line; s.len: there is none. Dots are looked for,
   not lines: base64 has none. */
static size_t line_dot(struct str s, bool after_lf)
{
	size_t at = str_index(s, '.');

	while (at < s.len && (at ? s.ptr[at - 1] != '\n' : !after_lf))
		at += 1 + str_index(str_skip(s, at + 1), '.');
	return at;
}

/* What the end of these bytes, which are some, makes of what follows. */
static void note_end(struct dots *d, struct str bytes)
{
	char last = bytes.ptr[bytes.len - 1];
	bool crlf =
		bytes.len > 1 ? bytes.ptr[bytes.len - 2] == '\r' : d->state == UNDOT_CR;

	d->after_lf = last == '\n';
	if (last == '\r')
		d->state = UNDOT_CR;
	else
		d->state = d->after_lf && crlf ? UNDOT_LINE_START : UNDOT_TEXT;
}

int dots_put(struct dots *d, struct str bytes, struct buf *out)
{
	struct str rest = bytes;
	bool after_lf = d->after_lf;
	int r = 0;

	while (rest.len && r == 0) {
		size_t dot = line_dot(rest, after_lf);

		r = buf_append(out, str_take(rest, dot));
		if (r == 0 && dot < rest.len)
			r = buf_append_c(out, "..");
		rest = str_skip(rest, dot + 1);
		after_lf = false;
	}
	if (bytes.len)
		note_end(d, bytes);
	return r;
}

int dots_end(struct dots *d, struct buf *out)
{
	bool whole = d->state == UNDOT_LINE_START;

	d->state = UNDOT_ENDED;
	return buf_append_c(out, whole ? ".\r\n" : "\r\n.\r\n");
}
