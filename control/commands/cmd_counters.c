/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry counters [--since TIME [--by PERIOD]] */
#include "control/running/counts_keep.h"
#include "control/running/judged.h"
#include "control/running/rights.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/terminal/since.h"
#include "control/views/counters_view.h"

#include "base/clock.h"

#include <errno.h>

struct count_row {
	uint64_t at;
	struct str service, route;
	uint64_t packets, bytes; /* both ways */
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
};

#define ROW(field) offsetof(struct count_row, field)
#define ALL (IN_JSON | IN_TABLE)
static const struct column count_columns[] = {
	{ "at", "from", COLUMN_TIME, ALL, ROW(at) }, /* with --by alone */
	{ "service", "service", COLUMN_TEXT, ALL, ROW(service) },
	{ "route", "route", COLUMN_TEXT, ALL, ROW(route) },
	{ "packets", "packets", COLUMN_NUMBER, ALL, ROW(packets) },
	{ "bytes", "bytes", COLUMN_BYTES, ALL, ROW(bytes) },
	{ "packets_in", "packets in", COLUMN_NUMBER, ALL, ROW(packets_in) },
	{ "bytes_in", "bytes in", COLUMN_BYTES, ALL, ROW(bytes_in) },
	{ "packets_out", "packets out", COLUMN_NUMBER, ALL, ROW(packets_out) },
	{ "bytes_out", "bytes out", COLUMN_BYTES, ALL, ROW(bytes_out) },
};
#define COUNT_COLUMNS (sizeof(count_columns) / sizeof(count_columns[0]))

/* Where rows go: to JSON or to a table. */
struct printer {
	const struct column *columns;
	size_t n_columns;
	json_t *json; /* NULL: the table */
	struct table table;
};

static int printer_begin(struct printer *p, bool json, bool by_time)
{
	*p = (struct printer){ .columns = count_columns + !by_time,
		.n_columns = COUNT_COLUMNS - !by_time };
	if (!json)
		return table_init(&p->table, p->columns, p->n_columns);
	p->json = json_array();
	return p->json ? 0 : -ENOMEM;
}

static int printer_add(struct printer *p, const struct count_row *row)
{
	if (!p->json) /* of fifty rows most are 0; --json has all */
		return row->packets ? table_add(&p->table, row) : 0;
	return json_array_append_new(
		       p->json, output_object(p->columns, p->n_columns, row)) < 0
	               ? -ENOMEM
	               : 0;
}

static int printer_end(struct printer *p, int code)
{
	if (p->json && code == 0)
		return output_json(p->json, stdout);
	if (!p->json && code == 0)
		table_print(&p->table, stdout);
	json_decref(p->json);
	table_fini(&p->table);
	return code;
}

static struct count_row row_of(const struct rules_count *count)
{
	return (struct count_row){ 0, str_from(count->service),
		str_from(rules_route_name(count->route)),
		count->packets_in + count->packets_out,
		count->bytes_in + count->bytes_out, count->packets_in, count->bytes_in,
		count->packets_out, count->bytes_out };
}

static int print_counts(struct control *c, const struct rules_count *counts, size_t n)
{
	struct printer p;
	int code = printer_begin(&p, c->json, false);

	for (size_t i = 0; i < n && code == 0; i++) {
		struct count_row row = row_of(&counts[i]);

		code = printer_add(&p, &row);
	}
	return printer_end(&p, code);
}

/* ── by time ───────────────────────────────────────────────────────────────────────── */

static int add_period(void *context, const struct count *c)
{
	struct count_row row = { .at = c->at,
		.service = c->service,
		.route = c->route,
		.packets = c->n[COUNT_PACKETS_IN] + c->n[COUNT_PACKETS_OUT],
		.bytes = c->n[COUNT_BYTES_IN] + c->n[COUNT_BYTES_OUT],
		.packets_in = c->n[COUNT_PACKETS_IN],
		.bytes_in = c->n[COUNT_BYTES_IN],
		.packets_out = c->n[COUNT_PACKETS_OUT],
		.bytes_out = c->n[COUNT_BYTES_OUT] };

	return printer_add(context, &row);
}

/* What was counted up to now belongs to it: kept as `up` keeps it. */
static int print_periods(
	struct control *c, struct registry *r, enum count_span period, uint64_t since)
{
	struct printer p;
	int code = counts_save(r, &c->err);

	if (code < 0)
		return code;
	code = printer_begin(&p, c->json, true);
	if (code == 0)
		code = registry_each_count(r, period,
			since - since % count_period_ms(period), add_period, &p, &c->err);
	return printer_end(&p, code);
}

static int print_since(struct control *c, struct registry *r, uint64_t since)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	size_t n = 0;
	int code = counts_since(r, since, counts, &n, &c->err);

	return code < 0 ? code : print_counts(c, counts, n);
}

static int show_past(struct control *c, enum count_span period, uint64_t since)
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code < 0)
		return code;
	code = c->by ? print_periods(c, r, period, since) : print_since(c, r, since);
	registry_close(r);
	return code;
}

/* ── all ───────────────────────────────────────────────────────────────────────────── */

static int show_total(struct control *c)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	struct registry *r = NULL;
	size_t n = 0;
	int code;

	(void)control_registry(c, &r);
	code = counts_total(r, counts, &n, &c->err);
	registry_close(r);
	if (code == -ENOENT)
		return error_set(&c->err, code,
			"no rules are installed, so nothing is counted; start `mailferry "
			"up`");
	return code < 0 ? code : print_counts(c, counts, n);
}

/* Of new connections that wait to be judged; --json of `status` has it. */
static void print_queue(const struct control *c)
{
	json_t *judged = judged_ask(&c->settings);

	if (judged) {
		(void)fputs("new connections: ", stdout);
		judged_print_queue(judged, stdout);
		(void)putchar('\n');
	}
	json_decref(judged);
}

static int read_times(struct control *c, enum count_span *ret_period, uint64_t *ret_since)
{
	if (c->by && !c->since)
		return error_set(&c->err, -EINVAL, "option '--by' needs '--since TIME'");
	if (c->by && count_period_by_name(c->by, ret_period) < 0)
		return error_set(&c->err, -EINVAL,
			"--by takes minute, hour or day, not \"%s\"", c->by);
	if (c->watch && (c->since || c->json))
		return error_set(&c->err, -EINVAL,
			"--watch is a screen of all that is counted; without it, --since "
			"and --json are fine");
	return c->since ? since_read(c->since, clock_wall_ms(), ret_since, &c->err) : 0;
}

enum exit_code cmd_counters(struct control *c)
{
	enum count_span period = COUNT_MINUTE;
	uint64_t since = 0;
	struct counters counters = { .control = c };
	struct view view = counters_view(&counters);
	int code = read_times(c, &period, &since);

	if (code < 0)
		return control_misuse(c);
	code = rights_require_network(&c->err);
	if (code == 0 && c->watch)
		code = views_run(&view, 1, "", &c->err);
	else if (code == 0)
		code = c->since ? show_past(c, period, since) : show_total(c);
	if (code == 0 && !c->watch && !c->json && !c->since)
		print_queue(c);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
