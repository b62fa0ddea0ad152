/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP proxy: commands of the client, and where a recipient lives. */
#include "wire/smtp/proxy_parts.h"

#include "wire/line.h"
#include "wire/smtp/dsn.h"

#define TOO_MUCH_TEXT "452 4.3.1 Too much in one transaction"
#define ERRORS_MAX 20 /* refused by us; no mail server goes on after that many */

struct command {
	struct str line, args;
	enum smtp_verb verb;
	bool has_more; /* behind it, for whose answer the client has not waited */
};

typedef enum smtp_proxy_action handler(struct smtp_proxy *p, const struct command *c);

static enum smtp_proxy_action refuse(struct smtp_proxy *p, const char *text)
{
	if (++p->n_errors < ERRORS_MAX) {
		proxy_answer(p, text);
		return SMTP_PROXY_AGAIN;
	}
	proxy_answer(p, "421 4.7.0 Too many errors");
	proxy_close(p);
	return SMTP_PROXY_AGAIN;
}

/* To the source, which answers; in its absence the slot is answered by us. */
static enum smtp_proxy_action relay(struct smtp_proxy *p, const struct command *c)
{
	struct smtp_slot *slot = proxy_push(p);

	slot->verb = c->verb;
	proxy_tell_source(p, c->line);
	return SMTP_PROXY_AGAIN;
}

/* The same for commands whose arguments we keep. */
static enum smtp_proxy_action relay_and_keep(
	struct smtp_proxy *p, const struct command *c)
{
	struct smtp_slot *slot;
	struct str line;

	if (!proxy_keep(&p->transaction, c->line, &line)) {
		proxy_answer(p, TOO_MUCH_TEXT);
		return SMTP_PROXY_AGAIN;
	}
	slot = proxy_push(p);
	slot->verb = c->verb;
	slot->line = line;
	slot->args = str_of(line.ptr + (c->args.ptr - c->line.ptr), c->args.len);
	if (proxy_is_lmtp(p) && (c->verb == SMTP_EHLO || c->verb == SMTP_HELO))
		proxy_tell_hello(p, c->args);
	else if (c->verb == SMTP_MAIL)
		proxy_tell_envelope(p, c->line);
	else
		proxy_tell_source(p, c->line);
	return SMTP_PROXY_AGAIN;
}

bool proxy_is_sources_alone(const struct smtp_proxy *p)
{
	return p->offer->nobody_here && proxy_has_source(p) &&
	       p->relay == SMTP_RELAY_NONE && !p->transaction.n_accepted;
}

static enum smtp_proxy_action cmd_refused(struct smtp_proxy *p, const struct command *c)
{
	(void)c;
	return refuse(p, "502 5.5.1 This command is not available here");
}

/* The source's words for it, which are a refusal nearly everywhere. */
static enum smtp_proxy_action relay_to_fail(struct smtp_proxy *p, const struct command *c)
{
	struct smtp_slot *slot = proxy_push(p);

	slot->verb = c->verb;
	slot->must_fail = true;
	proxy_tell_source(p, c->line);
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action cmd_to_be_refused(
	struct smtp_proxy *p, const struct command *c)
{
	return proxy_is_sources_alone(p) ? relay_to_fail(p, c) : cmd_refused(p, c);
}

static enum smtp_proxy_action cmd_followed(struct smtp_proxy *p, const struct command *c)
{
	return proxy_is_sources_alone(p) && !p->offer->from_us ? relay(p, c)
	                                                       : cmd_refused(p, c);
}

/* Without the source it is answered as all others are. */
static enum smtp_proxy_action cmd_unknown(struct smtp_proxy *p, const struct command *c)
{
	if ((proxy_is_sources_alone(p) && !p->offer->from_us) || !proxy_has_source(p))
		return relay(p, c);
	return refuse(p, "500 5.5.2 Command not recognized");
}

#define PARAMETER_TEXT "555 5.5.4 A parameter of this command is not available here"
#define DSN_TEXT "501 5.5.4 A parameter of DSN is not as RFC 3461 has it"

/* Only the caller knows whether its sender is known. */
static enum smtp_proxy_action recall_sender(struct smtp_proxy *p, const struct command *c)
{
	struct smtp_path path = { 0 };
	struct str line;

	if (!proxy_keep(&p->transaction, c->line, &line)) {
		proxy_answer(p, TOO_MUCH_TEXT);
		return SMTP_PROXY_AGAIN;
	}
	p->held_mail = (struct smtp_slot){ .verb = SMTP_MAIL,
		.line = line,
		.args = str_of(line.ptr + (c->args.ptr - c->line.ptr), c->args.len) };
	(void)smtp_path_parse(p->held_mail.args, STR_LIT("FROM"), &path);
	p->sender = path.address;
	p->state = SMTP_PROXY_RECALLING;
	return SMTP_PROXY_KNOWN_SENDER;
}

static enum smtp_proxy_action cmd_mail(struct smtp_proxy *p, const struct command *c)
{
	struct smtp_path path = { 0 };
	bool is_path = smtp_path_parse(c->args, STR_LIT("FROM"), &path);
	struct str envid;

	if (p->client.must_greet)
		return refuse(p, "503 5.5.1 Send EHLO first");
	if (!proxy_is_sources_alone(p) && !smtp_params_are_spoken(path.params))
		return refuse(p, PARAMETER_TEXT);
	if (!proxy_is_sources_alone(p) && p->client.offered_dsn &&
		!dsn_mail_parse(path.params, &envid))
		return refuse(p, DSN_TEXT);
	if (proxy_is_untold(p))
		return refuse(p, "503 5.5.1 There is a sender already");
	/* the source is to see who does not wait */
	if (!is_path || (c->has_more && !p->pipeline.is_offered) ||
		!proxy_may_hold_mail(p, path.params))
		return relay_and_keep(p, c);
	return recall_sender(p, c);
}

static enum smtp_proxy_action cmd_rset(struct smtp_proxy *p, const struct command *c)
{
	if (!proxy_reset_is_ours(p))
		return relay(p, c);
	proxy_forget_transaction(p);
	proxy_answer(p, "250 2.0.0 Ok");
	return SMTP_PROXY_AGAIN;
}

static enum smtp_proxy_action cmd_quit(struct smtp_proxy *p, const struct command *c)
{
	p->state = SMTP_PROXY_QUIT;
	return relay(p, c);
}

/* What cannot be read as a path is routed by all its bytes: it may name somebody. <> is
   nobody's address, which the source says best. */
static enum smtp_proxy_action cmd_rcpt(struct smtp_proxy *p, const struct command *c)
{
	struct smtp_path path = { .address = c->args, .params = STR("") };
	bool is_empty =
		smtp_path_parse(c->args, STR_LIT("TO"), &path) && !path.address.len;

	if (!proxy_is_sources_alone(p) && !smtp_params_are_spoken(path.params))
		return refuse(p, PARAMETER_TEXT);
	p->routing = proxy_keep_recipient(&p->transaction, c->line, &path);
	if (!p->routing) {
		proxy_answer(p, "452 4.5.3 Too many recipients");
		return SMTP_PROXY_AGAIN;
	}
	p->state = SMTP_PROXY_ROUTING;
	if (!is_empty)
		return SMTP_PROXY_ROUTE;
	smtp_proxy_routed(p, SMTP_ROUTE_SOURCE, STR_LIT(""));
	return SMTP_PROXY_AGAIN;
}

/* Its answer comes from the source, from us, or from us when the source agrees. */
static enum smtp_slot_kind local_kind(const struct smtp_proxy *p, bool is_known)
{
	if (!p->offer->policy || !proxy_has_source(p) || p->relay != SMTP_RELAY_NONE ||
		proxy_is_refused(p) || p->probes_refused >= SMTP_PROBES_REFUSED_MAX)
		return SMTP_SLOT_LOCAL;
	return is_known && smtp_proxy_may_recall(p) ? SMTP_SLOT_LOCAL : SMTP_SLOT_PROBE;
}

static enum smtp_slot_kind kind_of(const struct smtp_proxy *p, enum smtp_route route)
{
	if (route == SMTP_ROUTE_LOCAL || route == SMTP_ROUTE_LOCAL_KNOWN)
		return local_kind(p, route == SMTP_ROUTE_LOCAL_KNOWN);
	if (route == SMTP_ROUTE_SOURCE && !proxy_is_refused(p))
		return SMTP_SLOT_SOURCE;
	return SMTP_SLOT_OWN;
}

/* The answers of those that get no further. */
static const char *const route_texts[SMTP_ROUTE_COUNT] = {
	[SMTP_ROUTE_BUSY] = "450 4.2.1 This mailbox is being moved; please try again "
			    "in a moment",
	[SMTP_ROUTE_LATER] = "451 4.3.0 Please try again later",
	[SMTP_ROUTE_UNKNOWN] = "550 5.1.1 There is no such mailbox here",
	[SMTP_ROUTE_ELSEWHERE] = "550 5.7.1 Mail for other domains is not relayed",
	[SMTP_ROUTE_UNREADABLE] = "553 5.1.3 This form of an address is not understood; "
				  "user@domain is wanted",
};

/* text: of one that gets no further. */
static void push_recipient(struct smtp_proxy *p, enum smtp_route route, const char *text)
{
	enum smtp_slot_kind kind = kind_of(p, route);
	bool is_told = kind == SMTP_SLOT_SOURCE || kind == SMTP_SLOT_PROBE;
	bool waits;

	if (is_told)
		proxy_tell_held_mail(p);
	waits = proxy_tells_late(p) && !p->pipeline.is_offered;
	*proxy_push(p) = (struct smtp_slot){
		.verb = SMTP_RCPT, .kind = kind, .text = text, .recipient = p->routing
	};
	if (is_told && !waits)
		proxy_tell_envelope(p, p->routing->line);
	p->pipeline.n_probing += kind == SMTP_SLOT_PROBE;
}

/* One of the source's own: what it has accepted so far must not get the message, and
   behind RSET nothing of its own is said twice. Its answers decide whether that is so. A
   client that does not wait for them is not held back. Once in a transaction: the source
   counts RSETs. */
static bool starts_over(const struct smtp_proxy *p, enum smtp_route route)
{
	return kind_of(p, route) == SMTP_SLOT_SOURCE && proxy_is_only_asked(p) &&
	       !p->transaction.has_started_over &&
	       (p->pipeline.is_offered || !p->pipeline.n);
}

enum smtp_proxy_action proxy_start_over(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	(void)io;
	if (p->pipeline.n || (p->pipeline.n_hidden && !p->pipeline.is_offered))
		return SMTP_PROXY_NEED_MORE;
	if (proxy_is_only_asked(p)) {
		proxy_take_back(p);
		return SMTP_PROXY_AGAIN;
	}
	p->state = SMTP_PROXY_COMMAND;
	push_recipient(p, SMTP_ROUTE_SOURCE, NULL);
	return SMTP_PROXY_AGAIN;
}

/* A smart host may accept all that are on their way. */
static bool has_enough_to_report(const struct smtp_proxy *p)
{
	return proxy_relay_is_silent(p) && proxy_is_to_be_reported(p, p->routing) &&
	       p->transaction.n_reported + p->pipeline.n >= SMTP_REPORTED_MAX;
}

void smtp_proxy_routed(struct smtp_proxy *p, enum smtp_route route, struct str text)
{
	bool is_local = route == SMTP_ROUTE_LOCAL || route == SMTP_ROUTE_LOCAL_KNOWN;
	bool is_refused = route == SMTP_ROUTE_REFUSED;
	struct str kept = STR_LIT("");
	struct dsn_rcpt asked;

	if (p->state != SMTP_PROXY_ROUTING)
		return;
	p->state = SMTP_PROXY_COMMAND;
	if (is_local && p->client.offered_more && proxy_has_source(p)) {
		proxy_answer(p, "421 4.3.2 This server offers something else by now; "
				"please connect again");
		p->state = SMTP_PROXY_LEAVING;
	} else if (is_local && p->client.offered_dsn &&
		   !dsn_rcpt_parse(p->routing->params, &asked)) {
		proxy_answer(p, DSN_TEXT);
	} else if (has_enough_to_report(p)) {
		proxy_answer(p, "452 4.5.3 Too many recipients");
	} else if (is_local && proxy_is_in_chunks(p)) {
		proxy_answer(p, "503 5.5.1 There can be no recipient behind BDAT");
	} else if ((is_local || is_refused) &&
		   !proxy_keep(&p->transaction, text, &kept)) {
		proxy_answer(p, "452 4.5.3 Too many recipients");
	} else if (starts_over(p, route)) {
		p->state = SMTP_PROXY_STARTING_OVER;
	} else {
		p->routing->account = is_local ? kept : STR_LIT("");
		push_recipient(p, route, is_refused ? kept.ptr : route_texts[route]);
	}
}

static enum smtp_proxy_action cmd_data(struct smtp_proxy *p, const struct command *c)
{
	return proxy_data_begin(p, c->args);
}

static enum smtp_proxy_action cmd_auth(struct smtp_proxy *p, const struct command *c)
{
	return proxy_auth_begin(p, c->args);
}

static enum smtp_proxy_action cmd_starttls(struct smtp_proxy *p, const struct command *c)
{
	if (proxy_tls(p) == SMTP_TLS_NONE)
		return refuse(p, "502 5.5.1 TLS is not available here");
	return proxy_starttls(p, c->line);
}

/* Where the size cannot be read nobody knows where the next command begins. */
static enum smtp_proxy_action cmd_bdat(struct smtp_proxy *p, const struct command *c)
{
	bool is_last = false;

	if (smtp_bdat_size(c->args, &p->chunk, &is_last))
		return proxy_chunk_begin(p, is_last);
	if (proxy_is_sources_alone(p))
		return relay_to_fail(p, c);
	proxy_answer(p, "421 5.5.4 BDAT without a size");
	proxy_close(p);
	return SMTP_PROXY_AGAIN;
}

enum verb_place {
	ALONE,   /* no other command may be on its way */
	EARLY,   /* the same, but it need not wait for the greeting */
	IN_LINE, /* others may be on their way before it and behind it */
};

static const struct verb_row {
	handler *run;
	enum verb_place place;
} verb_rows[SMTP_VERB_COUNT] = {
	[SMTP_UNKNOWN] = { cmd_unknown, EARLY },
	[SMTP_EHLO] = { relay_and_keep, EARLY },
	[SMTP_HELO] = { relay_and_keep, EARLY },
	[SMTP_MAIL] = { cmd_mail, IN_LINE },
	[SMTP_RCPT] = { cmd_rcpt, IN_LINE },
	[SMTP_DATA] = { cmd_data, ALONE },
	[SMTP_RSET] = { cmd_rset, IN_LINE },
	[SMTP_NOOP] = { relay, IN_LINE },
	[SMTP_QUIT] = { cmd_quit, EARLY },
	[SMTP_VRFY] = { relay, EARLY },
	[SMTP_EXPN] = { relay, EARLY },
	[SMTP_HELP] = { relay, EARLY },
	[SMTP_AUTH] = { cmd_auth, ALONE },
	[SMTP_STARTTLS] = { cmd_starttls, ALONE },
	[SMTP_BDAT] = { cmd_bdat, ALONE },
	[SMTP_NO_CHUNK] = { relay_to_fail, EARLY },
	[SMTP_XCLIENT] = { cmd_followed, ALONE },
	[SMTP_FOLLOWED] = { cmd_followed, ALONE },
	[SMTP_REFUSED] = { cmd_refused, ALONE },
	[SMTP_TO_BE_REFUSED] = { cmd_to_be_refused, ALONE },
};

static bool awaits_ehlo(const struct smtp_pipeline *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->slots[(l->first + i) % SMTP_SLOTS_MAX].verb == SMTP_EHLO)
			return true;
	return false;
}

/* The source is to see who does not wait for it: many refuse such clients. What EHLO
   offers decides what becomes of a recipient here (smtp_proxy_routed()). A MAIL that it
   hears of late is our own haste. */
static bool may_be_hasty(
	const struct smtp_proxy *p, enum smtp_verb last, enum smtp_verb verb)
{
	bool was_offered = p->pipeline.is_offered && !proxy_is_sources_alone(p);

	return !was_offered && proxy_has_source(p) && p->relay == SMTP_RELAY_NONE &&
	       p->pipeline.n < SMTP_SLOTS_MAX && !proxy_tells_late(p) &&
	       !p->transaction.is_untold &&
	       (verb != SMTP_RCPT || !awaits_ehlo(&p->pipeline)) &&
	       verb_rows[verb].place != ALONE &&
	       (verb_rows[last].place != ALONE || last == SMTP_GREETING);
}

/* What it means may depend on answers that are not there yet (RFC 2920, 3.1). A source
   that does not pipeline gets more than one command at a time from hasty clients alone,
   never of our own. */
static bool may_run(const struct smtp_proxy *p, enum smtp_verb verb)
{
	const struct smtp_pipeline *l = &p->pipeline;
	const struct smtp_slot *last =
		&l->slots[(l->first + l->n + SMTP_SLOTS_MAX - 1) % SMTP_SLOTS_MAX];

	if (proxy_awaits_relay(p) || p->renewal != SMTP_RENEWAL_NONE ||
		(l->n_hidden && !l->is_offered) || l->n_probing >= SMTP_PROBES_MAX)
		return false;
	if (!l->n)
		return true;
	if (may_be_hasty(p, last->verb, verb))
		return true;
	if (last->verb == SMTP_GREETING)
		return verb_rows[verb].place == EARLY;
	/* MAIL may come late, in a slot of its own */
	return l->is_offered && l->n + p->transaction.is_untold < SMTP_SLOTS_MAX &&
	       verb_rows[verb].place == IN_LINE && verb_rows[last->verb].place == IN_LINE;
}

static enum smtp_proxy_action too_long(struct smtp_proxy *p)
{
	if (p->state == SMTP_PROXY_BETWEEN_CHUNKS) {
		proxy_answer(p, "421 5.5.2 Line too long");
		proxy_close(p);
		return SMTP_PROXY_AGAIN;
	}
	p->state = SMTP_PROXY_SKIP_LINE;
	return refuse(p, "500 5.5.2 Line too long");
}

static void parse(const struct smtp_proxy *p, struct command *c)
{
	struct smtp_command parsed = smtp_command(c->line);
	bool has_no_chunk = parsed.verb == SMTP_BDAT && proxy_is_sources_alone(p) &&
	                    !p->source_has_chunking;

	c->verb = has_no_chunk ? SMTP_NO_CHUNK : parsed.verb;
	c->args = parsed.args;
}

/* The source hears of these, and they end the message there as well. */
static bool ends_chunks(enum smtp_verb verb)
{
	return verb == SMTP_RSET || verb == SMTP_QUIT;
}

static enum smtp_proxy_action between_chunks(struct smtp_proxy *p, enum smtp_verb verb)
{
	if (verb != SMTP_NOOP)
		return refuse(p, "503 5.5.1 Only BDAT, RSET, NOOP and QUIT may come "
				 "between two chunks");
	proxy_answer(p, "250 2.0.0 Ok");
	return SMTP_PROXY_AGAIN;
}

/* A server without AUTH does not know of its longer lines. */
static size_t line_max(const struct smtp_proxy *p, struct str input)
{
	bool knows_auth = p->source_has_auth || !proxy_has_source(p);

	return knows_auth && str_istarts(input, STR_LIT("AUTH ")) ? SMTP_AUTH_LINE_MAX
	                                                          : SMTP_COMMAND_MAX;
}

/* What a client says before AUTH, and what any server takes as one line. */
static bool is_greeting(const struct command *c)
{
	bool is_hello =
		c->verb == SMTP_EHLO || c->verb == SMTP_HELO || c->verb == SMTP_STARTTLS;

	return c->verb == SMTP_AUTH || (is_hello && c->line.len <= SMTP_WHOLE_LINE_MAX);
}

enum smtp_proxy_action proxy_command(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	struct command c;
	size_t used;

	switch (line_next(io->client, line_max(p, io->client), &c.line, &used)) {
	case LINE_NEED_MORE:
		return SMTP_PROXY_NEED_MORE;
	case LINE_TOO_LONG:
		return p->pipeline.n ? SMTP_PROXY_NEED_MORE : too_long(p);
	case LINE_COMPLETE:
		break;
	}
	if (!proxy_has_sender(&p->transaction) && !p->pipeline.n)
		proxy_forget_transaction(p); /* what one that never began left */
	parse(p, &c);
	c.has_more = used < io->client.len;
	if (p->state == SMTP_PROXY_BETWEEN_CHUNKS && ends_chunks(c.verb))
		proxy_leave_chunks(p);
	if (p->state == SMTP_PROXY_CLOSED)
		return SMTP_PROXY_AGAIN;
	if (c.verb == SMTP_MAIL && proxy_wants_renewal(p))
		p->renewal = SMTP_RENEWAL_DUE;
	if (!may_run(p, c.verb))
		return p->renewal == SMTP_RENEWAL_DUE ? SMTP_PROXY_AGAIN
		                                      : SMTP_PROXY_NEED_MORE;
	io->client_used = used;
	if (smtp_line_is_unsafe(c.line))
		return refuse(p, "500 5.5.2 Invalid character in a command");
	if (c.verb == SMTP_STARTTLS && proxy_tls(p) != SMTP_TLS_NONE &&
		used < io->client.len) {
		proxy_close(
			p); /* they were never meant to be inside TLS (CVE-2011-0411) */
		return SMTP_PROXY_AGAIN;
	}
	if (p->state == SMTP_PROXY_BETWEEN_CHUNKS && c.verb != SMTP_BDAT)
		return between_chunks(p, c.verb);
	if (!is_greeting(&c))
		p->source_was_told = true;
	return verb_rows[c.verb].run(p, &c);
}

enum smtp_proxy_action proxy_skip_line(struct smtp_proxy *p, struct smtp_proxy_io *io)
{
	size_t newline = str_index(io->client, '\n');

	if (newline < io->client.len) {
		io->client_used = newline + 1;
		p->state = SMTP_PROXY_COMMAND;
		return SMTP_PROXY_AGAIN;
	}
	io->client_used = io->client.len;
	return io->client_used ? SMTP_PROXY_AGAIN : SMTP_PROXY_NEED_MORE;
}
