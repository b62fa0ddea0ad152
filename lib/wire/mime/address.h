/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_ADDRESS_H
#define WIRE_MIME_ADDRESS_H
/*
 * Address lists of header fields (RFC 5322, 3.4, with the obsolete forms of 4.4), for
 * any bytes: what cannot be an address is made into as much of one as can be told.
 */
#include "base/arena.h"
#include "base/str.h"

enum mime_address_kind { MIME_ADDRESS, MIME_GROUP_START, MIME_GROUP_END };

struct mime_address {
	enum mime_address_kind kind;
	struct str name;    /* display name or the comment behind; ptr NULL: none */
	struct str route;   /* "@a,@b"; ptr NULL: none */
	struct str mailbox; /* of a group: its name */
	struct str host;    /* "" when the address has none */
};

struct mime_addresses {
	struct str rest;
	struct arena *arena;
	bool in_group;
};

/* Strings point into the value or lie in the arena. */
void mime_addresses_init(struct mime_addresses *a, struct str value, struct arena *arena);
bool mime_next_address(struct mime_addresses *a, struct mime_address *ret);

#endif
