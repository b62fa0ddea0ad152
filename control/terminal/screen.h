/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_TERMINAL_SCREEN_H
#define CONTROL_TERMINAL_SCREEN_H
/*
 * A terminal that is painted line by line, for commands that an operator leaves open. Of
 * the terminal it needs what every one has understood since the VT100 (clear, move,
 * reverse, the alternate screen), so no terminfo. A frame that is painted anew sends only
 * the lines that have changed, in one write: nothing flickers.
 *
 *   open ─► { begin, line …, end, key } … ─► close
 */
#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What screen_key() returns beside the bytes of keys. */
enum screen_event {
	SCREEN_NOTHING = 0, /* the time is over */
	SCREEN_UP = 256,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_RESIZED,
	SCREEN_QUIT /* Ctrl-C, SIGTERM, or the terminal is gone */
};

enum screen_style { SCREEN_PLAIN, SCREEN_REVERSE, SCREEN_BOLD };

struct screen; /* one at a time */

/* Whether both ends are a terminal that can do it. */
bool screen_is_possible(void);
int screen_open(struct screen **ret, struct error *err);
void screen_close(struct screen **screen); /* as it was before; NULL is fine */

size_t screen_rows(const struct screen *s);

void screen_begin(struct screen *s);
/* The next line, cut at the edge; what would steer the terminal is shown as '?'. Lines
   below the last row are left out. */
void screen_line(struct screen *s, enum screen_style style, struct str text);
void screen_end(struct screen *s);

/* The next key, or what happened, after ms at the latest. */
int screen_key(struct screen *s, unsigned ms);

#endif
