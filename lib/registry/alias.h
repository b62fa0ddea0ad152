/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_ALIAS_H
#define REGISTRY_ALIAS_H
/*
 * Which account an address belongs to.
 *
 *   <Info+x@Example.COM> ─► info+x@example.com ─► its alias? ─► the account of that name?
 *                           info@example.com   ─► its alias? ─► the account of that name?
 *
 * - Case is folded (ASCII) in both parts. The whole local part is looked for first, then
 *   it without its sub-address (registry_set_subaddress()).
 * - An alias leads to another address, or to an account by its name, which need not have
 *   logged in yet: until it has, mail for it is the source's business. Aliases of aliases
 *   are followed, as Postfix does.
 * - Without an alias, an address of a domain of the configuration belongs to the account
 *   that logs in as `local@domain`; and to one that has logged in as `local` while only
 *   one domain was configured (with several, nobody has proven which of them is meant).
 *   That is learnt at the login, as another name of the account (learn.c), and stays when
 *   a domain is added. `dom\user` and `user%dom` are names for logging in, never
 *   addresses.
 * - Nothing else that a user does proves that an address belongs to that user alone: a
 *   sender address that the source accepts after SMTP AUTH may be shared, or not be
 *   checked at all; a message that turns up in the mailbox may have gone to others, too;
 *   the same password under another name may be chance. The admin adds such addresses
 *   (`mailferry alias`); until then mail for them goes to the source.
 * - A rule with several targets, a remote one, a program, a file or a list is no
 *   account's address. It is kept as a *special rule*: the source expands it, also when
 *   an account of that name lives here (else what the rule does besides would be lost),
 *   and `mailferry report` lists it. So is "@domain"; it takes what has no alias.
 *
 * Nothing is guessed: what is not known, the source answers.
 */
#include "registry/alias_file.h"
#include "registry/registry.h"

/* Which characters begin a sub-address: "+" (as after registry_open()), "-", "+-" or "".
   A literal; it is not copied. '-' only where the source has it too: else mail to
   anna-maria, who has not logged in yet, would be anna's. */
void registry_set_subaddress(struct registry *r, const char *delimiters);

/* The route of a recipient (a few reads by key, no allocation). local: without quotes and
   backslashes. -ENOENT, also for a domain that is empty: the source's business, or, once
   it is retired, nobody's (retire.h). */
int registry_address(struct registry *r, struct str local, struct str domain,
	struct account_route *ret, struct error *err);
/* The same for text that the registry gave: "info@example.com". */
int registry_address_text(struct registry *r, struct str address,
	struct account_route *ret, struct error *err);

enum alias_source { ALIAS_IMPORTED, ALIAS_ADDED, ALIAS_SOURCE_COUNT };
const char *alias_source_name(enum alias_source s);

struct alias {
	struct str address; /* folded; "@example.com": all of a domain */
	struct str target;  /* an address or an account's name; empty: a special rule */
	struct str rule;    /* the right side as it was written */
	enum alias_source source;
	uint64_t at;
};
/* In the order of addresses. The callback may not walk, but may look up addresses. */
typedef int alias_each_fn(void *context, const struct alias *a);
int registry_each_alias(
	struct registry *r, alias_each_fn *each, void *context, struct error *err);

/* What is known of exactly that address; strings into arena. -ENOENT: nothing. */
int registry_find_alias(struct registry *r, struct str address, struct arena *arena,
	struct alias *ret, struct error *err);

/* By the admin: `user` need not have logged in yet. Replaces what is there. */
int registry_add_alias(struct registry *r, struct str local, struct str domain,
	struct str user, struct error *err);
/* -ENOENT: there is none. Special rules go the same way. */
int registry_remove_alias(
	struct registry *r, struct str local, struct str domain, struct error *err);

/* What becomes of a rule of a file. */
enum alias_outcome {
	ALIAS_NEW,
	ALIAS_SAME,
	ALIAS_CHANGED, /* an imported one led elsewhere before */
	ALIAS_KEPT,    /* an added one says otherwise, and stays */
	ALIAS_IGNORED, /* `virtual` names a domain of ours so */
	ALIAS_OUTCOME_COUNT
};
const char *alias_outcome_name(enum alias_outcome o);
/* May not use the registry: a transaction is open. */
typedef int alias_import_fn(
	void *context, size_t line, const struct alias *a, enum alias_outcome outcome);

/* All of a file or nothing of it. domain: of names without one (empty: the only one of
   the configuration; with several, such a name is refused). dry_run: says what it would
   do, writes nothing. */
struct alias_import {
	struct str text;
	enum alias_format format;
	struct str domain;
	bool dry_run;
	alias_import_fn *each;
	void *context;
};
int registry_import_aliases(
	struct registry *r, const struct alias_import *import, struct error *err);

#endif
