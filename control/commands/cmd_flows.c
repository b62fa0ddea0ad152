/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry flows [--watch] [--kick ID]: the interceptor tells, as one JSON object for
   each flow. */
#include "control/running/neighbours_watch.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/terminal/screen.h"
#include "control/views/unseen_view.h"
#include "control/watch/flows.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define WATCH_S 1

struct flow_row {
	struct str id, service, client, account, route, unseen;
	uint64_t started, bytes_in, bytes_out;
};

#define ROW(field) offsetof(struct flow_row, field)
static const struct column flow_columns[] = {
	{ "id", "id", COLUMN_TEXT, IN_TABLE, ROW(id) },
	{ "service", "service", COLUMN_TEXT, IN_TABLE, ROW(service) },
	{ "client", "client", COLUMN_TEXT, IN_TABLE, ROW(client) },
	{ "account", "account", COLUMN_TEXT, IN_TABLE, ROW(account) },
	{ "route", "route", COLUMN_TEXT, IN_TABLE, ROW(route) },
	{ "unseen", "unseen", COLUMN_TEXT, IN_TABLE, ROW(unseen) },
	{ "started", "started", COLUMN_TIME, IN_TABLE, ROW(started) },
	{ "bytes_in", "in", COLUMN_BYTES, IN_TABLE, ROW(bytes_in) },
	{ "bytes_out", "out", COLUMN_BYTES, IN_TABLE, ROW(bytes_out) },
};
#define FLOW_COLUMNS (sizeof(flow_columns) / sizeof(flow_columns[0]))

static int print_table(const json_t *flows)
{
	struct table t;
	int r = table_init(&t, flow_columns, FLOW_COLUMNS);

	for (size_t i = 0; r == 0 && i < json_array_size(flows); i++) {
		const json_t *flow = json_array_get(flows, i);
		struct flow_row row = { output_text(flow, "id"),
			output_text(flow, "service"), output_text(flow, "client"),
			output_text(flow, "account"), output_text(flow, "route"),
			output_text(flow, "unseen"), output_number(flow, "started"),
			output_number(flow, "bytes_in"),
			output_number(flow, "bytes_out") };

		r = table_add(&t, &row);
	}
	if (r == 0)
		table_print(&t, stdout);
	table_fini(&t);
	return r;
}

/* Those whose connections cannot be here. */
static void print_neighbours(struct control *c)
{
	struct neighbours_seen seen = { .hosts = 0 };
	struct registry *r;

	if (control_registry(c, &r) < 0)
		return;
	(void)neighbours_seen(
		r, &c->settings, clock_wall_ms() - UNSEEN_SHOWN_MS, &seen, NULL);
	registry_close(r);
	if (seen.hosts)
		(void)printf("not in this list: what %" PRIu64
			     " hosts of the source's own network may do past us (%s)\n",
			seen.hosts, seen.text);
}

/* One look per line: a script that reads --watch --json takes line by line. */
static int print_line(const json_t *flows)
{
	return output_dump(flows, JSON_COMPACT, stdout);
}

/* What the options leave of them, as a filter of views. -EINVAL: too long. */
static int make_filter(struct control *c, char *filter, size_t size)
{
	const struct {
		const char *name, *value;
	} parts[] = { { "account", c->account }, { "client", c->client },
		{ "service", c->service } };
	size_t len = 0;

	filter[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int n = parts[i].value
		                ? snprintf(filter + len, size - len, "%s%s=%s",
					  len ? " " : "", parts[i].name, parts[i].value)
		                : 0;

		len += (size_t)n;
		if (len >= size)
			return error_set(
				&c->err, -EINVAL, "\"%s\" is too long", parts[i].value);
	}
	return 0;
}

static void drop_others(json_t *flows, const char *filter)
{
	size_t i = json_array_size(flows);

	while (i-- > 0)
		if (!view_matches(json_array_get(flows, i), filter))
			(void)json_array_remove(flows, i);
}

static int show(struct control *c, const char *filter)
{
	json_t *flows;
	int r = flows_gather(&c->settings, &flows, &c->err);

	if (r < 0)
		return r;
	drop_others(flows, filter);
	if (c->json && !c->watch)
		return output_json(flows, stdout);
	r = c->json ? print_line(flows) : print_table(flows);
	json_decref(flows);
	if (r == 0 && !c->json && !c->watch)
		print_neighbours(c);
	if (r == 0 && fflush(stdout) != 0)
		r = error_errno(&c->err, -errno, "cannot write");
	return r;
}

static int kick(struct control *c)
{
	int r = flows_kick(&c->settings, c->kick, &c->err);

	if (r == 0 && c->json)
		return output_json(
			json_pack("{s:s, s:b}", "id", c->kick, "kicked", true), stdout);
	if (r == 0)
		(void)puts("on its way out; its client may come again");
	return r;
}

static int run(struct control *c, const char *filter)
{
	struct view view = flows_view(c);
	int r;

	if (c->kick)
		return kick(c);
	if (c->watch && !c->json && screen_is_possible())
		return views_run(&view, 1, filter, &c->err);
	r = show(c, filter);
	while (r == 0 && c->watch) {
		(void)sleep(WATCH_S);
		r = show(c, filter);
	}
	return r;
}

enum exit_code cmd_flows(struct control *c)
{
	char filter[256];

	if (make_filter(c, filter, sizeof(filter)) < 0)
		return control_misuse(c);
	return run(c, filter) < 0 ? control_fail(c) : EXIT_DONE;
}
