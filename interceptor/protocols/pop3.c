/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A source whose greeting bears a timestamp (APOP, RFC 1939, 7) greets each client
 * itself: the timestamp is good for the connection that said it, so that one is made at
 * once. APOP then goes to the source over that connection and no other, or, when the
 * account lives here, is checked here with the password that was captured: against the
 * timestamp that this client was shown, in either case, and a source's is new for each
 * connection. While the source is away the timestamp is ours; when it is retired there is
 * none, as no password opens any more.
 */
#include "base/hex.h"
#include "interceptor/protocols/protocol.h"
#include "wire/pop3/upstream.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>

#define UNIQUE_BYTES 16u /* random: nobody is ever shown the same timestamp twice */

static void probe_begin(void *probe, struct str domain, struct arena *arena)
{
	(void)domain;
	pop3_probe_init(probe, arena);
}

static enum protocol_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	static const enum protocol_probe results[] = {
		[POP3_PROBE_NEED_MORE] = PROTOCOL_PROBE_NEED_MORE,
		[POP3_PROBE_AGAIN] = PROTOCOL_PROBE_AGAIN,
		[POP3_PROBE_DONE] = PROTOCOL_PROBE_DONE,
		[POP3_PROBE_BYE] = PROTOCOL_PROBE_FAILED,
		[POP3_PROBE_BROKEN] = PROTOCOL_PROBE_FAILED,
	};
	struct str response;

	return results[pop3_probe_next(probe, input, &response, ret_used, to_source)];
}

static struct learnt probe_result(const void *probe)
{
	const struct pop3_probe *p = probe;

	return (struct learnt){
		.greeting = p->greeting, .capability = p->capability, .id = STR("")
	};
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	struct buf capability;
	int r;

	buf_init(&capability, POP3_CAPABILITY_MAX);
	r = pop3_capability_filter(
		learnt->capability, tls != SERVICE_TLS_HIDE, &capability);
	if (r == 0)
		r = protocol_shown(arena, learnt->greeting, buf_view(&capability),
			STR_LIT(""), ret_shown);
	buf_fini(&capability);
	return r;
}

static bool is_personal(const struct learnt *shown)
{
	struct str timestamp;

	return pop3_greeting_timestamp(shown->greeting, &timestamp);
}

static int own_greeting(struct str greeting, bool is_retired, struct buf *out)
{
	unsigned char bytes[UNIQUE_BYTES];
	char text[2 * UNIQUE_BYTES + 1];

	if (is_retired)
		return pop3_greeting_put(greeting, out);
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	hex_write(bytes, UNIQUE_BYTES, text);
	return pop3_greeting_stamp(greeting, str_from(text), out);
}

const struct protocol protocol_pop3 = {
	.name = "pop3",
	.probe_size = sizeof(struct pop3_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("QUIT\r\n"),
	.show = show,
	.is_personal = is_personal,
	.own_greeting = own_greeting,
};
