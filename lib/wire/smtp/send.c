/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/send.h"

#include "wire/dots.h"
#include "wire/smtp/command.h"
#include "wire/smtp/reply.h"

#include <stdio.h>

#define RECIPIENT_MAX 1000 /* a command is a line */

static void say_why(struct smtp_send *s, struct str words)
{
	(void)snprintf(s->words, sizeof(s->words), "%.*s",
		STR_ARG(str_take(str_trim(words), sizeof(s->words) - 1)));
}

static enum smtp_send_action over(struct smtp_send *s, enum smtp_sent sent)
{
	s->state = SMTP_SEND_OVER;
	s->sent = sent;
	return SMTP_SEND_DONE;
}

void smtp_send_init(struct smtp_send *s, bool is_lmtp, struct str name,
	struct str recipient, struct str message)
{
	*s = (struct smtp_send){ .is_of_host = true,
		.is_lmtp = is_lmtp,
		.name = name,
		.recipient = recipient,
		.message = message };
	if (!recipient.len || recipient.len > RECIPIENT_MAX ||
		smtp_line_is_unsafe(recipient)) {
		(void)over(s, SMTP_SENT_REFUSED);
		say_why(s, STR_LIT("its sender's address is none"));
	}
}

/* ---- what is said ---- */

static enum smtp_send_action go_on(struct smtp_send *s, enum smtp_send_state next, int r)
{
	s->state = next;
	return r < 0 ? over(s, SMTP_SENT_LATER) : SMTP_SEND_AGAIN;
}

static enum smtp_send_action say_hello(
	struct smtp_send *s, const char *verb, enum smtp_send_state next, struct buf *out)
{
	return go_on(s, next, buf_printf(out, "%s %.*s\r\n", verb, STR_ARG(s->name)));
}

/* Lines end in CRLF here, whatever they end in there, so that no server finds another end
   in it; a CR alone becomes a space. */
static int put_line(struct dots *d, struct str line, struct buf *out)
{
	int r = 0;

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	while (line.len && r == 0) {
		size_t n = str_index(line, '\r');

		r = dots_put(d, str_take(line, n), out);
		if (r == 0 && n < line.len)
			r = dots_put(d, STR_LIT(" "), out);
		line = str_skip(line, n + 1);
	}
	return r < 0 ? r : dots_put(d, STR_LIT("\r\n"), out);
}

static int put_message(const struct smtp_send *s, struct buf *out)
{
	struct str rest = s->message;
	struct dots d;
	int r = 0;

	dots_init(&d);
	while (rest.len && r == 0)
		r = put_line(&d, str_split(&rest, '\n'), out);
	return r < 0 ? r : dots_end(&d, out);
}

/* ---- what is heard ---- */

static enum smtp_send_action greeted(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code / 100 != 2)
		return over(s, SMTP_SENT_LATER);
	return say_hello(s, s->is_lmtp ? "LHLO" : "EHLO", SMTP_SEND_EHLO, out);
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* RFC 6531, 3.4: what is not ASCII needs a server that knows of it. */
static enum smtp_send_action say_mail(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	struct str args;
	bool ascii = is_ascii(s->recipient);

	s->is_of_host = false;
	if (!ascii && !smtp_ehlo_has(reply->bytes, STR_LIT("SMTPUTF8"), &args)) {
		say_why(s, STR_LIT("it has no SMTPUTF8, which this address needs"));
		return over(s, SMTP_SENT_REFUSED);
	}
	return go_on(s, SMTP_SEND_MAIL,
		buf_append_c(out, ascii ? "MAIL FROM:<>\r\n"
					: "MAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\n"));
}

static enum smtp_send_action hello_answered(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code / 100 == 2)
		return say_mail(s, reply, out);
	if (reply->code / 100 == 5 && s->state == SMTP_SEND_EHLO && !s->is_lmtp)
		return say_hello(s, "HELO", SMTP_SEND_HELO, out);
	return over(s, SMTP_SENT_LATER);
}

/* 421 ends the session, whatever it was about. */
static enum smtp_send_action not_taken(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	(void)buf_append_c(out, "QUIT\r\n");
	return over(s, reply->code / 100 == 5 ? SMTP_SENT_REFUSED : SMTP_SENT_LATER);
}

static enum smtp_send_action mail_answered(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code / 100 != 2)
		return not_taken(s, reply, out);
	return go_on(s, SMTP_SEND_RCPT,
		buf_printf(out, "RCPT TO:<%.*s>\r\n", STR_ARG(s->recipient)));
}

static enum smtp_send_action rcpt_answered(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code / 100 != 2)
		return not_taken(s, reply, out);
	return go_on(s, SMTP_SEND_DATA, buf_append_c(out, "DATA\r\n"));
}

static enum smtp_send_action data_answered(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code != 354)
		return not_taken(s, reply, out);
	return go_on(s, SMTP_SEND_FINAL, put_message(s, out));
}

static enum smtp_send_action final_answered(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	enum smtp_send_action action = not_taken(s, reply, out);

	if (reply->code / 100 == 2)
		s->sent = SMTP_SENT_TAKEN;
	return action;
}

static enum smtp_send_action nothing_asked(
	struct smtp_send *s, const struct smtp_reply *reply, struct buf *out)
{
	(void)s;
	(void)reply;
	(void)out;
	return SMTP_SEND_DONE;
}

static const struct send_row {
	const char *name;
	enum smtp_send_action (*answered)(
		struct smtp_send *s, const struct smtp_reply *reply, struct buf *out);
} states[] = {
	[SMTP_SEND_GREETING] = { "greeting", greeted },
	[SMTP_SEND_EHLO] = { "EHLO", hello_answered },
	[SMTP_SEND_HELO] = { "HELO", hello_answered },
	[SMTP_SEND_MAIL] = { "MAIL", mail_answered },
	[SMTP_SEND_RCPT] = { "RCPT", rcpt_answered },
	[SMTP_SEND_DATA] = { "DATA", data_answered },
	[SMTP_SEND_FINAL] = { "final dot", final_answered },
	[SMTP_SEND_OVER] = { "over", nothing_asked },
};
_Static_assert(
	sizeof(states) / sizeof(states[0]) == SMTP_SEND_STATE_COUNT, "a row for each");

const char *smtp_send_state_name(enum smtp_send_state s)
{
	return (unsigned)s < SMTP_SEND_STATE_COUNT ? states[s].name : "unknown";
}

enum smtp_send_action smtp_send_next(
	struct smtp_send *s, struct str input, size_t *ret_used, struct buf *to_server)
{
	struct smtp_reply reply;

	*ret_used = 0;
	if (s->state == SMTP_SEND_OVER)
		return SMTP_SEND_DONE;
	switch (smtp_reply_next(input, &reply, ret_used)) {
	case SMTP_REPLY_NEED_MORE:
		return SMTP_SEND_NEED_MORE;
	case SMTP_REPLY_BROKEN:
		say_why(s, STR_LIT("it does not speak SMTP"));
		s->is_of_host = true;
		return over(s, SMTP_SENT_LATER);
	case SMTP_REPLY_COMPLETE:
		break;
	}
	say_why(s, reply.bytes);
	return states[s->state].answered(s, &reply, to_server);
}
