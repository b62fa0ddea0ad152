/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/source_offer.h"

#include "wire/imap/served.h"
#include "wire/smtp/reply.h"

#include <errno.h>

struct offer_protocol {
	const char *question, *farewell;
	void (*greeting)(struct offer *o, struct str line);
	void (*answer)(struct offer *o, struct str line);
	bool wants_login;
	const char *vanishing, *vanishing_hint;
};

/* A word more in a list that is shown to people; past its limit it ends. */
static void add_word(struct buf *list, struct str word)
{
	if (buf_len(list) && buf_byte(list, ' ') < 0)
		return;
	(void)buf_append(list, word);
}

/* SASL mechanisms that carry the password itself (RFC 4616, and LOGIN). */
static void add_mechanism(struct offer *o, struct str name)
{
	bool shows = str_ieq(name, STR_LIT("PLAIN")) || str_ieq(name, STR_LIT("LOGIN"));

	if (name.len)
		add_word(shows ? &o->capturable : &o->not_capturable, name);
}

static void add_mechanisms(struct offer *o, struct str words)
{
	while (words.len)
		add_mechanism(o, str_split(&words, ' '));
}

/* ── IMAP ──────────────────────────────────────────────────────────────────────────── */

#define IMAP_TAG "mailferry1"

static void imap_greeting(struct offer *o, struct str line)
{
	bool ours = str_istarts(line, STR_LIT("* OK")) ||
	            str_istarts(line, STR_LIT("* PREAUTH"));

	o->step = ours ? OFFER_ASK : OFFER_FOREIGN;
}

static void imap_capability(struct offer *o, struct str word)
{
	if (str_istarts(word, STR_LIT("AUTH=")))
		add_mechanism(o, str_skip(word, 5));
	else if (str_ieq(word, STR_LIT("STARTTLS")))
		o->starttls = true;
	else if (str_ieq(word, STR_LIT("LOGINDISABLED")))
		o->login_disabled = true;
	else if (word.len && !imap_is_served(word))
		add_word(&o->vanishing, word);
}

static void imap_answer(struct offer *o, struct str line)
{
	if (str_istarts(line, STR_LIT("* CAPABILITY "))) {
		line = str_skip(line, STR_LIT("* CAPABILITY ").len);
		while (line.len)
			imap_capability(o, str_split(&line, ' '));
	} else if (str_istarts(line, STR_LIT(IMAP_TAG " "))) {
		if (!o->login_disabled)
			add_word(&o->capturable, STR_LIT("the LOGIN command"));
		o->step = OFFER_OVER;
	}
}

/* ── POP3 ──────────────────────────────────────────────────────────────────────────── */

static void pop3_greeting(struct offer *o, struct str line)
{
	size_t open = str_index(line, '<'), close = str_index(line, '>');

	if (!str_istarts(line, STR_LIT("+OK"))) {
		o->step = OFFER_FOREIGN;
		return;
	}
	/* RFC 1939, 7: a message-id in the greeting offers APOP */
	if (open < close && close < line.len)
		add_word(&o->not_capturable, STR_LIT("APOP"));
	o->step = OFFER_ASK;
}

static void pop3_answer(struct offer *o, struct str line)
{
	if (str_istarts(line, STR_LIT("-ERR"))) {
		/* no CAPA (before RFC 2449): such a server knows USER and PASS */
		add_word(&o->capturable, STR_LIT("USER"));
		o->step = OFFER_OVER;
	} else if (str_eq(line, STR_LIT("."))) {
		o->login_disabled = !buf_len(&o->capturable);
		o->step = OFFER_OVER;
	} else if (str_istarts(line, STR_LIT("SASL "))) {
		add_mechanisms(o, str_skip(line, 5));
	} else if (str_ieq(line, STR_LIT("STLS"))) {
		o->starttls = true;
	} else if (str_ieq(line, STR_LIT("USER"))) {
		add_word(&o->capturable, line);
	}
}

/* ── SMTP ──────────────────────────────────────────────────────────────────────────── */

#define KEYWORD_MAX 40 /* the longest that is registered has 19 */

static void smtp_extension(struct offer *o, struct str text)
{
	struct str word;
	const char *why = smtp_ehlo_lost(text, o->reports ? SMTP_KEEP_DSN : 0, &word);

	if (why && word.len)
		(void)buf_printf(&o->vanishing, "%s%.*s (%s)",
			buf_len(&o->vanishing) ? ", " : "",
			STR_ARG(str_take(word, KEYWORD_MAX)), why);
}

/* "250-X": more follow, "250 X" or "250": the last one (RFC 5321, 4.2.1). */
static bool smtp_goes_on(struct str line)
{
	return line.len > 3 && line.ptr[3] == '-';
}

static void smtp_greeting(struct offer *o, struct str line)
{
	if (!str_starts(line, STR_LIT("220")))
		o->step = OFFER_FOREIGN;
	else if (!smtp_goes_on(line))
		o->step = OFFER_ASK;
}

static void smtp_answer(struct offer *o, struct str line)
{
	struct str text = str_skip(line, 4);

	if (o->named && str_starts(line, STR_LIT("250")))
		smtp_extension(o, text);
	o->named = true;
	if (str_istarts(text, STR_LIT("AUTH ")))
		add_mechanisms(o, str_skip(text, 5));
	else if (str_ieq(text, STR_LIT("STARTTLS")))
		o->starttls = true;
	if (!smtp_goes_on(line))
		o->step = OFFER_OVER;
}

static const struct offer_protocol imap = {
	.question = IMAP_TAG " CAPABILITY\r\n",
	.farewell = "mailferry2 LOGOUT\r\n",
	.greeting = imap_greeting,
	.answer = imap_answer,
	.wants_login = true,
	.vanishing = "capabilities that accounts do not have after the move",
	.vanishing_hint = "ARCHITECTURE.md says why; the session after the login may "
			  "show more",
};
static const struct offer_protocol pop3 = {
	.question = "CAPA\r\n",
	.farewell = "QUIT\r\n",
	.greeting = pop3_greeting,
	.answer = pop3_answer,
	.wants_login = true,
};
static const struct offer_protocol smtp = {
	/* RFC 5321, 4.1.3: an address literal needs no name that resolves */
	.question = "EHLO [127.0.0.1]\r\n",
	.farewell = "QUIT\r\n",
	.greeting = smtp_greeting,
	.answer = smtp_answer,
	.vanishing = "extensions that senders are not shown once a user lives here",
	.vanishing_hint = "Senders do without by themselves; what the old server shows "
			  "after STARTTLS or to clients that it trusts may be more",
};

/* Those that begin with TLS are not asked: they pass by us. */
static const struct offer_protocol *const protocols[SERVICE_COUNT] = {
	[SERVICE_IMAP] = &imap,
	[SERVICE_POP3] = &pop3,
	[SERVICE_SMTP] = &smtp,
	[SERVICE_SUBMISSION] = &smtp,
};

int offer_init(struct offer *o, enum service_id service)
{
	if (!protocols[service])
		return -ENOENT;
	*o = (struct offer){ .protocol = protocols[service] };
	buf_init(&o->greeting, OFFER_TEXT_MAX);
	buf_init(&o->capturable, OFFER_TEXT_MAX);
	buf_init(&o->not_capturable, OFFER_TEXT_MAX);
	buf_init(&o->vanishing, OFFER_TEXT_MAX);
	return 0;
}

void offer_fini(struct offer *o)
{
	buf_fini(&o->greeting);
	buf_fini(&o->capturable);
	buf_fini(&o->not_capturable);
	buf_fini(&o->vanishing);
}

void offer_line(struct offer *o, struct str line)
{
	if (o->step == OFFER_GREETING) {
		add_word(&o->greeting, line);
		o->protocol->greeting(o, line);
	} else if (o->step == OFFER_ANSWER) {
		o->protocol->answer(o, line);
	}
}

const char *offer_question(const struct offer *o)
{
	return o->protocol->question;
}

const char *offer_farewell(const struct offer *o)
{
	return o->protocol->farewell;
}

bool offer_wants_login(const struct offer *o)
{
	return o->protocol->wants_login;
}

const char *offer_vanishing(const struct offer *o)
{
	return o->protocol->vanishing;
}

const char *offer_vanishing_hint(const struct offer *o)
{
	return o->protocol->vanishing_hint;
}
