/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_RECIPIENT_H
#define INTERCEPTOR_SMTP_RECIPIENT_H
/*
 * Which account a recipient's address belongs to, in all the forms in which the source
 * would deliver it to its user: else the mail of a user who has moved would go to the old
 * mailbox, and nobody would notice.
 *
 *   alice@example.com               registry/alias.h
 *   alice, alice@[192.0.2.10],      a domain of the configuration, whichever has such an
 *   alice@localhost,                account: the source's own domain is not known
 *   alice@mail.example.com          (the name in the source's greeting)
 *   alice%example.com@…, …!alice    the address within, when the outer one is nobody's
 *
 * An address in no known form that may be for a domain of ours is refused once somebody
 * lives here.
 */
#include "base/arena.h"
#include "registry/registry.h"
#include "settings/settings.h"
#include "wire/smtp/address.h"

struct recipient_names {
	struct registry *registry;
	const struct settings *settings;
	struct str source_name; /* as it greets; "": not known */
};

enum recipient_is {
	RECIPIENT_KNOWN,   /* account */
	RECIPIENT_UNKNOWN, /* the source's, or of nobody */
	/* It cannot be told whose it is, and it may be ours. */
	RECIPIENT_UNREADABLE,
	/* The same, but nobody lives here: the source may have it. */
	RECIPIENT_ANYBODY
};

struct recipient {
	enum recipient_is is;
	struct smtp_address address; /* of KNOWN and UNKNOWN; in the arena, or the
	                                settings'; domain "": any of ours */
	struct account_route account;
	struct str subaddress; /* of KNOWN, as it is spelt; "": none */
};

/* text: what <> hold. 0 or -errno of the registry with the sentence. */
int recipient_find(const struct recipient_names *names, struct str text,
	struct arena *arena, struct recipient *ret, struct error *err);

/* The sub-address that names a folder, in the arena; "": none, or they name none. ptr
   NULL: no memory. */
struct str recipient_subaddress(
	const struct recipient_names *names, struct str text, struct arena *arena);

/* The address for the server that the account lives at, which knows no name but that of
   the account, and our domains: as it was spelt where that is so, else its own. In the
   arena; ptr NULL: no memory. */
struct str recipient_at_home(const struct recipient_names *names, struct str text,
	struct str account, struct arena *arena);

/* Whether the source takes this domain for its own. */
bool recipient_is_ours(const struct recipient_names *names, struct str domain);

#endif
