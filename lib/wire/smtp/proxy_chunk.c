/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SMTP proxy: a message in chunks (BDAT, RFC 3030).
 *
 * What is for the source alone passes as it comes, and so do the source's answers. Else
 * the message is ours to look after: we answer each chunk when all of it is taken, and
 * the source has its say before that.
 */
#include "wire/smtp/proxy_parts.h"

#include <errno.h>

/* In one call; escaped for DATA it is up to half as much again. */
#define CHUNK_PORTION (SMTP_PROXY_PORTION / 2)

/* As much of the chunk as there is. */
static struct str take_chunk(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct str bytes = str_take(io->client, CHUNK_PORTION);

	if (bytes.len > p->chunk)
		bytes.len = (size_t)p->chunk;
	io->client_used = bytes.len;
	p->chunk -= bytes.len;
	return bytes;
}

static bool is_refused(const struct smtp_proxy *p)
{
	return buf_len(&p->message.reply) > 0;
}

/* ---- for the source alone ---- */

static bool is_relayed(const struct smtp_proxy *p)
{
	const struct smtp_transaction *t = &p->transaction;

	return proxy_is_sources_alone(p) ||
	       (proxy_has_source(p) && p->relay == SMTP_RELAY_NONE &&
		       p->source_has_chunking && proxy_has_sender(t) && !t->is_untold &&
		       !t->is_refused && !t->n_accepted && !t->n_probed);
}

/* Never as the client wrote it: to a server that does not take " BDAT\t5" for BDAT the
   chunk behind it would be commands. */
static void tell_size(struct smtp_proxy *p, uint64_t size, bool is_last)
{
	if (proxy_has_source(p) &&
		buf_printf(p->to_source, "BDAT %llu%s\r\n", (unsigned long long)size,
			is_last ? " LAST" : "") < 0)
		proxy_close(p);
}

static enum smtp_proxy_action relay_chunk(struct smtp_proxy *p, bool is_last)
{
	*proxy_push(p) = (struct smtp_slot){ .verb = SMTP_BDAT, .ends_message = is_last };
	tell_size(p, p->chunk, is_last);
	p->transaction.is_in_chunks = true;
	if (p->chunk)
		p->state = SMTP_PROXY_RELAYED_CHUNK;
	return SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_relayed_chunk(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct str bytes = take_chunk(p, io);

	if (!p->chunk)
		p->state = SMTP_PROXY_COMMAND;
	if (buf_append(p->to_source, bytes) < 0)
		proxy_close(p);
	return bytes.len ? SMTP_PROXY_AGAIN : SMTP_PROXY_NEED_MORE;
}

/* Its slot is answered in the source's place. */
void proxy_chunk_lost(struct smtp_proxy *p)
{
	buf_clear(&p->message.reply);
	proxy_skip_chunk(p);
}

/* ---- for nobody ---- */

void proxy_skip_chunk(struct smtp_proxy *p)
{
	p->state = SMTP_PROXY_SKIPPED_CHUNK;
}

/* The answer comes behind it (RFC 3030, 2). */
enum smtp_proxy_action proxy_skipped_chunk(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	if (p->chunk)
		return take_chunk(p, io).len ? SMTP_PROXY_AGAIN : SMTP_PROXY_NEED_MORE;
	p->state = SMTP_PROXY_COMMAND;
	proxy_say(p, buf_view(&p->message.reply));
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action refuse_chunk(
	struct smtp_proxy *p, struct str reply, const char *end)
{
	buf_clear(&p->message.reply);
	(void)buf_append(&p->message.reply, reply); /* its limit is a reply's */
	(void)buf_append_c(&p->message.reply, end);
	proxy_skip_chunk(p);
	return SMTP_PROXY_AGAIN;
}

/* ---- a message that we look after ---- */

static enum smtp_proxy_action begin(struct smtp_proxy *p)
{
	const char *refusal = proxy_has_sender(&p->transaction)
	                              ? proxy_no_message(p)
	                              : "503 5.5.1 There is no sender yet";
	bool takes_chunks = p->relay == SMTP_RELAY_NONE && p->source_has_chunking;

	if (refusal)
		return refuse_chunk(p, str_from(refusal), "\r\n");
	if (p->transaction.is_refused)
		return refuse_chunk(p, buf_view(&p->hidden_reply), "");
	return proxy_message_begin(
		p, takes_chunks ? SMTP_FORM_CHUNKS : SMTP_FORM_CHUNKS_AS_DATA);
}

enum smtp_proxy_action proxy_chunk_begin(struct smtp_proxy *p, bool is_last)
{
	bool is_next = p->state == SMTP_PROXY_BETWEEN_CHUNKS;

	if (!is_next && is_relayed(p))
		return relay_chunk(p, is_last);
	p->message.chunk_size = p->chunk;
	p->message.is_last_chunk = is_last;
	if (!is_next)
		return begin(p);
	p->state = SMTP_PROXY_CHUNK;
	proxy_tell_chunk(p);
	return SMTP_PROXY_AGAIN;
}

/* The source is to get this chunk as one. An empty one would say nothing. */
static bool is_told(const struct smtp_proxy *p)
{
	return p->message.form == SMTP_FORM_CHUNKS && proxy_is_for_source(&p->message) &&
	       proxy_has_source(p) && p->message.chunk_size;
}

/* Never the last one: it must not have the message before it is on disk here. */
void proxy_tell_chunk(struct smtp_proxy *p)
{
	if (is_told(p))
		tell_size(p, p->message.chunk_size, false);
}

void proxy_tell_last_chunk(struct smtp_proxy *p)
{
	if (p->message.form == SMTP_FORM_CHUNKS)
		tell_size(p, 0, true);
	else if (smtp_data_put_end(&p->message.data, p->to_source) < 0)
		proxy_close(p);
}

static void refuse_dot(struct smtp_proxy *p)
{
	proxy_refuse_message_with(p, STR_LIT("550 5.6.0 A line with a dot alone must end "
					     "in CRLF, as the line before it"));
}

static void put_at_source(struct smtp_proxy *p, struct str bytes)
{
	int r;

	if (!proxy_is_for_source(&p->message) || !proxy_has_source(p))
		return;
	if (p->message.form == SMTP_FORM_CHUNKS)
		r = buf_append(p->to_source, bytes);
	else
		r = smtp_data_put(&p->message.data, bytes, p->to_source);
	if (r == -EILSEQ)
		refuse_dot(p);
	else if (r < 0)
		proxy_close(p);
}

static enum smtp_proxy_action refused(struct smtp_proxy *p)
{
	bool is_for_source = proxy_is_for_source(&p->message);

	if (is_for_source && proxy_has_source(p))
		proxy_reset_source(p);
	proxy_say(p, buf_view(&p->message.reply));
	proxy_message_finish(p);
	if (is_for_source && !proxy_has_source(p)) /* it has gone, in the middle of it */
		proxy_close(p);
	return SMTP_PROXY_AGAIN;
}

/* All of it is taken, by all who are to have it. */
static enum smtp_proxy_action taken(struct smtp_proxy *p)
{
	if (p->message.is_last_chunk && p->message.form == SMTP_FORM_CHUNKS_AS_DATA &&
		proxy_is_for_source(&p->message) &&
		p->message.data.state == SMTP_DATA_BARE_DOT)
		refuse_dot(p);
	if (is_refused(p))
		return refused(p);
	if (p->message.is_last_chunk)
		return proxy_message_end(p);
	p->state = SMTP_PROXY_BETWEEN_CHUNKS;
	proxy_answer(p, "250 2.0.0 Ok");
	return SMTP_PROXY_AGAIN;
}

enum smtp_proxy_action proxy_chunk(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct str bytes;

	if (!p->chunk && is_told(p)) {
		p->state = SMTP_PROXY_CHUNK_REPLY;
		return SMTP_PROXY_AGAIN;
	}
	if (!p->chunk)
		return taken(p);
	bytes = take_chunk(p, io);
	if (!bytes.len)
		return SMTP_PROXY_NEED_MORE;
	put_at_source(p, bytes);
	return p->state == SMTP_PROXY_CLOSED ? SMTP_PROXY_AGAIN
	                                     : proxy_stage_piece(p, bytes);
}

enum smtp_proxy_action proxy_chunk_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2 && !is_refused(p))
		proxy_refuse_message(p, reply->bytes);
	return taken(p);
}

void proxy_leave_chunks(struct smtp_proxy *p)
{
	bool is_at_source = proxy_is_for_source(&p->message);

	proxy_abort_copy(p);
	p->state = SMTP_PROXY_COMMAND;
	/* until it has taken the RSET; some take no "RSET x" */
	p->transaction.is_in_chunks = is_at_source;
	if (!is_at_source || p->message.form != SMTP_FORM_CHUNKS_AS_DATA)
		return;
	proxy_drop_source(p); /* there is no RSET inside DATA */
	proxy_say_line(p, "421 4.3.0 The message is forgotten; please connect again");
	proxy_close(p);
}
