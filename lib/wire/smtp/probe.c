/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/probe.h"

void smtp_probe_init(struct smtp_probe *p, struct str name, struct arena *arena)
{
	*p = (struct smtp_probe){
		.arena = arena, .name = name, .greeting = STR(""), .ehlo = STR("")
	};
}

static enum smtp_probe_event over(struct smtp_probe *p, enum smtp_probe_event event)
{
	p->state = SMTP_PROBE_OVER;
	return event;
}

static enum smtp_probe_event ask(struct smtp_probe *p, const char *verb,
	enum smtp_probe_state next, struct buf *to_server)
{
	p->state = next;
	if (buf_printf(to_server, "%s %.*s\r\n", verb, STR_ARG(p->name)) < 0)
		return over(p, SMTP_PROBE_BROKEN);
	return SMTP_PROBE_AGAIN;
}

static enum smtp_probe_event greeted(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	if (reply->code != 220)
		return over(p, SMTP_PROBE_BYE);
	p->greeting = arena_str(p->arena, reply->bytes);
	if (!p->greeting.ptr)
		return over(p, SMTP_PROBE_BROKEN);
	return ask(p, "EHLO", SMTP_PROBE_IN_EHLO, to_server);
}

static enum smtp_probe_event answered(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	if (reply->code == 421)
		return over(p, SMTP_PROBE_BYE);
	if (reply->code / 100 != 2)
		return ask(p, "HELO", SMTP_PROBE_IN_HELO, to_server);
	p->ehlo = arena_str(p->arena, reply->bytes);
	return over(p, p->ehlo.ptr ? SMTP_PROBE_DONE : SMTP_PROBE_BROKEN);
}

enum smtp_probe_event smtp_probe_next(struct smtp_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server)
{
	struct smtp_reply reply;

	*ret_response = STR_LIT("");
	switch (smtp_reply_next(input, &reply, ret_used)) {
	case SMTP_REPLY_NEED_MORE:
		return SMTP_PROBE_NEED_MORE;
	case SMTP_REPLY_BROKEN:
		return over(p, SMTP_PROBE_BROKEN);
	case SMTP_REPLY_COMPLETE:
		break;
	}
	*ret_response = reply.bytes;
	switch (p->state) {
	case SMTP_PROBE_IN_GREETING:
		return greeted(p, &reply, to_server);
	case SMTP_PROBE_IN_EHLO:
		return answered(p, &reply, to_server);
	case SMTP_PROBE_IN_HELO:
		return over(p, reply.code / 100 == 2 ? SMTP_PROBE_DONE : SMTP_PROBE_BYE);
	case SMTP_PROBE_OVER:
	case SMTP_PROBE_STATE_COUNT:
		break;
	}
	return SMTP_PROBE_BROKEN;
}
