/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry report [--days N] */
#include "control/accounts/account_use.h"
#include "control/views/report.h"
#include "control/views/sweep_view.h"
#include "control/views/unseen_view.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ALL (IN_JSON | IN_TABLE)

#define ROW(field) offsetof(struct report_address, field)
static const struct column address_columns[] = {
	{ "address", "address", COLUMN_TEXT, ALL, ROW(address) },
	{ "count", "messages", COLUMN_NUMBER, ALL, ROW(count) },
	{ "clients", "clients", COLUMN_NUMBER, ALL, ROW(clients) },
	{ "client", "most from", COLUMN_TEXT, ALL, ROW(client) },
	{ "first_at", "first", COLUMN_TIME, IN_JSON, ROW(first_at) },
	{ "last_at", "last", COLUMN_TIME, ALL, ROW(last_at) },
	{ "account", "account", COLUMN_TEXT, ALL, ROW(account) },
	{ "route", "route", COLUMN_TEXT, ALL, ROW(route) },
	{ "why", "why", COLUMN_TEXT, ALL, ROW(why) },
	{ "days", "by day (UTC)", COLUMN_TEXT, IN_TABLE, ROW(days) },
};
#undef ROW
#define ROW(field) offsetof(struct report_account, field)
static const struct column account_columns[] = {
	{ "name", "account", COLUMN_TEXT, ALL, ROW(name) },
	{ "route", "route", COLUMN_TEXT, ALL, ROW(route) },
	{ "stage", "stage", COLUMN_TEXT, ALL, ROW(stage) },
	{ "why", "why", COLUMN_TEXT, ALL, ROW(why) },
};
#undef ROW
#define ROW(field) offsetof(struct report_swept, field)
static const struct column swept_columns[] = {
	{ "account", "account", COLUMN_TEXT, ALL, ROW(account) },
	{ "folder", "folder", COLUMN_TEXT, ALL, ROW(folder) },
	{ "count", "messages", COLUMN_NUMBER, ALL, ROW(count) },
	{ "last_at", "last", COLUMN_TIME, ALL, ROW(last_at) },
	{ "why", "why", COLUMN_TEXT, ALL, ROW(why) },
};
#undef ROW
#define ROW(field) offsetof(struct report_rule, field)
static const struct column rule_columns[] = {
	{ "address", "address", COLUMN_TEXT, ALL, ROW(address) },
	{ "rule", "leads to", COLUMN_TEXT, ALL, ROW(rule) },
	{ "source", "from", COLUMN_TEXT, ALL, ROW(source) },
};
#undef ROW

#define ROW(field) offsetof(struct report_shared, field)
static const struct column shared_columns[] = {
	{ "folder", "folder", COLUMN_TEXT, ALL, ROW(folder) },
	{ "kind", "whose", COLUMN_TEXT, ALL, ROW(kind) },
	{ "n_users", "users", COLUMN_NUMBER, ALL, ROW(n_users) },
	{ "users", "who sees it", COLUMN_TEXT, ALL, ROW(users) },
	{ "rights", "rights", COLUMN_TEXT, ALL, ROW(rights) },
	{ "copied", "copied for each", COLUMN_YES_NO, ALL, ROW(is_copied) },
	{ "without_right", "without the right to read", COLUMN_NUMBER, ALL,
		ROW(n_barred) },
};
#undef ROW
#define ROW(field) offsetof(struct report_share, field)
static const struct column share_columns[] = {
	{ "account", "account", COLUMN_TEXT, ALL, ROW(account) },
	{ "folders", "folders", COLUMN_NUMBER, ALL, ROW(folders) },
	{ "folder", "the first", COLUMN_TEXT, ALL, ROW(folder) },
	{ "who", "who sees them", COLUMN_TEXT, ALL, ROW(who) },
};
#undef ROW
#define ROW(field) offsetof(struct report_quota, field)
static const struct column quota_columns[] = {
	{ "bytes", "bytes", COLUMN_BYTES, ALL, ROW(bytes) },
	{ "messages", "messages", COLUMN_NUMBER, ALL, ROW(messages) },
	{ "accounts", "accounts", COLUMN_NUMBER, ALL, ROW(accounts) },
	{ "fullest", "the fullest", COLUMN_TEXT, ALL, ROW(fullest) },
	{ "percent", "full, %", COLUMN_NUMBER, ALL, ROW(percent) },
};
#undef ROW

/* One of the lists of a report. */
struct part {
	const char *name;  /* in JSON */
	const char *title; /* for people */
	const struct column *columns;
	size_t n_columns, row_size, offset; /* of its struct buf */
};
#define COLUMNS(c) (c), sizeof(c) / sizeof((c)[0])
#define PART(type, field) sizeof(struct type), offsetof(struct report, field)
static const struct part parts[] = {
	{ "addresses", "addresses that the source got mail for", COLUMNS(address_columns),
		PART(report_address, addresses) },
	{ "accounts", "accounts that the source is needed for", COLUMNS(account_columns),
		PART(report_account, accounts) },
	{ "swept", "what still comes to old mailboxes of accounts that live here",
		COLUMNS(swept_columns), PART(report_swept, swept) },
	{ "never_seen", "aliases of users who have never logged in",
		COLUMNS(rule_columns), PART(report_rule, unseen) },
	{ "special_rules", "rules that only the source expands", COLUMNS(rule_columns),
		PART(report_rule, specials) },
	{ "unseen", "connections that passed unseen", unseen_columns, UNSEEN_COLUMN_COUNT,
		PART(unseen, flows) },
	{ "shared", "folders of others that users see at the source",
		COLUMNS(shared_columns), PART(report_shared, shared) },
	{ "shares", "users' own folders that others see at the source",
		COLUMNS(share_columns), PART(report_share, shares) },
	{ "source_quotas", "quotas of the source", COLUMNS(quota_columns),
		PART(report_quota, quotas) },
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static struct str rows_of(const struct report *p, const struct part *part)
{
	return buf_view(
		(const struct buf *)(const void *)((const char *)p + part->offset));
}

/* ── JSON ──────────────────────────────────────────────────────────────────────────── */

static int add_days(json_t *row, const struct part *part, const void *bytes)
{
	const struct report_address *a = bytes;

	return part->columns == address_columns
	               ? json_object_set(row, "days", a->days_json)
	               : 0;
}

static json_t *part_json(const struct report *p, const struct part *part)
{
	struct str rest = rows_of(p, part);
	json_t *all = json_array();

	for (; rest.len; rest = str_skip(rest, part->row_size)) {
		json_t *row = output_object(part->columns, part->n_columns, rest.ptr);

		if (add_days(row, part, rest.ptr) < 0 ||
			json_array_append(all, row) < 0) {
			json_decref(row);
			json_decref(all);
			return NULL;
		}
		json_decref(row);
	}
	return all;
}

static int print_json(const struct report *p)
{
	json_t *all = json_pack("{s:I, s:I, s:I, s:b, s:b, s:b, s:O, s:O, s:O}", "days",
		(json_int_t)p->days, "watched_ms", (json_int_t)p->watched_ms, "refused",
		(json_int_t)p->refused, "retired", p->retired_at != 0, "unfiltered",
		p->is_unfiltered, "safe_to_retire", report_is_safe(p), "reasons",
		p->reasons, "not_watched", p->not_watched, "remarks", p->remarks);

	for (size_t i = 0; i < PARTS; i++)
		if (json_object_set_new(all, parts[i].name, part_json(p, &parts[i])) <
			0) {
			json_decref(all);
			return -ENOMEM;
		}
	return output_json(all, stdout);
}

/* ── text ──────────────────────────────────────────────────────────────────────────── */

static int print_part(const struct report *p, const struct part *part)
{
	struct str rest = rows_of(p, part);
	struct table t;
	int code = table_init(&t, part->columns, part->n_columns);

	(void)printf("%s%s\n", part->title, rest.len ? "" : ": none");
	for (; code == 0 && rest.len; rest = str_skip(rest, part->row_size))
		code = table_add(&t, rest.ptr);
	if (code == 0 && t.n_rows > 1)
		table_print(&t, stdout);
	(void)putchar('\n');
	table_fini(&t);
	return code;
}

static void print_not_watched(const struct report *p)
{
	size_t n = json_array_size(p->not_watched);

	for (size_t i = 0; i < n; i++)
		(void)printf("%s%s%s", i ? "; " : "not watched: ",
			json_string_value(json_array_get(p->not_watched, i)),
			i + 1 < n ? "" : "\n");
	if (p->is_unfiltered)
		(void)puts(
			"not filtered: mail for accounts here does not pass the source's "
			"content filters, and `milter` is not set");
	if (p->refused)
		(void)printf(
			"recipients that the source refused: %" PRIu64 "\n", p->refused);
}

/* The last line, for who reads no more than that. */
static void print_verdict(const struct report *p)
{
	if (p->retired_at) {
		(void)puts("the source is retired");
		return;
	}
	(void)fputs(
		report_is_safe(p) ? "safe to retire" : "not safe to retire: ", stdout);
	report_print_reasons(p, stdout);
	(void)putchar('\n');
}

static int print_text(const struct report *p)
{
	int code = 0;

	(void)printf("the last %" PRIu64 " days\n\n", p->days);
	for (size_t i = 0; code == 0 && i < PARTS; i++)
		code = print_part(p, &parts[i]);
	report_print_remarks(p, stdout);
	print_not_watched(p);
	print_verdict(p);
	return code;
}

enum exit_code cmd_report(struct control *c)
{
	struct report p;
	struct registry *r;
	uint64_t days;
	int code;

	if (report_days(c, &days) < 0)
		return control_misuse(c);
	if (control_registry(c, &r) < 0)
		return control_fail(c);
	code = report_gather(c, r, days, account_has_quota, &p);
	registry_close(r);
	if (code < 0)
		return control_fail(c);
	code = c->json ? print_json(&p) : print_text(&p);
	report_fini(&p);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
