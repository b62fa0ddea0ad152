/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_ADDRESS_H
#define WIRE_SMTP_ADDRESS_H
/*
 * A mailbox address (RFC 5321, 4.1.2) as the key by which its account is found.
 *
 *   "John Doe"+News@Example.COM.   local `john doe+news`, domain `example.com`
 *
 * ASCII letters are folded on both sides of the '@': RFC 5321 lets a server tell "Bob"
 * from "bob", no mail server in use does. Other bytes (SMTPUTF8) stay as they are.
 */
#include "base/arena.h"

#define SMTP_LOCAL_PART_MAX                                                              \
	255                 /* RFC 5321 says 64; long VERP and token addresses exist */
#define SMTP_DOMAIN_MAX 255 /* RFC 5321, 4.5.3.1.2 */

struct smtp_address {
	struct str local;  /* quotes and escapes taken off, folded */
	struct str domain; /* folded, no dot at the end; "[192.0.2.1]"; "" when none is
	                      given: <postmaster>, and what the server's own domain is */
};

/* text: what <> hold; comments (RFC 5322, 3.2.2) are left out. false: no address that can
   have an account, or one that other servers may read in another way. */
bool smtp_address_parse(struct str text, struct arena *arena, struct smtp_address *ret);

/*
 * The address that a server which is addressed by `a` itself finds in its local part:
 *
 *   alice%example.com@here      alice@example.com      (Sendmail, Postfix: "percent
 * hack") example.com!alice@here      alice@example.com      (UUCP)
 *   "alice@example.com"@here    alice@example.com
 *
 * false: there is none.
 */
bool smtp_address_inner(
	const struct smtp_address *a, struct arena *arena, struct smtp_address *ret);

#endif
