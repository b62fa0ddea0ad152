/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_DOTS_H
#define WIRE_DOTS_H
/*
 * Text that a line "." ends, with a dot put before each line that begins with one
 * (RFC 1939, 3; RFC 5321, 4.5.2). Streamed in both directions: nothing is collected.
 *
 * Reading is strict: only CRLF ends a line, so only CRLF "." CRLF ends the text, and
 * bytes come out as they were sent. Writing is careful: a dot behind a bare LF is doubled
 * too: else a reader that takes LF for a line end would see the end in the middle of the
 * text, and take the rest of the message for answers to its commands.
 */
#include "base/buf.h"

enum undot_state {
	UNDOT_LINE_START,
	UNDOT_TEXT,
	UNDOT_CR,
	UNDOT_DOT,    /* held back: the first byte of a line */
	UNDOT_DOT_CR, /* held back */
	UNDOT_ENDED,
	UNDOT_STATE_COUNT
};

struct undot {
	enum undot_state state;
};

enum undot_is { UNDOT_NEED_MORE, UNDOT_BYTES, UNDOT_END };

void undot_init(struct undot *u);
/* One piece a call. BYTES: a view into input (or a constant); what is held back between
   two calls is counted in *ret_used. END: the last line was taken. */
enum undot_is undot_next(
	struct undot *u, struct str input, struct str *ret_bytes, size_t *ret_used);

struct dots {
	enum undot_state state; /* of what was written; LINE_START, TEXT or CR */
	bool after_lf;          /* the last byte was a LF */
};

void dots_init(struct dots *d);
/* 0 or as buf_append(). */
int dots_put(struct dots *d, struct str bytes, struct buf *out);
/* A CRLF when the last line has none, and the line ".". */
int dots_end(struct dots *d, struct buf *out);

#endif
