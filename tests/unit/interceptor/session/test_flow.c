/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session as a line of `mailferry flows`. */
#include "interceptor/session/flow.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *state_name(const struct session *s)
{
	(void)s;
	return "prelogin";
}

static const struct handler handler = { .state_name = state_name };

static json_t *flow_of(const struct session *s)
{
	char *text = flow_json(s);
	json_t *flow = json_loads(text, 0, NULL);

	free(text);
	assert_non_null(flow);
	return flow;
}

static const char *word(const json_t *flow, const char *key)
{
	return json_string_value(json_object_get(flow, key));
}

static json_int_t number(const json_t *flow, const char *key)
{
	return json_integer_value(json_object_get(flow, key));
}

static struct session make(struct host *host)
{
	struct session s = { .host = host,
		.handler = &handler,
		.number = 0x1f,
		.service = SERVICE_POP3,
		.route = ROUTE_COUNT,
		.started_ms = 1234,
		.bytes_in = 10,
		.bytes_out = 20 };

	s.peer.v4.sin_family = AF_INET;
	s.peer.v4.sin_port = htons(1110);
	s.peer.v4.sin_addr.s_addr = htonl(0xc0000201);
	return s;
}

static void test_undecided(void **state)
{
	struct host host = { .pid = 0x4d2 };
	struct session s = make(&host);
	json_t *flow = flow_of(&s);

	(void)state;
	assert_string_equal(word(flow, "id"), "4d2-1f");
	assert_string_equal(word(flow, "service"), "pop3");
	assert_string_equal(word(flow, "client"), "192.0.2.1:1110");
	assert_string_equal(word(flow, "account"), "");
	assert_string_equal(word(flow, "route"), "undecided");
	assert_string_equal(word(flow, "state"), "prelogin");
	assert_int_equal(number(flow, "started"), 1234);
	assert_int_equal(number(flow, "bytes_in"), 10);
	assert_int_equal(number(flow, "bytes_out"), 20);
	json_decref(flow);
}

/* While it is relayed the relay counts. */
static void test_relayed(void **state)
{
	struct host host = { .pid = 1 };
	struct session s = make(&host);
	struct relay relay = { .up.bytes = 100, .down.bytes = 2000 };
	json_t *flow;

	(void)state;
	s.relay = &relay;
	s.state = SESSION_RELAY;
	s.route = ROUTE_SOURCE;
	s.account = strdup("alice@example.com");
	flow = flow_of(&s);
	assert_string_equal(word(flow, "account"), "alice@example.com");
	assert_string_equal(word(flow, "route"), "source");
	assert_string_equal(word(flow, "state"), "relay");
	assert_int_equal(number(flow, "bytes_in"), 100);
	assert_int_equal(number(flow, "bytes_out"), 2000);
	json_decref(flow);
	free(s.account);
}

/* Served by another server, of which the figures of the source say nothing. */
static void test_elsewhere(void **state)
{
	struct settings settings = { 0 };
	struct host host = { .pid = 1, .settings = &settings };
	struct session s = make(&host);
	json_t *flow;

	(void)state;
	assert_int_equal(
		destination_parse("imap://192.0.2.30", &settings.destination), 0);
	s.route = ROUTE_LOCAL;
	s.connects_to = SERVER_DESTINATION;
	s.source_state = SOURCE_OPEN;
	flow = flow_of(&s);
	assert_string_equal(word(flow, "route"), "local");
	assert_string_equal(word(flow, "destination"), "192.0.2.30");
	assert_null(json_object_get(flow, "source_rtt_us"));
	json_decref(flow);
}

/* A login is bytes, not text. */
static void test_no_utf8(void **state)
{
	struct host host = { .pid = 1 };
	struct session s = make(&host);
	json_t *flow;

	(void)state;
	s.account = strdup("al\xff\xfe"
			   "ice");
	flow = flow_of(&s);
	assert_string_equal(word(flow, "account"), "?");
	json_decref(flow);
	free(s.account);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undecided),
		cmocka_unit_test(test_relayed),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_no_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
