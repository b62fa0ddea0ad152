/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry flows [--watch]: the interceptor tells, as one JSON object for each flow. */
#include "control/control.h"
#include "control/flows.h"
#include "control/flows_past.h"
#include "control/output.h"

#include "base/fd.h"
#include "messages/ask.h"

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

int flows_ask(const struct settings *s, json_t **ret_flows, struct error *err)
{
	struct message question = { .type = MESSAGE_FLOWS }, m;
	char bytes[IPC_MESSAGE_MAX];
	CLEANUP(fd_closep)
	int fd = ask_begin(s->run_dir, INTERCEPTOR_SOCKET, &question, err);
	json_t *flows = json_array();
	int r = fd < 0 ? fd : 0;

	while (r == 0) {
		r = ask_receive(fd, bytes, &ask_patience, &m, err);
		if (r == 0 && m.type != MESSAGE_FLOW)
			break;
		if (r == 0 &&
			json_array_append_new(flows,
				json_loadb(m.payload.ptr, m.payload.len, 0, NULL)) < 0)
			r = error_set(err, -EBADMSG,
				"the interceptor described a flow that is not JSON");
	}
	if (r == 0 && m.type != MESSAGE_FLOWS_END)
		r = error_set(err, -EBADMSG, "the interceptor answered %s to FLOWS",
			message_type_name(m.type));
	if (r < 0) {
		json_decref(flows);
		return r;
	}
	*ret_flows = flows;
	return 0;
}

static struct str text_of(const json_t *flow, const char *name)
{
	const json_t *value = json_object_get(flow, name);

	return str_of(json_string_value(value), json_string_length(value));
}

static uint64_t number_of(const json_t *flow, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(flow, name));
}

static int print_table(const json_t *flows)
{
	struct table t;
	int r = table_init(&t, flow_columns, FLOW_COLUMNS);

	for (size_t i = 0; r == 0 && i < json_array_size(flows); i++) {
		const json_t *flow = json_array_get(flows, i);
		struct flow_row row = { text_of(flow, "id"), text_of(flow, "service"),
			text_of(flow, "client"), text_of(flow, "account"),
			text_of(flow, "route"), text_of(flow, "unseen"),
			number_of(flow, "started"), number_of(flow, "bytes_in"),
			number_of(flow, "bytes_out") };

		r = table_add(&t, &row);
	}
	if (r == 0)
		table_print(&t, stdout);
	table_fini(&t);
	return r;
}

/* One look per line: a script that reads --watch --json takes line by line. */
static int print_line(const json_t *flows)
{
	int r = json_dumpf(flows, stdout, JSON_COMPACT);

	(void)putchar('\n');
	return r < 0 ? -ENOMEM : 0;
}

static int show(struct control *c)
{
	json_t *flows;
	int r = flows_ask(&c->settings, &flows, &c->err);

	if (r < 0)
		return r;
	if (flows_add_past(&c->settings, flows) < 0) {
		json_decref(flows);
		return error_set(&c->err, -ENOMEM, "no memory");
	}
	if (c->json && !c->watch)
		return output_json(flows, stdout);
	if (c->watch && !c->json && isatty(STDOUT_FILENO))
		(void)fputs("\033[H\033[2J", stdout); /* home, clear */
	r = c->json ? print_line(flows) : print_table(flows);
	json_decref(flows);
	if (r == 0 && fflush(stdout) != 0)
		r = error_errno(&c->err, -errno, "cannot write");
	return r;
}

enum exit_code cmd_flows(struct control *c)
{
	int r = show(c);

	while (r == 0 && c->watch) {
		(void)sleep(WATCH_S);
		r = show(c);
	}
	return r < 0 ? control_fail(c) : EXIT_DONE;
}
