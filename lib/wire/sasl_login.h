/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SASL_LOGIN_H
#define WIRE_SASL_LOGIN_H
/*
 * The SASL mechanisms of struct wire_login, the same for IMAP and POP3: from the client's
 * base64 to the login, and from the login to the base64 that the server is told.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/prelogin.h"

/* PLAIN and LOGIN; EXCHANGE for all others. */
enum login_kind sasl_login_kind(struct str mechanism);

/* The challenge for the client's next answer: base64, perhaps empty. */
const char *sasl_login_challenge(const struct wire_login *l);

enum sasl_login_step {
	SASL_LOGIN_INVALID,
	SASL_LOGIN_MORE, /* give the next challenge */
	SASL_LOGIN_COMPLETE
};

/* The client's next answer in base64, without its line end. */
enum sasl_login_step sasl_login_answer(
	struct wire_login *l, struct str answer, struct arena *arena);
/* The same with the command (RFC 4959, RFC 5034): "=" is an empty one. For EXCHANGE it is
   checked and kept. */
enum sasl_login_step sasl_login_initial(
	struct wire_login *l, struct str answer, struct arena *arena);

/* Overwrites the password where it lies, which must be the machine's own memory, and
   forgets the login. A client may go on for long behind one that was wrong. */
void wire_login_forget(struct wire_login *l);

/* An exchange's line for the server, trimmed: base64, or nothing, or "*". What is none of
   these becomes "*": the server ends what the client has broken. */
struct str sasl_exchange_line(struct str line);
/* Notes the user, and whose proof it is, when the line shows them. */
void sasl_exchange_learn(struct wire_login *l, struct str line, struct arena *arena);

/* A login by a password, for another server than the client has chosen a mechanism of:
   LOGIN, or USER and PASS; as PLAIN what these cannot say in a line. kind NONE: it is no
   password of anybody. Views. */
struct wire_login sasl_login_anew(struct str name, struct str password);

/* The answer number n (0, 1) of a PLAIN or LOGIN that the server is given, in base64.
   0 or as buf_append(). */
int sasl_login_put(const struct wire_login *l, unsigned n, struct buf *out);
/* How many there are: 1 or 2. */
unsigned sasl_login_answers(const struct wire_login *l);

/* The name as the server spells it among its mechanisms, separated by spaces, of which
   only words that begin with `prefix` ("AUTH=") count. false: not among them. */
bool sasl_offered(
	struct str offered, struct str prefix, struct str name, struct str *ret_name);

#endif
