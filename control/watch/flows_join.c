/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/flows_join.h"

#include "control/terminal/output.h"
#include "nft-rules/conntrack.h"
#include "nft-rules/tcp_sockets.h"

#include <errno.h>
#include <stdio.h>

#define KEY_MAX (ADDRESS_TEXT_MAX + RULES_NAME_MAX)

struct joining {
	const struct ruleset *rules;
	json_t *flows;
	json_t *by_client; /* "address:port service" → the flow, which is also in flows */
};

static void make_key(const char *client, const char *service, char key[static KEY_MAX])
{
	(void)snprintf(key, KEY_MAX, "%s %.*s", client, RULES_NAME_MAX - 1, service);
}

static json_t *find(const struct joining *j, const struct sockaddr_storage *client,
	const char *service)
{
	char text[ADDRESS_TEXT_MAX], key[KEY_MAX];

	address_port_text(client, text);
	make_key(text, service, key);
	return json_object_get(j->by_client, key);
}

static int set(json_t *flow, const char *name, uint64_t value)
{
	return json_object_set_new(flow, name, json_integer((json_int_t)value)) < 0
	               ? -ENOMEM
	               : 0;
}

static int index_flows(struct joining *j)
{
	for (size_t i = 0; i < json_array_size(j->flows); i++) {
		json_t *flow = json_array_get(j->flows, i);
		const char *client = json_string_value(json_object_get(flow, "client"));
		const char *service = json_string_value(json_object_get(flow, "service"));
		char key[KEY_MAX];

		if (!client || !service)
			continue;
		make_key(client, service, key);
		if (json_object_set(j->by_client, key, flow) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ── the clients' sockets ──────────────────────────────────────────────────────────── */

static int add_socket(void *context, const struct tcp_socket *s)
{
	struct joining *j = context;
	const struct rules_service *service = j->rules->services;
	json_t *flow;
	int code;

	while (service->port != s->port) /* it is one of them */
		service++;
	flow = find(j, &s->client, service->name);
	if (!flow)
		return 0;
	code = set(flow, "rtt_us", s->rtt_us);
	return code ? code : set(flow, "retransmits", s->retransmits);
}

/* ── connection tracking ───────────────────────────────────────────────────────────── */

static bool is_unseen(const struct ruleset *r, const struct rules_service *service)
{
	return service >= r->unseen && service < r->unseen + r->n_unseen;
}

static int add_past(struct joining *j, const struct linked_flow *f)
{
	char client[ADDRESS_TEXT_MAX];

	address_port_text(&f->client, client);
	return json_array_append_new(j->flows,
		       json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "id",
			       "", "service", f->service->name, "client", client,
			       "account", "", "route",
			       is_unseen(j->rules, f->service) ? "unseen" : "direct",
			       "started", (json_int_t)f->started_ms, "bytes_in",
			       (json_int_t)f->bytes_in, "bytes_out",
			       (json_int_t)f->bytes_out, "state", f->state)) < 0
	               ? -ENOMEM
	               : 0;
}

static int add_tracked(void *context, const struct linked_flow *f)
{
	struct joining *j = context;
	json_t *flow = find(j, &f->client, f->service->name);
	int code;

	if (!flow)
		return f->is_alive && (f->is_direct || is_unseen(j->rules, f->service))
		               ? add_past(j, f)
		               : 0;
	if (!f->bytes_in) /* nf_conntrack_acct was off when it began */
		return 0;
	code = set(flow, "wire_in", f->bytes_in);
	return code ? code : set(flow, "wire_out", f->bytes_out);
}

int flows_join(const struct settings *s, json_t *flows)
{
	struct ruleset rules;
	struct joining j = { &rules, flows, json_object() };
	int code = ruleset_from_settings(s, &rules, NULL), sockets = 0;

	if (code == 0)
		code = j.by_client ? index_flows(&j) : -ENOMEM;
	if (code == 0)
		sockets = tcp_sockets_each(&rules, add_socket, &j, NULL);
	if (code == 0)
		code = conntrack_each(&rules, add_tracked, &j, NULL);
	json_decref(j.by_client);
	return code == -ENOMEM || sockets == -ENOMEM ? -ENOMEM : 0;
}
