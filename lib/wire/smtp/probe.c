/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/probe.h"

#include "wire/smtp/refusal.h"

void smtp_probe_init(
	struct smtp_probe *p, struct str name, struct str domain, struct arena *arena)
{
	*p = (struct smtp_probe){ .arena = arena,
		.name = name,
		.domain = domain,
		.greeting = STR(""),
		.ehlo = STR(""),
		.unknown_user = STR("") };
}

static enum smtp_probe_event over(struct smtp_probe *p, enum smtp_probe_event event)
{
	p->state = SMTP_PROBE_OVER;
	return event;
}

static enum smtp_probe_event ask(struct smtp_probe *p, const char *command,
	struct str rest, enum smtp_probe_state next, struct buf *to_server)
{
	p->state = next;
	if (buf_printf(to_server, "%s%.*s\r\n", command, STR_ARG(rest)) < 0)
		return over(p, SMTP_PROBE_BROKEN);
	return SMTP_PROBE_AGAIN;
}

static enum smtp_probe_event ask_for_nobody(struct smtp_probe *p, struct buf *to_server)
{
	if (!p->domain.len)
		return over(p, SMTP_PROBE_DONE);
	return ask(p, "MAIL FROM:<>", STR_LIT(""), SMTP_PROBE_IN_MAIL, to_server);
}

static enum smtp_probe_event ask_recipient(struct smtp_probe *p, const char *local,
	enum smtp_probe_state next, struct buf *to_server)
{
	p->state = next;
	if (buf_printf(to_server, "RCPT TO:<%s@%.*s>\r\n", local, STR_ARG(p->domain)) < 0)
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
	return ask(p, "EHLO ", p->name, SMTP_PROBE_IN_EHLO, to_server);
}

static enum smtp_probe_event answered(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	if (reply->code == 421)
		return over(p, SMTP_PROBE_BYE);
	if (reply->code / 100 != 2)
		return ask(p, "HELO ", p->name, SMTP_PROBE_IN_HELO, to_server);
	p->ehlo = arena_str(p->arena, reply->bytes);
	return p->ehlo.ptr ? ask_for_nobody(p, to_server) : over(p, SMTP_PROBE_BROKEN);
}

static enum smtp_probe_event answered_helo(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	if (reply->code / 100 != 2)
		return over(p, SMTP_PROBE_BYE);
	return ask_for_nobody(p, to_server);
}

/* ---- a recipient that cannot exist ---- */

/* From here on an answer that does not fit ends it: what matters is known. */
static enum smtp_probe_event answered_mail(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	if (reply->code / 100 != 2)
		return over(p, SMTP_PROBE_DONE);
	return ask_recipient(p, "postmaster", SMTP_PROBE_IN_POSTMASTER, to_server);
}

static enum smtp_probe_event answered_postmaster(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	if (reply->code / 100 != 2)
		return over(p, SMTP_PROBE_DONE);
	return ask_recipient(p, SMTP_PROBE_NOBODY, SMTP_PROBE_IN_NOBODY, to_server);
}

static enum smtp_probe_event answered_nobody(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	struct buf words;

	(void)to_server;
	buf_init(&words, SMTP_REFUSAL_WORDS_MAX);
	if (reply->code / 100 == 5 &&
		smtp_refusal_words(reply, STR_LIT(SMTP_PROBE_NOBODY), &words) == 0)
		p->unknown_user = arena_str(p->arena, buf_view(&words));
	buf_fini(&words);
	return over(p, p->unknown_user.ptr ? SMTP_PROBE_DONE : SMTP_PROBE_BROKEN);
}

static enum smtp_probe_event nothing_asked(
	struct smtp_probe *p, const struct smtp_reply *reply, struct buf *to_server)
{
	(void)reply;
	(void)to_server;
	return over(p, SMTP_PROBE_BROKEN);
}

static const struct probe_row {
	const char *name;
	enum smtp_probe_event (*answered)(struct smtp_probe *p,
		const struct smtp_reply *reply, struct buf *to_server);
} states[] = {
	[SMTP_PROBE_IN_GREETING] = { "greeting", greeted },
	[SMTP_PROBE_IN_EHLO] = { "EHLO", answered },
	[SMTP_PROBE_IN_HELO] = { "HELO", answered_helo },
	[SMTP_PROBE_IN_MAIL] = { "MAIL", answered_mail },
	[SMTP_PROBE_IN_POSTMASTER] = { "RCPT postmaster", answered_postmaster },
	[SMTP_PROBE_IN_NOBODY] = { "RCPT nobody", answered_nobody },
	[SMTP_PROBE_OVER] = { "over", nothing_asked },
};
_Static_assert(
	sizeof(states) / sizeof(states[0]) == SMTP_PROBE_STATE_COUNT, "a row for each");

const char *smtp_probe_state_name(enum smtp_probe_state s)
{
	return (unsigned)s < SMTP_PROBE_STATE_COUNT ? states[s].name : "unknown";
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
	return states[p->state].answered(p, &reply, to_server);
}
