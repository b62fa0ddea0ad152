/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry transfers [--watch]: who is on the way. */
#include "control/terminal/screen.h"
#include "control/views/transfers_view.h"

#include <unistd.h>

#define RATE_US 1200000 /* two looks make a rate */

struct transfer_row {
	struct str name, stage, last_error, left;
	uint64_t percent, copied, total, bytes, per_s;
};

#define ROW(field) offsetof(struct transfer_row, field)
static const struct column columns[] = {
	{ "name", "account", COLUMN_TEXT, IN_TABLE, ROW(name) },
	{ "stage", "stage", COLUMN_TEXT, IN_TABLE, ROW(stage) },
	{ "percent", "%", COLUMN_NUMBER, IN_TABLE, ROW(percent) },
	{ "messages_copied", "copied", COLUMN_NUMBER, IN_TABLE, ROW(copied) },
	{ "messages_total", "messages", COLUMN_NUMBER, IN_TABLE, ROW(total) },
	{ "bytes_copied", "bytes", COLUMN_BYTES, IN_TABLE, ROW(bytes) },
	{ "bytes_per_s", "per s", COLUMN_BYTES, IN_TABLE, ROW(per_s) },
	{ "eta_s", "left", COLUMN_TEXT, IN_TABLE, ROW(left) },
	{ "last_error", "last error", COLUMN_TEXT, IN_TABLE, ROW(last_error) },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static int add_row(struct table *t, const json_t *row)
{
	struct buf left;
	int code;

	buf_init(&left, 0);
	code = output_value(&left, COLUMN_SPAN, json_object_get(row, "eta_s"));
	if (code == 0)
		code = table_add(
			t, &(struct transfer_row){ .name = output_text(row, "name"),
				   .stage = output_text(row, "stage"),
				   .last_error = output_text(row, "last_error"),
				   .left = buf_view(&left),
				   .percent = output_number(row, "percent"),
				   .copied = output_number(row, "messages_copied"),
				   .total = output_number(row, "messages_total"),
				   .bytes = output_number(row, "bytes_copied"),
				   .per_s = output_number(row, "bytes_per_s") });
	buf_fini(&left);
	return code;
}

static int print_table(const json_t *rows)
{
	struct table t;
	int code = table_init(&t, columns, COLUMNS);

	if (!json_array_size(rows))
		(void)puts("no account is on its way");
	for (size_t i = 0; i < json_array_size(rows) && code == 0; i++)
		code = add_row(&t, json_array_get(rows, i));
	if (code == 0 && json_array_size(rows))
		table_print(&t, stdout);
	table_fini(&t);
	return code;
}

/* The second look has rates. */
static int show(struct control *c, struct transfers *t)
{
	json_t *rows = transfers_gather(t, &c->err);
	int code;

	if (rows && json_array_size(rows)) {
		json_decref(rows);
		(void)usleep(RATE_US);
		rows = transfers_gather(t, &c->err);
	}
	if (!rows)
		return c->err.code;
	if (c->json)
		return output_json(rows, stdout);
	code = print_table(rows);
	json_decref(rows);
	return code;
}

enum exit_code cmd_transfers(struct control *c)
{
	struct transfers t = { .control = c };
	struct view view = transfers_view(&t);
	int code = c->watch && !c->json ? views_run(&view, 1, "", &c->err) : show(c, &t);

	return code < 0 ? control_fail(c) : EXIT_DONE;
}
