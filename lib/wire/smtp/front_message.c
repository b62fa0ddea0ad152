/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP front: a message on its way to one side or both. */
#include "wire/smtp/front_parts.h"

#define LOST_TEXT "451 4.4.2 The mail server was lost; please send it again later"
#define CHANGED_TEXT                                                                     \
	"451 4.3.0 The mail server does not take it any more; please send it again "     \
	"later"

/* The transaction is over, however it went. */
static void finish(struct smtp_front *f)
{
	f->state = SMTP_FRONT_IN_COMMAND;
	front_forget_transaction(f);
	if (f->client_gone)
		front_close(f);
}

static void abort_staging(struct smtp_front *f)
{
	if (f->staged)
		f->owed |= OWED_ABORT;
	f->staged = false;
}

/* In the middle of a message there is no other way to undo it at the source. */
static void drop_source(struct smtp_front *f)
{
	if (f->source == SMTP_SOURCE_UP)
		f->owed |= OWED_DROP;
	f->source = SMTP_SOURCE_AWAY;
	f->n_swallow = 0;
}

static bool is_away(const struct smtp_front *f)
{
	return f->source == SMTP_SOURCE_AWAY;
}

/* ---- DATA ---- */

/* Why there can be no message now; NULL: there can. */
static const char *no_message(const struct smtp_front *f, struct str args)
{
	if (args.len)
		return "501 5.5.4 DATA takes no argument";
	/* all that the source has is a recipient whom it was only asked about */
	if (f->n_probed && !f->n_source && !f->n_local)
		return "554 5.5.1 There is no recipient";
	if (!is_away(f))
		return NULL;
	if (!f->mail)
		return "503 5.5.1 There is no sender yet";
	if (f->n_source)
		return LOST_TEXT;
	return f->n_local ? NULL : "554 5.5.1 There is no recipient";
}

static void say_to_source(struct smtp_front *f, struct str line)
{
	f->line = line;
	f->owed |= OWED_LINE;
}

/* What the source is to deliver to local recipients is taken out of its transaction. */
static void source_data(struct smtp_front *f)
{
	if (f->n_probed) {
		f->state = SMTP_FRONT_IN_REPEATING;
		f->repeating = f->at_source;
		f->mail_repeated = false;
		say_to_source(f, STR_LIT("RSET"));
		return;
	}
	f->owed |= OWED_DATA;
	f->state = SMTP_FRONT_IN_DATA_REPLY;
}

enum smtp_front_action front_data_begin(struct smtp_front *f, struct str args)
{
	const char *refusal = no_message(f, args);

	if (refusal) {
		front_answer(f, refusal);
		return SMTP_FRONT_AGAIN;
	}
	/* without any recipient the source says why there can be no message */
	f->to_source_too = !is_away(f) && (f->n_source || !f->n_local);
	f->size = 0;
	smtp_data_init(&f->data);
	if (f->n_local) {
		f->state = SMTP_FRONT_IN_STAGING;
		return SMTP_FRONT_STAGE_BEGIN;
	}
	source_data(f);
	return SMTP_FRONT_AGAIN;
}

/* The source's MAIL and RCPTs are void as well. */
static void give_up(struct smtp_front *f, const char *text)
{
	abort_staging(f);
	if (!is_away(f))
		f->owed |= OWED_RSET;
	if (text)
		front_answer(f, text);
	finish(f);
}

static void staging_done(struct smtp_front *f, struct str refusal)
{
	f->staged = !refusal.len;
	if (refusal.len) {
		give_up(f, refusal.ptr);
	} else if (f->to_source_too && is_away(f)) {
		give_up(f, LOST_TEXT);
	} else if (f->to_source_too) {
		source_data(f);
	} else {
		if (!is_away(f))
			f->owed |= OWED_RSET;
		front_answer(f, "354 End data with <CR><LF>.<CR><LF>");
		f->state = SMTP_FRONT_IN_DATA;
	}
}

/* One by one: without PIPELINING it must be so, and it is a few packets. */
enum smtp_front_action front_repeat_reply(
	struct smtp_front *f, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2) {
		give_up(f, CHANGED_TEXT);
	} else if (!f->mail_repeated) {
		say_to_source(f, f->mail_line);
		f->mail_repeated = true;
	} else if (f->repeating) {
		say_to_source(f, f->repeating->line);
		f->repeating = f->repeating->next;
	} else {
		f->n_probed = 0;
		source_data(f);
	}
	return SMTP_FRONT_AGAIN;
}

enum smtp_front_action front_data_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	front_say(f, io->to_client, reply->bytes);
	if (f->state == SMTP_FRONT_CLOSED)
		return SMTP_FRONT_AGAIN;
	if (reply->code == 354)
		f->state = SMTP_FRONT_IN_DATA;
	else if (f->n_local)
		give_up(f, NULL);
	else
		f->state = SMTP_FRONT_IN_COMMAND;
	return SMTP_FRONT_AGAIN;
}

/* ---- its bytes ---- */

/* Nothing of the message stays anywhere; what still comes of it is thrown away. refusal:
   said at its end. */
static void poison(struct smtp_front *f, struct str refusal)
{
	abort_staging(f);
	f->refusal = refusal;
	f->close_after_swallow = f->to_source_too && !is_away(f);
	if (f->to_source_too)
		drop_source(f);
	f->state = SMTP_FRONT_IN_SWALLOW;
}

/* The client may believe that his message ended with that dot: he is told at once. */
static enum smtp_front_action suspect(struct smtp_front *f)
{
	poison(f, STR_LIT(""));
	f->close_after_swallow = true;
	buf_clear(&f->held);
	front_answer(f, "550 5.6.0 A line with a dot alone must end in CRLF, as the "
			"line before it");
	return SMTP_FRONT_AGAIN;
}

static enum smtp_front_action end_of_data(struct smtp_front *f)
{
	if (f->staged) {
		f->state = SMTP_FRONT_IN_ENDING;
		return SMTP_FRONT_STAGE_END;
	}
	f->owed |= OWED_DOT;
	f->state = SMTP_FRONT_IN_FINAL_REPLY;
	return SMTP_FRONT_AGAIN;
}

static enum smtp_front_action piece(
	struct smtp_front *f, struct str raw, struct str text, struct buf *to_source)
{
	if (f->to_source_too)
		front_say(f, to_source, raw);
	f->size += text.len;
	if (!f->staged || f->state == SMTP_FRONT_CLOSED)
		return SMTP_FRONT_AGAIN;
	if (f->offer->size_max && f->size > f->offer->size_max) {
		poison(f, STR_LIT("552 5.3.4 The message is too big"));
		return SMTP_FRONT_AGAIN;
	}
	f->bytes = text;
	return text.len ? SMTP_FRONT_STAGE_BYTES : SMTP_FRONT_AGAIN;
}

enum smtp_front_action front_data_bytes(struct smtp_front *f, struct smtp_front_io *io)
{
	struct str raw, text;

	switch (smtp_data_next(&f->data, str_take(io->client, SMTP_FRONT_PORTION), &raw,
		&text, &io->client_used)) {
	case SMTP_DATA_NEED_MORE:
		return io->client_used ? SMTP_FRONT_AGAIN : SMTP_FRONT_NEED_MORE;
	case SMTP_DATA_BYTES:
		return piece(f, raw, text, io->to_source);
	case SMTP_DATA_END:
		return end_of_data(f);
	case SMTP_DATA_SUSPECT:
		break;
	}
	return suspect(f);
}

void front_data_interrupted(struct smtp_front *f, const struct smtp_reply *reply)
{
	buf_clear(&f->held);
	(void)buf_append(&f->held, reply->bytes);
	poison(f, STR_LIT(""));
}

static enum smtp_front_action swallowed(struct smtp_front *f)
{
	if (f->refusal.len)
		front_answer(f, f->refusal.ptr);
	else
		f->owed |= OWED_HELD; /* nothing, when he was told before */
	finish(f);
	if (f->close_after_swallow)
		front_close(f);
	return SMTP_FRONT_AGAIN;
}

enum smtp_front_action front_swallow(struct smtp_front *f, struct smtp_front_io *io)
{
	struct str raw, text;

	switch (smtp_data_next(&f->data, io->client, &raw, &text, &io->client_used)) {
	case SMTP_DATA_NEED_MORE:
		return io->client_used ? SMTP_FRONT_AGAIN : SMTP_FRONT_NEED_MORE;
	case SMTP_DATA_END:
		return swallowed(f);
	case SMTP_DATA_SUSPECT:
		f->data.state = SMTP_DATA_TEXT; /* nobody else reads it */
		break;
	case SMTP_DATA_BYTES:
		break;
	}
	return SMTP_FRONT_AGAIN;
}

/* ---- its end ---- */

static void ending_done(struct smtp_front *f, struct str refusal)
{
	if (!refusal.len && f->to_source_too && !is_away(f)) {
		f->owed |= OWED_DOT;
		f->state = SMTP_FRONT_IN_FINAL_REPLY;
		return;
	}
	if (!refusal.len && !f->to_source_too) {
		f->owed |= OWED_COMMIT;
		f->state = SMTP_FRONT_IN_COMMITTING;
		return;
	}
	front_answer(f, refusal.len ? refusal.ptr : LOST_TEXT);
	abort_staging(f);
	if (f->to_source_too && !is_away(f)) { /* it waits for a dot */
		drop_source(f);
		finish(f);
		front_close(f);
		return;
	}
	finish(f);
}

enum smtp_front_action front_final_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	if (f->staged && reply->code / 100 == 2) {
		buf_clear(&f->held);
		(void)buf_append(&f->held, reply->bytes); /* its limit is a reply's */
		f->state = SMTP_FRONT_IN_COMMITTING;
		return SMTP_FRONT_COMMIT;
	}
	front_say(f, io->to_client, reply->bytes);
	if (f->state == SMTP_FRONT_CLOSED)
		return SMTP_FRONT_AGAIN;
	abort_staging(f);
	finish(f);
	return SMTP_FRONT_AGAIN;
}

static void committing_done(struct smtp_front *f, struct str refusal)
{
	f->staged = false;
	if (refusal.len)
		front_answer(f, refusal.ptr);
	else if (f->to_source_too)
		f->owed |= OWED_HELD;
	else
		front_answer(f, "250 2.0.0 Ok");
	finish(f);
}

void smtp_front_done(struct smtp_front *f, struct str refusal)
{
	switch ((int)f->state) { /* the others asked for nothing */
	case SMTP_FRONT_IN_STAGING:
		staging_done(f, refusal);
		break;
	case SMTP_FRONT_IN_DATA:
		if (refusal.len)
			poison(f, refusal);
		break;
	case SMTP_FRONT_IN_ENDING:
		ending_done(f, refusal);
		break;
	case SMTP_FRONT_IN_COMMITTING:
		committing_done(f, refusal);
		break;
	default:
		break;
	}
}

/* ---- one side goes away ---- */

void smtp_front_source_lost(struct smtp_front *f)
{
	f->source = SMTP_SOURCE_AWAY;
	f->n_swallow = 0;
	switch ((int)f->state) { /* in the others, slots are answered by us from now on */
	case SMTP_FRONT_IN_GREETING:
		f->owed |= OWED_GREETING;
		f->state = SMTP_FRONT_IN_COMMAND;
		break;
	case SMTP_FRONT_IN_AUTH_REPLY:
	case SMTP_FRONT_IN_AUTH_LINE:
	case SMTP_FRONT_IN_TLS_REPLY:
		front_answer(f, "454 4.7.0 The mail server was lost");
		f->state = SMTP_FRONT_IN_COMMAND;
		break;
	case SMTP_FRONT_IN_REPEATING:
	case SMTP_FRONT_IN_DATA_REPLY:
	case SMTP_FRONT_IN_FINAL_REPLY:
		give_up(f, LOST_TEXT);
		break;
	case SMTP_FRONT_IN_DATA:
		if (f->to_source_too)
			poison(f, STR_LIT(LOST_TEXT));
		break;
	case SMTP_FRONT_BLIND:
		front_close(f);
		break;
	default:
		break;
	}
}

void smtp_front_client_gone(struct smtp_front *f)
{
	f->client_gone = true;
	switch ((int)f->state) {
	case SMTP_FRONT_IN_ENDING: /* complete: it is ours to deliver */
	case SMTP_FRONT_IN_FINAL_REPLY:
	case SMTP_FRONT_IN_COMMITTING:
		return;
	case SMTP_FRONT_IN_DATA:
	case SMTP_FRONT_IN_DATA_REPLY:
	case SMTP_FRONT_IN_REPEATING:
		abort_staging(f);
		if (f->to_source_too)
			drop_source(f);
		break;
	case SMTP_FRONT_IN_STAGING: /* what the caller began, he undoes */
		f->owed |= OWED_ABORT;
		break;
	default:
		break;
	}
	front_close(f);
}
