/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_RESIDENCE_H
#define REGISTRY_RESIDENCE_H
/*
 * Where an account lives and what it is called, as its mail folder says it: what
 * `registry rebuild` makes the account of when the registry and all its copies are lost.
 *
 * The account's own processes can write to its folder, and they read bytes from outside.
 * So the vault writes the text, from the registry's row, and binds it to the account's
 * name (vault/keep.c): nobody else can make one that says another server or another
 * user's name. Its processes can still take it away, or bring back an older one of this
 * same account.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define RESIDENCE_NAMES_MAX 64         /* a user with more of them is seen nowhere */
#define RESIDENCE_TEXT_MAX 6144        /* it fits into a message */
#define RESIDENCE STR_LIT("residence") /* what it begins with */

struct residence {
	struct str home;         /* as account.home; "": here */
	struct str login;        /* what the source takes, exactly */
	struct str source_name;  /* as account.source_name: bound by the vault; "" */
	const struct str *names; /* all that lead to it, folded */
	size_t n_names;
};

/* Names that do not fit are left out. */
int residence_write(const struct residence *is, struct buf *out);
/* The bound form, or what is inside; views and memory of the arena. What is read here may
   be forged: only the vault can tell. -EBADMSG: it is none. */
int residence_read(struct str text, struct arena *arena, struct residence *ret);

#endif
