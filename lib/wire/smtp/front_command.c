/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP front: commands of the client, and where a recipient lives. */
#include "wire/smtp/front_parts.h"

#include "wire/line.h"

#define BAD_MAX 20 /* refused by us; who goes on after that many is no mail server */

struct command {
	struct str line, args;
	enum smtp_verb verb;
};

typedef enum smtp_front_action handler(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io);

void front_relay_line(struct smtp_front *f, struct str line, struct buf *to_source)
{
	front_say(f, to_source, line);
	front_say(f, to_source, STR_LIT("\r\n"));
}

static enum smtp_front_action refuse(struct smtp_front *f, const char *text)
{
	if (++f->bad < BAD_MAX) {
		front_answer(f, text);
		return SMTP_FRONT_AGAIN;
	}
	front_answer(f, "421 4.7.0 Too many errors");
	front_close(f);
	return SMTP_FRONT_AGAIN;
}

/* To the source, which answers; in its absence the slot is answered by us. */
static enum smtp_front_action relay(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	struct smtp_slot *slot = front_push(f);

	slot->verb = c->verb;
	if (f->source == SMTP_SOURCE_UP)
		front_relay_line(f, c->line, io->to_source);
	return SMTP_FRONT_AGAIN;
}

/* The same for commands whose arguments we keep. */
static enum smtp_front_action relay_and_keep(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	struct smtp_slot *slot;
	struct str line;

	if (!front_keep(f, c->line, &line)) {
		front_answer(f, "452 4.3.1 Too much in one transaction");
		return SMTP_FRONT_AGAIN;
	}
	slot = front_push(f);
	slot->verb = c->verb;
	slot->line = line;
	slot->args = str_of(line.ptr + (c->args.ptr - c->line.ptr), c->args.len);
	if (f->source == SMTP_SOURCE_UP)
		front_relay_line(f, c->line, io->to_source);
	return SMTP_FRONT_AGAIN;
}

static enum smtp_front_action cmd_quit(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	f->state = SMTP_FRONT_IN_QUIT;
	return relay(f, c, io);
}

static struct smtp_recipient *keep_recipient(
	struct smtp_front *f, struct str line, const struct smtp_path *path)
{
	struct smtp_recipient *r = NULL;

	if (f->arena.used <= SMTP_TRANSACTION_MAX)
		r = arena_alloc(&f->arena, sizeof(*r));
	if (!r || !front_keep(f, path->address, &r->address) ||
		!front_keep(f, path->params, &r->params) ||
		!front_keep(f, line, &r->line))
		return NULL;
	f->line = r->line;
	return r;
}

/* What cannot be read as an address is the source's to judge. */
static enum smtp_front_action cmd_rcpt(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	struct smtp_path path = { .address = STR(""), .params = STR("") };
	bool is_path = smtp_path_parse(c->args, STR_LIT("TO"), &path);

	(void)io;
	f->recipient = keep_recipient(f, c->line, &path);
	if (!f->recipient) {
		front_answer(f, "452 4.5.3 Too many recipients");
		return SMTP_FRONT_AGAIN;
	}
	f->state = SMTP_FRONT_IN_ROUTING;
	if (is_path)
		return SMTP_FRONT_ROUTE;
	smtp_front_routed(f, SMTP_ROUTE_SOURCE, STR_LIT(""));
	return SMTP_FRONT_AGAIN;
}

static struct smtp_slot *recipient_slot(struct smtp_front *f)
{
	struct smtp_slot *slot = front_push(f);

	slot->verb = SMTP_RCPT;
	slot->kind = SMTP_SLOT_OWN;
	return slot;
}

static void local_route(struct smtp_front *f, struct smtp_slot *slot, struct str account)
{
	if (!front_keep(f, account, &slot->recipient->account)) {
		slot->text = "452 4.5.3 Too many recipients";
		return;
	}
	slot->kind = SMTP_SLOT_LOCAL;
	if (!f->offer->policy || f->source == SMTP_SOURCE_AWAY ||
		f->probes_refused >= SMTP_PROBES_REFUSED_MAX)
		return;
	slot->kind = SMTP_SLOT_PROBE;
	f->n_probing++;
	f->owed |= OWED_LINE;
}

void smtp_front_routed(struct smtp_front *f, enum smtp_route route, struct str account)
{
	struct smtp_slot *slot;

	if (f->state != SMTP_FRONT_IN_ROUTING)
		return;
	f->state = SMTP_FRONT_IN_COMMAND;
	slot = recipient_slot(f);
	/* ours; const only for the caller */
	slot->recipient = (struct smtp_recipient *)(uintptr_t)f->recipient;
	switch (route) {
	case SMTP_ROUTE_SOURCE:
		slot->kind = SMTP_SLOT_SOURCE;
		f->owed |= OWED_LINE;
		return;
	case SMTP_ROUTE_LOCAL:
		local_route(f, slot, account);
		return;
	case SMTP_ROUTE_BUSY:
		slot->text = "450 4.2.1 This mailbox is being moved; please try again "
			     "in a moment";
		return;
	case SMTP_ROUTE_UNKNOWN:
		slot->text = "550 5.1.1 There is no such mailbox here";
		return;
	case SMTP_ROUTE_ELSEWHERE:
		slot->text = "550 5.7.1 Mail for other domains is not relayed";
		return;
	case SMTP_ROUTE_LATER:
		break;
	}
	slot->text = "451 4.3.0 Please try again later";
}

static enum smtp_front_action cmd_data(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	(void)io;
	return front_data_begin(f, c->args);
}

static enum smtp_front_action cmd_auth(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	return front_auth_begin(f, c->line, c->args, io);
}

static enum smtp_front_action cmd_starttls(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	if (!f->offer->starttls)
		return refuse(f, "502 5.5.1 TLS is not available here");
	if (f->source == SMTP_SOURCE_AWAY) {
		front_answer(f, "454 4.7.0 TLS is not available now");
		return SMTP_FRONT_AGAIN;
	}
	front_relay_line(f, c->line, io->to_source);
	f->state = SMTP_FRONT_IN_TLS_REPLY;
	return SMTP_FRONT_AGAIN;
}

/* The chunk is on its way, whatever we say (RFC 3030, 4.2). */
static enum smtp_front_action cmd_bdat(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	(void)io;
	if (!smtp_bdat_size(c->args, &f->skip)) {
		front_answer(f, "421 5.5.4 BDAT without a size");
		front_close(f);
		return SMTP_FRONT_AGAIN;
	}
	if (f->skip)
		f->state = SMTP_FRONT_IN_SKIP_BYTES;
	return refuse(f, "502 5.5.1 BDAT is not available here");
}

static enum smtp_front_action cmd_refused(
	struct smtp_front *f, const struct command *c, struct smtp_front_io *io)
{
	(void)c;
	(void)io;
	return refuse(f, "502 5.5.1 This command is not available here");
}

static const struct verb_row {
	handler *run;
	bool in_line; /* another command may be on its way before it and behind it */
} verb_rows[SMTP_VERB_COUNT] = {
	[SMTP_UNKNOWN] = { relay, false },
	[SMTP_EHLO] = { relay_and_keep, false },
	[SMTP_HELO] = { relay_and_keep, false },
	[SMTP_MAIL] = { relay_and_keep, true },
	[SMTP_RCPT] = { cmd_rcpt, true },
	[SMTP_DATA] = { cmd_data, false },
	[SMTP_RSET] = { relay, true },
	[SMTP_NOOP] = { relay, true },
	[SMTP_QUIT] = { cmd_quit, false },
	[SMTP_VRFY] = { relay, false },
	[SMTP_EXPN] = { relay, false },
	[SMTP_HELP] = { relay, false },
	[SMTP_AUTH] = { cmd_auth, false },
	[SMTP_STARTTLS] = { cmd_starttls, false },
	[SMTP_BDAT] = { cmd_bdat, false },
	[SMTP_REFUSED] = { cmd_refused, false },
};

/* What it means may depend on answers that are not there yet (RFC 2920, 3.1), and a
   source that does not pipeline gets one command at a time. */
static bool may_run(const struct smtp_front *f, enum smtp_verb verb)
{
	const struct smtp_slot *last =
		&f->slots[(f->first_slot + f->n_slots + SMTP_SLOTS_MAX - 1) %
			  SMTP_SLOTS_MAX];

	if ((f->n_swallow && !f->pipelining) || f->n_probing >= SMTP_PROBES_MAX)
		return false;
	if (!f->n_slots)
		return true;
	return f->pipelining && f->n_slots < SMTP_SLOTS_MAX && verb_rows[verb].in_line &&
	       verb_rows[last->verb].in_line;
}

static enum smtp_front_action too_long(struct smtp_front *f)
{
	f->state = SMTP_FRONT_IN_SKIP_LINE;
	return refuse(f, "500 5.5.2 Line too long");
}

enum smtp_front_action front_command(struct smtp_front *f, struct smtp_front_io *io)
{
	bool auth = str_istarts(io->client, STR_LIT("AUTH "));
	struct smtp_command parsed;
	struct command c;
	size_t used;

	switch (line_next(io->client, auth ? SMTP_AUTH_LINE_MAX : SMTP_COMMAND_MAX,
		&c.line, &used)) {
	case LINE_NEED_MORE:
		return SMTP_FRONT_NEED_MORE;
	case LINE_TOO_LONG:
		return f->n_slots ? SMTP_FRONT_NEED_MORE : too_long(f);
	case LINE_COMPLETE:
		break;
	}
	if (!f->mail && !f->n_slots)
		front_forget_transaction(f); /* what one that never began left */
	parsed = smtp_command(c.line);
	c.verb = parsed.verb;
	c.args = parsed.args;
	if (!may_run(f, c.verb))
		return SMTP_FRONT_NEED_MORE;
	io->client_used = used;
	if (smtp_line_is_unsafe(c.line))
		return refuse(f, "500 5.5.2 Invalid character in a command");
	return verb_rows[c.verb].run(f, &c, io);
}

enum smtp_front_action front_skip_line(struct smtp_front *f, struct smtp_front_io *io)
{
	size_t newline = str_index(io->client, '\n');

	if (newline < io->client.len) {
		io->client_used = newline + 1;
		f->state = SMTP_FRONT_IN_COMMAND;
		return SMTP_FRONT_AGAIN;
	}
	io->client_used = io->client.len;
	return io->client_used ? SMTP_FRONT_AGAIN : SMTP_FRONT_NEED_MORE;
}

enum smtp_front_action front_skip_bytes(struct smtp_front *f, struct smtp_front_io *io)
{
	size_t n = io->client.len < f->skip ? io->client.len : (size_t)f->skip;

	io->client_used = n;
	f->skip -= n;
	if (!f->skip)
		f->state = SMTP_FRONT_IN_COMMAND;
	return n ? SMTP_FRONT_AGAIN : SMTP_FRONT_NEED_MORE;
}
