/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_SOURCE_OFFER_H
#define CONTROL_CHECK_SOURCE_OFFER_H
/*
 * What the source says about itself before a login, as lines in and findings out: which
 * logins show us a password, which do not. No socket in here (source_probe.h has it).
 *
 *   greeting ──► we ask ──► lines of the answer ──► over
 */
#include "base/buf.h"
#include "settings/settings.h"

enum offer_step {
	OFFER_GREETING, /* waits for the greeting's last line */
	OFFER_ASK,      /* send offer_question() now, then go on with OFFER_ANSWER */
	OFFER_ANSWER,
	OFFER_OVER,
	OFFER_FOREIGN, /* does not speak this protocol */
	OFFER_STEP_COUNT
};

#define OFFER_TEXT_MAX 8192 /* capabilities of all servers seen fit in 1 KiB */

struct offer {
	const struct offer_protocol *protocol;
	enum offer_step step;
	struct buf greeting;
	struct buf capturable;     /* "LOGIN PLAIN": logins we can learn from */
	struct buf not_capturable; /* "CRAM-MD5" */
	struct buf vanishing; /* "ANNOTATE", "DSN (why)": what is there and not here */
	bool named;           /* SMTP: the line with its name was there */
	bool reports; /* the caller says that deliveries are reported here (DSN) */
	bool starttls;
	bool login_disabled; /* a plain login is refused before TLS */
	uint64_t took_ms;    /* from connecting to the end of its answer */
};

/* -ENOENT: nothing is known about such a service. */
int offer_init(struct offer *o, enum service_id service);
void offer_fini(struct offer *o);

/* The next line without its CRLF; o->step says what is to be done next. */
void offer_line(struct offer *o, struct str line);

/* What to send after the greeting; and at the end. */
const char *offer_question(const struct offer *o);
const char *offer_farewell(const struct offer *o);
/* Whether users log in on this service to read mail (SMTP AUTH is a plus only). */
bool offer_wants_login(const struct offer *o);
/* What `vanishing` is a list of, and what there is to say about it. */
const char *offer_vanishing(const struct offer *o);
const char *offer_vanishing_hint(const struct offer *o);

#endif
