/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_TERMINAL_VIEW_H
#define CONTROL_TERMINAL_VIEW_H
/*
 * Rows on a screen that an operator leaves open: sorted, filtered, with one that is
 * chosen and something that can be done to it. `top`, `flows --watch`,
 * `counters --watch` and `transfers --watch` are one or two of these.
 *
 * Rows are JSON objects, as `--json` prints them. They are gathered anew every second,
 * or more rarely when that costs more than a hundredth of a processor.
 */
#include "control/terminal/output.h"

#include "base/error.h"

/* What a key does to the chosen row. */
struct view_act {
	int key;
	const char *verb; /* "kick"; it is asked for again: "kick NAME? y/n" */
	/* said: what is shown then. */
	int (*act)(void *context, const json_t *row, char *said, size_t size,
		struct error *err);
};

struct view {
	const char *title;
	const struct column *columns; /* name, title and kind */
	size_t n_columns;
	const char *row_name; /* the member that a row is known by */
	size_t sort;          /* the column to begin with */
	bool descending;
	/* An array, or NULL with the sentence. */
	json_t *(*gather)(void *context, struct error *err);
	const struct view_act *acts;
	size_t n_acts;
	void *context;
};

#define VIEWS_MAX 4

/* Until the operator leaves. filter: at first; "" or what view_matches() takes. 0, or
   -errno with the sentence: no terminal, or the first rows could not be gathered. */
int views_run(const struct view *views, size_t n, const char *filter, struct error *err);

/* Whether a row has each of the filter's words: "anna" anywhere in its texts,
   "service=imap" in that member. */
bool view_matches(const json_t *row, const char *filter);

#endif
