/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/flows.h"

#include "control/watch/flows_join.h"

#include "base/clock.h"
#include "base/fd.h"
#include "messages/ask.h"

#include <errno.h>
#include <stdio.h>

/* ── asking ────────────────────────────────────────────────────────────────────────── */

int flows_each(const struct settings *s, flow_fn *each, void *context, struct error *err)
{
	struct message question = { .type = MESSAGE_FLOWS }, m;
	char bytes[IPC_MESSAGE_MAX];
	CLEANUP(fd_closep)
	int fd = ask_begin(s->run_dir, INTERCEPTOR_SOCKET, &question, err);
	int r = fd < 0 ? fd : 0;

	while (r == 0) {
		r = ask_receive(fd, bytes, &ask_patience, &m, err);
		if (r == 0 && m.type != MESSAGE_FLOW)
			break;
		if (r == 0 && each(context, m.payload) < 0)
			r = error_set(err, -EBADMSG,
				"the interceptor described a flow that is not JSON");
	}
	if (r == 0 && m.type != MESSAGE_FLOWS_END)
		r = error_set(err, -EBADMSG, "the interceptor answered %s to FLOWS",
			message_type_name(m.type));
	return r;
}

static int add_flow(void *flows, struct str text)
{
	return json_array_append_new(flows, json_loadb(text.ptr, text.len, 0, NULL));
}

int flows_ask(const struct settings *s, json_t **ret_flows, struct error *err)
{
	json_t *flows = json_array();
	int r = flows_each(s, add_flow, flows, err);

	if (r < 0)
		json_decref(flows);
	else
		*ret_flows = flows;
	return r;
}

int flows_gather(const struct settings *s, json_t **ret_flows, struct error *err)
{
	json_t *flows;
	int r = flows_ask(s, &flows, err);

	if (r < 0)
		return r;
	if (flows_join(s, flows) < 0) {
		json_decref(flows);
		return error_set(err, -ENOMEM, "no memory");
	}
	*ret_flows = flows;
	return 0;
}

int flows_kick(const struct settings *s, const char *id, struct error *err)
{
	struct message question = { .type = MESSAGE_KICK, .session = str_from(id) };
	uint64_t found = 0;
	int r = ask(s->run_dir, INTERCEPTOR_SOCKET, &question, MESSAGE_KICKED,
		&ask_patience, &found, err);

	if (r == 0 && !found)
		return error_set(err, -ENOENT,
			"there is no flow \"%s\" (any more); `mailferry flows` lists "
			"their ids",
			id);
	return r;
}

/* ── on a screen ───────────────────────────────────────────────────────────────────── */

static const struct column view_columns[] = {
	{ "account", "account", COLUMN_TEXT, 0, 0 },
	{ "service", "service", COLUMN_TEXT, 0, 0 },
	{ "client", "client", COLUMN_TEXT, 0, 0 },
	{ "route", "route", COLUMN_TEXT, 0, 0 },
	{ "state", "state", COLUMN_TEXT, 0, 0 },
	{ "age_s", "age", COLUMN_SPAN, 0, 0 },
	{ "bytes_in", "in", COLUMN_BYTES, 0, 0 },
	{ "bytes_out", "out", COLUMN_BYTES, 0, 0 },
	{ "rtt_ms", "rtt ms", COLUMN_NUMBER, 0, 0 },
	{ "retransmits", "again", COLUMN_NUMBER, 0, 0 },
	{ "source_rtt_ms", "source rtt", COLUMN_NUMBER, 0, 0 },
	{ "id", "id", COLUMN_TEXT, 0, 0 },
};
#define COLUMNS (sizeof(view_columns) / sizeof(view_columns[0]))
#define BYTES_OUT 7

static void add_ms(json_t *flow, const char *from, const char *to)
{
	const json_t *us = json_object_get(flow, from);

	if (us)
		(void)json_object_set_new(
			flow, to, json_integer((json_integer_value(us) + 500) / 1000));
}

static json_t *gather(void *context, struct error *err)
{
	struct control *c = context;
	json_t *flows, *flow;
	uint64_t now = clock_wall_ms();
	size_t i;

	if (flows_gather(&c->settings, &flows, err) < 0)
		return NULL;
	json_array_foreach(flows, i, flow)
	{
		uint64_t began =
			(uint64_t)json_integer_value(json_object_get(flow, "started"));

		if (began && began <= now)
			(void)json_object_set_new(flow, "age_s",
				json_integer((json_int_t)((now - began) / 1000)));
		add_ms(flow, "rtt_us", "rtt_ms");
		add_ms(flow, "source_rtt_us", "source_rtt_ms");
	}
	return flows;
}

static int kick(
	void *context, const json_t *row, char *said, size_t size, struct error *err)
{
	struct control *c = context;
	const char *id = json_string_value(json_object_get(row, "id"));

	if (!id || !*id)
		return error_set(err, -EPERM,
			"this connection goes past us and is none of ours to end; see "
			"`mailferry admit`");
	if (flows_kick(&c->settings, id, err) < 0)
		return err->code;
	(void)snprintf(said, size, "%s: on its way out", id);
	return 0;
}

static const struct view_act acts[] = { { 'k', "kick", kick } };

struct view flows_view(struct control *c)
{
	return (struct view){ .title = "flows",
		.columns = view_columns,
		.n_columns = COLUMNS,
		.row_name = "id",
		.sort = BYTES_OUT,
		.descending = true,
		.gather = gather,
		.acts = acts,
		.n_acts = 1,
		.context = c };
}
