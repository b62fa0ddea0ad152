/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/flow.h"

#include "interceptor/session/unseen_flows.h"
#include "source/destination.h"

#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Of the socket below all that is over it. */
static bool tcp_info_of(const struct stream *s, struct tcp_info *ret)
{
	socklen_t len = sizeof(*ret);

	while (s && s->below)
		s = s->below;
	memset(ret, 0, sizeof(*ret));
	return s && s->fd >= 0 &&
	       getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, ret, &len) == 0;
}

/* The client's side is the kernel's to tell, also of a session that the mailstore has
   (control/watch/flows_join.h). A bridge to the mailstore has no TCP. */
static void add_source_leg(json_t *flow, const struct session *s)
{
	struct tcp_info info;

	if (s->connects_to == SERVER_DESTINATION || s->source_state != SOURCE_OPEN ||
		!tcp_info_of(s->source, &info))
		return;
	(void)json_object_set_new(
		flow, "source_rtt_us", json_integer((json_int_t)info.tcpi_rtt));
	(void)json_object_set_new(flow, "source_retransmits",
		json_integer((json_int_t)info.tcpi_total_retrans));
}

static void add_destination(json_t *flow, const struct session *s)
{
	char home[ADDRESS_TEXT_MAX];

	if (s->connects_to != SERVER_DESTINATION || s->source_state == SOURCE_NONE)
		return;
	destination_home(s->host->settings, home);
	(void)json_object_set_new(flow, "destination", json_string(home));
}

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
	if (flow) {
		add_source_leg(flow, s);
		add_destination(flow, s);
	}
	text = flow ? json_dumps(flow, JSON_COMPACT) : NULL;
	json_decref(flow);
	return text;
}
