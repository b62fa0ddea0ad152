/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/lmtp.h"

#include "wire/line.h"

#include <string.h>

#define ERRORS_MAX 20 /* commands that make no sense: the client is no mail server */

#define LATER_TEXT "451 4.3.0 Please try again later"
#define TOO_MUCH_TEXT "452 4.3.1 Too much in one transaction"
#define CROWD_TEXT "452 4.5.3 Too many recipients"
#define NO_RECIPIENT_TEXT "503 5.5.1 There is no recipient" /* RFC 2033, 4.2 */
#define TOO_BIG_TEXT "552 5.3.4 The message is too big"
#define BARE_DOT_TEXT                                                                    \
	"550 5.6.0 A line with a dot alone must end in CRLF, as the line before it"

static const char *const state_names[] = {
	[LMTP_GREETING] = "greeting",
	[LMTP_COMMAND] = "command",
	[LMTP_ROUTING] = "routing",
	[LMTP_DATA] = "data",
	[LMTP_DISCARD] = "discard",
	[LMTP_CHUNK] = "chunk",
	[LMTP_BETWEEN_CHUNKS] = "between chunks",
	[LMTP_SKIP_CHUNK] = "skipped chunk",
	[LMTP_SKIP_LINE] = "skipped line",
	[LMTP_ENDING] = "ending",
	[LMTP_CLOSED] = "closed",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == LMTP_STATE_COUNT,
	"a name for each state");

const char *lmtp_state_name(enum lmtp_state s)
{
	return (unsigned)s < LMTP_STATE_COUNT ? state_names[s] : "?";
}

/* ---- answers ---- */

/* A buffer that is full means a client that does not read: the end. */
static void say(struct lmtp *p, struct str text)
{
	if (buf_append(p->to_client, text) < 0 ||
		buf_append(p->to_client, STR_LIT("\r\n")) < 0)
		p->state = LMTP_CLOSED;
}

static enum lmtp_action answer(struct lmtp *p, const char *text)
{
	say(p, str_from(text));
	return LMTP_AGAIN;
}

static enum lmtp_action answer_and_close(struct lmtp *p, const char *text)
{
	say(p, str_from(text));
	p->state = LMTP_CLOSED;
	return LMTP_AGAIN;
}

/* A command that makes no sense. */
static enum lmtp_action refuse(struct lmtp *p, const char *text)
{
	if (++p->n_errors < ERRORS_MAX)
		return answer(p, text);
	return answer_and_close(p, "421 4.7.0 Too many errors");
}

/* ---- the transaction ---- */

static void forget(struct lmtp *p)
{
	arena_fini(&p->arena);
	arena_init(&p->arena);
	p->sender = (struct str){ 0 };
	p->recipient = NULL;
	p->accepted = NULL;
	p->last_accepted = &p->accepted;
	p->n_accepted = 0;
	p->deliveries = (struct smtp_recipient_list){ .last = &p->deliveries.first };
	p->answers = NULL;
	p->size = p->chunk = 0;
	p->refusal = NULL;
}

static bool keep(struct lmtp *p, struct str s, struct str *ret)
{
	if (p->arena.used > SMTP_TRANSACTION_MAX)
		return false;
	*ret = arena_str(&p->arena, s);
	return ret->ptr != NULL;
}

/* Each recipient has one, in the order of the RCPTs. */
static void answer_recipients(struct lmtp *p)
{
	for (const struct lmtp_accepted *a = p->accepted; a; a = a->next) {
		struct str text =
			p->refusal ? str_from(p->refusal) : p->answers[a->delivery];

		say(p, text.len ? text : STR_LIT("250 2.0.0 Ok"));
	}
}

static enum lmtp_action end_refused(struct lmtp *p)
{
	p->state = LMTP_COMMAND;
	answer_recipients(p);
	forget(p);
	return LMTP_AGAIN;
}

/* What nobody has answered in the end is not delivered. */
static bool expect_answers(struct lmtp *p)
{
	p->answers = arena_alloc(&p->arena, p->deliveries.n * sizeof(*p->answers));
	for (size_t i = 0; p->answers && i < p->deliveries.n; i++)
		p->answers[i] = STR_LIT(LATER_TEXT);
	return p->answers != NULL;
}

static enum lmtp_action begin(struct lmtp *p)
{
	smtp_data_init(&p->data);
	if (expect_answers(p))
		return LMTP_BEGIN;
	lmtp_begun(p, LATER_TEXT);
	return LMTP_AGAIN;
}

static enum lmtp_action end(struct lmtp *p)
{
	p->n_errors = 0;
	p->state = LMTP_ENDING;
	return LMTP_END;
}

/* ---- commands ---- */

typedef enum lmtp_action command_fn(struct lmtp *p, struct str args);

static enum lmtp_action cmd_lhlo(struct lmtp *p, struct str args)
{
	if (!args.len || args.len > SMTP_HELO_MAX)
		return refuse(p, "501 5.5.4 LHLO is followed by a name");
	forget(p);
	memcpy(p->helo, args.ptr, args.len);
	p->helo[args.len] = '\0';
	if (buf_printf(p->to_client,
		    "250-%.*s\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"
		    "250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250 SIZE %llu\r\n",
		    STR_ARG(p->offer.name), (unsigned long long)p->offer.size_max) < 0)
		p->state = LMTP_CLOSED;
	return LMTP_AGAIN;
}

static enum lmtp_action cmd_wrong_hello(struct lmtp *p, struct str args)
{
	(void)args;
	return refuse(p, "500 5.5.1 This is LMTP, which begins with LHLO");
}

static enum lmtp_action cmd_mail(struct lmtp *p, struct str args)
{
	struct smtp_path path;

	if (!p->helo[0])
		return refuse(p, "503 5.5.1 Send LHLO first");
	if (p->sender.ptr)
		return refuse(p, "503 5.5.1 There is a sender already");
	if (!smtp_path_parse(args, STR_LIT("FROM"), &path))
		return refuse(p, "501 5.5.4 MAIL FROM:<address> is wanted");
	if (!smtp_params_are_spoken(path.params))
		return refuse(p, "555 5.5.4 A parameter of this command is not known");
	if (p->offer.size_max && smtp_param_size(path.params) > p->offer.size_max)
		return answer(p, TOO_BIG_TEXT);
	forget(p);
	return answer(
		p, keep(p, path.address, &p->sender) ? "250 2.1.0 Ok" : TOO_MUCH_TEXT);
}

static enum lmtp_action cmd_rcpt(struct lmtp *p, struct str args)
{
	struct smtp_path path;
	struct smtp_recipient *r = NULL;

	if (!p->sender.ptr)
		return refuse(p, "503 5.5.1 There is no sender yet");
	if (!smtp_path_parse(args, STR_LIT("TO"), &path) || !path.address.len)
		return refuse(p, "501 5.5.4 RCPT TO:<address> is wanted");
	if (!smtp_params_are_spoken(path.params))
		return refuse(p, "555 5.5.4 A parameter of this command is not known");
	if (p->n_accepted < SMTP_RECIPIENTS_MAX && p->arena.used <= SMTP_TRANSACTION_MAX)
		r = arena_alloc(&p->arena, sizeof(*r));
	if (!r || !keep(p, path.address, &r->address))
		return answer(p, CROWD_TEXT);
	p->recipient = r;
	p->state = LMTP_ROUTING;
	return LMTP_ROUTE;
}

static enum lmtp_action cmd_data(struct lmtp *p, struct str args)
{
	if (args.len)
		return refuse(p, "501 5.5.4 DATA takes no argument");
	if (!p->n_accepted)
		return refuse(p, NO_RECIPIENT_TEXT);
	p->state = LMTP_DATA;
	return begin(p);
}

/* Where the size cannot be read nobody knows where the next command begins. */
static enum lmtp_action cmd_bdat(struct lmtp *p, struct str args)
{
	bool is_next = p->state == LMTP_BETWEEN_CHUNKS;

	if (!smtp_bdat_size(args, &p->chunk, &p->is_last_chunk))
		return answer_and_close(p, "421 5.5.4 BDAT without a size");
	p->state = p->n_accepted ? LMTP_CHUNK : LMTP_SKIP_CHUNK;
	return is_next || !p->n_accepted ? LMTP_AGAIN : begin(p);
}

static enum lmtp_action cmd_rset(struct lmtp *p, struct str args)
{
	(void)args;
	forget(p);
	p->state = LMTP_COMMAND;
	return answer(p, "250 2.0.0 Ok");
}

static enum lmtp_action cmd_noop(struct lmtp *p, struct str args)
{
	(void)args;
	return answer(p, "250 2.0.0 Ok");
}

static enum lmtp_action cmd_quit(struct lmtp *p, struct str args)
{
	(void)args;
	return answer_and_close(p, "221 2.0.0 Bye");
}

static enum lmtp_action cmd_vrfy(struct lmtp *p, struct str args)
{
	(void)args;
	return answer(p, "252 2.5.0 RCPT says more");
}

static enum lmtp_action cmd_not_here(struct lmtp *p, struct str args)
{
	(void)args;
	return refuse(p, "502 5.5.1 This command is not available here");
}

static command_fn *const commands[SMTP_VERB_COUNT] = {
	[SMTP_EHLO] = cmd_wrong_hello,
	[SMTP_HELO] = cmd_wrong_hello,
	[SMTP_MAIL] = cmd_mail,
	[SMTP_RCPT] = cmd_rcpt,
	[SMTP_DATA] = cmd_data,
	[SMTP_BDAT] = cmd_bdat,
	[SMTP_RSET] = cmd_rset,
	[SMTP_NOOP] = cmd_noop,
	[SMTP_QUIT] = cmd_quit,
	[SMTP_VRFY] = cmd_vrfy,
};

/* The one verb that SMTP has not. */
static command_fn *find(struct str line, struct str *ret_args)
{
	struct smtp_command c = smtp_command(line);
	struct str text = str_trim(line), lhlo = STR_LIT("LHLO");

	*ret_args = c.args;
	if (c.verb != SMTP_UNKNOWN)
		return commands[c.verb] ? commands[c.verb] : cmd_not_here;
	if (!str_istarts(text, lhlo) ||
		(text.len > lhlo.len && text.ptr[lhlo.len] != ' ' &&
			text.ptr[lhlo.len] != '\t'))
		return NULL;
	return cmd_lhlo;
}

/* RFC 3030, 2: a message that comes in chunks goes on, or is given up. */
static bool may_come_between_chunks(command_fn *run)
{
	return run == cmd_bdat || run == cmd_rset || run == cmd_noop || run == cmd_quit;
}

static enum lmtp_action command(struct lmtp *p, struct str input, size_t *used)
{
	struct str line, args;
	command_fn *run;

	switch (line_next(input, SMTP_COMMAND_MAX, &line, used)) {
	case LINE_NEED_MORE:
		*used = 0;
		return LMTP_NEED_MORE;
	case LINE_TOO_LONG:
		*used = 0;
		if (p->state == LMTP_BETWEEN_CHUNKS)
			return answer_and_close(p, "421 5.5.2 Line too long");
		p->state = LMTP_SKIP_LINE;
		return refuse(p, "500 5.5.2 Line too long");
	case LINE_COMPLETE:
		break;
	}
	if (smtp_line_is_unsafe(line))
		return refuse(p, "500 5.5.2 Invalid character in a command");
	run = find(line, &args);
	if (!run)
		return refuse(p, "500 5.5.2 Command not recognized");
	if (p->state == LMTP_BETWEEN_CHUNKS && !may_come_between_chunks(run))
		return refuse(p, "503 5.5.1 Only BDAT, RSET, NOOP and QUIT may come "
				 "between two chunks");
	return run(p, args);
}

static enum lmtp_action skip_line(struct lmtp *p, struct str input, size_t *used)
{
	size_t newline = str_index(input, '\n');

	*used = newline < input.len ? newline + 1 : input.len;
	if (newline < input.len)
		p->state = LMTP_COMMAND;
	return *used ? LMTP_AGAIN : LMTP_NEED_MORE;
}

/* ---- the message ---- */

static enum lmtp_action piece(struct lmtp *p, struct str bytes)
{
	p->size += bytes.len;
	if (p->offer.size_max && p->size > p->offer.size_max)
		p->refusal = TOO_BIG_TEXT;
	if (p->refusal && p->state == LMTP_DATA)
		p->state = LMTP_DISCARD;
	if (p->refusal || !bytes.len)
		return LMTP_AGAIN;
	p->bytes = bytes;
	return LMTP_BYTES;
}

/* The client may believe that its message ended with that dot: it is told at once. */
static enum lmtp_action suspect(struct lmtp *p)
{
	p->refusal = BARE_DOT_TEXT;
	answer_recipients(p);
	p->state = LMTP_CLOSED;
	return LMTP_AGAIN;
}

static enum lmtp_action data(struct lmtp *p, struct str input, size_t *used)
{
	struct str raw, text;

	switch (smtp_data_next(&p->data, input, &raw, &text, used)) {
	case SMTP_DATA_NEED_MORE:
		return *used ? LMTP_AGAIN : LMTP_NEED_MORE;
	case SMTP_DATA_BYTES:
		return p->state == LMTP_DATA ? piece(p, text) : LMTP_AGAIN;
	case SMTP_DATA_END:
		return p->state == LMTP_DATA ? end(p) : end_refused(p);
	case SMTP_DATA_SUSPECT:
		break;
	}
	return suspect(p);
}

static enum lmtp_action chunk_ended(struct lmtp *p)
{
	if (p->is_last_chunk)
		return p->refusal ? end_refused(p) : end(p);
	p->state = LMTP_BETWEEN_CHUNKS;
	return answer(p, p->refusal ? p->refusal : "250 2.0.0 Ok");
}

static struct str take_chunk(struct lmtp *p, struct str input, size_t *used)
{
	*used = input.len < p->chunk ? input.len : (size_t)p->chunk;
	p->chunk -= *used;
	return str_take(input, *used);
}

static enum lmtp_action chunk(struct lmtp *p, struct str input, size_t *used)
{
	struct str bytes;

	if (!p->chunk)
		return chunk_ended(p);
	bytes = take_chunk(p, input, used);
	return bytes.len ? piece(p, bytes) : LMTP_NEED_MORE;
}

/* Of no message: it is read all the same (RFC 3030, 2). */
static enum lmtp_action skip_chunk(struct lmtp *p, struct str input, size_t *used)
{
	if (p->chunk)
		return take_chunk(p, input, used).len ? LMTP_AGAIN : LMTP_NEED_MORE;
	p->state = LMTP_COMMAND;
	return refuse(p, NO_RECIPIENT_TEXT);
}

/* ---- the machine ---- */

typedef enum lmtp_action step_fn(struct lmtp *p, struct str input, size_t *used);

static enum lmtp_action greet(struct lmtp *p, struct str input, size_t *used)
{
	(void)input;
	(void)used;
	p->state = LMTP_COMMAND;
	if (buf_printf(p->to_client, "220 %.*s LMTP\r\n", STR_ARG(p->offer.name)) < 0)
		p->state = LMTP_CLOSED;
	return LMTP_AGAIN;
}

static enum lmtp_action wait(struct lmtp *p, struct str input, size_t *used)
{
	(void)p;
	(void)input;
	(void)used;
	return LMTP_NEED_MORE;
}

static enum lmtp_action closed(struct lmtp *p, struct str input, size_t *used)
{
	(void)p;
	(void)input;
	(void)used;
	return LMTP_CLOSE;
}

static const struct state_row {
	step_fn *step;
	bool has_message; /* one that was begun is still wanted */
} states[LMTP_STATE_COUNT] = {
	[LMTP_GREETING] = { greet, false },
	[LMTP_COMMAND] = { command, false },
	[LMTP_ROUTING] = { wait, false },
	[LMTP_DATA] = { data, true },
	[LMTP_DISCARD] = { data, false },
	[LMTP_CHUNK] = { chunk, true },
	[LMTP_BETWEEN_CHUNKS] = { command, true },
	[LMTP_SKIP_CHUNK] = { skip_chunk, false },
	[LMTP_SKIP_LINE] = { skip_line, false },
	[LMTP_ENDING] = { wait, true },
	[LMTP_CLOSED] = { closed, false },
};

void lmtp_init(struct lmtp *p, const struct lmtp_offer *offer, struct buf *to_client)
{
	*p = (struct lmtp){ .offer = *offer, .to_client = to_client };
	arena_init(&p->arena);
	forget(p);
}

void lmtp_fini(struct lmtp *p)
{
	arena_fini(&p->arena);
}

enum lmtp_action lmtp_next(struct lmtp *p, struct str input, size_t *ret_used)
{
	*ret_used = 0;
	p->bytes = STR_LIT("");
	if (p->is_begun && (p->refusal || !states[p->state].has_message)) {
		p->is_begun = false;
		return LMTP_FORGET;
	}
	return states[p->state].step(p, input, ret_used);
}

/* ---- what the caller says ---- */

static const char *const route_texts[LMTP_ROUTE_COUNT] = {
	[LMTP_ROUTE_LOCAL] = "250 2.1.5 Ok",
	[LMTP_ROUTE_BUSY] = "450 4.2.1 This mailbox is being moved; please try again in "
			    "a moment",
	[LMTP_ROUTE_SOURCE] =
		"450 4.2.1 This mailbox is still on the old server; please try again "
		"later",
	[LMTP_ROUTE_NOT_YET] =
		"450 4.1.1 This mailbox is not known here; it may be on the old server",
	[LMTP_ROUTE_LATER] = LATER_TEXT,
	[LMTP_ROUTE_UNKNOWN] = "550 5.1.1 There is no such mailbox here",
	[LMTP_ROUTE_ELSEWHERE] = "550 5.1.2 This domain is not served here",
	[LMTP_ROUTE_UNREADABLE] = "553 5.1.3 This form of an address is not understood; "
				  "user@domain is wanted",
};

/* The place of that account's delivery, or of a new one. */
static size_t delivery_of(struct lmtp *p, struct str account)
{
	size_t n = 0;

	for (const struct smtp_recipient *r = p->deliveries.first; r; r = r->next, n++)
		if (str_eq(r->account, account))
			return n;
	*p->deliveries.last = p->recipient;
	p->deliveries.last = &p->recipient->next;
	p->deliveries.n++;
	return n;
}

static bool accept(struct lmtp *p, struct str account)
{
	struct lmtp_accepted *a = arena_alloc(&p->arena, sizeof(*a));

	if (!a || !keep(p, account, &p->recipient->account))
		return false;
	a->delivery = delivery_of(p, account);
	*p->last_accepted = a;
	p->last_accepted = &a->next;
	p->n_accepted++;
	return true;
}

void lmtp_routed(struct lmtp *p, enum lmtp_route route, struct str account)
{
	if (p->state != LMTP_ROUTING)
		return;
	p->state = LMTP_COMMAND;
	if (route == LMTP_ROUTE_LOCAL && !accept(p, account))
		say(p, STR_LIT(CROWD_TEXT));
	else
		say(p, str_from(route_texts[route]));
}

void lmtp_begun(struct lmtp *p, const char *refusal)
{
	if (p->state != LMTP_DATA && p->state != LMTP_CHUNK)
		return;
	p->is_begun = !refusal;
	p->refusal = refusal;
	if (p->state == LMTP_CHUNK)
		return;
	if (!refusal) {
		say(p, STR_LIT("354 End data with <CR><LF>.<CR><LF>"));
		return;
	}
	p->state = LMTP_COMMAND;
	say(p, str_from(refusal));
	forget(p);
}

void lmtp_write_failed(struct lmtp *p, const char *refusal)
{
	p->refusal = refusal;
	if (p->state == LMTP_DATA)
		p->state = LMTP_DISCARD;
}

void lmtp_answer(struct lmtp *p, size_t nth, struct str refusal)
{
	struct str copy = STR("");

	if (p->state != LMTP_ENDING || nth >= p->deliveries.n)
		return;
	if (refusal.len)
		copy = arena_str(&p->arena, refusal);
	if (copy.ptr) /* else it is to be tried again, as before */
		p->answers[nth] = copy;
}

void lmtp_done(struct lmtp *p)
{
	if (p->state != LMTP_ENDING)
		return;
	p->is_begun = false;
	p->state = LMTP_COMMAND;
	answer_recipients(p);
	forget(p);
}

bool lmtp_is_idle(const struct lmtp *p)
{
	return p->state == LMTP_GREETING ||
	       (p->state == LMTP_COMMAND && !p->n_accepted && !p->is_begun);
}
