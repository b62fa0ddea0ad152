/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_ADDRESS_KEY_H
#define REGISTRY_ADDRESS_KEY_H
/* Addresses as the registry keeps them: "local@domain", ASCII case folded. The last '@'
   is the one between the two: a quoted local part may hold others. */
#include "registry/alias_file.h"
#include "registry/sql.h"

struct address_key {
	char bytes[ADDRESS_MAX];
	size_t len;
};

/* -EINVAL: empty where it must not be, too long, or holds a NUL. Local may be empty (all
   of a domain), and so may domain (an account's name). */
int address_key(struct str local, struct str domain, struct address_key *ret);
struct str address_key_text(const struct address_key *key);

/* Its parts; domain empty without '@'. */
void address_split(struct str text, struct str *ret_local, struct str *ret_domain);

bool domain_is_ours(const struct registry *r, struct str domain);

/* Whether a local part may be taken as a name that somebody logs in by: not with '%', '!'
   or '\' (routes and login names), nor with what needs quotes. */
bool local_is_plain(struct str local);

/* Cuts the sub-address off; false: there is none. */
bool address_key_cut(const struct registry *r, struct address_key *key);

#endif
