/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/counters_view.h"

#include "control/running/counts_keep.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
	{ "service", "service", COLUMN_TEXT, 0, 0 },
	{ "route", "route", COLUMN_TEXT, 0, 0 },
	{ "packets", "packets", COLUMN_NUMBER, 0, 0 },
	{ "bytes", "bytes", COLUMN_BYTES, 0, 0 },
	{ "bytes_in", "in", COLUMN_BYTES, 0, 0 },
	{ "bytes_out", "out", COLUMN_BYTES, 0, 0 },
	{ "in_per_s", "in per s", COLUMN_BYTES, 0, 0 },
	{ "out_per_s", "out per s", COLUMN_BYTES, 0, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define BY_BYTES 3

static const struct rules_count *before_of(
	const struct counters *c, const struct rules_count *now)
{
	for (size_t i = 0; i < c->n_before; i++)
		if (c->before[i].route == now->route &&
			strcmp(c->before[i].service, now->service) == 0)
			return &c->before[i];
	return NULL;
}

static json_int_t per_second(uint64_t was, uint64_t is, uint64_t ms)
{
	return (json_int_t)(ms && is > was ? (is - was) * 1000 / ms : 0);
}

static json_t *row_of(const struct counters *c, const struct rules_count *n, uint64_t ms)
{
	const struct rules_count *was = before_of(c, n);
	char name[RULES_NAME_MAX * 2];

	(void)snprintf(name, sizeof(name), "%.*s %s", RULES_NAME_MAX - 1, n->service,
		rules_route_name(n->route));
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", name,
		"service", n->service, "route", rules_route_name(n->route), "packets",
		(json_int_t)(n->packets_in + n->packets_out), "bytes",
		(json_int_t)(n->bytes_in + n->bytes_out), "bytes_in",
		(json_int_t)n->bytes_in, "bytes_out", (json_int_t)n->bytes_out,
		"in_per_s", was ? per_second(was->bytes_in, n->bytes_in, ms) : 0,
		"out_per_s", was ? per_second(was->bytes_out, n->bytes_out, ms) : 0);
}

static int read_now(
	struct control *c, struct rules_count *now, size_t *ret_n, struct error *err)
{
	struct registry *r = NULL;
	int code;

	(void)control_registry(c, &r);
	code = counts_total(r, now, ret_n, err);
	registry_close(r);
	return code == -ENOENT ? error_set(err, code,
					 "no rules are installed, so nothing is counted; "
					 "start `mailferry up`")
	                       : code;
}

static json_t *gather(void *context, struct error *err)
{
	struct counters *c = context;
	struct rules_count now[RULES_COUNTS_MAX];
	uint64_t at = clock_monotonic_ms();
	json_t *rows;
	size_t n = 0;

	if (read_now(c->control, now, &n, err) < 0)
		return NULL;
	rows = json_array();
	for (size_t i = 0; i < n; i++)
		if (now[i].packets_in + now[i].packets_out)
			(void)json_array_append_new(
				rows, row_of(c, &now[i], c->at ? at - c->at : 0));
	memcpy(c->before, now, n * sizeof(*now));
	c->n_before = n;
	c->at = at;
	return rows;
}

struct view counters_view(struct counters *counters)
{
	return (struct view){ .title = "counters",
		.columns = columns,
		.n_columns = COLUMNS,
		.row_name = "name",
		.sort = BY_BYTES,
		.descending = true,
		.gather = gather,
		.context = counters };
}
