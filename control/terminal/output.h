/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_TERMINAL_OUTPUT_H
#define CONTROL_TERMINAL_OUTPUT_H
/*
 * One description of a struct, three printers: a JSON object, a list of "title: value",
 * a row of a table. JSON names are the operator contract and never change; titles may.
 */
#include "base/buf.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

enum column_kind {
	COLUMN_TEXT,   /* struct str */
	COLUMN_NUMBER, /* uint64_t */
	COLUMN_BYTES,  /* uint64_t; text: 1.5 MB */
	COLUMN_YES_NO, /* bool */
	COLUMN_KEPT,   /* int: 1 yes, 0 no, -1 not known (JSON null) */
	COLUMN_TIME,   /* uint64_t, wall milliseconds; 0: never (JSON null) */
	COLUMN_SPAN,   /* uint64_t, seconds; text: 1:02:03 */
};

enum column_where { IN_JSON = 1 << 0, IN_LIST = 1 << 1, IN_TABLE = 1 << 2 };

struct column {
	const char *name;  /* in JSON */
	const char *title; /* for people */
	enum column_kind kind;
	unsigned where;
	size_t offset;
};

/* NULL without memory. */
json_t *output_object(const struct column *columns, size_t n, const void *row);
void output_list(const struct column *columns, size_t n, const void *row, FILE *to);

struct table {
	const struct column *columns;
	size_t n_columns;
	struct buf cells; /* each with a NUL behind it */
	size_t n_rows;
};
/* Begins with the row of titles. 0 or -ENOMEM, as table_add(). */
int table_init(struct table *t, const struct column *columns, size_t n);
int table_add(struct table *t, const void *row);
void table_print(const struct table *t, FILE *to);
void table_fini(struct table *t);

/* A value of such an object as text; NULL, null: "-". 0 or -ENOMEM. */
int output_value(struct buf *out, enum column_kind kind, const json_t *value);
/* Whether such a column is aligned to the right. */
bool output_is_right(enum column_kind kind);
/* UTF-8 characters, which is what a terminal's columns nearly always are. */
size_t output_width(struct str s);

/* Prints it with a newline. flags: jansson's. What would steer a terminal is escaped,
   which readers of JSON undo. NULL is an error. 0 or -ENOMEM. */
int output_dump(const json_t *value, size_t flags, FILE *to);
/* The same for people, and drops the reference. */
int output_json(json_t *value, FILE *to);

/* That string of an object: a view into it; empty: there is none. */
struct str output_text(const json_t *object, const char *key);
/* That number, which is not negative; 0: there is none. */
uint64_t output_number(const json_t *object, const char *key);
/* Any bytes as a JSON string: what is not UTF-8 is shown as '?'. */
json_t *output_string(struct str s);

/* The same of a sentence, which is never cut. */
json_t *output_sentence(const char *format, va_list args)
	__attribute__((format(printf, 1, 0)));

/* Bytes without what steers a terminal (base/utf8.h), which came from outside. */
void output_clean(struct str s, FILE *to);
/* 0 or -ENOMEM. */
int output_append_clean(struct buf *out, struct str s);
/* The same of output_text(). */
void output_text_clean(const json_t *object, const char *key, FILE *to);

#endif
