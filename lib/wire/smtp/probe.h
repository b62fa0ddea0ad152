/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_PROBE_H
#define WIRE_SMTP_PROBE_H
/*
 * Asks an SMTP server what it shows to everybody: greeting and EHLO. What it says is what
 * is said in its place while it is away (struct smtp_offer), and what `check` prints.
 *
 * Then, how it refuses a recipient that cannot exist: MAIL FROM:<>, RCPT for postmaster,
 * RCPT for a made-up name. Postmaster must exist (RFC 5321, 4.5.1): a server that refuses
 * it, too, does not want us, and nothing is learnt. No message is sent.
 */
#include "base/arena.h"
#include "wire/smtp/reply.h"

enum smtp_probe_state {
	SMTP_PROBE_IN_GREETING,
	SMTP_PROBE_IN_EHLO,
	SMTP_PROBE_IN_HELO, /* it does not know EHLO */
	SMTP_PROBE_IN_MAIL,
	SMTP_PROBE_IN_POSTMASTER,
	SMTP_PROBE_IN_NOBODY,
	SMTP_PROBE_OVER,
	SMTP_PROBE_STATE_COUNT
};

enum smtp_probe_event {
	SMTP_PROBE_NEED_MORE,
	SMTP_PROBE_AGAIN, /* consume, send, ask again */
	SMTP_PROBE_DONE,
	SMTP_PROBE_BYE, /* it does not want us: response */
	SMTP_PROBE_BROKEN
};

struct smtp_probe {
	enum smtp_probe_state state;
	struct arena *arena;
	struct str name;     /* ours, for EHLO; the caller's */
	struct str greeting; /* both as whole replies, as the server sent them */
	struct str ehlo;     /* "" when it knows HELO alone */
	struct str domain;   /* where nobody is looked for; the caller's; "": nowhere */
	struct str unknown_user; /* smtp_refusal_words(); "" when it is not known */
};

/* A local part that no server has; it stands in the source's log. */
#define SMTP_PROBE_NOBODY "mailferry-asks-for-nobody"

void smtp_probe_init(
	struct smtp_probe *p, struct str name, struct str domain, struct arena *arena);
const char *smtp_probe_state_name(enum smtp_probe_state s);
enum smtp_probe_event smtp_probe_next(struct smtp_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

#endif
