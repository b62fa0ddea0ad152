/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/outgoing.h"

#include "wire/smtp/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
	[SMTP_OUTGOING_GREETING] = "greeting",
	[SMTP_OUTGOING_HELLO] = "hello",
	[SMTP_OUTGOING_HELO] = "helo",
	[SMTP_OUTGOING_MAIL] = "mail",
	[SMTP_OUTGOING_RCPT] = "rcpt",
	[SMTP_OUTGOING_DATA] = "data",
	[SMTP_OUTGOING_BODY] = "body",
	[SMTP_OUTGOING_HELD] = "held",
	[SMTP_OUTGOING_FINAL] = "final",
	[SMTP_OUTGOING_TELLING] = "telling",
	[SMTP_OUTGOING_OVER] = "over",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SMTP_OUTGOING_STATE_COUNT,
	"a name for each");

const char *smtp_outgoing_state_name(enum smtp_outgoing_state s)
{
	return (unsigned)s < SMTP_OUTGOING_STATE_COUNT ? state_names[s] : "unknown";
}

void smtp_outgoing_init(struct smtp_outgoing *o, const struct smtp_outgoing_mail *mail)
{
	*o = (struct smtp_outgoing){ .state = SMTP_OUTGOING_GREETING, .mail = mail };
	smtp_data_init(&o->data);
}

/* ---- what is told of it ---- */

/* A line for somebody else, of the last line of the reply. */
static void keep_line(struct smtp_outgoing *o, const struct smtp_reply *reply)
{
	(void)snprintf(
		o->text, sizeof(o->text), "%u %.*s", reply->code, STR_ARG(reply->text));
	for (char *c = o->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static bool is_of_the_mail(const struct smtp_reply *reply)
{
	return (reply->code / 100 == 4 || reply->code / 100 == 5) && reply->code != 421 &&
	       reply->code != 530;
}

static void keep_refusal(struct smtp_outgoing *o, const struct smtp_reply *reply)
{
	if (reply && is_of_the_mail(reply))
		keep_line(o, reply);
	else
		(void)snprintf(o->text, sizeof(o->text), "%s", SMTP_OUTGOING_LATER);
}

static enum smtp_outgoing_event answer(struct smtp_outgoing *o, size_t nth)
{
	o->nth = nth;
	o->reply = str_from(o->text);
	o->mail->recipients[nth].state = SMTP_OUTGOING_ANSWERED;
	return SMTP_OUTGOING_ANSWER;
}

static enum smtp_outgoing_event tell_all(struct smtp_outgoing *o)
{
	o->state = SMTP_OUTGOING_TELLING;
	o->at = 0;
	return SMTP_OUTGOING_AGAIN;
}

/* reply NULL: it is no answer to anybody. */
static enum smtp_outgoing_event refuse_all(
	struct smtp_outgoing *o, const struct smtp_reply *reply)
{
	keep_refusal(o, reply);
	return tell_all(o);
}

void smtp_outgoing_fail(struct smtp_outgoing *o)
{
	if (o->state != SMTP_OUTGOING_TELLING && o->state != SMTP_OUTGOING_OVER)
		(void)refuse_all(o, NULL);
}

static enum smtp_outgoing_event tell_next(struct smtp_outgoing *o, struct buf *out)
{
	for (; o->at < o->mail->n; o->at++)
		if (o->mail->recipients[o->at].state != SMTP_OUTGOING_ANSWERED)
			return answer(o, o->at++);
	o->state = SMTP_OUTGOING_OVER;
	(void)buf_append_c(out, "QUIT\r\n"); /* the end says as much */
	return SMTP_OUTGOING_DONE;
}

/* ---- what is sent ---- */

static enum smtp_outgoing_event sent(
	struct smtp_outgoing *o, enum smtp_outgoing_state state, int r)
{
	if (r < 0)
		return refuse_all(o, NULL);
	o->state = state;
	return SMTP_OUTGOING_AGAIN;
}

static bool is_clean(struct str address)
{
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.ptr[i] < ' ' || address.ptr[i] == 0x7f)
			return false;
	return true;
}

/* What it does not know is left out; most take 8-bit text all the same. */
static enum smtp_outgoing_event send_mail(struct smtp_outgoing *o, struct buf *out)
{
	const struct smtp_outgoing_mail *m = o->mail;
	int r = is_clean(m->sender)
	                ? buf_printf(out, "MAIL FROM:<%.*s>", STR_ARG(m->sender))
	                : -EINVAL;

	if (r == 0 && o->has_size && m->size)
		r = buf_printf(out, " SIZE=%llu", (unsigned long long)m->size);
	if (r == 0 && o->has_8bit && str_has_word(m->params, STR_LIT("BODY=8BITMIME")))
		r = buf_append_c(out, " BODY=8BITMIME");
	if (r == 0 && o->has_utf8 && str_has_word(m->params, STR_LIT("SMTPUTF8")))
		r = buf_append_c(out, " SMTPUTF8");
	if (r == 0)
		r = buf_append_c(out, "\r\n");
	return sent(o, SMTP_OUTGOING_MAIL, r);
}

static enum smtp_outgoing_event send_rcpt(struct smtp_outgoing *o, struct buf *out)
{
	struct str to = o->mail->recipients[o->at].address;

	return sent(o, SMTP_OUTGOING_RCPT,
		is_clean(to) ? buf_printf(out, "RCPT TO:<%.*s>\r\n", STR_ARG(to))
			     : -EINVAL);
}

static bool has_accepted(const struct smtp_outgoing *o)
{
	for (size_t i = 0; i < o->mail->n; i++)
		if (o->mail->recipients[i].state == SMTP_OUTGOING_ACCEPTED)
			return true;
	return false;
}

/* Behind the answer to a recipient: the next one, or the message. */
static enum smtp_outgoing_event go_on(struct smtp_outgoing *o, struct buf *out)
{
	if (++o->at < o->mail->n)
		return send_rcpt(o, out);
	if (!has_accepted(o))
		return tell_all(o);
	return sent(o, SMTP_OUTGOING_DATA, buf_append_c(out, "DATA\r\n"));
}

/* ---- what comes ---- */

static enum smtp_outgoing_event greeted(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code != 220)
		return refuse_all(o, NULL);
	return sent(o, SMTP_OUTGOING_HELLO,
		buf_printf(out, "%s %.*s\r\n", o->mail->is_lmtp ? "LHLO" : "EHLO",
			STR_ARG(o->mail->helo)));
}

static enum smtp_outgoing_event said_hello(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	struct str args;

	if (reply->code / 100 == 5 && !o->mail->is_lmtp)
		return sent(o, SMTP_OUTGOING_HELO,
			buf_printf(out, "HELO %.*s\r\n", STR_ARG(o->mail->helo)));
	if (reply->code / 100 != 2)
		return refuse_all(o, NULL);
	o->has_size = smtp_ehlo_has(reply->bytes, STR_LIT("SIZE"), &args);
	o->has_8bit = smtp_ehlo_has(reply->bytes, STR_LIT("8BITMIME"), &args);
	o->has_utf8 = smtp_ehlo_has(reply->bytes, STR_LIT("SMTPUTF8"), &args);
	return send_mail(o, out);
}

static enum smtp_outgoing_event said_helo(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	return reply->code / 100 == 2 ? send_mail(o, out) : refuse_all(o, NULL);
}

static enum smtp_outgoing_event said_mail(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code / 100 != 2)
		return refuse_all(o, reply);
	o->at = 0;
	return o->mail->n ? send_rcpt(o, out) : tell_all(o);
}

static enum smtp_outgoing_event said_rcpt(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	bool is_taken = reply->code / 100 == 2;
	size_t nth = o->at;
	enum smtp_outgoing_event event;

	if (reply->code == 421)
		return refuse_all(o, NULL);
	if (is_taken && !o->mail->asks) {
		o->mail->recipients[nth].state = SMTP_OUTGOING_ACCEPTED;
		return go_on(o, out);
	}
	o->text[0] = '\0';
	event = go_on(o, out);
	if (o->text[0])
		return event; /* it could not be sent: all are told so */
	if (!is_taken)
		keep_refusal(o, reply);
	return answer(o, nth);
}

static enum smtp_outgoing_event said_data(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	(void)out;
	if (reply->code != 354)
		return refuse_all(o, reply);
	o->state = SMTP_OUTGOING_BODY;
	return SMTP_OUTGOING_SEND;
}

/* LMTP: one for each recipient that was accepted, in their order. */
static enum smtp_outgoing_event said_final(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	(void)out;
	o->text[0] = '\0';
	if (reply->code / 100 != 2)
		keep_refusal(o, reply);
	if (!o->mail->is_lmtp || reply->code == 421)
		return tell_all(o);
	while (o->at < o->mail->n &&
		o->mail->recipients[o->at].state != SMTP_OUTGOING_ACCEPTED)
		o->at++;
	if (o->at == o->mail->n)
		return tell_all(o);
	(void)answer(o, o->at++);
	if (!has_accepted(o))
		o->state = SMTP_OUTGOING_TELLING; /* nobody is left to be told */
	return SMTP_OUTGOING_ANSWER;
}

static enum smtp_outgoing_event unasked(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out)
{
	(void)reply;
	(void)out;
	return refuse_all(o, NULL);
}

static enum smtp_outgoing_event (*const heard[])(
	struct smtp_outgoing *o, const struct smtp_reply *reply, struct buf *out) = {
	[SMTP_OUTGOING_GREETING] = greeted,
	[SMTP_OUTGOING_HELLO] = said_hello,
	[SMTP_OUTGOING_HELO] = said_helo,
	[SMTP_OUTGOING_MAIL] = said_mail,
	[SMTP_OUTGOING_RCPT] = said_rcpt,
	[SMTP_OUTGOING_DATA] = said_data,
	[SMTP_OUTGOING_BODY] = unasked,
	[SMTP_OUTGOING_HELD] = unasked,
	[SMTP_OUTGOING_FINAL] = said_final,
};

enum smtp_outgoing_event smtp_outgoing_next(
	struct smtp_outgoing *o, struct str input, size_t *ret_used, struct buf *out)
{
	struct smtp_reply reply;

	*ret_used = 0;
	if (o->state == SMTP_OUTGOING_TELLING)
		return tell_next(o, out);
	if (o->state == SMTP_OUTGOING_OVER)
		return SMTP_OUTGOING_NEED_MORE;
	switch (smtp_reply_next(input, &reply, ret_used)) {
	case SMTP_REPLY_NEED_MORE:
		return SMTP_OUTGOING_NEED_MORE;
	case SMTP_REPLY_BROKEN:
		return refuse_all(o, NULL);
	case SMTP_REPLY_COMPLETE:
		break;
	}
	/* what it says beside the order of question and answer is nobody's; LMTP has an
	   answer for each recipient */
	if (*ret_used < input.len &&
		!(o->state == SMTP_OUTGOING_FINAL && o->mail->is_lmtp))
		return refuse_all(o, NULL);
	return heard[o->state](o, &reply, out);
}

/* ---- the message ---- */

int smtp_outgoing_put(struct smtp_outgoing *o, struct str bytes, struct buf *out)
{
	return o->state == SMTP_OUTGOING_BODY ? smtp_data_put(&o->data, bytes, out)
	                                      : -EPROTO;
}

void smtp_outgoing_hold(struct smtp_outgoing *o)
{
	if (o->state == SMTP_OUTGOING_BODY)
		o->state = SMTP_OUTGOING_HELD;
}

int smtp_outgoing_end(struct smtp_outgoing *o, struct buf *out)
{
	if (o->state != SMTP_OUTGOING_HELD)
		return -EPROTO;
	o->at = 0;
	o->state = SMTP_OUTGOING_FINAL;
	return smtp_data_put_end(&o->data, out);
}
