/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Accounts: the list on the main page, the page of one, and what can be done to it. */
#include "dashboard/crossing.h"
#include "dashboard/page_parts.h"

#include <stdlib.h>

/* ── the list ──────────────────────────────────────────────────────────────────────── */

/* Those that the search leaves, from p->from on; the caller's to drop. */
static json_t *found(const struct page *p, const json_t *accounts, size_t *ret_n)
{
	enum place wanted = place_by_name(p->show);
	json_t *rows = json_array();
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(accounts); i++) {
		json_t *account = json_array_get(accounts, i);

		if ((wanted != PLACE_COUNT && place_of(account) != wanted) ||
			!str_ihas(json_text_at(account, "name"), p->search))
			continue;
		if (n >= p->from && n < p->from + ROWS_SHOWN)
			(void)json_array_append(rows, account);
		n++;
	}
	*ret_n = n;
	return rows;
}

static void write_search(struct html *h, const struct page *p)
{
	enum place shown = place_by_name(p->show);

	html_put(h, "<form class=\"search\" action=\"/#accounts\">\n"
		    "<label for=\"search\">name</label> <input id=\"search\" "
		    "name=\"search\" type=\"search\" value=\"");
	html_text(h, p->search);
	html_put(h, "\">\n<label for=\"show\">show</label> "
		    "<select id=\"show\" name=\"show\"><option value=\"\">all</option>");
	for (int i = 0; i < PLACE_COUNT; i++) {
		html_put(h, "<option value=\"");
		html_put(h, place_rows[i].name);
		html_put(h, (int)shown == i ? "\" selected>" : "\">");
		html_put(h, place_rows[i].title);
		html_put(h, "</option>");
	}
	html_put(h, "</select>\n<button>Find</button></form>\n");
}

static void write_link(
	struct html *h, const struct page *p, const char *title, size_t from)
{
	html_put(h, "<a href=\"/?search=");
	html_argument(h, p->search);
	html_put(h, "&amp;show=");
	html_argument(h, p->show);
	html_put(h, "&amp;from=");
	html_number(h, from);
	html_put(h, "#accounts\">");
	html_put(h, title);
	html_put(h, "</a> ");
}

static void write_turns(struct html *h, const struct page *p, size_t n)
{
	html_put(h, "<p class=\"turns\">");
	if (p->from)
		write_link(h, p, "back", p->from > ROWS_SHOWN ? p->from - ROWS_SHOWN : 0);
	if (p->from + ROWS_SHOWN < n)
		write_link(h, p, "on", p->from + ROWS_SHOWN);
	html_number(h, n ? p->from + 1 : 0);
	html_put(h, " to ");
	html_number(h, p->from + ROWS_SHOWN < n ? p->from + ROWS_SHOWN : n);
	html_put(h, " of ");
	html_number(h, n);
	html_put(h, "</p>\n");
}

void page_accounts(struct html *h, const struct page *p)
{
	static const struct column columns[] = { { "name", "account", CELL_ACCOUNT },
		{ "route", "where", CELL_PLACE }, { "pin", "pin", CELL_TEXT },
		{ "folders", "folders", CELL_NUMBER },
		{ "messages_copied", "copied", CELL_NUMBER },
		{ "messages_total", "messages", CELL_NUMBER },
		{ "bytes_copied", "bytes", CELL_BYTES },
		{ "last_login_at", "last login", CELL_TIME },
		{ "held", "held", CELL_TEXT },
		{ "last_error", "last error", CELL_TEXT } };
	const json_t *accounts;
	json_t *rows;
	size_t n = 0;

	section_begin(h, "accounts", "Accounts");
	write_search(h, p);
	accounts = page_answer(h, p, QUESTION_ACCOUNTS);
	rows = found(p, accounts, &n);
	if (accounts) {
		table_write(h, COLUMNS(columns), rows, ROWS_SHOWN, "no such account");
		write_turns(h, p, n);
	}
	json_decref(rows);
	section_end(h);
}

/* ── one ───────────────────────────────────────────────────────────────────────────── */

static void write_button(
	struct html *h, enum question q, struct str argument, const char *title)
{
	html_put(h, "<a class=\"button\" href=\"/confirm?do=");
	html_put(h, question_rows[q].name);
	html_put(h, "&amp;of=");
	html_argument(h, argument);
	html_put(h, "\">");
	html_put(h, title);
	html_put(h, "</a> ");
}

static void write_buttons(struct html *h, struct str name)
{
	html_put(h, "<p class=\"buttons\">");
	write_button(h, QUESTION_ROUTE_LOCAL, name, "Serve here");
	write_button(h, QUESTION_ROUTE_SOURCE, name, "Serve at the old server");
	write_button(h, QUESTION_ROUTE_AUTO, name, "Leave it to mailferry");
	write_button(h, QUESTION_TRANSFER, name, "Transfer now");
	html_put(h, "</p>\n");
}

static void write_members(struct html *h, const json_t *account)
{
	static const struct column columns[] = { { "route", "where", CELL_PLACE },
		{ "stage", "stage", CELL_TEXT }, { "pin", "pin", CELL_TEXT },
		{ "held", "held", CELL_TEXT }, { "last_error", "last error", CELL_TEXT },
		{ "next_try_at", "next try", CELL_TIME },
		{ "attempts", "attempts", CELL_NUMBER },
		{ "capturable", "can be moved", CELL_YES_NO },
		{ "uncapturable_why", "why not", CELL_TEXT },
		{ "folders", "folders", CELL_NUMBER },
		{ "messages_total", "messages", CELL_NUMBER },
		{ "messages_copied", "copied", CELL_NUMBER },
		{ "bytes_copied", "bytes", CELL_BYTES },
		{ "out_of_service_ms", "out of service, ms", CELL_NUMBER },
		{ "first_login_at", "first login", CELL_TIME },
		{ "last_login_at", "last login", CELL_TIME } };

	table_write_row(h, COLUMNS(columns), account);
}

/* As the transfer has written it. */
static void write_certificate(struct html *h, const json_t *certificate)
{
	char *text = json_is_object(certificate) ? json_dumps(certificate, JSON_INDENT(2))
	                                         : NULL;

	html_put(h, text ? "<pre>" : "<p class=\"note\">nothing was moved yet</p>\n");
	html_text(h, str_from(text));
	html_put(h, text ? "</pre>\n" : "");
	free(text);
}

static void write_journal(struct html *h, const json_t *account)
{
	static const struct column columns[] = { { "at", "when", CELL_TIME },
		{ "event", "event", CELL_TEXT }, { "from", "from", CELL_TEXT },
		{ "to", "to", CELL_TEXT }, { "by", "by", CELL_TEXT },
		{ "detail", "detail", CELL_TEXT } };

	section_begin(h, "journal", "Journal");
	table_write(h, COLUMNS(columns), json_object_get(account, "journal"), ROWS_SHOWN,
		"nothing has happened yet");
	section_end(h);
	section_begin(h, "certificate", "Certificate of the move");
	write_certificate(h, json_object_get(account, "certificate"));
	section_end(h);
}

void page_account(struct html *h, const struct page *p, struct str name,
	const json_t *account, struct str says)
{
	page_begin(h, p, "");
	html_put(h, "<section>\n<h2>");
	html_name(h, name);
	html_put(h, "</h2>\n");
	if (!account) {
		html_put(h, "<p role=\"alert\">");
		html_text(h, says);
		html_put(h, "</p>\n");
	}
	if (account && p->admin)
		write_buttons(h, name);
	if (account)
		write_members(h, account);
	section_end(h);
	if (account)
		write_journal(h, account);
	page_end(h);
}

/* ── actions ───────────────────────────────────────────────────────────────────────── */

/* Back to the account; a connection has no page of its own. */
static void write_way_back(
	struct html *h, enum question q, struct str argument, const char *title)
{
	html_put(h, q == QUESTION_KICK ? "<a class=\"button\" href=\"/#flows"
				       : "<a class=\"button\" href=\"/account?name=");
	if (q != QUESTION_KICK)
		html_argument(h, argument);
	html_put(h, "\">");
	html_put(h, title);
	html_put(h, "</a>");
}

void page_confirm(
	struct html *h, const struct page *p, enum question q, struct str argument)
{
	page_begin(h, p, "");
	html_put(h, "<form class=\"box\" method=\"post\" action=\"/do\">\n<h2>");
	html_put(h, question_rows[q].says);
	html_put(h, " ");
	html_name(h, argument);
	html_put(h, "?</h2>\n");
	page_form_secret(h, p);
	html_put(h, "<input type=\"hidden\" name=\"do\" value=\"");
	html_put(h, question_rows[q].name);
	html_put(h, "\"><input type=\"hidden\" name=\"of\" value=\"");
	html_text(h, argument);
	html_put(h, "\">\n<button>Yes</button> ");
	write_way_back(h, q, argument, "No");
	html_put(h, "\n</form>\n");
	page_end(h);
}

void page_done(struct html *h, const struct page *p, enum question q, struct str argument,
	bool done, struct str says)
{
	page_begin(h, p, "");
	html_put(h, "<div class=\"box\">\n<h2>");
	html_put(h, question_rows[q].says);
	html_put(h, " ");
	html_name(h, argument);
	html_put(h, done ? "</h2>\n<p role=\"status\">"
			 : "</h2>\n<p role=\"alert\" class=\"bad\">");
	html_text(h, says.len ? says : done ? STR_LIT("done") : STR_LIT("it has failed"));
	html_put(h, "</p>\n<p>");
	write_way_back(h, q, argument, "Back");
	html_put(h, "</p>\n</div>\n");
	page_end(h);
}
