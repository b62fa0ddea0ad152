/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_TABLE_H
#define DASHBOARD_TABLE_H
/* Rows of the CLI's JSON as a table. */
#include "dashboard/html.h"

enum cell {
	CELL_TEXT,
	CELL_ACCOUNT, /* a name, as a link to its page */
	CELL_PLACE,   /* route and stage of an account in one word */
	CELL_NUMBER,
	CELL_BYTES,
	CELL_RATE,     /* bytes a second */
	CELL_SPAN,     /* seconds */
	CELL_TIME,     /* wall milliseconds */
	CELL_PROGRESS, /* per cent, as a bar */
	CELL_YES_NO,
	CELL_KICK, /* a session's id, as a button */
};

struct column {
	const char *name;  /* in JSON */
	const char *title; /* for people */
	enum cell kind;
};

#define COLUMNS(c) (c), sizeof(c) / sizeof((c)[0])

/* At most `most` rows, and a line that says how many more there are; none: a line that
   says `empty`. */
void table_write(struct html *h, const struct column *columns, size_t n_columns,
	const json_t *rows, size_t most, const char *empty);

/* One row as a list of titles and values, without those that have none. */
void table_write_row(struct html *h, const struct column *columns, size_t n_columns,
	const json_t *row);

#endif
