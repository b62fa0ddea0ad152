/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_COMMAND_H
#define WIRE_SMTP_COMMAND_H
/*
 * SMTP commands as clients send them (RFC 5321, 4.1), read as generously as servers do:
 * the line goes to another server anyway, and what that one takes we must understand.
 */
#include "base/str.h"

enum smtp_verb {
	SMTP_UNKNOWN,
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_AUTH,
	SMTP_STARTTLS,
	SMTP_BDAT,     /* RFC 3030: a chunk of a message follows the line */
	SMTP_NO_CHUNK, /* BDAT to a server without CHUNKING: commands follow it */
	SMTP_XCLIENT,  /* the session begins anew, for another client (Postfix) */
	SMTP_FOLLOWED, /* goes to the source while nobody lives here: ETRN, XFORWARD */
	SMTP_REFUSED,  /* what would blind or deceive us: BURL */
	SMTP_TO_BE_REFUSED, /* the same, but it ends there and nothing is lost: TURN */
	SMTP_GREETING,      /* no command: what the server says first */
	SMTP_VERB_COUNT
};
const char *smtp_verb_name(enum smtp_verb v);

struct smtp_command {
	enum smtp_verb verb;
	struct str args; /* blanks around it are off */
};

/* line: without its end. */
struct smtp_command smtp_command(struct str line);

/* A command line that another server might read as two: a CR or LF inside, a NUL. */
bool smtp_line_is_unsafe(struct str line);

struct smtp_path {
	struct str address; /* what <> hold, a source route (RFC 5321, F.2) taken off */
	struct str params;  /* "SIZE=1000 BODY=8BITMIME" */
};

/* "FROM:<a@b> SIZE=1": keyword is "FROM" or "TO". A space behind the colon and missing
   brackets are let through. The address may be empty (FROM:<>). */
bool smtp_path_parse(struct str args, struct str keyword, struct smtp_path *ret);

/* Takes one ESMTP parameter off the front; value ptr NULL: it has none. */
bool smtp_param_next(struct str *params, struct str *ret_name, struct str *ret_value);
/* The value of SIZE= (RFC 1870), 0: none. */
uint64_t smtp_param_size(struct str params);
/* "1000 LAST" of BDAT; false: nothing else, or a size that some servers (Exim) read in
   fewer bits: the rest of the chunk would be commands to them. */
#define SMTP_CHUNK_MAX INT32_MAX
bool smtp_bdat_size(struct str args, uint64_t *ret_size, bool *ret_last);
/* Whether all parameters of MAIL or RCPT are of extensions that we speak. */
bool smtp_params_are_spoken(struct str params);

#endif
