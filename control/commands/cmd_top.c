/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry top: accounts, flows, transfers and counters on one screen, in turn. */
#include "control/running/rights.h"
#include "control/views/account_view.h"
#include "control/views/counters_view.h"
#include "control/views/transfers_view.h"
#include "control/watch/flows.h"

#include <errno.h>
#include <string.h>

static const struct column columns[] = {
	{ "name", "account", COLUMN_TEXT, 0, 0 },
	{ "route", "route", COLUMN_TEXT, 0, 0 },
	{ "stage", "stage", COLUMN_TEXT, 0, 0 },
	{ "pin", "pin", COLUMN_TEXT, 0, 0 },
	{ "flows", "flows", COLUMN_NUMBER, 0, 0 },
	{ "messages_copied", "copied", COLUMN_NUMBER, 0, 0 },
	{ "messages_total", "messages", COLUMN_NUMBER, 0, 0 },
	{ "bytes_copied", "bytes", COLUMN_BYTES, 0, 0 },
	{ "out_of_service_ms", "out, ms", COLUMN_NUMBER, 0, 0 },
	{ "last_login_at", "last login", COLUMN_TIME, 0, 0 },
	{ "last_error", "last error", COLUMN_TEXT, 0, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define BY_FLOWS 4

struct gathering {
	json_t *rows;
	json_t *flows; /* "name" → how many */
};

/* ── accounts ──────────────────────────────────────────────────────────────────────── */

/* Only what is shown: there may be ten thousand. */
static int add(void *context, const struct account *a)
{
	struct gathering *g = context;
	json_t *name = output_string(a->name), *row;
	json_int_t flows = name ? json_integer_value(json_object_get(
					  g->flows, json_string_value(name)))
	                        : 0;

	row = json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name",
		name, "route", route_name(a->route), "stage", stage_name(a->stage), "pin",
		pin_name(a->pin), "flows", flows, "messages_copied",
		(json_int_t)a->messages_copied, "messages_total",
		(json_int_t)a->messages_total, "bytes_copied",
		(json_int_t)a->bytes_copied, "out_of_service_ms",
		(json_int_t)a->out_of_service_ms, "last_login_at",
		(json_int_t)a->last_login_at, "last_error", output_string(a->last_error));
	return json_array_append_new(g->rows, row) < 0 ? -ENOMEM : 0;
}

/* Without an interceptor nobody has any. */
static void count_flows(struct control *c, json_t *counts)
{
	json_t *flows, *flow;
	size_t i;

	if (flows_ask(&c->settings, &flows, NULL) < 0)
		return;
	json_array_foreach(flows, i, flow)
	{
		const char *account = json_string_value(json_object_get(flow, "account"));

		if (account && *account)
			(void)json_object_set_new(counts, account,
				json_integer(json_integer_value(
						     json_object_get(counts, account)) +
					     1));
	}
	json_decref(flows);
}

static json_t *gather(void *context, struct error *err)
{
	struct control *c = context;
	struct gathering g = { json_array(), json_object() };
	struct registry *r = NULL;
	int code = control_registry(c, &r);

	count_flows(c, g.flows);
	if (code == 0)
		code = registry_each(r, add, &g, &c->err);
	registry_close(r);
	json_decref(g.flows);
	if (code == 0 || code == -ENOENT)
		return g.rows;
	json_decref(g.rows);
	*err = c->err;
	return NULL;
}

/* ── kick: all of an account's ─────────────────────────────────────────────────────── */

static int kick_all(struct control *c, const json_t *flows, const char *account,
	size_t *ret_n, struct error *err)
{
	const json_t *flow;
	int code = 0;
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		const char *whose = json_string_value(json_object_get(flow, "account"));
		const char *id = json_string_value(json_object_get(flow, "id"));

		if (!whose || !id || strcmp(whose, account) != 0)
			continue;
		code = flows_kick(&c->settings, id, err);
		if (code < 0 && code != -ENOENT) /* it has ended meanwhile */
			return code;
		*ret_n += code == 0;
	}
	return 0;
}

static int kick(
	void *context, const json_t *row, char *said, size_t size, struct error *err)
{
	struct control *c = context;
	const char *account = json_string_value(json_object_get(row, "name"));
	json_t *flows;
	size_t n = 0;
	int code = flows_ask(&c->settings, &flows, err);

	if (code < 0)
		return code;
	code = kick_all(c, flows, account ? account : "", &n, err);
	json_decref(flows);
	if (code == 0)
		(void)snprintf(said, size, "%zu flows of %s on their way out", n,
			account ? account : "?");
	return code;
}

static const struct view_act acts[] = { { 'k', "kick all flows of", kick } };

static struct view accounts_view(struct control *c)
{
	return (struct view){ .title = "accounts",
		.columns = columns,
		.n_columns = COLUMNS,
		.row_name = "name",
		.sort = BY_FLOWS,
		.descending = true,
		.gather = gather,
		.acts = acts,
		.n_acts = 1,
		.context = c };
}

enum exit_code cmd_top(struct control *c)
{
	struct transfers transfers = { .control = c };
	struct counters counters = { .control = c };
	const struct view views[] = { accounts_view(c), flows_view(c),
		transfers_view(&transfers), counters_view(&counters) };
	/* counters are the kernel's, and need the right to ask it */
	size_t n = 4 - (rights_require_network(NULL) < 0);

	return views_run(views, n, "", &c->err) < 0 ? control_fail(c) : EXIT_DONE;
}
