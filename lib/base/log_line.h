/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H
/* Reads what log.h writes: "time program level session event key=value …". */
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct log_line {
	struct str time, program, level, session, event; /* session: "-" for none */
	struct str text;                                 /* key=value … */
};

/* False: it is no such line. All of ret are views of `line`. */
bool log_line_read(struct str line, struct log_line *ret);

/* A time as lines begin with it, with a NUL behind it; wall clock, ms. Such times compare
   as bytes do. */
#define LOG_TIME_MAX 32
struct str log_time_text(uint64_t ms, char text[static LOG_TIME_MAX]);

/* The value behind `key`, without its quotes; empty: it is not there. The name of an
   account is what a client typed, and may itself hold "key=value": the first account=
   counts, and of another key the first in front of it, else the last of the line. */
struct str log_value(struct str text, struct str key);
/* Whether the first `key` is `value`, which may hold spaces. */
bool log_value_is(struct str text, struct str key, struct str value);

#endif
