/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/protocols/protocol.h"
#include "wire/imap/prelogin.h"
#include "wire/imap/upstream.h"

static void probe_begin(void *probe, struct str domain, struct arena *arena)
{
	(void)domain;
	imap_probe_init(probe, arena);
}

static enum protocol_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	static const enum protocol_probe results[] = {
		[IMAP_PROBE_NEED_MORE] = PROTOCOL_PROBE_NEED_MORE,
		[IMAP_PROBE_AGAIN] = PROTOCOL_PROBE_AGAIN,
		[IMAP_PROBE_DONE] = PROTOCOL_PROBE_DONE,
		[IMAP_PROBE_BYE] = PROTOCOL_PROBE_FAILED,
		[IMAP_PROBE_BROKEN] = PROTOCOL_PROBE_FAILED,
	};
	struct str response;

	return results[imap_probe_next(probe, input, &response, ret_used, to_source)];
}

static struct learnt probe_result(const void *probe)
{
	const struct imap_probe *p = probe;

	return (struct learnt){
		.greeting = p->greeting, .capability = p->capability, .id = p->id
	};
}

static bool hides_any(struct str all, struct str shown)
{
	while (all.len) {
		struct str name = str_split(&all, ' ');

		if (name.len && !str_has_word(shown, name))
			return true;
	}
	return false;
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	bool starttls = tls != SERVICE_TLS_HIDE;
	struct buf greeting, capability, after;
	int r;

	buf_init(&greeting, IMAP_RESPONSE_MAX);
	buf_init(&capability, IMAP_RESPONSE_MAX);
	buf_init(&after, IMAP_RESPONSE_MAX);
	r = imap_greeting_filter(learnt->greeting, starttls, &greeting);
	if (r == 0)
		r = imap_capability_filter(learnt->capability, starttls, &capability);
	if (r == 0)
		r = imap_capability_after(learnt->capability, &after);
	if (r == 0)
		r = protocol_shown(arena, buf_view(&greeting), buf_view(&capability),
			learnt->id, ret_shown);
	if (r == 0 && hides_any(buf_view(&after), ret_shown->capability))
		ret_shown->after = arena_str(arena, buf_view(&after));
	buf_fini(&after);
	buf_fini(&greeting);
	buf_fini(&capability);
	return r;
}

const struct protocol protocol_imap = {
	.name = "imap",
	.probe_size = sizeof(struct imap_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("probe3 LOGOUT\r\n"),
	.show = show,
};
