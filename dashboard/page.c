/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/crossing.h"
#include "dashboard/files.h"
#include "dashboard/page_parts.h"

#include <string.h>

/* ── the frame ─────────────────────────────────────────────────────────────────────── */

#define MARK_REFRESH "<!--refresh-->\n"
#define MARK_HEAD "<!--head-->\n"
#define MARK_MAIN "<!--main-->\n"

/* What stands before that mark in page/frame.html; the rest stays. */
static void put_until(struct html *h, struct str *rest, const char *mark)
{
	const char *at = memmem(rest->ptr, rest->len, mark, strlen(mark));
	size_t len = at ? (size_t)(at - rest->ptr) : rest->len;

	html_put_str(h, str_take(*rest, len));
	*rest = str_skip(*rest, len + strlen(mark));
}

static void write_navigation(struct html *h, const struct page *p)
{
	html_put(h, "<nav aria-label=\"parts of the page\">\n"
		    "<a href=\"/#crossing\">Crossing</a> <a href=\"/#moving\">Moving</a> "
		    "<a href=\"/#failed\">Failed</a> <a href=\"/#source\">Source</a> "
		    "<a href=\"/#report\">Still there</a> <a href=\"/#flows\">Flows</a> "
		    "<a href=\"/#counters\">Counters</a> "
		    "<a href=\"/#accounts\">Accounts</a>\n</nav>\n"
		    "<form method=\"post\" action=\"/logout\">");
	page_form_secret(h, p);
	html_put(h, "<button>Log out</button></form>\n");
}

void page_form_secret(struct html *h, const struct page *p)
{
	html_put(h, "<input type=\"hidden\" name=\"form\" value=\"");
	html_text(h, str_from(p->session ? p->session->form : ""));
	html_put(h, "\">");
}

void page_begin(struct html *h, const struct page *p, const char *refresh)
{
	struct str rest = file_by_name(STR_LIT("frame.html"))->bytes;

	put_until(h, &rest, MARK_REFRESH);
	html_put(h, refresh);
	put_until(h, &rest, MARK_HEAD);
	if (p->session)
		write_navigation(h, p);
	put_until(h, &rest, MARK_MAIN);
}

void page_end(struct html *h)
{
	struct str rest = file_by_name(STR_LIT("frame.html"))->bytes;
	const char *at = memmem(rest.ptr, rest.len, MARK_MAIN, strlen(MARK_MAIN));

	if (at)
		html_put_str(
			h, str_skip(rest, (size_t)(at - rest.ptr) + strlen(MARK_MAIN)));
}

void section_begin(struct html *h, const char *id, const char *title)
{
	html_put(h, "<section id=\"");
	html_put(h, id);
	html_put(h, "\">\n<h2>");
	html_put(h, title);
	html_put(h, "</h2>\n");
}

void section_end(struct html *h)
{
	html_put(h, "</section>\n");
}

const json_t *page_answer(struct html *h, const struct page *p, enum question q)
{
	if (p->of[q])
		return p->of[q];
	html_put(h, "<p class=\"note\">");
	if (p->says[q].len)
		html_text(h, p->says[q]);
	else
		html_put(h, "<span class=\"later\">a moment, please</span>");
	html_put(h, "</p>\n");
	return NULL;
}

/* ── the main page ─────────────────────────────────────────────────────────────────── */

static void write_sentence(struct html *h, const json_t *sentence)
{
	html_put(h, "<li>");
	html_text(h, str_of(json_string_value(sentence), json_string_length(sentence)));
	html_put(h, "</li>\n");
}

#define SENTENCES_SHOWN 5u /* the others are unfolded by who wants to see them */

static void write_sentences(struct html *h, const char *id, const json_t *all)
{
	size_t n = json_array_size(all),
	       shown = n > SENTENCES_SHOWN ? SENTENCES_SHOWN : n;

	html_put(h, "<ul>\n");
	for (size_t i = 0; i < shown; i++)
		write_sentence(h, json_array_get(all, i));
	html_put(h, "</ul>\n");
	if (n == shown)
		return;
	html_put(h, "<details id=\"");
	html_put(h, id);
	html_put(h, "-more\"><summary>and ");
	html_number(h, n - shown);
	html_put(h, " more</summary>\n<ul>\n");
	for (size_t i = shown; i < n; i++)
		write_sentence(h, json_array_get(all, i));
	html_put(h, "</ul></details>\n");
}

static void write_verdict(struct html *h, const struct page *p)
{
	const json_t *report;

	section_begin(h, "verdict", "Verdict");
	report = page_answer(h, p, QUESTION_REPORT);
	if (json_is_true_at(report, "retired"))
		html_put(h, "<p class=\"verdict good\">the old server is retired</p>\n");
	else if (json_is_true_at(report, "safe_to_retire"))
		html_put(h, "<p class=\"verdict good\">safe to retire the old "
			    "server</p>\n");
	else if (report) {
		html_put(h, "<p class=\"verdict\">the old server is still needed</p>\n");
		write_sentences(h, "verdict", json_object_get(report, "reasons"));
	}
	section_end(h);
}

static void write_attention(struct html *h, const struct page *p)
{
	const json_t *all;

	section_begin(h, "attention", "Needs attention");
	all = json_object_get(page_answer(h, p, QUESTION_STATUS), "attention");
	if (json_array_size(all))
		write_sentences(h, "attention", all);
	else if (all)
		html_put(h, "<p class=\"note\">nothing</p>\n");
	section_end(h);
}

static void write_crossing(struct html *h, const struct page *p)
{
	const json_t *accounts;

	section_begin(h, "crossing", "Crossing");
	accounts = page_answer(h, p, QUESTION_ACCOUNTS);
	if (accounts)
		crossing_write(h, accounts);
	section_end(h);
}

/* Those of the rows that a test picks; the caller's to drop. */
static json_t *pick(const json_t *rows, bool (*is_wanted)(const json_t *row))
{
	json_t *some = json_array();

	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		if (is_wanted(row))
			(void)json_array_append(some, row);
	}
	return some;
}

static bool is_moving(const json_t *row)
{
	return !str_eq(json_text_at(row, "stage"), STR_LIT("failed"));
}

static bool is_failed(const json_t *row)
{
	return place_of(row) == PLACE_FAILED;
}

static bool is_counted(const json_t *row)
{
	return json_number_at(row, "packets") > 0;
}

/* A part of the page that is the wanted rows of one answer. */
struct list {
	const char *id, *title;
	enum question question;
	bool (*is_wanted)(const json_t *row);
	const struct column *columns;
	size_t n_columns;
	const char *empty;
};

static const struct list moving = { "moving", "Moving now", QUESTION_TRANSFERS, is_moving,
	COLUMNS(((const struct column[]){ { "name", "account", CELL_ACCOUNT },
		{ "stage", "stage", CELL_TEXT }, { "percent", "copied", CELL_PROGRESS },
		{ "messages_copied", "messages", CELL_NUMBER },
		{ "messages_total", "of", CELL_NUMBER },
		{ "bytes_copied", "bytes", CELL_BYTES },
		{ "bytes_per_s", "rate", CELL_RATE }, { "eta_s", "left", CELL_SPAN },
		{ "last_error", "last error", CELL_TEXT } })),
	"no account is on its way" };

static const struct list failed = { "failed", "Failed", QUESTION_ACCOUNTS, is_failed,
	COLUMNS(((const struct column[]){ { "name", "account", CELL_ACCOUNT },
		{ "last_error", "why", CELL_TEXT },
		{ "attempts", "attempts", CELL_NUMBER },
		{ "next_try_at", "next try", CELL_TIME } })),
	"no account has failed" };

static const struct list counters = { "counters", "Counters", QUESTION_COUNTERS,
	is_counted,
	COLUMNS(((const struct column[]){ { "service", "service", CELL_TEXT },
		{ "route", "route", CELL_TEXT }, { "packets", "packets", CELL_NUMBER },
		{ "bytes", "bytes", CELL_BYTES } })),
	"nothing has been counted" };

static void write_list(struct html *h, const struct page *p, const struct list *l)
{
	const json_t *all;
	json_t *rows;

	section_begin(h, l->id, l->title);
	all = page_answer(h, p, l->question);
	rows = pick(all, l->is_wanted);
	if (all)
		table_write(h, l->columns, l->n_columns, rows, ROWS_SHOWN, l->empty);
	json_decref(rows);
	section_end(h);
}

static void write_flows(struct html *h, const struct page *p)
{
	static const struct column columns[] = { { "service", "service", CELL_TEXT },
		{ "client", "client", CELL_TEXT }, { "account", "account", CELL_ACCOUNT },
		{ "route", "route", CELL_TEXT }, { "started", "since", CELL_TIME },
		{ "bytes_in", "in", CELL_BYTES }, { "bytes_out", "out", CELL_BYTES },
		{ "unseen", "passes unseen", CELL_TEXT }, { "id", "", CELL_KICK } };
	const json_t *flows;

	section_begin(h, "flows", "Live flows");
	flows = page_answer(h, p, QUESTION_FLOWS);
	if (flows)
		table_write(h, columns, sizeof(columns) / sizeof(columns[0]) - !p->admin,
			flows, ROWS_SHOWN, "nobody is connected");
	section_end(h);
}

#define SCRIPT "<script src=\"/page.js\" defer></script>\n"
#define REFRESH(seconds)                                                                 \
	"<noscript><meta http-equiv=\"refresh\" content=\"" seconds                      \
	"\"></noscript>\n" SCRIPT

/* Sooner while an answer is missing. */
static const char *refresh_of(const struct page *p)
{
	for (int q = 0; q < QUESTION_WHOLE_COUNT; q++)
		if (!p->of[q] && !p->says[q].len)
			return REFRESH("2");
	return REFRESH("10");
}

void page_main(struct html *h, const struct page *p)
{
	page_begin(h, p, refresh_of(p));
	write_crossing(h, p);
	write_verdict(h, p);
	write_attention(h, p);
	write_list(h, p, &moving);
	write_list(h, p, &failed);
	page_source(h, p);
	page_report(h, p);
	write_flows(h, p);
	write_list(h, p, &counters);
	page_accounts(h, p);
	page_end(h);
}

/* ── small ones ────────────────────────────────────────────────────────────────────── */

void page_login(struct html *h, const char *why)
{
	static const struct page nobody = { .admin = false };

	page_begin(h, &nobody, "");
	html_put(h, "<form class=\"box\" method=\"post\" action=\"/login\">\n"
		    "<h2>Log in</h2>\n<label for=\"token\">token</label>\n"
		    "<input id=\"token\" name=\"token\" type=\"password\" "
		    "autocomplete=\"current-password\" autofocus required>\n"
		    "<button>Log in</button>\n");
	if (*why) {
		html_put(h, "<p role=\"alert\" class=\"bad\">");
		html_text(h, str_from(why));
		html_put(h, "</p>\n");
	}
	html_put(h, "<p class=\"note\">It is the line in the file that `dashboard { "
		    "token_file }` names, else in dashboard.token in `state_dir`.</p>\n"
		    "</form>\n");
	page_end(h);
}

void page_error(struct html *h, const char *why)
{
	static const struct page nobody = { .admin = false };

	page_begin(h, &nobody, "");
	html_put(h, "<div class=\"box\"><p role=\"alert\">");
	html_text(h, str_from(why));
	html_put(h, "</p>\n<p><a href=\"/\">to the dashboard</a></p></div>\n");
	page_end(h);
}
