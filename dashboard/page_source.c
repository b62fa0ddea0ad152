/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The old server and our own side: what answers, what still goes there. */
#include "dashboard/page_parts.h"

/* ── health ────────────────────────────────────────────────────────────────────────── */

static void write_words(struct html *h, const char *title, const json_t *list)
{
	html_put(h, "<dt>");
	html_put(h, title);
	html_put(h, "</dt><dd>");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		html_put(h, i ? ", " : "");
		html_text(h, str_of(json_string_value(one), json_string_length(one)));
	}
	html_put(h, "</dd>\n");
}

static void write_word(struct html *h, const char *title, struct str word)
{
	html_put(h, "<dt>");
	html_put(h, title);
	html_put(h, "</dt><dd>");
	html_text(h, word);
	html_put(h, "</dd>\n");
}

static void write_programs(struct html *h, json_t *programs)
{
	const char *name;
	json_t *runs;

	html_put(h, "<dt>programs</dt><dd>");
	json_object_foreach(programs, name, runs)
	{
		html_put(h, json_is_true(runs) ? "<span class=\"badge here\">"
					       : "<span class=\"badge failed\">");
		html_text(h, str_from(name));
		html_put(h, json_is_true(runs) ? " up</span> " : " DOWN</span> ");
	}
	html_put(h, "</dd>\n");
}

void page_source(struct html *h, const struct page *p)
{
	static const struct column ports[] = { { "service", "service", CELL_TEXT },
		{ "port", "port", CELL_NUMBER }, { "answers", "answers", CELL_YES_NO },
		{ "error", "", CELL_TEXT } };
	static const struct column certificates[] = { { "names", "certificate",
							      CELL_TEXT },
		{ "days_left", "days left", CELL_NUMBER } };
	const json_t *status;

	section_begin(h, "source", "Source and programs");
	status = page_answer(h, p, QUESTION_STATUS);
	if (status) {
		html_put(h, "<dl>\n");
		write_words(h, "old server", json_object_get(status, "source"));
		write_word(h, "accounts move", json_text_at(status, "strategy"));
		write_word(h, "rules", json_text_at(status, "rules"));
		write_word(h, "when we are down", json_text_at(status, "fail"));
		write_programs(h, json_object_get(status, "programs"));
		html_put(h, "<dt>answer of its ports</dt><dd>");
		html_number(h, json_number_at(status, "source_ms"));
		html_put(h, " ms</dd>\n</dl>\n");
		table_write(h, COLUMNS(ports), json_object_get(status, "source_ports"),
			ROWS_SHOWN, "its ports were not asked");
		table_write(h, COLUMNS(certificates),
			json_object_get(status, "certificates"), ROWS_SHOWN,
			"no certificate of ours: TLS passes to the old server unseen");
	}
	section_end(h);
}

/* ── what still goes there ─────────────────────────────────────────────────────────── */

static const struct part {
	const char *name, *title;
	const struct column *columns;
	size_t n_columns;
} parts[] = {
	{ "addresses", "addresses that the old server got mail for",
		COLUMNS(((const struct column[]){ { "address", "address", CELL_TEXT },
			{ "count", "messages", CELL_NUMBER },
			{ "client", "most from", CELL_TEXT },
			{ "last_at", "last", CELL_TIME },
			{ "account", "account", CELL_ACCOUNT },
			{ "why", "why", CELL_TEXT } })) },
	{ "accounts", "accounts that it is needed for",
		COLUMNS(((const struct column[]){ { "name", "account", CELL_ACCOUNT },
			{ "stage", "stage", CELL_TEXT },
			{ "why", "why", CELL_TEXT } })) },
	{ "swept", "what still comes to old mailboxes of accounts that live here",
		COLUMNS(((const struct column[]){ { "account", "account", CELL_ACCOUNT },
			{ "folder", "folder", CELL_TEXT },
			{ "count", "messages", CELL_NUMBER },
			{ "last_at", "last", CELL_TIME },
			{ "why", "why", CELL_TEXT } })) },
	{ "never_seen", "aliases of users who have never logged in",
		COLUMNS(((const struct column[]){ { "address", "address", CELL_TEXT },
			{ "rule", "leads to", CELL_TEXT } })) },
	{ "special_rules", "rules that only the old server expands",
		COLUMNS(((const struct column[]){ { "address", "address", CELL_TEXT },
			{ "rule", "leads to", CELL_TEXT } })) },
	{ "unseen", "connections that passed unseen",
		COLUMNS(((const struct column[]){ { "service", "service", CELL_TEXT },
			{ "client", "client", CELL_TEXT }, { "why", "why", CELL_TEXT },
			{ "count", "times", CELL_NUMBER } })) },
	{ "shared", "folders of others that users see there",
		COLUMNS(((const struct column[]){ { "folder", "folder", CELL_TEXT },
			{ "kind", "whose", CELL_TEXT },
			{ "n_users", "users", CELL_NUMBER },
			{ "users", "who sees it", CELL_TEXT },
			{ "rights", "rights", CELL_TEXT },
			{ "without_right", "without the right to read",
				CELL_NUMBER } })) },
	{ "shares", "users' own folders that others see there",
		COLUMNS(((const struct column[]){ { "account", "account", CELL_ACCOUNT },
			{ "folders", "folders", CELL_NUMBER },
			{ "folder", "the first", CELL_TEXT },
			{ "who", "who sees them", CELL_TEXT } })) },
};

static void write_part(struct html *h, const struct part *part, const json_t *rows)
{
	size_t n = json_array_size(rows);

	html_put(h, n ? "<details open id=\"report-" : "<details id=\"report-");
	html_put(h, part->name);
	html_put(h, "\"><summary><b>");
	html_number(h, n);
	html_put(h, "</b> ");
	html_put(h, part->title);
	html_put(h, "</summary>\n");
	table_write(h, part->columns, part->n_columns, rows, ROWS_SHOWN, "none");
	html_put(h, "</details>\n");
}

/* What does not move, in sentences. */
static void write_remarks(struct html *h, const json_t *remarks)
{
	for (size_t i = 0; i < json_array_size(remarks); i++) {
		html_put(h, "<p class=\"note\">does not move: ");
		html_text(h, str_from(json_string_value(json_array_get(remarks, i))));
		html_put(h, "</p>\n");
	}
}

void page_report(struct html *h, const struct page *p)
{
	const json_t *report;

	section_begin(h, "report", "What still goes to the old server");
	report = page_answer(h, p, QUESTION_REPORT);
	if (report) {
		html_put(h, "<p class=\"note\">the last ");
		html_number(h, json_number_at(report, "days"));
		html_put(h, " days</p>\n");
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			write_part(h, &parts[i], json_object_get(report, parts[i].name));
		write_remarks(h, json_object_get(report, "remarks"));
	}
	section_end(h);
}
