/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/table.h"

#include "base/human.h"
#include "dashboard/crossing.h"

/* ── cells ─────────────────────────────────────────────────────────────────────────── */

static void text_cell(struct html *h, const json_t *row, const char *name)
{
	html_name(h, json_text_at(row, name));
}

static void account_cell(struct html *h, const json_t *row, const char *name)
{
	struct str account = json_text_at(row, name);

	if (!account.len)
		return;
	html_put(h, "<a href=\"/account?name=");
	html_argument(h, account);
	html_put(h, "\">");
	html_name(h, account);
	html_put(h, "</a>");
}

static void place_cell(struct html *h, const json_t *row, const char *name)
{
	const struct place_row *place = &place_rows[place_of(row)];

	(void)name;
	html_put(h, "<span class=\"badge ");
	html_put(h, place->name);
	html_put(h, "\">");
	html_put(h, place->title);
	html_put(h, "</span>");
}

static void number_cell(struct html *h, const json_t *row, const char *name)
{
	html_number(h, json_number_at(row, name));
}

static void bytes_cell(struct html *h, const json_t *row, const char *name)
{
	html_note(h, human_bytes(&h->out, json_number_at(row, name)));
}

static void rate_cell(struct html *h, const json_t *row, const char *name)
{
	bytes_cell(h, row, name);
	html_put(h, "/s");
}

static bool is_known(const json_t *row, const char *name)
{
	return json_is_integer(json_object_get(row, name));
}

static void span_cell(struct html *h, const json_t *row, const char *name)
{
	if (is_known(row, name))
		html_note(h, human_span(&h->out, json_number_at(row, name)));
}

static void time_cell(struct html *h, const json_t *row, const char *name)
{
	if (is_known(row, name))
		html_note(h, human_time(&h->out, json_number_at(row, name)));
}

static void progress_cell(struct html *h, const json_t *row, const char *name)
{
	html_put(h, "<progress max=\"100\" value=\"");
	number_cell(h, row, name);
	html_put(h, "\"></progress> ");
	number_cell(h, row, name);
	html_put(h, " %");
}

static void yes_no_cell(struct html *h, const json_t *row, const char *name)
{
	html_put(h, json_is_true_at(row, name) ? "yes" : "<b class=\"bad\">no</b>");
}

static void kick_cell(struct html *h, const json_t *row, const char *name)
{
	struct str id = json_text_at(row, name);

	if (!id.len)
		return;
	html_put(h, "<a class=\"button\" href=\"/confirm?do=kick&amp;of=");
	html_argument(h, id);
	html_put(h, "\">end</a>");
}

static const struct {
	void (*write)(struct html *h, const json_t *row, const char *name);
	const char *class;
} cells[] = {
	[CELL_TEXT] = { text_cell, "text" },
	[CELL_ACCOUNT] = { account_cell, "text" },
	[CELL_PLACE] = { place_cell, "text" },
	[CELL_NUMBER] = { number_cell, "number" },
	[CELL_BYTES] = { bytes_cell, "number" },
	[CELL_RATE] = { rate_cell, "number" },
	[CELL_SPAN] = { span_cell, "number" },
	[CELL_TIME] = { time_cell, "time" },
	[CELL_PROGRESS] = { progress_cell, "progress" },
	[CELL_YES_NO] = { yes_no_cell, "text" },
	[CELL_KICK] = { kick_cell, "text" },
};

/* ── the table ─────────────────────────────────────────────────────────────────────── */

static void write_head(struct html *h, const struct column *columns, size_t n_columns)
{
	html_put(h, "<div class=\"wide\"><table>\n<thead><tr>");
	for (size_t i = 0; i < n_columns; i++) {
		html_put(h, "<th scope=\"col\" class=\"");
		html_put(h, cells[columns[i].kind].class);
		html_put(h, "\">");
		html_put(h, columns[i].title);
		html_put(h, "</th>");
	}
	html_put(h, "</tr></thead>\n<tbody>\n");
}

/* data-title: what a narrow screen shows before each value. */
static void write_row(
	struct html *h, const struct column *columns, size_t n_columns, const json_t *row)
{
	html_put(h, "<tr>");
	for (size_t i = 0; i < n_columns; i++) {
		html_put(h, "<td class=\"");
		html_put(h, cells[columns[i].kind].class);
		html_put(h, "\" data-title=\"");
		html_put(h, columns[i].title);
		html_put(h, "\">");
		cells[columns[i].kind].write(h, row, columns[i].name);
		html_put(h, "</td>");
	}
	html_put(h, "</tr>\n");
}

void table_write(struct html *h, const struct column *columns, size_t n_columns,
	const json_t *rows, size_t most, const char *empty)
{
	size_t n = json_array_size(rows);

	if (!n) {
		html_put(h, "<p class=\"note\">");
		html_put(h, empty);
		html_put(h, "</p>\n");
		return;
	}
	write_head(h, columns, n_columns);
	for (size_t i = 0; i < n && i < most; i++)
		write_row(h, columns, n_columns, json_array_get(rows, i));
	html_put(h, "</tbody></table></div>\n");
	if (n <= most)
		return;
	html_put(h, "<p class=\"note\">and ");
	html_number(h, n - most);
	html_put(h, " more</p>\n");
}

static bool has_value(const json_t *value)
{
	return value && !json_is_null(value) &&
	       (!json_is_string(value) || json_string_length(value));
}

void table_write_row(
	struct html *h, const struct column *columns, size_t n_columns, const json_t *row)
{
	html_put(h, "<dl>\n");
	for (size_t i = 0; i < n_columns; i++) {
		if (!has_value(json_object_get(row, columns[i].name)))
			continue;
		html_put(h, "<dt>");
		html_put(h, columns[i].title);
		html_put(h, "</dt><dd>");
		cells[columns[i].kind].write(h, row, columns[i].name);
		html_put(h, "</dd>\n");
	}
	html_put(h, "</dl>\n");
}
