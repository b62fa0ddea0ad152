/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/protocols/protocol.h"
#include "wire/smtp/probe.h"
#include "wire/smtp/reply.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct str protocol_host_name(char name[static PROTOCOL_NAME_MAX])
{
	if (gethostname(name, PROTOCOL_NAME_MAX - 1) < 0 || !name[0])
		(void)snprintf(name, PROTOCOL_NAME_MAX, "localhost");
	name[PROTOCOL_NAME_MAX - 1] = '\0';
	return str_from(name);
}

struct str protocol_greeted_name(struct str greeting, char name[static PROTOCOL_NAME_MAX])
{
	struct str text = str_skip(greeting, 4);
	size_t n = 0;

	while (n < text.len && n < PROTOCOL_NAME_MAX - 1 &&
		((text.ptr[n] >= '0' && text.ptr[n] <= '9') || text.ptr[n] == '.' ||
			text.ptr[n] == '-' ||
			((text.ptr[n] | 0x20) >= 'a' && (text.ptr[n] | 0x20) <= 'z')))
		n++;
	if (!n)
		return protocol_host_name(name);
	memcpy(name, text.ptr, n);
	name[n] = '\0';
	return str_of(name, n);
}

static void probe_begin(void *probe, struct str domain, struct arena *arena)
{
	char name[PROTOCOL_NAME_MAX];

	smtp_probe_init(probe, arena_str(arena, protocol_host_name(name)), domain, arena);
}

static enum protocol_probe probe_bytes(
	void *probe, struct str input, size_t *ret_used, struct buf *to_source)
{
	static const enum protocol_probe results[] = {
		[SMTP_PROBE_NEED_MORE] = PROTOCOL_PROBE_NEED_MORE,
		[SMTP_PROBE_AGAIN] = PROTOCOL_PROBE_AGAIN,
		[SMTP_PROBE_DONE] = PROTOCOL_PROBE_DONE,
		[SMTP_PROBE_BYE] = PROTOCOL_PROBE_FAILED,
		[SMTP_PROBE_BROKEN] = PROTOCOL_PROBE_FAILED,
	};
	struct str response;

	return results[smtp_probe_next(probe, input, &response, ret_used, to_source)];
}

static struct learnt probe_result(const void *probe)
{
	const struct smtp_probe *p = probe;

	return (struct learnt){ .greeting = p->greeting,
		.capability = p->ehlo,
		.id = STR(""),
		.refusal = p->domain.len ? p->unknown_user : (struct str){ 0 } };
}

static int show(const struct learnt *learnt, enum service_tls tls, struct arena *arena,
	struct learnt *ret_shown)
{
	struct buf ehlo;
	int r = 0;

	buf_init(&ehlo, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	/* it is shown only while the source is away, and then there is no TLS */
	(void)tls;
	if (learnt->capability.len)
		r = smtp_ehlo_filter(learnt->capability, SMTP_KEEP_AUTH, &ehlo);
	if (r == 0)
		r = protocol_shown(
			arena, learnt->greeting, buf_view(&ehlo), STR_LIT(""), ret_shown);
	buf_fini(&ehlo);
	return r;
}

const struct protocol protocol_smtp = {
	.name = "smtp",
	.probe_size = sizeof(struct smtp_probe),
	.probe_begin = probe_begin,
	.probe_bytes = probe_bytes,
	.probe_result = probe_result,
	.probe_goodbye = STR("QUIT\r\n"),
	.show = show,
};
