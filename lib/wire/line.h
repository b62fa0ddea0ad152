/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_LINE_H
#define WIRE_LINE_H
/* One line of a protocol: up to LF, one CR before it belonging to its end. Clients that
   end lines with LF alone have always worked. */
#include "base/str.h"

enum line { LINE_NEED_MORE, LINE_COMPLETE, LINE_TOO_LONG };

/* *ret_line is without its end, *ret_used with it. max: bytes without the end. */
enum line line_next(struct str input, size_t max, struct str *ret_line, size_t *ret_used);

#endif
