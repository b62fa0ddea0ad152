/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry counters */
#include "control/control.h"
#include "control/output.h"
#include "control/rights.h"
#include "nft-rules/rules.h"

#include <errno.h>

struct count_row {
	struct str service, route;
	uint64_t packets, bytes; /* both ways */
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
};

#define ROW(field) offsetof(struct count_row, field)
#define ALL (IN_JSON | IN_TABLE)
static const struct column count_columns[] = {
	{ "service", "service", COLUMN_TEXT, ALL, ROW(service) },
	{ "route", "route", COLUMN_TEXT, ALL, ROW(route) },
	{ "packets", "packets", COLUMN_NUMBER, ALL, ROW(packets) },
	{ "bytes", "bytes", COLUMN_BYTES, ALL, ROW(bytes) },
	{ "packets_in", "packets in", COLUMN_NUMBER, IN_TABLE, ROW(packets_in) },
	{ "bytes_in", "bytes in", COLUMN_BYTES, IN_TABLE, ROW(bytes_in) },
	{ "packets_out", "packets out", COLUMN_NUMBER, IN_TABLE, ROW(packets_out) },
	{ "bytes_out", "bytes out", COLUMN_BYTES, IN_TABLE, ROW(bytes_out) },
};
#define COUNT_COLUMNS (sizeof(count_columns) / sizeof(count_columns[0]))

static struct count_row row_of(const struct rules_count *count)
{
	return (struct count_row){ str_from(count->service),
		str_from(rules_route_name(count->route)),
		count->packets_in + count->packets_out,
		count->bytes_in + count->bytes_out, count->packets_in, count->bytes_in,
		count->packets_out, count->bytes_out };
}

static int print_json(const struct rules_count *counts, size_t n)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		struct count_row row = row_of(&counts[i]);

		if (json_array_append_new(
			    all, output_object(count_columns, COUNT_COLUMNS, &row)) < 0) {
			json_decref(all);
			return -ENOMEM;
		}
	}
	return output_json(all, stdout);
}

static int print_table(const struct rules_count *counts, size_t n)
{
	struct table t;
	int code = table_init(&t, count_columns, COUNT_COLUMNS);

	for (size_t i = 0; code == 0 && i < n; i++) {
		struct count_row row = row_of(&counts[i]);

		if (row.packets) /* of fifty rows most are 0; --json has all */
			code = table_add(&t, &row);
	}
	if (code == 0)
		table_print(&t, stdout);
	table_fini(&t);
	return code;
}

enum exit_code cmd_counters(struct control *c)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	size_t n;
	int code = rights_require_network(&c->err);

	if (code == 0)
		code = rules_counters(counts, &n, &c->err);
	if (code == -ENOENT)
		error_set(&c->err, code,
			"no rules are installed, so nothing is counted; start `mailferry "
			"up`");
	if (code == 0)
		code = c->json ? print_json(counts, n) : print_table(counts, n);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
