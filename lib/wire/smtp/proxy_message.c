/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: a message on its way to one side or both. */
#include "wire/smtp/proxy_parts.h"

#define LOST_TEXT "451 4.4.2 The mail server was lost; please send it again later"
#define CHANGED_TEXT                                                                     \
	"451 4.3.0 The mail server does not take it any more; please send it again "     \
	"later"

bool proxy_is_for_source(const struct smtp_message *m)
{
	return m->destination != SMTP_TO_LOCAL;
}

void proxy_message_finish(struct smtp_proxy *p)
{
	p->state = SMTP_PROXY_COMMAND;
	proxy_forget_transaction(p);
	if (p->client_state == SMTP_PEER_GONE || p->source_state == SMTP_PEER_HUNG_UP)
		proxy_close(p);
}

/* ---- DATA ---- */

const char *proxy_no_message(const struct smtp_proxy *p)
{
	const struct smtp_transaction *t = &p->transaction;

	/* all that the source has is a recipient that it was only asked about */
	if ((t->n_probed || t->is_untold) && !t->remote.n && !t->n_accepted)
		return "554 5.5.1 There is no recipient";
	/* no answer would come for the message (RFC 2033, 4.2) */
	if (proxy_is_lmtp(p) && !t->remote.n && !t->n_accepted)
		return "554 5.5.1 There is no recipient";
	/* the source would put this one behind it, and those here would not get it */
	if (t->is_in_chunks && t->n_accepted)
		return "503 5.5.1 A message has begun already; only RSET ends it";
	if (proxy_has_source(p))
		return NULL;
	if (!proxy_has_sender(t))
		return "503 5.5.1 There is no sender yet";
	if (t->remote.n)
		return LOST_TEXT;
	return t->n_accepted ? NULL : "554 5.5.1 There is no recipient";
}

/* What the source is not to deliver is taken out of its transaction first. */
static void begin_at_source(struct smtp_proxy *p)
{
	if (p->transaction.n_probed) {
		p->state = SMTP_PROXY_RESETTING;
		p->n_resets++;
		proxy_tell_source(p, STR_LIT("RSET"));
		return;
	}
	if (p->message.form == SMTP_FORM_CHUNKS) {
		p->state = SMTP_PROXY_CHUNK;
		proxy_tell_chunk(p);
		return;
	}
	p->state = SMTP_PROXY_DATA_REPLY;
	proxy_tell_source(p, STR_LIT("DATA"));
}

/* Without any recipient the source says why there can be no message. */
static enum smtp_destination destination(const struct smtp_proxy *p)
{
	if (!p->transaction.n_accepted)
		return SMTP_TO_SOURCE;
	return proxy_has_source(p) && p->transaction.remote.n ? SMTP_TO_BOTH
	                                                      : SMTP_TO_LOCAL;
}

enum smtp_proxy_action proxy_data_begin(struct smtp_proxy *p, struct str args)
{
	const char *refusal =
		args.len ? "501 5.5.4 DATA takes no argument" : proxy_no_message(p);

	if (refusal) {
		proxy_answer(p, refusal);
		return SMTP_PROXY_AGAIN;
	}
	if (p->transaction.is_refused) {
		proxy_say(p, buf_view(&p->hidden_reply));
		return SMTP_PROXY_AGAIN;
	}
	return proxy_message_begin(p, SMTP_FORM_DATA);
}

enum smtp_proxy_action proxy_message_begin(struct smtp_proxy *p, enum smtp_form form)
{
	p->message.form = form;
	p->message.destination = destination(p);
	p->message.size = 0;
	p->message.n_replies =
		proxy_is_lmtp(p) && p->transaction.remote.n ? p->transaction.remote.n : 1;
	p->message.code = 0;
	buf_clear(&p->message.reply);
	smtp_data_init(&p->message.data);
	if (p->message.destination != SMTP_TO_SOURCE) {
		p->state = SMTP_PROXY_STAGING;
		return SMTP_PROXY_STAGE_BEGIN;
	}
	begin_at_source(p);
	return SMTP_PROXY_AGAIN;
}

static void keep_reply(struct smtp_proxy *p, struct str bytes)
{
	buf_clear(&p->message.reply);
	(void)buf_append(&p->message.reply, bytes); /* its limit is a reply's */
}

static void keep_line(struct smtp_proxy *p, struct str line)
{
	keep_reply(p, line);
	(void)buf_append_c(&p->message.reply, "\r\n");
}

/* Before it has come, or behind it: the client hears `p->message.reply`, behind the chunk
   that is on its way. */
static void say_at_end(struct smtp_proxy *p)
{
	if (p->message.form == SMTP_FORM_DATA)
		proxy_say(p, buf_view(&p->message.reply));
	else
		proxy_skip_chunk(p);
}

/* The source's MAIL and RCPTs are void as well. */
static void give_up_with_reply(struct smtp_proxy *p)
{
	proxy_abort_copy(p);
	proxy_reset_source(p);
	proxy_message_finish(p);
	if (p->state != SMTP_PROXY_CLOSED)
		say_at_end(p);
}

static void give_up(struct smtp_proxy *p, const char *text)
{
	keep_line(p, str_from(text));
	give_up_with_reply(p);
}

/* Its bytes come next. Who sends chunks has not asked for leave. */
static void await_bytes(struct smtp_proxy *p)
{
	if (p->message.form != SMTP_FORM_DATA) {
		p->state = SMTP_PROXY_CHUNK;
		return;
	}
	p->state = SMTP_PROXY_DATA;
	proxy_answer(p, "354 End data with <CR><LF>.<CR><LF>");
}

void proxy_staging_done(struct smtp_proxy *p, struct str refusal)
{
	p->copy = refusal.len ? SMTP_COPY_NONE : SMTP_COPY_HELD;
	if (refusal.len) {
		give_up(p, refusal.ptr);
	} else if (!proxy_is_for_source(&p->message)) {
		proxy_reset_source(p);
		await_bytes(p);
	} else if (proxy_has_source(p)) {
		begin_at_source(p);
	} else {
		give_up(p, LOST_TEXT);
	}
}

/* One by one: without PIPELINING it must be so, and it is a few packets. */
enum smtp_proxy_action proxy_repeat_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2) {
		give_up(p, CHANGED_TEXT);
	} else if (p->state == SMTP_PROXY_RESETTING) {
		p->state = SMTP_PROXY_REPEATING;
		p->repeat_next = p->transaction.remote.first;
		proxy_tell_source(p, p->transaction.mail_line);
	} else if (p->repeat_next) {
		proxy_tell_source(p, p->repeat_next->line);
		p->repeat_next = p->repeat_next->next;
	} else {
		p->transaction.n_probed = 0;
		begin_at_source(p);
	}
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action data_refused(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (p->message.destination == SMTP_TO_BOTH || p->message.form != SMTP_FORM_DATA) {
		keep_reply(p, reply->bytes);
		give_up_with_reply(p);
	} else {
		proxy_say(p, reply->bytes);
		if (p->state != SMTP_PROXY_CLOSED)
			p->state = SMTP_PROXY_COMMAND;
	}
	return SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_data_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (reply->code != 354)
		return data_refused(p, reply);
	if (p->message.form == SMTP_FORM_DATA)
		proxy_say(p, reply->bytes);
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	p->state = p->message.form == SMTP_FORM_DATA ? SMTP_PROXY_DATA : SMTP_PROXY_CHUNK;
	return p->relay == SMTP_RELAY_READY ? SMTP_PROXY_TRACE : SMTP_PROXY_AGAIN;
}

/* ---- its bytes ---- */

/* Where it gets DATA there is no other way to undo it. */
static bool needs_drop(const struct smtp_proxy *p)
{
	return proxy_is_for_source(&p->message) && proxy_has_source(p) &&
	       p->message.form != SMTP_FORM_CHUNKS;
}

void proxy_refuse_message(struct smtp_proxy *p, struct str reply)
{
	bool drop = needs_drop(p);

	keep_reply(p, reply);
	proxy_abort_copy(p);
	if (drop)
		proxy_drop_source(p);
	if (p->message.form == SMTP_FORM_DATA)
		p->state = drop ? SMTP_PROXY_DISCARD_AND_CLOSE : SMTP_PROXY_DISCARD;
}

void proxy_refuse_message_with(struct smtp_proxy *p, struct str line)
{
	proxy_refuse_message(p, line);
	(void)buf_append_c(&p->message.reply, "\r\n");
}

/* The client may believe that its message ended with that dot: it is told at once. */
static enum smtp_proxy_action suspect(struct smtp_proxy *p)
{
	proxy_refuse_message(p, STR_LIT(""));
	p->state = SMTP_PROXY_DISCARD_AND_CLOSE;
	proxy_answer(p, "550 5.6.0 A line with a dot alone must end in CRLF, as the "
			"line before it");
	return SMTP_PROXY_AGAIN;
}

/* The source has all of it but this. */
static void tell_end(struct smtp_proxy *p)
{
	p->state = SMTP_PROXY_FINAL_REPLY;
	if (p->message.form == SMTP_FORM_DATA)
		proxy_tell_source(p, STR_LIT("."));
	else
		proxy_tell_last_chunk(p);
}

enum smtp_proxy_action proxy_message_end(struct smtp_proxy *p)
{
	if (p->copy == SMTP_COPY_HELD) {
		p->state = SMTP_PROXY_ENDING;
		return SMTP_PROXY_STAGE_END;
	}
	tell_end(p);
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action piece(struct smtp_proxy *p, struct str raw, struct str text)
{
	if (proxy_is_for_source(&p->message) && buf_append(p->to_source, raw) < 0) {
		proxy_close(p);
		return SMTP_PROXY_AGAIN;
	}
	return proxy_stage_piece(p, text);
}

enum smtp_proxy_action proxy_stage_piece(struct smtp_proxy *p, struct str text)
{
	uint64_t max = p->offer->size_max;

	p->message.size += text.len;
	if (p->copy != SMTP_COPY_HELD)
		return SMTP_PROXY_AGAIN;
	if (max && p->message.size > max) {
		proxy_refuse_message_with(p, STR_LIT("552 5.3.4 The message is too big"));
		return SMTP_PROXY_AGAIN;
	}
	p->bytes = text;
	return text.len ? SMTP_PROXY_STAGE_BYTES : SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_data(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct str raw, text;

	switch (smtp_data_next(&p->message.data, str_take(io->client, SMTP_PROXY_PORTION),
		&raw, &text, &io->client_used)) {
	case SMTP_DATA_NEED_MORE:
		return io->client_used ? SMTP_PROXY_AGAIN : SMTP_PROXY_NEED_MORE;
	case SMTP_DATA_BYTES:
		return piece(p, raw, text);
	case SMTP_DATA_END:
		return proxy_message_end(p);
	case SMTP_DATA_SUSPECT:
		break;
	}
	return suspect(p);
}

void proxy_write_failed(struct smtp_proxy *p, struct str refusal)
{
	if (refusal.len)
		proxy_refuse_message_with(p, refusal);
}

/* The source says something before the message is over: its verdict when it gets the
   message, else a reply to nothing. */
enum smtp_proxy_action proxy_data_interrupted(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (!proxy_is_for_source(&p->message))
		return proxy_give_up_source(p);
	if (p->message.form == SMTP_FORM_CHUNKS)
		proxy_drop_source(p); /* what else it will say nobody knows */
	proxy_refuse_message(p, reply->bytes);
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action discarded(struct smtp_proxy *p)
{
	bool close = p->state == SMTP_PROXY_DISCARD_AND_CLOSE;

	proxy_say(p, buf_view(&p->message.reply));
	proxy_message_finish(p);
	if (close)
		proxy_close(p);
	return SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_discard(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct str raw, text;

	switch (smtp_data_next(
		&p->message.data, io->client, &raw, &text, &io->client_used)) {
	case SMTP_DATA_NEED_MORE:
		return io->client_used ? SMTP_PROXY_AGAIN : SMTP_PROXY_NEED_MORE;
	case SMTP_DATA_END:
		return discarded(p);
	case SMTP_DATA_SUSPECT:
		p->message.data.state = SMTP_DATA_TEXT; /* nobody else reads it */
		break;
	case SMTP_DATA_BYTES:
		break;
	}
	return SMTP_PROXY_AGAIN;
}

/* ---- its end ---- */

void proxy_ending_done(struct smtp_proxy *p, struct str refusal)
{
	bool for_source = proxy_is_for_source(&p->message);

	if (!refusal.len && !for_source) {
		p->copy = SMTP_COPY_COMMIT_DUE;
		p->state = SMTP_PROXY_COMMITTING;
		return;
	}
	if (!refusal.len && proxy_has_source(p)) {
		tell_end(p);
		return;
	}
	proxy_answer(p, refusal.len ? refusal.ptr : LOST_TEXT);
	proxy_abort_copy(p);
	if (needs_drop(p)) { /* it waits for a dot */
		proxy_drop_source(p);
		proxy_message_finish(p);
		proxy_close(p);
		return;
	}
	if (for_source)
		proxy_reset_source(p);
	proxy_message_finish(p);
}

static enum smtp_proxy_action message_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (p->copy == SMTP_COPY_HELD && reply->code / 100 == 2) {
		keep_reply(p, reply->bytes);
		p->copy = SMTP_COPY_COMMIT_DUE;
		p->state = SMTP_PROXY_COMMITTING;
		return SMTP_PROXY_AGAIN;
	}
	if (p->transaction.n_reported && reply->code / 100 == 2) {
		keep_reply(p, reply->bytes);
		p->state = SMTP_PROXY_COMMITTING;
		return SMTP_PROXY_REPORT;
	}
	proxy_say(p, reply->bytes);
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	/* PRDR: 353, then one reply for each recipient, then that for the message */
	if (reply->code == 353 && p->message.destination == SMTP_TO_SOURCE)
		p->message.n_replies = p->transaction.remote.n + 2;
	if (p->message.n_replies > 1) {
		p->message.n_replies--;
		return SMTP_PROXY_AGAIN;
	}
	proxy_abort_copy(p);
	proxy_message_finish(p);
	return SMTP_PROXY_AGAIN;
}

/* The gravest one is kept. */
static bool is_graver(unsigned code, unsigned than)
{
	return !than || (code / 100 > than / 100);
}

/* One for each recipient; what they come to is as if it were the only one. */
static enum smtp_proxy_action recipient_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	struct smtp_reply sum;
	struct buf bytes;
	enum smtp_proxy_action action;

	if (is_graver(reply->code, p->message.code)) {
		p->message.code = reply->code;
		keep_reply(p, reply->bytes);
	}
	if (--p->message.n_replies)
		return SMTP_PROXY_AGAIN;
	p->message.n_replies = 1;
	bytes = p->message.reply; /* it is kept anew below */
	buf_init(&p->message.reply, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	sum = (struct smtp_reply){ .code = p->message.code, .bytes = buf_view(&bytes) };
	action = message_reply(p, &sum);
	buf_fini(&bytes);
	return action;
}

enum smtp_proxy_action proxy_final_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	return proxy_is_lmtp(p) ? recipient_reply(p, reply) : message_reply(p, reply);
}

void proxy_committing_done(struct smtp_proxy *p, struct str refusal)
{
	if (refusal.len)
		proxy_answer(p, refusal.ptr);
	else if (proxy_is_for_source(&p->message))
		proxy_say(p, buf_view(&p->message.reply));
	else
		proxy_answer(p, "250 2.0.0 Ok");
	proxy_message_finish(p);
}

/* ---- one side goes away ---- */

void proxy_reply_lost(struct smtp_proxy *p)
{
	give_up(p, LOST_TEXT);
}

void proxy_data_lost(struct smtp_proxy *p)
{
	if (proxy_is_for_source(&p->message))
		proxy_refuse_message_with(p, STR_LIT(LOST_TEXT));
}

void proxy_message_left(struct smtp_proxy *p)
{
	if (proxy_is_for_source(&p->message))
		proxy_drop_source(p);
	proxy_close(p);
}
