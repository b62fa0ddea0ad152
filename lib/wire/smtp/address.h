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

/* text: what <> hold. false: no address, or none that has an account. */
bool smtp_address_parse(struct str text, struct arena *arena, struct smtp_address *ret);

#endif
