/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy's core: what each state does, and in which order a step does it. */
#include "wire/smtp/proxy_parts.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Its time-out is the client's, too. Anything else cannot be answered. */
static enum smtp_proxy_action command_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	if (reply->code != 421)
		return proxy_give_up_source(p);
	proxy_say(p, reply->bytes);
	proxy_close(p);
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action nobody_asked(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	(void)reply;
	return proxy_give_up_source(p);
}

static enum smtp_proxy_action say_close(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	(void)p;
	(void)io;
	return SMTP_PROXY_CLOSE;
}

static enum smtp_proxy_action leave(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	(void)io;
	if (p->pipeline.n)
		return SMTP_PROXY_NEED_MORE;
	proxy_close(p);
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action wait(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	(void)p;
	(void)io;
	return SMTP_PROXY_NEED_MORE;
}

static void nothing_lost(struct smtp_proxy *p)
{
	(void)p; /* slots are answered by us from now on */
}

static void complete(struct smtp_proxy *p)
{
	(void)p; /* the message is ours to deliver, or the source's: it goes on */
}

static void nothing_done(struct smtp_proxy *p, struct str refusal)
{
	(void)p;
	(void)refusal; /* it asked for nothing */
}

static const struct state_row {
	const char *name;
	proxy_bytes_fn *client_bytes;
	proxy_reply_fn *source_reply;
	proxy_done_fn *done;
	proxy_lost_fn *source_lost, *client_gone;
} states[] = {
	// clang-format off
	[SMTP_PROXY_COMMAND] = { "command",
		proxy_command, command_reply, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_ROUTING] = { "routing",
		wait, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_STARTING_OVER] = { "starting over",
		proxy_start_over, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_RECALLING] = { "recalling",
		wait, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_AUTH_REPLY] = { "auth reply",
		wait, proxy_auth_reply, nothing_done, proxy_login_lost, proxy_close },
	[SMTP_PROXY_AUTH_LINE] = { "auth line",
		proxy_auth_line, nobody_asked, nothing_done, proxy_line_lost, proxy_close },
	[SMTP_PROXY_AUTH_CHECK] = { "auth check",
		wait, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_TLS_REPLY] = { "tls reply",
		wait, proxy_tls_reply, nothing_done, proxy_tls_lost, proxy_close },
	[SMTP_PROXY_TLS_HELLO] = { "tls hello",
		wait, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_STAGING] = { "staging",
		wait, nobody_asked, proxy_staging_done, nothing_lost, proxy_close },
	[SMTP_PROXY_RESETTING] = { "resetting",
		wait, proxy_repeat_reply, nothing_done, proxy_reply_lost, proxy_message_left },
	[SMTP_PROXY_REPEATING] = { "repeating",
		wait, proxy_repeat_reply, nothing_done, proxy_reply_lost, proxy_message_left },
	[SMTP_PROXY_DATA_REPLY] = { "data reply",
		wait, proxy_data_reply, nothing_done, proxy_reply_lost, proxy_message_left },
	[SMTP_PROXY_DATA] = { "data",
		proxy_data, proxy_data_interrupted, proxy_write_failed, proxy_data_lost,
		proxy_message_left },
	[SMTP_PROXY_ENDING] = { "ending",
		wait, nobody_asked, proxy_ending_done, nothing_lost, complete },
	[SMTP_PROXY_FINAL_REPLY] = { "final reply",
		wait, proxy_final_reply, nothing_done, proxy_reply_lost, complete },
	[SMTP_PROXY_COMMITTING] = { "committing",
		wait, nobody_asked, proxy_committing_done, nothing_lost, complete },
	[SMTP_PROXY_DISCARD] = { "discard",
		proxy_discard, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_DISCARD_AND_CLOSE] = { "discard and close",
		proxy_discard, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_SKIP_LINE] = { "skip line",
		proxy_skip_line, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_RELAYED_CHUNK] = { "relayed chunk",
		proxy_relayed_chunk, nobody_asked, nothing_done, proxy_chunk_lost,
		proxy_close },
	[SMTP_PROXY_SKIPPED_CHUNK] = { "skipped chunk",
		proxy_skipped_chunk, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_CHUNK] = { "chunk",
		proxy_chunk, proxy_data_interrupted, proxy_write_failed, proxy_data_lost,
		proxy_message_left },
	[SMTP_PROXY_CHUNK_REPLY] = { "chunk reply",
		wait, proxy_chunk_reply, nothing_done, proxy_reply_lost, proxy_message_left },
	[SMTP_PROXY_BETWEEN_CHUNKS] = { "between chunks",
		proxy_command, proxy_data_interrupted, nothing_done, proxy_data_lost,
		proxy_message_left },
	[SMTP_PROXY_LEAVING] = { "leaving",
		leave, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_QUIT] = { "quit",
		wait, nobody_asked, nothing_done, nothing_lost, proxy_close },
	[SMTP_PROXY_BLIND] = { "blind",
		wait, NULL, nothing_done, proxy_close, proxy_close },
	[SMTP_PROXY_CLOSED] = { "closed",
		say_close, NULL, nothing_done, nothing_lost, nothing_lost },
	// clang-format on
};
_Static_assert(COUNT(states) == SMTP_PROXY_STATE_COUNT, "a row for each state");

const char *smtp_proxy_state_name(enum smtp_proxy_state s)
{
	return (unsigned)s < SMTP_PROXY_STATE_COUNT ? states[s].name : "unknown";
}

static const char *const copy_names[] = {
	[SMTP_COPY_NONE] = "none",
	[SMTP_COPY_HELD] = "held",
	[SMTP_COPY_COMMIT_DUE] = "commit due",
	[SMTP_COPY_ABORT_DUE] = "abort due",
};
_Static_assert(COUNT(copy_names) == SMTP_COPY_STATE_COUNT, "a name for each state");

const char *smtp_copy_state_name(enum smtp_copy_state s)
{
	return (unsigned)s < SMTP_COPY_STATE_COUNT ? copy_names[s] : "unknown";
}

static const char *const peer_names[] = {
	[SMTP_PEER_PRESENT] = "present",
	[SMTP_PEER_DROP_DUE] = "drop due",
	[SMTP_PEER_HUNG_UP] = "hung up",
	[SMTP_PEER_GONE] = "gone",
};
_Static_assert(COUNT(peer_names) == SMTP_PEER_STATE_COUNT, "a name for each state");

const char *smtp_peer_state_name(enum smtp_peer_state s)
{
	return (unsigned)s < SMTP_PEER_STATE_COUNT ? peer_names[s] : "unknown";
}

static const char *const relay_names[] = {
	[SMTP_RELAY_NONE] = "none",
	[SMTP_RELAY_DUE] = "due",
	[SMTP_RELAY_GREETING] = "greeting",
	[SMTP_RELAY_EHLO] = "EHLO",
	[SMTP_RELAY_READY] = "ready",
};
_Static_assert(COUNT(relay_names) == SMTP_RELAY_STATE_COUNT, "a name for each state");

const char *smtp_relay_state_name(enum smtp_relay_state r)
{
	return (unsigned)r < SMTP_RELAY_STATE_COUNT ? relay_names[r] : "unknown";
}

static const char *const renewal_names[] = {
	[SMTP_RENEWAL_NONE] = "none",
	[SMTP_RENEWAL_DUE] = "due",
	[SMTP_RENEWAL_GREETING] = "greeting",
	[SMTP_RENEWAL_HELLO] = "hello",
};
_Static_assert(COUNT(renewal_names) == SMTP_RENEWAL_COUNT, "a name for each state");

const char *smtp_renewal_name(enum smtp_renewal r)
{
	return (unsigned)r < SMTP_RENEWAL_COUNT ? renewal_names[r] : "unknown";
}

static const char *const last_reply_names[] = {
	[SMTP_LAST_REPLY_GOOD] = "good",
	[SMTP_LAST_REPLY_AWAITED] = "awaited",
	[SMTP_LAST_REPLY_BAD] = "bad",
	[SMTP_LAST_REPLY_HIDDEN] = "hidden",
};
_Static_assert(COUNT(last_reply_names) == SMTP_LAST_REPLY_COUNT, "a name for each");

const char *smtp_last_reply_name(enum smtp_last_reply r)
{
	return (unsigned)r < SMTP_LAST_REPLY_COUNT ? last_reply_names[r] : "unknown";
}

void smtp_proxy_init(struct smtp_proxy *p, const struct smtp_offer *offer,
	struct buf *to_client, struct buf *to_source)
{
	*p = (struct smtp_proxy){
		.offer = offer, .to_client = to_client, .to_source = to_source
	};
	p->client.secure = offer->is_secure;
	arena_init(&p->secrets);
	proxy_transaction_init(&p->transaction);
	proxy_push(p)->verb = SMTP_GREETING;
	buf_init(&p->message.reply, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
	buf_init(&p->hidden_reply, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
}

void smtp_proxy_fini(struct smtp_proxy *p)
{
	arena_fini(&p->transaction.arena);
	arena_fini(&p->secrets);
	buf_fini(&p->message.reply);
	buf_fini(&p->hidden_reply);
}

/* ---- what the files share ---- */

void proxy_abort_copy(struct smtp_proxy *p)
{
	if (p->copy != SMTP_COPY_NONE)
		p->copy = SMTP_COPY_ABORT_DUE;
}

void proxy_close(struct smtp_proxy *p)
{
	if (p->state == SMTP_PROXY_STAGING)
		p->copy = SMTP_COPY_HELD; /* what the caller began, it undoes */
	proxy_abort_copy(p);
	p->state = SMTP_PROXY_CLOSED;
}

void proxy_say(struct smtp_proxy *p, struct str bytes)
{
	if (buf_append(p->to_client, bytes) < 0)
		proxy_close(p);
}

void proxy_say_line(struct smtp_proxy *p, const char *text)
{
	if (buf_printf(p->to_client, "%s\r\n", text) < 0)
		proxy_close(p);
}

bool proxy_has_source(const struct smtp_proxy *p)
{
	return p->source_state == SMTP_PEER_PRESENT;
}

void proxy_tell_source(struct smtp_proxy *p, struct str line)
{
	if (proxy_has_source(p) && (buf_append(p->to_source, line) < 0 ||
					   buf_append_c(p->to_source, "\r\n") < 0))
		proxy_close(p);
}

void proxy_tell_source_hidden(struct smtp_proxy *p, struct str line)
{
	if (!proxy_has_source(p))
		return;
	proxy_tell_source(p, line);
	p->pipeline.awaits_reset = p->pipeline.awaits_reset && p->pipeline.n_hidden;
	p->pipeline.n_hidden++;
}

void proxy_drop_source(struct smtp_proxy *p)
{
	if (proxy_has_source(p))
		p->source_state = SMTP_PEER_DROP_DUE;
	p->pipeline.n_hidden = 0;
}

enum smtp_proxy_action proxy_give_up_source(struct smtp_proxy *p)
{
	p->last_reply = SMTP_LAST_REPLY_GOOD;
	smtp_proxy_source_lost(p);
	p->source_state = SMTP_PEER_DROP_DUE;
	return SMTP_PROXY_AGAIN;
}

/* ---- one step ---- */

/* What a machine has decided without being able to say it. */
static enum smtp_proxy_action due_action(struct smtp_proxy *p)
{
	enum smtp_copy_state copy = p->copy;

	if (copy == SMTP_COPY_ABORT_DUE) {
		p->copy = SMTP_COPY_NONE;
		return SMTP_PROXY_ABORT;
	}
	if (p->source_state == SMTP_PEER_DROP_DUE) {
		p->source_state = SMTP_PEER_GONE;
		return SMTP_PROXY_DROP_SOURCE;
	}
	if (p->relay == SMTP_RELAY_DUE) {
		p->relay = SMTP_RELAY_NONE;
		return SMTP_PROXY_CONNECT_RELAY;
	}
	if (p->renewal == SMTP_RENEWAL_DUE) {
		p->renewal = SMTP_RENEWAL_NONE;
		return SMTP_PROXY_RENEW_SOURCE;
	}
	if (copy == SMTP_COPY_COMMIT_DUE) {
		p->copy = SMTP_COPY_NONE;
		return SMTP_PROXY_COMMIT;
	}
	return SMTP_PROXY_NEED_MORE;
}

/* And the client has been told (RFC 5321, 4.2.1; Postfix with 221, to who talks HTTP).
   Exim may go on behind 421, which is its own business while nobody lives here. */
static bool says_that_it_closes(const struct smtp_proxy *p, unsigned code)
{
	return code == 221 || (code == 421 && !proxy_is_sources_alone(p));
}

/* What is still in its transaction behind an RSET that it did not take would get the next
   message, too. */
static enum smtp_proxy_action hidden_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	bool was_reset = p->pipeline.awaits_reset;

	p->pipeline.n_hidden--;
	p->pipeline.awaits_reset = was_reset && p->pipeline.n_hidden;
	return was_reset && reply->code / 100 != 2 ? proxy_give_up_source(p)
	                                           : SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action state_reply(
	struct smtp_proxy *p, const struct smtp_reply *reply)
{
	enum smtp_proxy_action action;

	p->last_reply = SMTP_LAST_REPLY_GOOD;
	if (proxy_awaits_relay(p))
		return proxy_relay_reply(p, reply);
	if (p->renewal != SMTP_RENEWAL_NONE)
		return proxy_renewal_reply(p, reply);
	if (p->pipeline.n_hidden)
		return hidden_reply(p, reply);
	if (reply->code == 421 && proxy_may_reopen(p)) {
		p->renewal = SMTP_RENEWAL_DUE;
		return SMTP_PROXY_AGAIN;
	}
	if (reply->code >= 400)
		p->last_reply = SMTP_LAST_REPLY_BAD;
	if (p->pipeline.n)
		action = proxy_slot_reply(p, reply);
	else
		action = states[p->state].source_reply(p, reply);
	if (p->state == SMTP_PROXY_COMMAND && says_that_it_closes(p, reply->code))
		proxy_close(p);
	return action;
}

static enum smtp_proxy_action source_step(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct smtp_reply reply;

	if (!io->source.len || !proxy_has_source(p) || !states[p->state].source_reply)
		return SMTP_PROXY_NEED_MORE;
	switch (smtp_reply_next(io->source, &reply, &io->source_used)) {
	case SMTP_REPLY_NEED_MORE:
		return SMTP_PROXY_NEED_MORE;
	case SMTP_REPLY_BROKEN:
		return proxy_give_up_source(p);
	case SMTP_REPLY_COMPLETE:
		break;
	}
	return state_reply(p, &reply);
}

enum smtp_proxy_action smtp_proxy_next(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	enum smtp_proxy_action action;

	io->client_used = io->source_used = 0;
	if (p->login.is_refused || p->client.authenticated)
		proxy_forget_login(p); /* the caller has seen it */
	proxy_drain(p);
	action = due_action(p);
	if (action == SMTP_PROXY_NEED_MORE)
		action = source_step(p, io);
	if (action == SMTP_PROXY_NEED_MORE)
		action = states[p->state].client_bytes(p, io);
	return action;
}

/* ---- what the caller tells ---- */

/* Commands behind the refused one get no answer, as they would get none from it. */
static void source_hung_up(struct smtp_proxy *p)
{
	bool hidden = p->last_reply == SMTP_LAST_REPLY_HIDDEN;

	p->source_state = SMTP_PEER_HUNG_UP;
	p->pipeline.n = p->pipeline.n_probing = 0;
	if (p->state == SMTP_PROXY_COMMITTING || p->state >= SMTP_PROXY_BLIND)
		return; /* what is delivered is answered; then it ends */
	if (hidden && p->state == SMTP_PROXY_DATA)
		proxy_refuse_message(p, buf_view(&p->hidden_reply));
	if (hidden && p->state == SMTP_PROXY_CHUNK) {
		proxy_refuse_message(p, buf_view(&p->hidden_reply));
		return; /* it is read to its end */
	}
	if (p->state == SMTP_PROXY_DISCARD)
		p->state = SMTP_PROXY_DISCARD_AND_CLOSE;
	if (p->state == SMTP_PROXY_DISCARD_AND_CLOSE)
		return;
	if (hidden)
		proxy_say(p, buf_view(&p->hidden_reply));
	if (p->last_reply == SMTP_LAST_REPLY_AWAITED)
		proxy_say_line(p, "421 4.4.1 The mail server has closed the connection");
	proxy_close(p);
}

void smtp_proxy_source_connected(struct smtp_proxy *p)
{
	if (p->relay == SMTP_RELAY_NONE)
		p->last_reply = SMTP_LAST_REPLY_AWAITED;
}

void smtp_proxy_done(struct smtp_proxy *p, struct str refusal)
{
	states[p->state].done(p, refusal);
}

void smtp_proxy_source_lost(struct smtp_proxy *p)
{
	bool reopens = p->last_reply == SMTP_LAST_REPLY_GOOD && proxy_may_reopen(p);

	p->source_state = SMTP_PEER_GONE;
	p->pipeline.n_hidden = 0;
	if (p->relay != SMTP_RELAY_NONE)
		p->last_reply = SMTP_LAST_REPLY_GOOD; /* it says nothing of the client */
	p->relay = SMTP_RELAY_NONE;
	p->renewal = reopens ? SMTP_RENEWAL_DUE : SMTP_RENEWAL_NONE;
	if (p->last_reply == SMTP_LAST_REPLY_GOOD)
		states[p->state].source_lost(p);
	else
		source_hung_up(p);
}

void smtp_proxy_client_gone(struct smtp_proxy *p)
{
	p->client_state = SMTP_PEER_GONE;
	states[p->state].client_gone(p);
}

/* ---- what the caller may ask ---- */

bool smtp_proxy_is_idle(const struct smtp_proxy *p)
{
	return p->state == SMTP_PROXY_COMMAND && !p->pipeline.n &&
	       !proxy_has_sender(&p->transaction);
}

bool smtp_proxy_awaits_client(const struct smtp_proxy *p)
{
	return !p->pipeline.n && !p->pipeline.n_hidden && p->state < SMTP_PROXY_BLIND &&
	       p->renewal == SMTP_RENEWAL_NONE && states[p->state].client_bytes != wait;
}

bool smtp_proxy_is_logging_in(const struct smtp_proxy *p)
{
	return p->state == SMTP_PROXY_AUTH_REPLY || p->state == SMTP_PROXY_AUTH_LINE ||
	       p->state == SMTP_PROXY_AUTH_CHECK;
}

bool smtp_proxy_is_receiving(const struct smtp_proxy *p)
{
	return p->state == SMTP_PROXY_DATA || p->state == SMTP_PROXY_RELAYED_CHUNK ||
	       p->state == SMTP_PROXY_CHUNK || p->state == SMTP_PROXY_CHUNK_REPLY ||
	       p->state == SMTP_PROXY_BETWEEN_CHUNKS;
}

bool smtp_proxy_is_deciding(const struct smtp_proxy *p)
{
	if (p->pipeline.n && p->pipeline.slots[p->pipeline.first].ends_message)
		return p->state != SMTP_PROXY_RELAYED_CHUNK;
	return p->state == SMTP_PROXY_ENDING || p->state == SMTP_PROXY_FINAL_REPLY ||
	       p->state == SMTP_PROXY_COMMITTING;
}
