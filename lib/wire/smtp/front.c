/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP front's core: what is owed, slots, and the source's replies. */
#include "wire/smtp/front_parts.h"

#include <string.h>

static const char *const state_names[] = {
	[SMTP_FRONT_IN_GREETING] = "greeting",
	[SMTP_FRONT_IN_COMMAND] = "command",
	[SMTP_FRONT_IN_ROUTING] = "routing",
	[SMTP_FRONT_IN_AUTH_REPLY] = "auth reply",
	[SMTP_FRONT_IN_AUTH_LINE] = "auth line",
	[SMTP_FRONT_IN_TLS_REPLY] = "tls reply",
	[SMTP_FRONT_IN_STAGING] = "staging",
	[SMTP_FRONT_IN_REPEATING] = "repeating",
	[SMTP_FRONT_IN_DATA_REPLY] = "data reply",
	[SMTP_FRONT_IN_DATA] = "data",
	[SMTP_FRONT_IN_ENDING] = "ending",
	[SMTP_FRONT_IN_FINAL_REPLY] = "final reply",
	[SMTP_FRONT_IN_COMMITTING] = "committing",
	[SMTP_FRONT_IN_SWALLOW] = "swallow",
	[SMTP_FRONT_IN_SKIP_LINE] = "skip line",
	[SMTP_FRONT_IN_SKIP_BYTES] = "skip bytes",
	[SMTP_FRONT_IN_QUIT] = "quit",
	[SMTP_FRONT_BLIND] = "blind",
	[SMTP_FRONT_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SMTP_FRONT_STATE_COUNT,
	"a name for each state");

const char *smtp_front_state_name(enum smtp_front_state s)
{
	return (unsigned)s < SMTP_FRONT_STATE_COUNT ? state_names[s] : "unknown";
}

void smtp_front_init(struct smtp_front *f, const struct smtp_offer *offer)
{
	*f = (struct smtp_front){ .offer = offer };
	f->last = &f->recipients;
	f->last_at_source = &f->at_source;
	arena_init(&f->arena);
	arena_init(&f->secrets);
	buf_init(&f->held, SMTP_REPLY_MAX + SMTP_REPLY_LINE_MAX);
}

void smtp_front_fini(struct smtp_front *f)
{
	arena_fini(&f->arena);
	arena_fini(&f->secrets);
	buf_fini(&f->held);
}

void front_close(struct smtp_front *f)
{
	if (f->staged)
		f->owed |= OWED_ABORT;
	f->staged = false;
	f->state = SMTP_FRONT_CLOSED;
	f->owed |= OWED_CLOSE;
}

void front_say(struct smtp_front *f, struct buf *to, struct str bytes)
{
	if (buf_append(to, bytes) < 0)
		front_close(f);
}

static void say_line(struct smtp_front *f, struct buf *to, const char *text)
{
	if (buf_printf(to, "%s\r\n", text) < 0)
		front_close(f);
}

bool front_keep(struct smtp_front *f, struct str s, struct str *ret)
{
	if (f->arena.used > SMTP_TRANSACTION_MAX)
		return false;
	*ret = arena_str(&f->arena, s);
	return ret->ptr != NULL;
}

/* The memory only when nothing on its way lies in it. */
void front_forget_transaction(struct smtp_front *f)
{
	f->mail = f->staged = f->to_source_too = false;
	f->sender = f->mail_params = f->mail_line = STR_LIT("");
	f->recipients = f->at_source = NULL;
	f->last = &f->recipients;
	f->last_at_source = &f->at_source;
	f->n_local = f->n_source = f->n_probed = 0;
	if (f->n_slots || f->state == SMTP_FRONT_IN_ROUTING)
		return;
	arena_fini(&f->arena);
	arena_init(&f->arena);
}

/* ---- slots ---- */

struct smtp_slot *front_push(struct smtp_front *f)
{
	size_t at = (f->first_slot + f->n_slots++) % SMTP_SLOTS_MAX;

	f->slots[at] = (struct smtp_slot){ 0 };
	return &f->slots[at];
}

static struct smtp_slot pop(struct smtp_front *f)
{
	struct smtp_slot slot = f->slots[f->first_slot];

	f->first_slot = (f->first_slot + 1) % SMTP_SLOTS_MAX;
	f->n_slots--;
	f->n_probing -= slot.kind == SMTP_SLOT_PROBE;
	return slot;
}

void front_answer(struct smtp_front *f, const char *text)
{
	struct smtp_slot *slot;

	if (f->n_slots == SMTP_SLOTS_MAX) {
		front_close(f);
		return;
	}
	slot = front_push(f);
	slot->kind = SMTP_SLOT_OWN;
	slot->text = text;
}

/* ---- what a positive answer changes, whoever gave it ---- */

static void greeted_by_client(struct smtp_front *f, const struct smtp_slot *slot)
{
	size_t len = slot->args.len < SMTP_HELO_MAX ? slot->args.len : SMTP_HELO_MAX;

	if (len)
		memcpy(f->helo, slot->args.ptr, len);
	f->helo[len] = '\0';
	f->esmtp = slot->verb == SMTP_EHLO;
	front_forget_transaction(f); /* RFC 5321, 4.1.4 */
}

/* In the transaction's memory as long as it lasts; a second MAIL is never accepted. */
static void mail_accepted(struct smtp_front *f, const struct smtp_slot *slot)
{
	struct smtp_path path = { 0 };

	(void)smtp_path_parse(slot->args, STR_LIT("FROM"), &path);
	f->mail = true;
	f->sender = path.address;
	f->mail_params = path.params;
	f->mail_line = slot->line;
}

static void accepted_by_source(struct smtp_front *f, struct smtp_recipient *r)
{
	*f->last_at_source = r;
	f->last_at_source = &r->next;
	f->n_source++;
}

static void accepted(struct smtp_front *f, const struct smtp_slot *slot)
{
	switch (slot->verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
		greeted_by_client(f, slot);
		break;
	case SMTP_MAIL:
		mail_accepted(f, slot);
		break;
	case SMTP_RCPT:
		accepted_by_source(f, slot->recipient);
		break;
	case SMTP_RSET:
		front_forget_transaction(f);
		break;
	case SMTP_UNKNOWN:
	case SMTP_DATA:
	case SMTP_NOOP:
	case SMTP_QUIT:
	case SMTP_VRFY:
	case SMTP_EXPN:
	case SMTP_HELP:
	case SMTP_AUTH:
	case SMTP_STARTTLS:
	case SMTP_BDAT:
	case SMTP_REFUSED:
	case SMTP_VERB_COUNT:
		break;
	}
}

/* ---- answers of ours ---- */

static const char *const away_texts[SMTP_VERB_COUNT] = {
	[SMTP_MAIL] = "250 2.1.0 Ok",
	[SMTP_RSET] = "250 2.0.0 Ok",
	[SMTP_NOOP] = "250 2.0.0 Ok",
	[SMTP_QUIT] = "221 2.0.0 Bye",
	/* all others: NULL, and then */
};
#define AWAY_TEXT "451 4.4.1 The mail server is not available; please try again later"

static const char *const retired_texts[SMTP_VERB_COUNT] = {
	[SMTP_RCPT] = "501 5.1.3 RCPT TO:<address> is wanted",
	[SMTP_VRFY] = "252 2.5.0 Send a message, and see",
};
#define RETIRED_TEXT "502 5.5.1 This command is not available here"

static const char *away_text(const struct smtp_front *f, enum smtp_verb verb)
{
	const char *retired = retired_texts[verb];

	if (away_texts[verb])
		return away_texts[verb];
	if (!f->offer->retired)
		return AWAY_TEXT;
	return retired ? retired : RETIRED_TEXT;
}

static void say_name(struct smtp_front *f, struct buf *to, const char *code)
{
	if (buf_printf(to, "%s %.*s ESMTP\r\n", code, STR_ARG(f->offer->name)) < 0)
		front_close(f);
}

/* No TLS without the source, and no login once it is gone for good. */
static void say_ehlo(struct smtp_front *f, struct buf *to, struct str reply)
{
	unsigned keep = 0;

	if (f->offer->starttls && f->source == SMTP_SOURCE_UP)
		keep |= SMTP_KEEP_STARTTLS;
	if (!f->offer->retired)
		keep |= SMTP_KEEP_AUTH;
	if (f->offer->dsn)
		keep |= SMTP_KEEP_DSN;
	if (smtp_ehlo_filter(reply, keep, to) < 0)
		front_close(f);
}

/* In the source's place. */
static void answer_away(
	struct smtp_front *f, const struct smtp_slot *slot, struct buf *to_client)
{
	struct smtp_path path;

	if (slot->verb == SMTP_EHLO && f->offer->ehlo.len) {
		say_ehlo(f, to_client, f->offer->ehlo);
		f->pipelining = true; /* no RTT to wait for: we are the other end */
	} else if (slot->verb == SMTP_EHLO || slot->verb == SMTP_HELO) {
		say_name(f, to_client, "250");
	} else if (slot->verb == SMTP_MAIL && f->mail) {
		say_line(f, to_client, "503 5.5.1 There is a sender already");
		return;
	} else if (slot->verb == SMTP_MAIL &&
		   !smtp_path_parse(slot->args, STR_LIT("FROM"), &path)) {
		say_line(f, to_client, "501 5.5.4 MAIL FROM:<address> is wanted");
		return;
	} else {
		say_line(f, to_client, away_text(f, slot->verb));
	}
	if (slot->verb != SMTP_RCPT)
		accepted(f, slot);
	if (slot->verb == SMTP_QUIT)
		front_close(f);
}

static bool has_account(const struct smtp_front *f, struct str account)
{
	for (const struct smtp_recipient *r = f->recipients; r; r = r->next)
		if (str_eq(r->account, account))
			return true;
	return false;
}

static const char *local_recipient(struct smtp_front *f, struct smtp_recipient *r)
{
	if (f->n_local >= SMTP_RECIPIENTS_MAX)
		return "452 4.5.3 Too many recipients";
	if (f->offer->size_max && smtp_param_size(f->mail_params) > f->offer->size_max)
		return "552 5.3.4 The message is too big";
	f->n_local++;
	if (!has_account(f, r->account)) {
		*f->last = r;
		f->last = &r->next;
	}
	return "250 2.1.5 Ok";
}

static bool waits_for_source(const struct smtp_front *f)
{
	const struct smtp_slot *slot = &f->slots[f->first_slot];

	return f->source == SMTP_SOURCE_UP &&
	       (slot->kind == SMTP_SLOT_SOURCE || slot->kind == SMTP_SLOT_PROBE);
}

/* All answers at the front of the queue that need nobody else. */
static void drain(struct smtp_front *f, struct buf *to_client)
{
	while (f->n_slots && !waits_for_source(f)) {
		struct smtp_slot slot = pop(f);

		if (slot.verb == SMTP_RCPT && !f->mail)
			say_line(f, to_client, "503 5.5.1 There is no sender yet");
		else if (slot.kind == SMTP_SLOT_SOURCE)
			answer_away(f, &slot, to_client);
		else if (slot.kind == SMTP_SLOT_OWN)
			say_line(f, to_client, slot.text);
		else
			say_line(f, to_client, local_recipient(f, slot.recipient));
	}
}

/* ---- replies of the source ---- */

static void relay_reply(struct smtp_front *f, const struct smtp_slot *slot,
	struct str bytes, struct buf *to)
{
	if (slot->verb == SMTP_EHLO && bytes.ptr[0] == '2')
		say_ehlo(f, to, bytes);
	else
		front_say(f, to, bytes);
}

/* Its recipient is ours: only a refusal of the client or the sender is the source's. */
static void probe_reply(struct smtp_front *f, const struct smtp_slot *slot,
	const struct smtp_reply *reply, struct buf *to_client)
{
	if (reply->code / 100 == 2)
		f->n_probed++;
	else if (!smtp_reply_is_policy(reply))
		f->probes_refused++;
	if (smtp_reply_is_policy(reply))
		front_say(f, to_client, reply->bytes);
	else
		say_line(f, to_client, local_recipient(f, slot->recipient));
}

static enum smtp_front_action slot_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	struct smtp_slot slot = pop(f);
	struct str args;

	if (slot.kind == SMTP_SLOT_PROBE) {
		probe_reply(f, &slot, reply, io->to_client);
		return SMTP_FRONT_AGAIN;
	}
	relay_reply(f, &slot, reply->bytes, io->to_client);
	if (slot.verb == SMTP_EHLO || slot.verb == SMTP_HELO)
		f->pipelining = smtp_ehlo_has(reply->bytes, STR_LIT("PIPELINING"), &args);
	if (reply->code / 100 == 2)
		accepted(f, &slot);
	if (slot.verb == SMTP_QUIT)
		front_close(f);
	if (slot.verb != SMTP_RCPT || !slot.recipient->address.len)
		return SMTP_FRONT_AGAIN;
	f->recipient = slot.recipient;
	f->code = reply->code;
	return SMTP_FRONT_AT_SOURCE;
}

static enum smtp_front_action tls_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	front_say(f, io->to_client, reply->bytes);
	f->state = SMTP_FRONT_IN_COMMAND;
	if (reply->code != 220)
		return SMTP_FRONT_AGAIN;
	f->state = SMTP_FRONT_BLIND;
	return SMTP_FRONT_UPGRADE;
}

static enum smtp_front_action unasked(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	if (f->state == SMTP_FRONT_IN_DATA && f->to_source_too) {
		front_data_interrupted(f, reply);
	} else if (reply->code == 421 && f->state == SMTP_FRONT_IN_COMMAND) {
		front_say(f, io->to_client, reply->bytes); /* a time-out: his too */
		front_close(f);
	} else {
		f->owed |= OWED_DROP;
		smtp_front_source_lost(f);
	}
	return SMTP_FRONT_AGAIN;
}

static enum smtp_front_action state_reply(
	struct smtp_front *f, const struct smtp_reply *reply, struct smtp_front_io *io)
{
	switch ((int)f->state) { /* the others ask nothing */
	case SMTP_FRONT_IN_GREETING:
		front_say(f, io->to_client, reply->bytes);
		f->state = SMTP_FRONT_IN_COMMAND;
		return SMTP_FRONT_AGAIN;
	case SMTP_FRONT_IN_AUTH_REPLY:
		return front_auth_reply(f, reply, io);
	case SMTP_FRONT_IN_TLS_REPLY:
		return tls_reply(f, reply, io);
	case SMTP_FRONT_IN_REPEATING:
		return front_repeat_reply(f, reply);
	case SMTP_FRONT_IN_DATA_REPLY:
		return front_data_reply(f, reply, io);
	case SMTP_FRONT_IN_FINAL_REPLY:
		return front_final_reply(f, reply, io);
	default:
		return unasked(f, reply, io);
	}
}

static enum smtp_front_action source_step(struct smtp_front *f, struct smtp_front_io *io)
{
	enum smtp_front_action action;
	struct smtp_reply reply;

	switch (smtp_reply_next(io->source, &reply, &io->source_used)) {
	case SMTP_REPLY_NEED_MORE:
		return SMTP_FRONT_NEED_MORE;
	case SMTP_REPLY_BROKEN:
		f->owed |= OWED_DROP;
		smtp_front_source_lost(f);
		return SMTP_FRONT_AGAIN;
	case SMTP_REPLY_COMPLETE:
		break;
	}
	if (f->n_swallow) {
		f->n_swallow--;
		return SMTP_FRONT_AGAIN; /* 421: its connection ends, and we see that */
	}
	action = f->n_slots ? slot_reply(f, &reply, io) : state_reply(f, &reply, io);
	/* it says that it closes (RFC 5321, 4.2.1), and the client has been told */
	if (reply.code == 421 && f->state == SMTP_FRONT_IN_COMMAND)
		front_close(f);
	return action;
}

/* ---- the machine ---- */

static void write_owed(struct smtp_front *f, struct smtp_front_io *io)
{
	unsigned owed = f->owed;

	f->owed &= ~(unsigned)(OWED_GREETING | OWED_LINE | OWED_RSET | OWED_DATA |
			       OWED_DOT | OWED_HELD);
	if (owed & OWED_GREETING) {
		if (f->offer->greeting.len)
			front_say(f, io->to_client, f->offer->greeting);
		else
			say_name(f, io->to_client, "220");
	}
	if (owed & OWED_HELD)
		front_say(f, io->to_client, buf_view(&f->held));
	if (f->source == SMTP_SOURCE_AWAY)
		return;
	if (owed & OWED_LINE)
		front_relay_line(f, f->line, io->to_source);
	if (owed & OWED_RSET) {
		say_line(f, io->to_source, "RSET");
		f->n_swallow++;
	}
	if (owed & OWED_DATA)
		say_line(f, io->to_source, "DATA");
	if (owed & OWED_DOT)
		say_line(f, io->to_source, ".");
}

static enum smtp_front_action owed_action(struct smtp_front *f)
{
	static const struct {
		enum owed owed;
		enum smtp_front_action action;
	} rows[] = {
		{ OWED_ABORT, SMTP_FRONT_ABORT },
		{ OWED_DROP, SMTP_FRONT_DROP_SOURCE },
		{ OWED_COMMIT, SMTP_FRONT_COMMIT },
		{ OWED_CLOSE, SMTP_FRONT_CLOSE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(f->owed & rows[i].owed))
			continue;
		f->owed &= ~(unsigned)rows[i].owed;
		return rows[i].action;
	}
	return SMTP_FRONT_NEED_MORE;
}

static enum smtp_front_action client_step(struct smtp_front *f, struct smtp_front_io *io)
{
	switch ((int)f->state) { /* the others wait for somebody else */
	case SMTP_FRONT_IN_COMMAND:
		return front_command(f, io);
	case SMTP_FRONT_IN_AUTH_LINE:
		return front_auth_line(f, io);
	case SMTP_FRONT_IN_DATA:
		return front_data_bytes(f, io);
	case SMTP_FRONT_IN_SWALLOW:
		return front_swallow(f, io);
	case SMTP_FRONT_IN_SKIP_LINE:
		return front_skip_line(f, io);
	case SMTP_FRONT_IN_SKIP_BYTES:
		return front_skip_bytes(f, io);
	case SMTP_FRONT_CLOSED:
		return SMTP_FRONT_CLOSE;
	default:
		return SMTP_FRONT_NEED_MORE;
	}
}

enum smtp_front_action smtp_front_next(struct smtp_front *f, struct smtp_front_io *io)
{
	enum smtp_front_action action;

	io->client_used = io->source_used = 0;
	write_owed(f, io);
	drain(f, io->to_client);
	action = owed_action(f);
	if (action == SMTP_FRONT_NEED_MORE && io->source.len &&
		f->source == SMTP_SOURCE_UP && f->state < SMTP_FRONT_BLIND)
		action = source_step(f, io);
	if (action == SMTP_FRONT_NEED_MORE)
		action = client_step(f, io);
	return action;
}
