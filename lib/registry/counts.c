/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/counts.h"

#include "registry/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct span {
	const char *name;
	uint64_t ms, kept_ms; /* 0: of no time, and kept for ever */
} spans[] = {
	[COUNT_KERNEL] = { "kernel", 0, 0 },
	[COUNT_TOTAL] = { "total", 0, 0 },
	[COUNT_MINUTE] = { "minute", MINUTE_MS, COUNT_MINUTES_KEPT_MS },
	[COUNT_HOUR] = { "hour", HOUR_MS, COUNT_HOURS_KEPT_MS },
	[COUNT_DAY] = { "day", 24 * HOUR_MS, COUNT_DAYS_KEPT_MS },
};
_Static_assert(sizeof(spans) / sizeof(spans[0]) == COUNT_SPAN_COUNT, "a row for each");

int count_period_by_name(const char *name, enum count_span *ret)
{
	for (int i = COUNT_MINUTE; i < COUNT_SPAN_COUNT; i++)
		if (strcmp(spans[i].name, name) == 0) {
			*ret = (enum count_span)i;
			return 0;
		}
	return -ENOENT;
}

uint64_t count_period_ms(enum count_span period)
{
	return spans[period].ms;
}

enum count_span count_period_since(uint64_t since_ms, uint64_t now_ms)
{
	enum count_span period = COUNT_MINUTE;

	while (period < COUNT_DAY && since_ms + spans[period].kept_ms < now_ms)
		period++;
	return period;
}

uint64_t count_gained(uint64_t was, uint64_t is)
{
	return is < was ? is : is - was;
}

static struct sql_value span_value(enum count_span span)
{
	return sql_text(str_from(spans[span].name));
}

/* ---- the file ---- */

/* What the registry had of them before. */
static int take_old(struct registry *r, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_begin(r->db, SQL_EACH_OLD_COUNT, SQL_NO_VALUES, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1)
		n = sql_run(r->counts, COUNTS_SQL_TAKE_OLD,
			SQL_VALUES(sql_text(query_bytes(&row, 0)),
				sql_number(query_number(&row, 1)),
				sql_text(query_bytes(&row, 2)),
				sql_text(query_bytes(&row, 3)),
				sql_number(query_number(&row, 4)),
				sql_number(query_number(&row, 5)),
				sql_number(query_number(&row, 6)),
				sql_number(query_number(&row, 7))),
			err);
	return n;
}

static int begin_file(struct registry *r, struct error *err)
{
	uint64_t any = 0;
	int code = sql_get(r->counts, COUNTS_SQL_ANY, SQL_NO_VALUES, &any, err);

	if (code < 0 || any)
		return code;
	code = database_begin(r->counts, false, err);
	return code < 0 ? code : database_finish(r->counts, take_old(r, err), err);
}

/* Beside the registry; at its first use. */
static int open_file(struct registry *r, struct error *err)
{
	const char *registry = database_path(r->db);
	const char *slash = strrchr(registry, '/');
	int directory = slash ? (int)(slash - registry) + 1 : 0;
	char path[REGISTRY_FILE_MAX];
	int n = snprintf(path, sizeof(path), "%.*s" COUNTS_FILE, directory, registry);
	int code;

	if (r->counts)
		return 0;
	if (n < 0 || (size_t)n >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG, "%s", registry);
	code = database_open(path, true, &counts_schema, &r->counts, err);
	if (code == 0)
		code = begin_file(r, err);
	if (code < 0) {
		database_close(r->counts);
		r->counts = NULL;
	}
	return code;
}

/* ---- writing ---- */

static int forget_old(struct registry *r, uint64_t now_ms, struct error *err)
{
	int code = 0;

	for (int i = COUNT_MINUTE; i < COUNT_SPAN_COUNT && code == 0; i++)
		if (now_ms > spans[i].kept_ms)
			code = sql_run(r->counts, COUNTS_SQL_FORGET,
				SQL_VALUES(span_value((enum count_span)i),
					sql_number(now_ms - spans[i].kept_ms)),
				err);
	return code;
}

static int run_on(struct registry *r, enum counts_sql_id id, enum count_span span,
	uint64_t at, const struct count *c, struct error *err)
{
	return sql_run(r->counts, id,
		SQL_VALUES(span_value(span), sql_number(at), sql_text(c->service),
			sql_text(c->route), sql_number(c->n[COUNT_PACKETS_IN]),
			sql_number(c->n[COUNT_BYTES_IN]),
			sql_number(c->n[COUNT_PACKETS_OUT]),
			sql_number(c->n[COUNT_BYTES_OUT])),
		err);
}

static int read_kernel(
	struct registry *r, const struct count *is, struct count *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = query_first(r->counts, COUNTS_SQL_ONE,
		SQL_VALUES(span_value(COUNT_KERNEL), sql_number(0), sql_text(is->service),
			sql_text(is->route)),
		&row, err);

	*ret = (struct count){ .service = is->service, .route = is->route };
	for (int i = 0; n == 1 && i < COUNT_NUMBERS; i++)
		ret->n[i] = query_number(&row, i);
	return n < 0 ? n : 0;
}

static int keep_one(
	struct registry *r, uint64_t now_ms, const struct count *is, struct error *err)
{
	struct count was, more;
	uint64_t any = 0;
	int code = read_kernel(r, is, &was, err);

	if (code < 0)
		return code;
	more = was;
	for (int i = 0; i < COUNT_NUMBERS; i++) {
		more.n[i] = count_gained(was.n[i], is->n[i]);
		any |= more.n[i] | (was.n[i] ^ is->n[i]);
	}
	if (!any)
		return 0;
	code = run_on(r, COUNTS_SQL_SET, COUNT_KERNEL, 0, is, err);
	for (int i = COUNT_TOTAL;
		i < (now_ms ? COUNT_SPAN_COUNT : COUNT_MINUTE) && code == 0; i++)
		code = run_on(r, COUNTS_SQL_ADD, (enum count_span)i,
			spans[i].ms ? now_ms - now_ms % spans[i].ms : 0, &more, err);
	return code;
}

static int keep_all(struct registry *r, uint64_t now_ms, count_read_fn *read,
	void *context, struct error *err)
{
	const struct count *all = NULL;
	size_t n = 0;
	int code = read(context, &all, &n, err);

	for (size_t i = 0; i < n && code == 0; i++)
		code = keep_one(r, now_ms, &all[i], err);
	return code ? code : forget_old(r, now_ms, err);
}

int registry_keep_counts(struct registry *r, uint64_t now_ms, count_read_fn *read,
	void *context, struct error *err)
{
	int code = open_file(r, err);

	if (code == 0)
		code = database_begin(r->counts, false, err);
	return code < 0 ? code
	                : database_finish(r->counts,
				  keep_all(r, now_ms, read, context, err), err);
}

/* ---- reading ---- */

static int each_row(struct registry *r, enum counts_sql_id id, enum count_span span,
	uint64_t since_ms, count_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	int n = open_file(r, err);

	if (n == 0)
		n = query_begin(r->counts, id,
			SQL_VALUES(span_value(span), sql_number(since_ms)), &row, err);
	while (n == 0 && (n = query_next(&row, err)) == 1) {
		struct count c = { .at = query_number(&row, 0),
			.service = query_bytes(&row, 1),
			.route = query_bytes(&row, 2) };

		for (int i = 0; i < COUNT_NUMBERS; i++)
			c.n[i] = query_number(&row, 3 + i);
		n = each(context, &c);
	}
	return n;
}

int registry_each_count(struct registry *r, enum count_span span, uint64_t since_ms,
	count_each_fn *each, void *context, struct error *err)
{
	return each_row(r, COUNTS_SQL_EACH, span, since_ms, each, context, err);
}

int registry_sum_counts(struct registry *r, enum count_span span, uint64_t since_ms,
	count_each_fn *each, void *context, struct error *err)
{
	return each_row(r, COUNTS_SQL_SUM, span, since_ms, each, context, err);
}
