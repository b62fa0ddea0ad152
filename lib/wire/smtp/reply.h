/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_REPLY_H
#define WIRE_SMTP_REPLY_H
/* Answers of an SMTP server (RFC 5321, 4.2), kept as the bytes that they are. */
#include "base/buf.h"

#define SMTP_REPLY_LINE_MAX 4096 /* RFC 5321 says 512; a SASL challenge has more */
#define SMTP_REPLY_MAX 65536     /* all lines of one: EHLO and HELP have some dozen */

enum smtp_reply_is { SMTP_REPLY_NEED_MORE, SMTP_REPLY_COMPLETE, SMTP_REPLY_BROKEN };

struct smtp_reply {
	unsigned code;    /* of the last line */
	struct str bytes; /* all of it */
	struct str text;  /* of the last line, behind code and space */
};

enum smtp_reply_is smtp_reply_next(
	struct str input, struct smtp_reply *ret, size_t *ret_used);

/* "5.1.1" at the front of a text (RFC 2034); false: none. */
bool smtp_enhanced_code(struct str text, struct str *ret_code);

/* What is shown only when somebody carries it out. */
enum smtp_ehlo_keep {
	SMTP_KEEP_STARTTLS = 1 << 0,
	SMTP_KEEP_AUTH = 1 << 1,
	SMTP_KEEP_FOLLOWED = 1 << 2, /* extensions of the source that we follow, but do
	                  not speak ourselves: good while nobody lives here */
	SMTP_KEEP_TRUSTED =
		1 << 5, /* of those, what is only for clients that it trusts */
	SMTP_ADD_STARTTLS = 1 << 3, /* ours, where the source has none */
	SMTP_ADD_AUTH = 1 << 4,     /* ours, in the place of the source's */
	SMTP_KEEP_DSN = 1 << 6      /* delivery reports */
};

/* The answer to EHLO, appended to `out`: what we speak ourselves and what `keep` allows.
   All else is left out: what nobody here has heard of may change how commands and answers
   follow each other; and in the line of AUTH what is bound to the source's own TLS
   (wire/sasl_bound.h). Unchanged when nothing is left out or added. */
int smtp_ehlo_filter(struct str reply, unsigned keep, struct buf *out);
/* Whether it offers something that is good only while nobody lives here; ours: what of
   that we carry out ourselves (SMTP_KEEP_DSN). */
bool smtp_ehlo_has_followed(struct str reply, unsigned ours);
/* Why an extension that the source shows is not shown once somebody lives here; NULL: it
   is, or it has rules of its own (STARTTLS, AUTH). text: a line of the answer to EHLO
   without its code. ours: as above. */
const char *smtp_ehlo_lost(struct str text, unsigned ours, struct str *ret_keyword);
/* Whether an answer to EHLO offers the keyword; *ret_args is what stands behind it. */
bool smtp_ehlo_has(struct str reply, struct str keyword, struct str *ret_args);

#endif
