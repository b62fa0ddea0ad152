/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/flow.h"

#include "interceptor/unseen_flows.h"

#include <jansson.h>

char *flow_json(const struct session *s)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];
	uint64_t in = s->relay ? s->relay->up.bytes : s->bytes_in + s->served_in;
	uint64_t out = s->relay ? s->relay->down.bytes : s->bytes_out + s->served_out;
	/* a login is bytes, not text: what is no UTF-8 cannot be said in JSON */
	json_t *account = json_string(s->account ? s->account : "");
	json_t *flow;
	char *text;

	endpoint_text(&s->peer, client);
	flow = json_pack("{s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:s, s:s*}", "id",
		session_id(s, id), "service", service_name(s->service), "client", client,
		"account", account ? account : json_string("?"), "route",
		s->route == ROUTE_COUNT ? "undecided" : route_name(s->route), "started",
		(json_int_t)s->started_ms, "bytes_in", (json_int_t)in, "bytes_out",
		(json_int_t)out, "state", session_state_name(s), "unseen",
		s->unseen ? unseen_flow_why(s->unseen) : NULL);
	text = flow ? json_dumps(flow, JSON_COMPACT) : NULL;
	json_decref(flow);
	return text;
}
