/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/tls/hello.h"

#include "base/log.h"
#include "tls/server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <uv.h>

#define READ_SIZE 4096
#define SILENT_MS 60000 /* for the client to begin */

#define RECORD_MS 10000 /* for the registry to take that it passes unseen */

enum hello_step {
	HELLO_IN_HELLO,
	HELLO_IN_RECORDING,
	HELLO_IN_PASSING,
	HELLO_STEP_COUNT
};

struct hello_state {
	struct tls_hello_reader reader;
	size_t seen;                 /* bytes of from_client */
	char name[TLS_NAME_MAX + 1]; /* that it asks for, or "" */
};

static const struct step {
	const char *name;
	struct session_events wants; /* of client and source */
} steps[HELLO_STEP_COUNT] = {
	[HELLO_IN_HELLO] = { "tls-hello", { UV_READABLE, 0 } },
	[HELLO_IN_RECORDING] = { "recording", { UV_DISCONNECT, 0 } },
	[HELLO_IN_PASSING] = { "passing", { UV_DISCONNECT, UV_WRITABLE } },
};

static struct hello_state *state_of(const struct session *s)
{
	return s->memory->state;
}

static void begin(struct session *s)
{
	session_set_deadline(s, SILENT_MS);
}

static void init(struct session *s)
{
	s->memory->from_client.limit = TLS_HELLO_MAX + READ_SIZE;
	tls_hello_init(&state_of(s)->reader);
}

static void end(struct session *s)
{
	tls_hello_fini(&state_of(s)->reader);
}

static bool is_idle(const struct session *s)
{
	return s->step == HELLO_IN_HELLO;
}

static struct session_events wants(const struct session *s)
{
	return steps[s->step].wants;
}

/* ---- to the source, unseen ---- */

static void go_on(struct session *s)
{
	s->is_unseen = true;
	if (session_connect(s) < 0) {
		session_close(s, "source unavailable");
		return;
	}
	s->step = HELLO_IN_PASSING;
	session_set_route(s, ROUTE_SOURCE);
}

/* Recorded first, so that no account switches without its being known. */
static void record(struct session *s)
{
	int r = s->host->ops->pass_unseen(s->host, s, state_of(s)->name);

	if (r == 0)
		go_on(s);
	else if (r != -EBUSY)
		session_close(s, "no memory");
}

static void pass(struct session *s, const char *name)
{
	if (s->host->ops->is_retired(s->host)) {
		session_close(s, "source unavailable");
		return;
	}
	(void)snprintf(state_of(s)->name, sizeof(state_of(s)->name), "%s", name);
	s->step = HELLO_IN_RECORDING;
	session_set_deadline(s, RECORD_MS);
	record(s);
}

static void tick(struct session *s)
{
	if (s->step == HELLO_IN_RECORDING)
		record(s);
}

static void source_connected(struct session *s)
{
	session_relay(s);
}

/* A server that speaks first on a port of TLS: unusual, and its bytes go on, too. */
static void source_ready(struct session *s)
{
	session_relay(s);
}

static void source_lost(struct session *s, int code)
{
	(void)code;
	session_close(s, "source unavailable");
}

/* ---- here ---- */

bool tls_hello_accept(struct session *s, const struct tls_hello *hello, const char *alpn)
{
	SSL_CTX *context;
	int r = -ENOENT;

	if (s->host->settings->services[s->service].tls == SERVICE_TLS_AUTO)
		r = s->host->ops->tls_context(s->host, s, hello->name, &context);
	if (r == -ENOENT)
		return false;
	if (r == 0)
		r = session_start_tls(s, context);
	if (r < 0)
		session_close(s, r == -EAGAIN ? "keys are not here yet" : "no memory");
	else
		tls_server_offer_alpn(stream_tls_ssl(s->client), alpn);
	return true;
}

static void decide(struct session *s, const struct tls_hello *hello)
{
	const struct tls_service *service = s->protocol;

	if (!tls_hello_accept(s, hello, service->alpn))
		pass(s, hello->name);
	else if (session_is_handled(s))
		session_hand_to(s, service->inside);
}

static void client_ready(struct session *s)
{
	struct hello_state *h = state_of(s);
	struct str bytes = buf_view(&s->memory->from_client);
	struct tls_hello hello = { 0 };
	enum tls_hello_result result;

	if (s->step != HELLO_IN_HELLO)
		return;
	result = tls_hello_read(&h->reader, str_skip(bytes, h->seen), &hello);
	h->seen = bytes.len;
	if (result == TLS_HELLO_DONE)
		decide(s, &hello);
	else if (result != TLS_HELLO_NEED_MORE)
		pass(s, ""); /* what it means is the source's to say */
	else if (s->client_ended)
		session_close(s, "client left");
}

static void timeout(struct session *s)
{
	static const char *const reasons[HELLO_STEP_COUNT] = {
		[HELLO_IN_HELLO] = "timeout",
		[HELLO_IN_RECORDING] = "the registry is busy",
		[HELLO_IN_PASSING] = "source unavailable",
	};

	session_close(s, reasons[s->step]);
}

static enum quiesce quiesce(struct session *s, struct str account, bool force)
{
	(void)s;
	(void)account;
	(void)force;
	return QUIESCE_NOTHING; /* of no account that we know */
}

/* Nothing in clear may come before TLS. */
static struct str words(const void *protocol, enum close_reason reason)
{
	(void)protocol;
	(void)reason;
	return STR_LIT("");
}

static const char *state_name(const struct session *s)
{
	return steps[s->step].name;
}

const struct handler tls_hello_handler = {
	.state_size = sizeof(struct hello_state),
	.read_size = READ_SIZE,
	.begin = begin,
	.init = init,
	.end = end,
	.is_idle = is_idle,
	.wants = wants,
	.client_ready = client_ready,
	.source_connected = source_connected,
	.source_ready = source_ready,
	.source_lost = source_lost,
	.timeout = timeout,
	.tick = tick,
	.quiesce = quiesce,
	.words = words,
	.state_name = state_name,
};
